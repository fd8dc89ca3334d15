#!/usr/bin/python3
"""What Python adds: microseconds of a call beside the C function's, and seconds from `import netc` to the first result of a ResNet-18 that was compiled before.

    bench/python_calls.py [--build BUILD] [--repeat 5]
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TINY = "net 1\nmodel tiny {\n  input x: [1]\n  return x | relu\n}\n"
FIRST = """
import time
start = time.perf_counter()
import netc
import numpy
model = netc.compile({path!r}, model="resnet18", mode="infer")
model(numpy.zeros((1, 3, 224, 224), numpy.float32))
print(time.perf_counter() - start, time.process_time())
"""


def microseconds(action, count=5000):
    """The median of a call."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def overhead():
    """(a call, its C function alone) of a network that does next to nothing."""
    import netc
    import numpy
    from netc._model import _pointers
    model = netc.compile(TINY, mode="infer", threads=1)
    x, out = numpy.ones((1, 1), numpy.float32), numpy.empty((1, 1), numpy.float32)
    inputs, outputs = _pointers([x]), _pointers([out])
    return microseconds(lambda: model(x)), microseconds(lambda: model._library.infer(model._context, 1, inputs, outputs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    os.environ.setdefault("NETC", str(options.build.resolve() / "bin" / "netc"))
    sys.path.insert(0, str(ROOT / "python"))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
    call, function = overhead()
    print(f"call: {call:.1f} us, of which the C function {function:.1f} us, Python {call - function:.1f} us")
    command = [sys.executable, "-c", FIRST.format(path=str(ROOT / "models" / "resnet.net"))]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(options.repeat + 1)][1:]
    seconds, processor = (sorted(map(float, column)) for column in zip(*runs))
    print(f"first result of a cached ResNet-18: {statistics.median(seconds):.2f} s in the median of {options.repeat}, {statistics.median(processor):.2f} s of processors' time")


if __name__ == "__main__":
    main()
