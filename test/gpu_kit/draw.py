"""Numbers that are the same wherever the kit runs: integers of a counter-based generator, added and scaled exactly."""
import hashlib

import numpy

SCALE = 3 ** 0.5 / 65536  # four uniform numbers of 16 bits add up to a deviation of 65536 / sqrt(3)


def normal(name, shape):
    """Nearly normal float64 values, mean 0 and deviation 1, that depend on the name alone."""
    count = int(numpy.prod(shape, dtype=numpy.int64))
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    raw = numpy.random.Philox(key=key).random_raw(count).astype("<u8")
    pieces = raw.view("<u2").reshape(count, 4).sum(1, dtype=numpy.int64)
    return ((pieces - 2 * 65535) * SCALE).reshape(shape)


def weights(network, drawn):
    """`drawn`: {name: {"shape", "scale", "shift", "squared"}} of the manifest."""
    result = {}
    for name, how in drawn.items():
        value = normal(f"{network} {name}", how["shape"])
        value = how["shift"] + (value * value if how["squared"] else value * how["scale"])
        result[name] = value.astype(numpy.float32)
    return result


def inputs(network, image, images, classes):
    return {"input": normal(f"{network} {images} images", (images, *image)).astype(numpy.float32),
            "labels": numpy.arange(images, dtype=numpy.int64) % classes}


def checksum(value):
    return hashlib.sha256(numpy.ascontiguousarray(value).tobytes()).hexdigest()
