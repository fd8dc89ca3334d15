"""Training over arrays or batches, with a line of progress."""
from __future__ import annotations

import sys
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union

import numpy


def _cut(value: Any, index: numpy.ndarray) -> Any:
    """The images `index` of an array, or of each array of a tuple or mapping."""
    if isinstance(value, Mapping):
        return {name: _cut(each, index) for name, each in value.items()}
    if isinstance(value, tuple):
        return tuple(_cut(each, index) for each in value)
    return numpy.asarray(value)[index]


def _count(value: Any) -> int:
    if isinstance(value, Mapping):
        value = next(iter(value.values()))
    return len(value[0] if isinstance(value, tuple) else value)


def _batches(x: Any, y: Any, size: int, shuffle: bool, rng: numpy.random.Generator) -> Iterator[Tuple[Any, Any]]:
    count = _count(x)
    order = rng.permutation(count) if shuffle else numpy.arange(count)
    for begin in range(0, count, size):
        index = order[begin:begin + size]
        yield _cut(x, index), _cut(y, index)


class Line:
    """Overwrites one line of stderr, at most ten times a second."""

    def __init__(self, wanted: Optional[bool]):
        self.shown = (sys.stderr.isatty() or "ipykernel" in sys.modules) if wanted is None else wanted
        self.last, self.width = 0.0, 0

    def show(self, text: str, end: bool = False) -> None:
        now = time.monotonic()
        if not self.shown or (now - self.last < 0.1 and not end):
            return
        self.last = now
        sys.stderr.write("\r" + text.ljust(self.width) + ("\n" if end else ""))
        sys.stderr.flush()
        self.width = 0 if end else len(text)


def _bar(done: int, steps: Optional[int]) -> str:
    if not steps:
        return f"{done} batches"
    filled = 20 * done // steps
    return f"[{'#' * filled}{'.' * (20 - filled)}] {done}/{steps}"


def _accuracy(model: Any, x: Any, y: Any, size: int) -> Optional[float]:
    """The share of images whose largest score is the label's; None where outputs are no class scores."""
    right = seen = 0
    for part, labels in _batches(x, y, size, False, numpy.random.default_rng(0)):
        scores = model(*part) if isinstance(part, tuple) else model(part)
        if isinstance(scores, dict):
            scores = next(iter(scores.values()))
        labels = numpy.asarray(labels)
        if scores.ndim != 2 or labels.ndim != 1 or not numpy.issubdtype(labels.dtype, numpy.integer):
            return None
        right += int((scores.argmax(1) == labels).sum())
        seen += len(labels)
    return right / max(1, seen)


def run_fit(model: Any, x: Any, y: Any, epochs: int, batch_size: Optional[int], lr: Union[float, Callable[[float], float], None], shuffle: bool, seed: int,
            validation: Optional[Tuple[Any, Any]], progress: Optional[bool]) -> List[Dict[str, float]]:
    if epochs < 1:
        raise ValueError(f"{epochs} epochs, expected 1 or more")
    size = int(batch_size or model.description["recipe"]["batch"])
    if size < 1:
        raise ValueError(f"batches of {size}, expected 1 or more")
    if y is None and iter(x) is x:
        if epochs > 1:
            raise ValueError("x is an iterator, which ends after one epoch; give a list, or an object that begins anew")
    if y is not None and _count(x) != _count(y):
        raise ValueError(f"{_count(x)} inputs but {_count(y)} targets")
    rng = numpy.random.default_rng(seed)
    steps = -(-_count(x) // size) if y is not None else (len(x) if hasattr(x, "__len__") else None)
    history: List[Dict[str, float]] = []
    line = Line(progress)
    for epoch in range(epochs):
        start, total, images, done = time.monotonic(), 0.0, 0, 0
        batches: Iterable[Tuple[Any, Any]] = x if y is None else _batches(x, y, size, shuffle, rng)
        for part, labels in batches:
            share = (epoch + (done / steps if steps else 0)) / epochs
            count = _count(part)
            loss = model.step(part, labels, lr(share) if callable(lr) else lr)
            total, images, done = total + loss * count, images + count, done + 1
            line.show(f"epoch {epoch + 1}/{epochs} {_bar(done, steps)} loss {total / images:.4f} {images / max(1e-9, time.monotonic() - start):.0f} images/s")
        if images == 0:
            raise ValueError("there are no batches")
        row: Dict[str, float] = {"epoch": epoch + 1, "loss": total / images, "seconds": time.monotonic() - start}
        accuracy = None if validation is None else _accuracy(model, *validation, size)
        if accuracy is not None:
            row["accuracy"] = accuracy
        history.append(row)
        said = "" if accuracy is None else f", accuracy {accuracy:.4f}"
        line.show(f"epoch {epoch + 1}/{epochs} loss {row['loss']:.4f}{said}, {row['seconds']:.1f} s", end=True)
    return history
