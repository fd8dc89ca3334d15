"""One contestant of bench/peers.py, in the Python environment of its library: a process that answers lines.

    peer.py draw MODEL FOLDER --batch N          (PyTorch) weights.safetensors, input.safetensors with the logits, model.onnx
    peer.py NAME SETTING MODEL FOLDER --batch N --threads T [--train]

After one line of JSON about itself, it answers `run K` with the milliseconds of K inferences or training steps, `logits FROM
TO` by writing those of the images in a file, and ends at `quit` with its peak memory. Whatever the libraries print goes to
stderr. `bf16` and `int8` in a setting are precisions: draw makes images to calibrate with and others to compare on.
"""
import argparse
import json
import os
import pathlib
import resource
import sys
import time

HARNESS = pathlib.Path(__file__).resolve().parents[1] / "test/harness/safetensors.py"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


def read_harness():
    """The tests' reader and writer of safetensors; an environment may hold a package of the same name."""
    import importlib.util
    spec = importlib.util.spec_from_file_location("safetensors_file", HARNESS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


safetensors = read_harness()


# What differs from a classifier of 1,000 classes at 224x224 that is trained with SGD.
SIDES = {"resnet20": 32, "fcn_resnet50": 256}
CLASSES = {"resnet20": 10, "fcn_resnet50": 21}
ADAMW = {"vit_b_16": 1, "swin_t": 5, "convnext_tiny": None}  # with the bound of the gradients' norm, as the zoo's recipes


def torch_model(name, train):
    import torchvision
    if name == "resnet20":
        from train_step import torch_resnet20
        return torch_resnet20()
    if name.startswith("fcn"):
        return torchvision.models.segmentation.__dict__[name](weights=None, weights_backbone=None, aux_loss=train)
    return getattr(torchvision.models, name)(weights=None)


def main_output(result):
    """Of segmentation models, which return a dictionary, the map of scores."""
    return result["out"] if isinstance(result, dict) else result


def draw(options):
    """Weights as the papers start, batch norms with statistics of their own, so that folding them has work to do."""
    import torch
    torch.manual_seed(0)
    torch.backends.mha.set_fastpath_enabled(False)  # its one operator for a whole layer has no form in ONNX
    model = torch_model(options.model, options.train).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.8, 1.2)
            torch.nn.init.uniform_(module.weight, 0.3, 0.6)
        elif isinstance(module, torch.nn.Linear) and not module.weight.any():  # ViT's head
            torch.nn.init.normal_(module.weight, std=0.02)
    if options.precision != "f32" and not options.train:
        draw_images(options, model, torch)
    side = SIDES.get(options.model, 224)
    x = torch.randn(options.batch, 3, side, side)
    with torch.no_grad():
        logits = main_output(model.double()(x.double())).float()
    model.float()
    weights = {key: value.numpy() for key, value in model.state_dict().items() if "num_batches" not in key}
    safetensors.save(options.folder / "weights.safetensors", weights)
    safetensors.save(options.folder / "input.safetensors", {"input": x.numpy(), "logits": logits.numpy()})
    if not options.train:
        torch.onnx.export(model, (x,), str(options.folder / "model.onnx"), input_names=["input"], output_names=["output"],
                          dynamo=False)


