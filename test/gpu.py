#!/usr/bin/python3
"""`make test-gpu`: what the simulator's tests compare, on a real GPU, and how fast a step is there.

Says UNSUPPORTED without an NVIDIA driver and a device. PyTorch's step is timed beside it where it sees the GPU.
"""
import argparse
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent
BATCH = 128


def why_not():
    """Empty where there is a GPU to run on."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return f"no NVIDIA driver: {error}"
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "the NVIDIA driver sees no device"
    return ""


def time_step(netc, precision):
    with tempfile.TemporaryDirectory() as folder:
        executable = os.path.join(folder, "model")
        subprocess.run([netc, TESTS.parent / "models" / "resnet.net", "--model", "resnet50", "--target", "cuda", "--precision", precision,
                        "-o", executable], check=True)
        found = json.loads(subprocess.run([executable, "bench", "--train", "--batch", str(BATCH), "--json"], check=True,
                                          capture_output=True, text=True).stdout)
    print(f"resnet50 training, batch {BATCH}, {precision}: {found['images_per_s']:.0f} images/s")


def time_torch(tf32):
    try:
        import time
        import torch
        import torchvision
    except ImportError:
        return
    if not torch.cuda.is_available():
        return
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    model = torchvision.models.resnet50().cuda().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    image = torch.randn(BATCH, 3, 224, 224, device="cuda").to(memory_format=torch.channels_last)
    labels = torch.randint(1000, (BATCH,), device="cuda")
    steps = []
    for _ in range(20):
        torch.cuda.synchronize()
        start = time.time()
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(image), labels).backward()
        optimizer.step()
        torch.cuda.synchronize()
        steps.append(time.time() - start)
    print(f"PyTorch {torch.__version__}, {'tf32' if tf32 else 'f32'}: {BATCH / sorted(steps)[len(steps) // 2]:.0f} images/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=TESTS.parent / "build")
    build = parser.parse_args().build.resolve()
    if reason := why_not():
        print(f"UNSUPPORTED gpu: {reason}")
        return 0
    environment = {**os.environ, "NETC": str(build / "bin" / "netc"), "NETC_BUILD": str(build), "NETC_GPU_TARGET": "cuda"}
    failed = 0
    for script in ("cuda_kernels.py", "cuda_step.py"):
        failed += subprocess.run(["/usr/bin/python3", "-u", TESTS / "numeric" / script], env=environment).returncode != 0
    for precision in ("f32", "tf32"):
        time_step(environment["NETC"], precision)
        time_torch(precision == "tf32")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
