"""A compiled model with its weights."""
from __future__ import annotations

import ctypes
import html
import json
import os
import tempfile
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy

from netc._drawing import draw_layers
from netc._fit import run_fit
from netc._library import F32, STATUS, CTensor, Error, Library

_DTYPES: Dict[int, numpy.dtype] = {F32: numpy.dtype(numpy.float32), 2: numpy.dtype(numpy.int64)}
# What state dicts hold beside weights.
_NO_WEIGHTS = ("num_batches_tracked", "relative_position_index")


class Tensor(NamedTuple):
    """A named input, output or target; its shape is without the batch."""
    name: str
    shape: Tuple[int, ...]
    dtype: numpy.dtype


def _describe(tensor: CTensor) -> Tensor:
    return Tensor(tensor.name.decode(), tuple(tensor.shape[:tensor.rank]), _DTYPES[tensor.type])


def _array(value: Any, dtype: numpy.dtype) -> numpy.ndarray:
    """Contiguous, of `dtype`; without a copy where it is so already. Takes numpy, DLPack (PyTorch, JAX), lists."""
    if not isinstance(value, numpy.ndarray) and hasattr(value, "__dlpack__"):
        value = value.detach() if hasattr(value, "detach") else value
        value = numpy.from_dlpack(value)
    return numpy.ascontiguousarray(value, dtype=dtype)


def _pointers(arrays: Sequence[Optional[numpy.ndarray]]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*[None if array is None else array.ctypes.data for array in arrays])


