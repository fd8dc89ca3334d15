"""A C library that netc made, called through ctypes."""
import ctypes
import pathlib
import tempfile

import numpy
from compiled import NETC, call

FUNCTIONS = ("class_name", "create", "create_from_file", "create_from_memory", "decode_image", "description", "destroy", "get_gradient",
             "get_parameter", "infer", "input", "input_count", "last_error", "output", "output_count", "parameter", "parameter_count",
             "read_image", "save", "set_parameter", "step", "target", "target_count", "threads", "update", "version")
OK, ARGUMENT, FILE, WEIGHTS, MEMORY, UNSUPPORTED, NUMBERS, INTERNAL = range(8)


class Tensor(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int), ("trainable", ctypes.c_int), ("rank", ctypes.c_int),
                ("shape", ctypes.c_int64 * 8), ("elements", ctypes.c_int64)]


def build(text, folder, options=()):
    """The library of a model's text in `folder`."""
    with tempfile.NamedTemporaryFile("w", suffix=".net") as file:
        file.write(text)
        file.flush()
        call([NETC, file.name, "--emit", "lib", "--library", folder, *options])
    return pathlib.Path(folder)


def pointers(arrays, kind=ctypes.c_void_p):
    return (kind * len(arrays))(*[array.ctypes.data for array in arrays])


class Library:
    def __init__(self, folder, name):
        self.code = ctypes.CDLL(str(pathlib.Path(folder) / f"lib{name}.so"))
        for function in FUNCTIONS:
            setattr(self, function, getattr(self.code, f"{name}_{function}"))
        for function in ("class_name", "description", "last_error", "version"):
            getattr(self, function).restype = ctypes.c_char_p
        for function in ("input_count", "output_count", "target_count", "parameter_count"):
            getattr(self, function).restype = ctypes.c_size_t

    def tensor(self, function, index):
        tensor = Tensor()
        status = function(ctypes.c_size_t(index), ctypes.byref(tensor))
        return status, tensor

    def open(self, path=None, threads=1, seed=0):
        """The status and the context."""
        context = ctypes.c_void_p()
        if path is None:
            return self.create(ctypes.c_uint64(seed), threads, ctypes.byref(context)), context
        return self.create_from_file(str(path).encode(), threads, ctypes.byref(context)), context

    def outputs(self, n):
        shapes = []
        for index in range(self.output_count()):
            _, tensor = self.tensor(self.output, index)
            shapes.append((n, *tensor.shape[:tensor.rank]))
        return [numpy.full(shape, numpy.nan, numpy.float32) for shape in shapes]

    def run(self, context, inputs, n=None):
        n = len(inputs[0]) if n is None else n
        out = self.outputs(n)
        return self.infer(context, ctypes.c_int64(n), pointers(inputs), pointers(out)), out

    def train(self, context, inputs, targets):
        loss = ctypes.c_float()
        return self.step(context, ctypes.c_int64(len(inputs[0])), pointers(inputs), pointers(targets), ctypes.byref(loss)), loss.value

    def read(self, context, function, name, shape):
        values = numpy.full(shape, numpy.nan, numpy.float32)
        return function(context, name.encode(), ctypes.c_void_p(values.ctypes.data), ctypes.c_size_t(values.size)), values
