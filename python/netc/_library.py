"""The functions of a library that `netc --emit lib` wrote, through ctypes."""
from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any, Union

STATUS = ("ok", "argument", "file", "weights", "memory", "unsupported", "numbers", "internal")
F32, I64 = 0, 2  # of a tensor's elements

_POINTER, _SIZE, _TEXT, _INT64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int64


class Error(RuntimeError):
    """A call of a compiled model failed. `kind`: argument, file, weights, memory, unsupported, numbers or internal."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class CTensor(ctypes.Structure):
    _fields_ = [("name", _TEXT), ("type", ctypes.c_int), ("trainable", ctypes.c_int), ("rank", ctypes.c_int), ("shape", _INT64 * 8),
                ("elements", _INT64)]


_TENSOR = ctypes.POINTER(CTensor)
_STATUS = ctypes.c_int
# Name: result, arguments; as runtime/capi/Capi.h declares them.
FUNCTIONS = {
    "version": (_TEXT, []),
    "description": (_TEXT, []),
    "input_count": (_SIZE, []),
    "output_count": (_SIZE, []),
    "target_count": (_SIZE, []),
    "input": (_STATUS, [_SIZE, _TENSOR]),
    "output": (_STATUS, [_SIZE, _TENSOR]),
    "target": (_STATUS, [_SIZE, _TENSOR]),
    "create": (_STATUS, [ctypes.c_uint64, ctypes.c_uint, ctypes.POINTER(_POINTER)]),
    "create_from_file": (_STATUS, [_TEXT, ctypes.c_uint, ctypes.POINTER(_POINTER)]),
    "create_from_memory": (_STATUS, [_TEXT, _SIZE, ctypes.c_uint, ctypes.POINTER(_POINTER)]),
    "destroy": (None, [_POINTER]),
    "last_error": (_TEXT, [_POINTER]),
    "threads": (ctypes.c_uint, [_POINTER]),
    "infer": (_STATUS, [_POINTER, _INT64, _POINTER, _POINTER]),
    "read_image": (_STATUS, [_POINTER, _TEXT, _POINTER]),
    "decode_image": (_STATUS, [_POINTER, _TEXT, _SIZE, _POINTER]),
    "class_name": (_TEXT, [_POINTER, _SIZE]),
    "step": (_STATUS, [_POINTER, _INT64, _POINTER, _POINTER, ctypes.POINTER(ctypes.c_float)]),
    "update": (_STATUS, [_POINTER, ctypes.c_double]),
    "save": (_STATUS, [_POINTER, _TEXT]),
    "parameter_count": (_SIZE, [_POINTER]),
    "parameter": (_STATUS, [_POINTER, _SIZE, _TENSOR]),
    "get_parameter": (_STATUS, [_POINTER, _TEXT, _POINTER, _SIZE]),
    "set_parameter": (_STATUS, [_POINTER, _TEXT, _POINTER, _SIZE]),
    "get_gradient": (_STATUS, [_POINTER, _TEXT, _POINTER, _SIZE]),
}


class Library:
    """The functions without the model's name before them."""

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, path: Union[str, os.PathLike], prefix: str):
        code = ctypes.CDLL(str(path))
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(code, f"{prefix}_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        self.path, self.prefix = path, prefix

    def ports(self, kind: str) -> list:
        """All inputs, outputs or targets."""
        found = []
        for index in range(getattr(self, f"{kind}_count")()):
            tensor = CTensor()
            getattr(self, kind)(index, ctypes.byref(tensor))
            found.append(tensor)
        return found