IMAGES = 32  # to calibrate with, and as many to compare on
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def draw_images(options, model, torch):
    """Soft patches of colour with grain: a folder of pictures for netc, whose middle is what it makes of them, and the same as tensors.
    Those to compare on have the patches of those to calibrate with under other grain, and the last layer tells the patches apart: like a
    trained network's, its logits have margins. Those of drawn weights have none, and any rounding changes their order."""
    from PIL import Image
    side, crop = 256, 224  # the zoo's resize and center_crop
    patches = torch.nn.functional.interpolate(torch.rand(IMAGES, 3, 7, 7), size=(side, side), mode="bicubic").repeat(2, 1, 1, 1)
    pixels = ((patches + 0.05 * torch.randn(patches.shape)).clamp(0, 1) * 255).round().to(torch.uint8)
    for number in range(CLASSES.get(options.model, 1000)):
        (options.folder / f"images/train/{number:03}").mkdir(parents=True)
    for number, image in enumerate(pixels[:IMAGES]):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(options.folder / f"images/train/{number:03}/0.png")
    first = (side - crop) // 2
    x = pixels[:, :, first:first + crop, first:first + crop] / 255
    x = ((x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)).contiguous()
    # Batch norms with these images' own statistics keep the images apart up to the last layer, as training does.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    features = []
    hook = last.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    with torch.no_grad():
        model.train()(x[:IMAGES])
        model.eval()(x[:IMAGES])
        hook.remove()
        # The class of the nearest picture: -|f - f_i|^2 / 2 but for what all classes share.
        apart = features[-1] - features[-1].mean(0)
        scale = apart.square().sum(1).mean()
        last.weight.zero_()
        last.bias.fill_(-1)
        last.weight[:IMAGES] = apart / scale
        last.bias[:IMAGES] = -(apart * (features[-1].mean(0) + apart / 2)).sum(1) / scale
        logits = model(x[IMAGES:])
    safetensors.save(options.folder / "calibration.safetensors", {"input": x[:IMAGES].numpy()})
    safetensors.save(options.folder / "images.safetensors", {"input": x[IMAGES:].numpy(), "logits": logits.numpy()})


def load_torch(options):
    import torch
    torch.set_num_threads(options.threads)
    model = torch_model(options.model, options.train)
    weights = {key: torch.from_numpy(value.copy()) for key, value in safetensors.load(options.folder / "weights.safetensors").items()}
    model.load_state_dict(weights, strict=False)
    x = torch.from_numpy(safetensors.load(options.folder / "input.safetensors")["input"].copy())
    return torch, model, x


def start_torch(options):
    torch, model, x = load_torch(options)
    memory_format = torch.channels_last if "channels_last" in options.setting else torch.contiguous_format
    model, x = model.to(memory_format=memory_format), x.to(memory_format=memory_format)
    model.train(options.train)
    if not options.train:
        for parameter in model.parameters():
            parameter.requires_grad_(False)
    if "frozen" in options.setting:
        import torch._inductor.config
        torch._inductor.config.freezing = True
    if "script" in options.setting:
        with torch.no_grad():
            model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x, strict=False)))
    if "compile" in options.setting or "frozen" in options.setting:
        model = torch.compile(model, mode="max-autotune" if "autotune" in options.setting else "default")
    narrow = torch.autocast("cpu", torch.bfloat16, enabled="bf16" in options.setting)
    if not options.train:
        def infer(of=x):
            with torch.no_grad(), narrow:
                return main_output(model(of))
        return torch.__version__, infer, lambda given: infer(torch.from_numpy(given).to(memory_format=memory_format)).float().numpy()
    labels = torch.arange(options.batch) % CLASSES.get(options.model, 1000)
    if options.model.startswith("fcn"):
        labels = labels[:, None, None].expand(-1, *x.shape[2:]).contiguous()
    fused = "eager" not in options.setting
    if options.model in ADAMW:
        optimizer = torch.optim.AdamW(model.parameters(), 0.0, weight_decay=0.05, fused=fused)
    else:
        optimizer = torch.optim.SGD(model.parameters(), 0.0, momentum=0.9, weight_decay=1e-4, fused=fused)
    loss_of = torch.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        with narrow:
            result = model(x)
            loss = loss_of(main_output(result), labels)
            if isinstance(result, dict):
                loss = loss + 0.5 * loss_of(result["aux"], labels)
        loss.backward()
        if ADAMW.get(options.model):
            torch.nn.utils.clip_grad_norm_(model.parameters(), ADAMW[options.model])
        optimizer.step()
    return torch.__version__, step, None


def calibration_batches(options):
    """Of the batch size that the model has."""
    images = safetensors.load(options.folder / "calibration.safetensors")["input"].copy()
    return [images[at:at + options.batch] for at in range(0, len(images), options.batch)]


def quantize_onnx(options):
    """Static quantisation of ONNX Runtime: QDQ, unsigned activations, signed weights with a scale per channel."""
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        batches = iter([{"input": batch} for batch in calibration_batches(options)])

        def get_next(self):
            return next(self.batches, None)
    prepared, quantized = options.folder / "prepared.onnx", options.folder / "int8.onnx"
    quantization.quant_pre_process(str(options.folder / "model.onnx"), str(prepared), skip_symbolic_shape=True)
    quantization.quantize_static(str(prepared), str(quantized), Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
                                 activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8)
    return quantized


