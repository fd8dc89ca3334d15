"""An image of an IDX file as a PNG."""
import struct
import zlib


def grey(pixels, width, height):
    """8 bits (RFC 2083)."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    rows = b"".join(b"\0" + pixels[y * width:(y + 1) * width] for y in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def first_image(path):
    with open(path, "rb") as file:
        _, _, height, width = struct.unpack(">4i", file.read(16))
        return grey(file.read(width * height), width, height)
