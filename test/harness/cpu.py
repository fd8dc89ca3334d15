"""Which levels of x86-64 this machine runs."""
import pathlib

LEVELS = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]
NEEDS = {"x86-64-v2": set(), "x86-64-v3": {"avx2", "fma", "bmi2", "f16c"}, "x86-64-v4": {"avx512f", "avx512bw", "avx512dq", "avx512vl"}}


def flags():
    return set(next(line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")).split())


def levels():
    """Those that this machine runs, the best one last."""
    have, runs = flags(), []
    for level in LEVELS:
        if not NEEDS[level] <= have:
            break
        runs.append(level)
    return runs


def narrower():
    """The level below the machine's own, whose vectors and tiles are others; None where there is none."""
    runs = levels()
    return runs[-2] if len(runs) > 1 else None
