#!/usr/bin/python3
"""Weights between PyTorch and netc: .pth to safetensors, another head, and back with load_state_dict(strict=True)."""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "harness"), str(ROOT / "test" / "numeric")]
import safetensors
from compiled import MODELS, NETC, Failed, call
from report import Report

CONVERT = ["/usr/bin/python3", ROOT / "tools" / "pth-to-safetensors.py"]
# file, model, input side, tensors of the head that another number of classes replaces
ZOO = [("resnet.net", "resnet18", 64, {"fc.weight", "fc.bias"}),
       ("resnet.net", "resnet50", 64, {"fc.weight", "fc.bias"}),
       ("vgg.net", "vgg11", 64, {"classifier.6.weight", "classifier.6.bias"}),
       ("mobilenet_v2.net", "mobilenet_v2", 64, {"classifier.1.weight", "classifier.1.bias"}),
       ("squeezenet.net", "squeezenet1_1", 64, {"classifier.1.weight", "classifier.1.bias"})]


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


def transfer(torch, torch_models, folder, file, name, side, head):
    """torchvision's random weights, through a .pth, into a model of 7 classes and back."""
    torch.manual_seed(1)
    source = torch_models.build(name, 1000)
    for key, value in source.state_dict().items():  # running statistics that are not just 0 and 1
        if "running_" in key:
            value.copy_(torch.rand_like(value) + 0.5)
    path = folder / f"{name}.pth"
    torch.save({"epoch": 3, "state_dict": {"module." + key: value for key, value in source.state_dict().items()}}, path)
    call([*CONVERT, path, folder / f"{name}.safetensors"])
    converted = safetensors.load(folder / f"{name}.safetensors")
    claims = [("tensors lost on the way", len(source.state_dict()) - len(converted), 0.5)]

    executable = folder / name
    call([NETC, MODELS / file, "--model", name, "--set", "classes=7", "--set", f"image=[3,{side},{side}]", "-o", executable])
    out = folder / f"{name}-run"
    done = run(executable, "train", "--data", "synthetic:4", "--batch", 2, "--epochs", 0, "--weights", folder / f"{name}.safetensors", "--out", out)
    if done.returncode:
        raise Failed(done.stdout + done.stderr)
    named = all(tensor in done.stderr for tensor in head)
    claims.append(("head not named: " + done.stderr.strip().replace("\n", " "), int(not named), 0.5))
    saved = safetensors.load(out / "model.safetensors")
    loaded = [key for key in saved if key not in head]
    claims.append(("tensors that are not the source's", sum((saved[key] != converted[key]).any() for key in loaded), 0.5))
    claims.append(("shapes of the new head", sum(saved[key].shape[0] != 7 for key in head), 0.5))

    # Back: strict, and the same outputs.
    target = torch_models.build(name, 7)
    target.load_state_dict({key: torch.from_numpy(value.copy()) for key, value in saved.items()}, strict=True)
    target.eval()
    image = torch.randn(2, 3, side, side)
    safetensors.save(folder / "in.safetensors", {"input": image.numpy()})
    call([executable, "run", "--weights", out, "--in", folder / "in.safetensors", "--out", folder / "out.safetensors"])
    with torch.no_grad():
        expected = target(image).numpy()
    found = safetensors.load(folder / "out.safetensors")["output"]
    claims.append(("difference of the outputs", float(abs(found - expected).max() / abs(expected).max()), 1e-4))
    return claims


def timm_names(state, name):
    """torchvision's tensors under the names, and in the shapes, of timm 1.0 (vgg.py; _efficientnet_builder.py for MobileNetV2)."""
    def vgg(key):
        for ours, theirs in (("classifier.0", "pre_logits.fc1"), ("classifier.3", "pre_logits.fc2"), ("classifier.6", "head.fc")):
            key = key.replace(ours, theirs)
        return key

    def mobilenet(key):
        module, leaf = key.rsplit(".", 1)
        words = module.split(".")
        whole = {"features.0.0": "conv_stem", "features.0.1": "bn1", "features.18.0": "conv_head", "features.18.1": "bn2",
                 "classifier.1": "classifier"}
        if module in whole:
            return f"{whole[module]}.{leaf}"
        units = [(stage, i) for stage, count in enumerate([1, 2, 3, 4, 3, 3, 1]) for i in range(count)]
        stage, i = units[int(words[1]) - 1]
        parts = [["conv_dw", "bn1"], "conv_pw", "bn2"] if (stage, i) == (0, 0) else \
            [["conv_pw", "bn1"], ["conv_dw", "bn2"], "conv_pwl", "bn3"]
        part = parts[int(words[3])]
        return f"blocks.{stage}.{i}.{part if isinstance(part, str) else part[int(words[4])]}.{leaf}"

    renamed = {(vgg if name.startswith("vgg") else mobilenet)(key): value for key, value in state.items()}
    for key, shape in (("pre_logits.fc1.weight", (4096, 512, 7, 7)), ("pre_logits.fc2.weight", (4096, 4096, 1, 1))):
        if key in renamed:
            renamed[key] = renamed[key].reshape(shape)
    return renamed


