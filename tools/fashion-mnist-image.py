#!/usr/bin/env python3
"""Writes one test image of Debian's dataset-fashion-mnist as a PNG.

Usage: fashion-mnist-image.py INDEX OUT.png
"""
import gzip
import struct
import sys
import zlib

FOLDER = "/usr/share/datasets/fashion-mnist/"
NAMES = ["t-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]


def read_idx(name, header):
    with gzip.open(FOLDER + name) as file:
        return file.read()[header:]


def png(pixels, width, height):
    """An 8-bit greyscale PNG (RFC 2083)."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    rows = b"".join(b"\0" + pixels[y * width:(y + 1) * width] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def main():
    index, path = int(sys.argv[1]), sys.argv[2]
    images = read_idx("t10k-images-idx3-ubyte.gz", 16)
    labels = read_idx("t10k-labels-idx1-ubyte.gz", 8)
    with open(path, "wb") as file:
        file.write(png(images[index * 784:(index + 1) * 784], 28, 28))
    print(f"{path}: test image {index}, which is labelled '{NAMES[labels[index]]}'")


main()
