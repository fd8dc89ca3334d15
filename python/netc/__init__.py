"""netc: compile `.net` (or ONNX) models and use them from Python.

    import netc
    model = netc.compile("resnet.net", model="resnet18", weights="resnet18.safetensors")
    logits = model(images)                      # numpy, or anything with DLPack: [n, 3, 224, 224]
    loss = model.step(images, labels)           # forward, backward and the optimizer's update

A model is compiled to a C library once and kept in the user's cache folder. numpy is needed, PyTorch is not.
"""
from netc._compile import CompileError, compile, load
from netc._model import Model, Tensor
from netc._library import Error

__all__ = ["CompileError", "Error", "Model", "Tensor", "compile", "load"]