def start_onnxruntime(options):
    import onnxruntime
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    model = quantize_onnx(options) if "int8" in options.setting else options.folder / "model.onnx"
    session = onnxruntime.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])
    x = safetensors.load(options.folder / "input.safetensors")["input"]
    infer = lambda of=x: session.run(None, {"input": of})[0]
    return onnxruntime.__version__, infer, infer


def start_openvino(options):
    import openvino
    core = openvino.Core()
    properties = {"INFERENCE_PRECISION_HINT": "bf16" if "bf16" in options.setting else "f32", "INFERENCE_NUM_THREADS": options.threads,
                  "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    model = core.read_model(str(options.folder / "model.onnx"))
    if "int8" in options.setting:
        import nncf
        model = nncf.quantize(model, nncf.Dataset(calibration_batches(options)), preset=nncf.QuantizationPreset.MIXED,
                              subset_size=IMAGES)
    compiled = core.compile_model(model, "CPU", properties)
    request = compiled.create_infer_request()
    x = openvino.Tensor(safetensors.load(options.folder / "input.safetensors")["input"].copy())

    def infer(of=x):
        request.set_input_tensor(of)
        request.infer()

    def logits(of):
        infer(openvino.Tensor(of))
        return request.get_output_tensor().data.copy()
    return openvino.__version__.split("-")[0], infer, logits


def start_iree(options):
    import subprocess
    import iree.runtime
    tools = pathlib.Path(sys.executable).parent
    mlir, module = options.folder / "iree.mlir", options.folder / "iree.vmfb"
    if not module.exists():
        subprocess.run([tools / "iree-import-onnx", options.folder / "model.onnx", "-o", mlir, "--opset-version", "17"], check=True, stdout=sys.stderr)
        subprocess.run([tools / "iree-compile", mlir, "-o", module, "--iree-hal-target-device=local",
                        "--iree-hal-local-target-device-backends=llvm-cpu", "--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O3"],
                       check=True, stdout=sys.stderr)
    iree.runtime.flags.parse_flags(f"--task_topology_group_count={options.threads}")
    loaded = iree.runtime.load_vm_flatbuffer_file(str(module), driver="local-task")
    name = next(name for name in loaded.vm_module.function_names if not name.startswith("__") and not name.endswith("$async"))
    on_device = lambda given: iree.runtime.asdevicearray(iree.runtime.get_device("local-task"), given)
    x = on_device(safetensors.load(options.folder / "input.safetensors")["input"])
    infer = lambda of=x: loaded[name](of).to_host()
    import importlib.metadata
    return importlib.metadata.version("iree-base-runtime"), infer, lambda given: infer(on_device(given))


STARTS = {"torch": start_torch, "onnxruntime": start_onnxruntime, "openvino": start_openvino, "iree": start_iree}


def answer(out, **values):
    out.write(json.dumps(values) + "\n")
    out.flush()


def serve(options, out):
    import numpy
    version, infer, logits = STARTS[options.name](options)
    for _ in range(3):
        infer()
    answer(out, version=version)
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "run":
            times = []
            for _ in range(int(rest[0])):
                start = time.perf_counter()
                infer()
                times.append(1e3 * (time.perf_counter() - start))
            answer(out, ms=times)
        elif word == "logits":
            given = safetensors.load(rest[0])["input"].copy()
            parts = [logits(given[at:at + options.batch]) for at in range(0, len(given), options.batch)]
            safetensors.save(rest[1], {"output": numpy.concatenate(parts)})
            answer(out, written=rest[1])
        elif word == "quit":
            answer(out, peak_rss_bytes=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=["draw", *STARTS])
    parser.add_argument("setting", nargs="?", default="")
    parser.add_argument("model")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--precision", default="f32", help="what the contestants will run in")
    options = parser.parse_args()
    # Libraries print; the conversation goes on over a descriptor of its own.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if options.name == "draw":
        draw(options)
    else:
        serve(options, out)


if __name__ == "__main__":
    main()
