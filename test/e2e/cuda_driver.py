#!/usr/bin/python3
"""Executables of --target cuda beside drivers that fail: a library of the test's own stands in for libcuda.so.1.

Whatever is wrong with driver, device or memory is said in one sentence, with exit code 1; `info` needs neither.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import MODELS, ROOT, Compiled
from report import Report, Unsupported

SYMBOLS = re.findall(r'load\(table\.\w+,\s*"(cu\w+)"\)', (ROOT / "runtime" / "device" / "cuda" / "Driver.cpp").read_text())

# A GPU with 1 GiB on which every call succeeds; the functions that matter, the others are made below.
HEALTHY = {
    "cuDriverGetVersion": "(int *version) { *version = 12040; return 0; }",
    "cuGetErrorName": '(int code, const char **name) { *name = code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_OTHER"; return 0; }',
    "cuGetErrorString": '(int code, const char **text) { *text = code == 2 ? "out of memory" : "something else"; return 0; }',
    "cuDeviceGetCount": "(int *count) { *count = 1; return 0; }",
    "cuDeviceGetName": '(char *name, int length, int device) { strncpy(name, "Paper GPU", length); return 0; }',
    "cuDeviceGetAttribute": "(int *value, int attribute, int device) { *value = attribute == 75 ? 8 : 0; return 0; }",
    "cuMemGetInfo_v2": "(size_t *left, size_t *all) { *left = *all = 1 << 30; return 0; }",
    "cuMemAlloc_v2": "(unsigned long long *to, size_t bytes) { static unsigned long long next = 1 << 20; *to = next; next += bytes; return 0; }",
}
TOO_OLD = "(int *value, int attribute, int device) { *value = attribute == 75 ? 6 : 1; return 0; }"

# case: (functions that differ, functions that are missing, what the one sentence must hold)
CASES = {
    "old_driver": ({"cuDriverGetVersion": "(int *version) { *version = 11020; return 0; }"}, [],
                   ["driver is too old", "CUDA 11.2", "CUDA 11.4 (driver 470) or newer"]),
    "old_driver_lacks_functions": ({"cuDriverGetVersion": "(int *version) { *version = 10020; return 0; }"},
                                   ["cuGraphInstantiateWithFlags"], ["driver is too old", "CUDA 10.2"]),
    "missing_function": ({}, ["cuGraphInstantiateWithFlags"], ["no function cuGraphInstantiateWithFlags", "CUDA 11.4 or newer"]),
    "no_device": ({"cuInit": "(unsigned flags) { return 100; }"}, [], ["no NVIDIA GPU", "nvidia-smi", "--target cpu"]),
    "devices_hidden": ({"cuDeviceGetCount": "(int *count) { *count = 0; return 0; }"}, [], ["no NVIDIA GPU", "CUDA_VISIBLE_DEVICES"]),
    "stub": ({"cuInit": "(unsigned flags) { return 34; }"}, [], ["stub of the CUDA toolkit", "LD_LIBRARY_PATH"]),
    "versions_differ": ({"cuInit": "(unsigned flags) { return 803; }"}, [], ["of different versions", "restart"]),
    "driver_fails": ({"cuInit": "(unsigned flags) { return 999; }"}, [], ["starting the NVIDIA driver: something else", "999"]),
    "old_chip": ({"cuDeviceGetAttribute": TOO_OLD}, [], ["Paper GPU (sm_61) is too old", "sm_75 or newer", "compile with --target cpu"]),
    "kernels_refused": ({"cuModuleLoadDataEx": "(void **module, const void *image, unsigned count, int *options, void **values) "
                                               '{ strcpy(values[0], "ptxas fatal: no such thing"); return 218; }'}, [],
                        ["loading the kernels for sm_80 on Paper GPU (sm_80)", "ptxas fatal: no such thing"]),
    "too_little_memory": ({"cuMemGetInfo_v2": "(size_t *left, size_t *all) { *left = *all = 1 << 22; return 0; }"}, [],
                          ["batch 64 needs", "on Paper GPU (sm_80), only 4.00 MiB available", "the largest batch that fits is"]),
    "memory_taken_by_others": ({"cuMemAlloc_v2": "(unsigned long long *to, size_t bytes) { return 2; }"}, [],
                               ["allocating", "on Paper GPU (sm_80): out of memory (CUDA_ERROR_OUT_OF_MEMORY 2)"]),
    "context_refused": ({"cuDevicePrimaryCtxRetain": "(void **context, int device) { return 46; }"}, [], ["opening the GPU: something else"]),
}


def find_compiler():
    for name in ("clang-22", "clang", "cc", "gcc"):
        if shutil.which(name):
            return name
    raise Unsupported("no C compiler makes the library")


def make_driver(folder, changed, missing):
    functions = {**{symbol: "() { return 0; }" for symbol in SYMBOLS}, **HEALTHY, **changed}
    text = "#include <string.h>\n#include <stddef.h>\n"
    text += "".join(f"int {name}{body}\n" for name, body in functions.items() if name not in missing)
    (folder / "driver.c").write_text(text)
    subprocess.run([find_compiler(), "-std=gnu11", "-w", "-shared", "-fPIC", "-o", folder / "libcuda.so.1", folder / "driver.c"], check=True)


def run(executable, folder, *arguments):
    return subprocess.run([str(executable), *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "LD_LIBRARY_PATH": str(folder)})


def fails(executable, changed, missing, wanted):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        make_driver(folder, changed, missing)
        done = run(executable, folder, "train", "--data", "synthetic:64", "--batch", "64", "--out", str(folder / "run"))
        info = run(executable, folder, "info")
    claims = [(f"exit code {done.returncode}, not 1", abs(done.returncode - 1), 0.5),
              (f"info: exit code {info.returncode}", abs(info.returncode), 0.5),
              (f"lines of the message {done.stderr!r}", len(done.stderr.strip().splitlines()), 1.5)]
    return claims + [(f"{done.stderr!r} without {words!r}", float(words not in done.stderr), 0.5) for words in wanted]


def main():
    report = Report("cuda_driver")
    executable = Compiled(MODELS / "lenet.net", options=["--target", "cuda"])
    assert len(SYMBOLS) > 40, "the table of functions has another form"
    for name, (changed, missing, wanted) in CASES.items():
        report.case(name, fails, executable.executable, changed, missing, wanted)
    report.close()


if __name__ == "__main__":
    main()