class Model:
    """Calls infer, `step` trains. Not for use by two threads at once; open the library once more for another thread."""

    def __init__(self, library: Library, weights: Union[str, os.PathLike, Mapping, None] = None, threads: int = 0, seed: int = 0):
        self._library, self._context = library, ctypes.c_void_p()
        self._threads, self._seed = threads, seed
        if weights is None or isinstance(weights, Mapping):
            status = library.create(seed, threads, ctypes.byref(self._context))
        else:
            status = library.create_from_file(os.fsencode(weights), threads, ctypes.byref(self._context))
        self._check(status)
        self.inputs, self.outputs, self.targets = ([_describe(port) for port in library.ports(kind)] for kind in ("input", "output", "target"))
        self._parameters: Dict[str, Tuple[int, ...]] = {}
        self._trainable: List[str] = []
        for index in range(library.parameter_count(self._context)):
            tensor = CTensor()
            self._check(library.parameter(self._context, index, ctypes.byref(tensor)))
            self._parameters[tensor.name.decode()] = tuple(tensor.shape[:tensor.rank])
            if tensor.trainable:
                self._trainable.append(tensor.name.decode())
        if isinstance(weights, Mapping):
            self.load_state_dict(weights)

    def __del__(self):
        if getattr(self, "_context", None):
            self._library.destroy(self._context)

    def _check(self, status: int) -> None:
        if status:
            raise Error(STATUS[status], self._library.last_error(self._context).decode(errors="replace"))

    @property
    def description(self) -> dict:
        """Layers, parameters, recipe and operations, as `info --json` of an executable."""
        return json.loads(self._library.description())

    @property
    def name(self) -> str:
        return self.description["model"]

    @property
    def threads(self) -> int:
        """How many threads compute."""
        return self._library.threads(self._context)

    # ------------------------------------------------------------------ batches

    def _batch(self, ports: List[Tensor], values: Tuple[Any, ...], what: str) -> Tuple[int, List[numpy.ndarray]]:
        if len(values) == 1 and isinstance(values[0], Mapping):
            missing = [port.name for port in ports if port.name not in values[0]]
            if missing:
                raise ValueError(f"{what} {', '.join(missing)} missing; have {', '.join(values[0])}")
            values = tuple(values[0][port.name] for port in ports)
        if len(values) != len(ports):
            raise ValueError(f"expected {len(ports)} {what}s ({', '.join(port.name for port in ports)}), have {len(values)}")
        arrays = [_array(value, port.dtype) for port, value in zip(ports, values)]
        n = len(arrays[0]) if arrays and arrays[0].ndim else 0
        for port, array in zip(ports, arrays):
            if array.shape != (n, *port.shape):
                expected = ", ".join(["n", *map(str, port.shape)])
                raise ValueError(f"{what} {port.name} has shape {list(array.shape)}, expected [{expected}]" +
                                 (f" with n = {n}" if array is not arrays[0] else ""))
        return n, arrays

    def __call__(self, *inputs: Any) -> Union[numpy.ndarray, Dict[str, numpy.ndarray]]:
        """The outputs of a batch: an array, or arrays by name if the model has several outputs.

        Inputs are arrays [n, …] in the model's order, or one mapping from names to arrays.
        """
        n, arrays = self._batch(self.inputs, inputs, "input")
        outputs = [numpy.empty((n, *port.shape), numpy.float32) for port in self.outputs]
        self._check(self._library.infer(self._context, n, _pointers(arrays), _pointers(outputs)))
        return outputs[0] if len(outputs) == 1 else {port.name: array for port, array in zip(self.outputs, outputs)}

    def forward_backward(self, x: Any, y: Any) -> float:
        """Loss and gradients of a batch, without an update; running statistics follow it. `x`, `y`: an array, a tuple, or a mapping."""
        n, inputs = self._batch(self.inputs, x if isinstance(x, tuple) else (x,), "input")
        count, targets = self._batch(self.targets, y if isinstance(y, tuple) else (y,), "target")
        if count != n:
            raise ValueError(f"{n} inputs but {count} targets")
        loss = ctypes.c_float()
        self._check(self._library.step(self._context, n, _pointers(inputs), _pointers(targets), ctypes.byref(loss)))
        return loss.value

    def update(self, lr: Optional[float] = None) -> None:
        """Applies the last gradients with the recipe's optimizer; without `lr` at the recipe's rate."""
        if lr is not None and lr < 0:
            raise ValueError(f"a learning rate of {lr}")
        self._check(self._library.update(self._context, -1.0 if lr is None else lr))

    def step(self, x: Any, y: Any, lr: Optional[float] = None) -> float:
        """One training step: `forward_backward`, then `update`. Returns the loss before the update."""
        loss = self.forward_backward(x, y)
        self.update(lr)
        return loss

    def fit(self, x: Any, y: Any = None, *, epochs: int = 1, batch_size: Optional[int] = None, lr: Union[float, Callable[[float], float], None] = None,
            shuffle: bool = True, seed: int = 0, validation: Optional[Tuple[Any, Any]] = None, progress: Optional[bool] = None) -> List[Dict[str, float]]:
        """Trains for some epochs; returns a dict for each: `epoch`, `loss`, `seconds`, and `accuracy` of class scores on `validation`.

        `x` and `y`: arrays (tuples or mappings of them where the model has several), cut into batches of `batch_size`, by default the recipe's; or `x` alone: an
        iterable of (x, y) batches, gone through anew for each epoch. `lr`: a number, or a function of the fraction of the run that is done; by default the
        recipe's. The recipe's schedule and augmentation are those of executables: here both are the caller's. `progress`: a line on stderr; by default where
        that is a terminal or a notebook.
        """
        return run_fit(self, x, y, epochs, batch_size, lr, shuffle, seed, validation, progress)

    def image(self, source: Union[str, os.PathLike, bytes]) -> numpy.ndarray:
        """A JPEG or PNG, a path or its bytes, as one input [1, …], preprocessed as the recipe's evaluation."""
        out = numpy.empty((1, *self.inputs[0].shape), numpy.float32)
        if isinstance(source, bytes):
            status = self._library.decode_image(self._context, source, len(source), out.ctypes.data)
        else:
            status = self._library.read_image(self._context, os.fsencode(source), out.ctypes.data)
        self._check(status)
        return out

    def class_name(self, index: int) -> Optional[str]:
        """What the weights call a class; None: they do not say."""
        name = self._library.class_name(self._context, index)
        return None if name is None else name.decode(errors="replace")

    # --------------------------------------------------------------- parameters

    def _read(self, function: Any, name: str) -> numpy.ndarray:
        out = numpy.empty(self._parameters[name], numpy.float32)
        self._check(function(self._context, name.encode(), out.ctypes.data, out.size))
        return out

    def parameters(self) -> Iterator[Tuple[str, Tuple[int, ...]]]:
        """Names and shapes of what is trained."""
        return ((name, self._parameters[name]) for name in self._trainable)

    def state_dict(self) -> Dict[str, numpy.ndarray]:
        """Copies of parameters and running statistics, by the names that PyTorch gives them.

        `torch_model.load_state_dict({k: torch.from_numpy(v) for k, v in model.state_dict().items()})`
        """
        return {name: self._read(self._library.get_parameter, name) for name in self._parameters}

    def gradients(self) -> Dict[str, numpy.ndarray]:
        """Copies of the gradients of the last `forward_backward`."""
        return {name: self._read(self._library.get_gradient, name) for name in self._trainable}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Takes parameters from arrays or PyTorch's tensors. With `strict`, names must be the same, counters and indices aside."""
        missing = [name for name in self._parameters if name not in state]
        other = [name for name in state if name not in self._parameters and not name.endswith(_NO_WEIGHTS)]
        if strict and (missing or other):
            raise KeyError(f"missing: {', '.join(missing[:5]) or 'none'}; unexpected: {', '.join(other[:5]) or 'none'}")
        arrays = {name: _array(state[name], _DTYPES[F32]) for name in self._parameters if name in state}
        for name, array in arrays.items():
            if array.shape != self._parameters[name]:
                raise ValueError(f"{name} has shape {list(array.shape)}, expected {list(self._parameters[name])}")
        for name, array in arrays.items():
            self._check(self._library.set_parameter(self._context, name.encode(), array.ctypes.data, array.size))

    def save(self, path: Union[str, os.PathLike]) -> None:
        """Writes the weights as safetensors, which executables of the same model read."""
        self._check(self._library.save(self._context, os.fsencode(path)))

    # ------------------------------------------------------------------ the rest

    def __reduce__(self):
        """Pickles the library and the weights, with what the weights' file stores beside them."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "weights.safetensors")
            self.save(path)
            with open(path, "rb") as file:
                weights = file.read()
        with open(self._library.path, "rb") as file:
            code = file.read()
        return _restore, (str(self._library.path), self._library.prefix, code, weights, self._threads, self._seed)

    def __repr__(self) -> str:
        info = self.description
        ports = "; ".join(f"{port.name} {list(port.shape)}" for port in self.inputs)
        results = "; ".join(f"{port.name} {list(port.shape)}" for port in self.outputs)
        count = sum(layer["parameters"] for layer in info["layers"])
        return f"<netc model {info['model']}: {ports} -> {results}, {count:,} parameters, {info['target']} {info['cpu']}, {self.threads} threads>"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{html.escape(layer['name'])}</td><td>{html.escape(layer['kind'])}</td><td>{layer['output']}</td>"
                       f"<td style='text-align:right'>{layer['parameters']:,}</td><td style='text-align:right'>{layer['flops']:,}</td></tr>"
                       for layer in self.description["layers"])
        return (f"<p>{html.escape(repr(self))}</p><table><tr><th>layer</th><th>kind</th><th>output</th><th>parameters</th>"
                f"<th>operations per image</th></tr>{rows}</table>{self.svg()}")

    def svg(self) -> str:
        """The operations of inference from top to bottom as an SVG drawing, with arcs where a value goes past the next one."""
        return draw_layers(self.description.get("graph", {}).get("nodes", []))


def _restore(path: str, prefix: str, code: bytes, weights: bytes, threads: int, seed: int) -> Model:
    """Opens the library where it was; it is written to the cache where that place no longer has the same."""
    from netc._compile import restore_library
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "weights.safetensors")
        with open(file, "wb") as out:
            out.write(weights)
        return Model(Library(restore_library(path, code), prefix), file, threads, seed)