def published_names(state, name):
    """torchvision's tensors under the names that its published files have: before it renamed modules of DenseNet and ViT."""
    renames = [(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.")] if name == "densenet" else [
        (r"(encoder_layer_\d+\.mlp)\.0\.", r"\1.linear_1."), (r"(encoder_layer_\d+\.mlp)\.3\.", r"\1.linear_2.")]
    for old, new in renames:
        state = {re.sub(old, new, key): value for key, value in state.items()}
    return state


def loads_renamed(torch, torch_models, folder, file, name, side, names, sets=()):
    torch.manual_seed(2)
    source = torch_models.build(name, 10).eval()
    state = {key: value.numpy() for key, value in source.state_dict().items() if "num_batches_tracked" not in key}
    renamed = names(state, name)
    assert len(renamed) == len(state) and set(renamed) != set(state)
    safetensors.save(folder / "timm.safetensors", renamed)
    image = torch.randn(2, 3, side, side)
    safetensors.save(folder / "in.safetensors", {"input": image.numpy()})
    executable = folder / f"{name}-renamed"
    settings = [word for value in ("classes=10", f"image=[3,{side},{side}]", *sets) for word in ("--set", value)]
    call([NETC, MODELS / file, "--model", name, *settings, "--mode", "infer", "-o", executable])
    call([executable, "run", "--weights", folder / "timm.safetensors", "--in", folder / "in.safetensors", "--out", folder / "out.safetensors"])
    with torch.no_grad():
        expected = source(image).numpy()
    found = safetensors.load(folder / "out.safetensors")["output"]
    return [("difference of the outputs", float(abs(found - expected).max() / abs(expected).max()), 1e-4)]


def converter_refuses(torch, folder):
    torch.save({"optimizer": {"lr": 1}}, folder / "none.pth")
    (folder / "broken.pth").write_bytes(b"nonsense")
    torch.save({"weight": torch.zeros(1, dtype=torch.complex64)}, folder / "complex.pth")
    torch.save({"weight": torch.zeros(3)}, folder / "good.pth")
    claims = []
    for name, out, words in (("none.pth", folder / "x", "holds no state dict; it has optimizer"), ("broken.pth", folder / "x", "cannot be loaded"),
                             ("complex.pth", folder / "x", "weight has type torch.complex64"), ("good.pth", "/nowhere/x", "cannot write /nowhere/x")):
        done = run(*CONVERT, folder / name, out)
        claims.append((f"{name}: {done.stderr.strip()!r}", int(done.returncode != 1 or words not in done.stderr), 0.5))
    return claims + [("a file was left", int((folder / "x").exists()), 0.5)]


def types_survive(torch, folder):
    """Half precision and scalars come through bit for bit."""
    state = {"half": torch.randn(3, 4).half(), "brain": torch.randn(5).bfloat16(), "double": torch.randn(2).double(), "count": torch.tensor(7),
             "empty": torch.zeros(0, 3), "turned": torch.randn(3, 2).t()}
    torch.save(state, folder / "types.pth")
    call([*CONVERT, folder / "types.pth", folder / "types.safetensors"])
    data = (folder / "types.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    import json
    header, claims = json.loads(data[8:8 + length]), []
    for name, tensor in state.items():
        begin, end = header[name]["data_offsets"]
        expected = tensor.contiguous().reshape(-1)
        same = data[8 + length + begin:8 + length + end] == (expected.view(torch.uint8).numpy().tobytes() if expected.numel() else b"")
        claims.append((f"{name} differs", int(not same or header[name]["shape"] != list(tensor.shape)), 0.5))
    return claims


def main():
    report = Report("transfer")
    try:
        import torch
        import parity
        import torch_models
    except ImportError as error:
        report.line("UNSUPPORTED", "all", f"PyTorch and torchvision are needed: {error}")
        report.close()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="netc-e2e-") as name:
        folder = pathlib.Path(name)
        for file, model, side, head in ZOO:
            report.case(model, transfer, torch, torch_models, folder, file, model, side, head)
        for file, model in (("vgg.net", "vgg11_bn"), ("mobilenet_v2.net", "mobilenet_v2")):
            report.case(f"timm/{model}", loads_renamed, torch, torch_models, folder, file, model, 64, timm_names)
        for file, model, side in (("densenet.net", "densenet", 64), ("vit.net", "vit", 40)):
            report.case(f"published/{model}", loads_renamed, torch, torch_models, folder, file, model, side, published_names, parity.SMALL[model])
        report.case("converter_keeps_types", types_survive, torch, folder)
        report.case("converter_refuses", converter_refuses, torch, folder)
    report.close()


if __name__ == "__main__":
    main()
