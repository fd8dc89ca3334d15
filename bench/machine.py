"""What a measurement says about the machine it was taken on."""
import os
import pathlib
import subprocess
import tempfile


def describe():
    flags = name = ""
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("flags"):
                flags = line.split(":")[1].split()
            if line.startswith("model name"):
                name = line.split(":")[1].strip()
    level = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "SSE4"
    return {"cpu": name, "cores": len(os.sched_getaffinity(0)), "vectors": level, "load_1m": round(os.getloadavg()[0], 2)}


def sentence(machine):
    return f"{machine['cores']}-core {machine['vectors']} server ({machine['cpu']}), load {machine['load_1m']} at the start"


def peaks(threads):
    """What `threads` threads reach: {"gflops": f32 multiply-adds in registers, "gb_per_s": reading memory, "bf16" and "int8": GFLOP/s
    of products of these types by AVX-512's instructions, 0 where the machine lacks them}, or None without a compiler."""
    size, count = (64, 24) if describe()["vectors"] == "AVX-512" else (32, 12)
    source = pathlib.Path(__file__).with_name("peak.cpp")
    with tempfile.TemporaryDirectory(prefix="peak-") as name:
        program = pathlib.Path(name) / "peak"
        for compiler in ("clang++-22", "clang++"):
            try:
                subprocess.run([compiler, "-std=c++20", "-O2", "-march=native", "-mprefer-vector-width=512", "-ffp-contract=fast", "-pthread",
                                f"-DBYTES={size}", f"-DACCUMULATORS={count}", source, "-o", program], check=True, capture_output=True)
                words = subprocess.run([program, str(threads)], check=True, capture_output=True, text=True).stdout.split()
                return dict(zip(("gflops", "gb_per_s", "bf16", "int8"), map(float, words)))
            except (OSError, subprocess.CalledProcessError):
                continue
    return None
