"""What a measurement says about the machine it was taken on."""
import os


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
