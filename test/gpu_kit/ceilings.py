"""What this card does at best: bytes copied and matrix products a second. Measured once a run, kept in `ceilings.json` beside the report."""
import json
import statistics

import gpu

SIDE, PRODUCTS, ROUNDS = 8192, 5, 3
SMALL_SIDE = 4096  # f32, which is slow


def matrix_peaks(torch):
    """FLOP/s of large products of random matrices: f32, tf32, bf16."""
    found = {}
    for name, kind, tf32, side in (("f32", torch.float32, False, SMALL_SIDE), ("tf32", torch.float32, True, SIDE), ("bf16", torch.bfloat16, False, SIDE)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = (torch.randn(side, side, device="cuda").to(kind) for _ in range(2))
        torch.matmul(a, b)
        times = []
        for _ in range(ROUNDS):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(PRODUCTS):
                torch.matmul(a, b)
            end.record()
            torch.cuda.synchronize()
            times.append(begin.elapsed_time(end) / PRODUCTS * 1e-3)
        found[name] = 2 * side ** 3 / statistics.median(times)
    del a, b
    torch.cuda.empty_cache()
    return found


def measure(kit):
    found = {"copy": gpu.Driver().copy_bytes_per_second()}
    try:
        import torch
        if torch.cuda.is_available():
            found.update(matrix_peaks(torch))
            found["torch"] = torch.__version__
    except Exception as error:  # PyTorch may be broken in ways of its own
        found["no_matrix_peaks"] = f"{type(error).__name__}: {error}"
    (kit.out / "ceilings.json").write_text(json.dumps(found))
    return found


def known(kit):
    """Of this run, measured now if no step has; empty on the simulator."""
    if kit.sim:
        return {}
    path = kit.out / "ceilings.json"
    return json.loads(path.read_text()) if path.exists() else measure(kit)


def sentence(found):
    words = [f"copies {found['copy'] / 1e9:.0f} GB/s read and written"]
    words += [f"{name} {found[name] / 1e12:.0f} TFLOP/s" for name in ("f32", "tf32", "bf16") if name in found]
    if "f32" not in found:
        words.append("matrix peaks unknown: " + found.get("no_matrix_peaks", "PyTorch sees no GPU"))
    return ", ".join(words)


def share(launches, milliseconds, peaks, precision):
    """The least time that the launches could take, each the longer of its bytes and its FLOPs at the ceilings, by the time that they took."""
    if not peaks or precision not in peaks:
        return None
    least = sum(max(row["gflops_per_s"] * 1e9 * row["ms"] / peaks[precision], row["operand_bytes"] / peaks["copy"] * 1e3) for row in launches)
    return least / milliseconds
