"""ONNX models as bytes: the fields of the schema that tests need, in protobuf's wire format."""
import struct

import numpy

FLOAT, INT64 = 1, 7


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def number(field, value):
    return varint(field << 3) + varint(value)


def blob(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def real(field, value):
    return varint(field << 3 | 5) + struct.pack("<f", value)


def tensor(name, array):
    array = numpy.asarray(array)
    kind, array = (FLOAT, array.astype(numpy.float32)) if array.dtype.kind == "f" else (INT64, array.astype(numpy.int64))
    return b"".join(number(1, size) for size in array.shape) + number(2, kind) + blob(8, name) + blob(9, array.tobytes())


def attribute(name, value):
    if isinstance(value, str):
        return blob(1, name) + blob(4, value) + number(20, 3)
    if isinstance(value, float):
        return blob(1, name) + real(2, value) + number(20, 1)
    if isinstance(value, (list, tuple)):
        return blob(1, name) + b"".join(number(8, item) for item in value) + number(20, 7)
    if isinstance(value, numpy.ndarray):
        return blob(1, name) + blob(5, tensor("", value)) + number(20, 4)
    return blob(1, name) + number(3, value) + number(20, 2)


def node(op, inputs, outputs, name="", domain="", module=None, **attributes):
    """`module`: as PyTorch's exporter says it since IR version 10."""
    scopes = f"['', '{module}', '{op.lower()}']"
    metadata = blob(9, blob(1, "pkg.torch.onnx.name_scopes") + blob(2, scopes)) if module else b""
    return (b"".join(blob(1, each) for each in inputs) + b"".join(blob(2, each) for each in outputs) + blob(3, name or f"{op}_{outputs[0]}") +
            blob(4, op) + b"".join(blob(5, attribute(*each)) for each in attributes.items()) + (blob(7, domain) if domain else b"") + metadata)


def port(name, shape):
    """A size that is a text is one that may vary."""
    sizes = b"".join(blob(1, blob(2, size) if isinstance(size, str) else number(1, size)) for size in shape)
    return blob(1, name) + blob(2, blob(1, number(1, FLOAT) + blob(2, sizes)))


def model(nodes, inputs, outputs, initializers=None, opset=18):
    """`inputs` and `outputs`: name to shape."""
    graph = b"".join(blob(1, each) for each in nodes) + blob(2, "graph")
    graph += b"".join(blob(5, tensor(*each)) for each in (initializers or {}).items())
    graph += b"".join(blob(11, port(*each)) for each in inputs.items()) + b"".join(blob(12, port(*each)) for each in outputs.items())
    return number(1, 8) + blob(2, "netc tests") + blob(7, graph) + blob(8, number(2, opset))
