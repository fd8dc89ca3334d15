#!/usr/bin/python3
"""Turns a PyTorch checkpoint (.pth, .pt) into safetensors, for `train --weights`, `eval` and `predict`. Needs PyTorch only.

    tools/pth-to-safetensors.py resnet18-f37072fd.pth resnet18.safetensors [--prefix module.]

Takes a state dict, or a checkpoint that holds one under state_dict, model_state_dict, model or model_ema. A prefix that
all names share through DataParallel (module.) is dropped; --prefix drops another. Names and types stay as they are.
A .pth is a pickle: loading one can run code, so only convert files whose source you trust.
"""
import argparse
import json
import os
import struct
import sys

import torch

TYPES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
         torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}


def find_state(loaded):
    """The dict of tensors in what was loaded; None where there is none."""
    if isinstance(loaded, torch.nn.Module):
        loaded = loaded.state_dict()
    if not isinstance(loaded, dict):
        return None
    if loaded and all(isinstance(value, torch.Tensor) for value in loaded.values()):
        return loaded
    for key in ("state_dict", "model_state_dict", "model", "model_ema", "net"):
        found = find_state(loaded.get(key))
        if found is not None:
            return found
    return None


def without_prefix(state, prefix):
    names = list(state)
    if not prefix and names and all(name.startswith("module.") for name in names):
        prefix = "module."
    return {name[len(prefix):] if prefix and name.startswith(prefix) else name: value for name, value in state.items()}


def raw_bytes(tensor):
    """Little-endian, row-major."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    if flat.numel() == 0:
        return b""
    return bytes(flat.view(torch.uint8).numpy().tobytes()) if flat.dtype != torch.bool else bytes(flat.to(torch.uint8).numpy().tobytes())


def save(path, state):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in state.items():
        if tensor.dtype not in TYPES:
            sys.exit(f"error: {name} has type {tensor.dtype}, which safetensors has no name for")
        size = tensor.numel() * tensor.element_size()
        header[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    beside = str(path) + ".tmp"
    try:
        with open(beside, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for tensor in state.values():
                out.write(raw_bytes(tensor))
        os.replace(beside, path)
    except OSError as error:
        if os.path.exists(beside):
            os.unlink(beside)
        sys.exit(f"error: cannot write {path}: {error.strerror}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("safetensors")
    parser.add_argument("--prefix", default="", help="dropped from the names that begin with it")
    arguments = parser.parse_args()
    try:
        loaded = torch.load(arguments.checkpoint, map_location="cpu")
    except Exception as error:  # pickles fail in every way there is
        sys.exit(f"error: {arguments.checkpoint} cannot be loaded: {error}")
    state = find_state(loaded)
    if state is None:
        kinds = ", ".join(map(str, loaded)) if isinstance(loaded, dict) else type(loaded).__name__
        sys.exit(f"error: {arguments.checkpoint} holds no state dict; it has {kinds}")
    state = without_prefix(state, arguments.prefix)
    save(arguments.safetensors, state)
    print(f"{arguments.safetensors}: {len(state)} tensors")


if __name__ == "__main__":
    main()
