"""Networks as Caffe and Darknet write them: deploy files of published ones, and weights in the formats of both."""
import struct

import numpy

import onnx_file

V1 = {"Convolution": "CONVOLUTION", "ReLU": "RELU", "LRN": "LRN", "Pooling": "POOLING", "InnerProduct": "INNER_PRODUCT", "Dropout": "DROPOUT", "Softmax": "SOFTMAX",
      "Concat": "CONCAT", "Eltwise": "ELTWISE", "Slice": "SLICE", "Power": "POWER"}


def layer(name, kind, bottoms, top=None, old=False, **parameters):
    """The text of a layer. `parameters`: convolution_param={"num_output": 8}; a list: the field several times."""
    def fields(values, indent):
        lines = []
        for key, value in values.items():
            for each in value if isinstance(value, list) else [value]:
                text = str(each).lower() if isinstance(each, bool) else each
                lines.append(f"{indent}{key} {{\n{fields(each, indent + '  ')}{indent}}}\n" if isinstance(each, dict) else f"{indent}{key}: {text}\n")
        return "".join(lines)
    bottoms = [bottoms] if isinstance(bottoms, str) else bottoms
    tops = [name] if top is None else [top] if isinstance(top, str) else top
    head = f"  name: \"{name}\"\n  type: {V1[kind] if old else chr(34) + kind + chr(34)}\n"
    head += "".join(f"  bottom: \"{each}\"\n" for each in bottoms) + "".join(f"  top: \"{each}\"\n" for each in tops)
    return f"{'layers' if old else 'layer'} {{\n{head}{fields(parameters, '  ')}}}\n"


def blob(values, old=False):
    values = numpy.asarray(values, numpy.float32)
    if old:
        sizes = [1] * (4 - values.ndim) + list(values.shape)
        shape = b"".join(onnx_file.number(i + 1, size) for i, size in enumerate(sizes))
    else:
        shape = onnx_file.blob(7, onnx_file.blob(1, b"".join(onnx_file.varint(size) for size in values.shape)))
    return shape + onnx_file.blob(5, values.tobytes())


def caffemodel(weights, old=False):
    """`weights`: name of a layer to its arrays."""
    name, blobs, layers = (4, 6, 2) if old else (1, 7, 100)
    return b"".join(onnx_file.blob(layers, onnx_file.blob(name, key) + b"".join(onnx_file.blob(blobs, blob(each, old)) for each in arrays))
                    for key, arrays in weights.items())


class Deploy:
    """Layers one after another, as the deploy files of published networks have them."""

    def __init__(self, name, size, old=False):
        self.old = old
        self.text = f"name: \"{name}\"\n"
        if old:
            self.text += "input: \"data\"\ninput_dim: 10\ninput_dim: 3\n" + f"input_dim: {size}\n" * 2
        else:
            self.text += layer("data", "Input", [], input_param={"shape": {"dim": [10, 3, size, size]}})

    def add(self, name, kind, bottoms, top=None, **parameters):
        self.text += layer(name, kind, bottoms, top, self.old, **parameters)
        return name if top is None else top

    def conv(self, name, bottom, channels, kernel, relu=None, **more):
        fill = {"weight_filler": {"type": "\"xavier\""}} if not more.get("bias_term") is False else {}
        self.add(name, "Convolution", bottom, **({} if self.old else {"param": [{"lr_mult": 1, "decay_mult": 1}]}),
                 convolution_param={"num_output": channels, "kernel_size": kernel, **more, **fill})
        if relu:
            self.add(relu, "ReLU", name, name)
        return name

    def pool(self, name, bottom, kernel, stride, kind="MAX", **more):
        return self.add(name, "Pooling", bottom, pooling_param={"pool": kind, "kernel_size": kernel, "stride": stride, **more})


def alexnet():
    net = Deploy("AlexNet", 227)
    net.conv("conv1", "data", 96, 11, "relu1", stride=4)
    net.add("norm1", "LRN", "conv1", lrn_param={"local_size": 5, "alpha": 0.0001, "beta": 0.75})
    net.pool("pool1", "norm1", 3, 2)
    net.conv("conv2", "pool1", 256, 5, "relu2", pad=2, group=2)
    net.add("norm2", "LRN", "conv2", lrn_param={"local_size": 5, "alpha": 0.0001, "beta": 0.75})
    net.pool("pool2", "norm2", 3, 2)
    net.conv("conv3", "pool2", 384, 3, "relu3", pad=1)
    net.conv("conv4", "conv3", 384, 3, "relu4", pad=1, group=2)
    net.conv("conv5", "conv4", 256, 3, "relu5", pad=1, group=2)
    bottom = net.pool("pool5", "conv5", 3, 2)
    for index in (6, 7):
        bottom = net.add(f"fc{index}", "InnerProduct", bottom, inner_product_param={"num_output": 4096})
        net.add(f"relu{index}", "ReLU", bottom, bottom)
        net.add(f"drop{index}", "Dropout", bottom, bottom, dropout_param={"dropout_ratio": 0.5})
    net.add("fc8", "InnerProduct", bottom, inner_product_param={"num_output": 1000})
    net.add("prob", "Softmax", "fc8")
    return net.text


def googlenet():
    """In the older `layers`, as its caffemodel."""
    net = Deploy("GoogleNet", 224, old=True)
    net.conv("conv1/7x7_s2", "data", 64, 7, "conv1/relu_7x7", pad=3, stride=2)
    net.pool("pool1/3x3_s2", "conv1/7x7_s2", 3, 2)
    net.add("pool1/norm1", "LRN", "pool1/3x3_s2", lrn_param={"local_size": 5, "alpha": 0.0001, "beta": 0.75})
    net.conv("conv2/3x3_reduce", "pool1/norm1", 64, 1, "conv2/relu_3x3_reduce")
    net.conv("conv2/3x3", "conv2/3x3_reduce", 192, 3, "conv2/relu_3x3", pad=1)
    net.add("conv2/norm2", "LRN", "conv2/3x3", lrn_param={"local_size": 5, "alpha": 0.0001, "beta": 0.75})
    bottom = net.pool("pool2/3x3_s2", "conv2/norm2", 3, 2)
    blocks = {"3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64),
              "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128),
              "5b": (384, 192, 384, 48, 128, 128)}
    for key, (one, reduce3, three, reduce5, five, project) in blocks.items():
        at = f"inception_{key}"
        net.conv(f"{at}/1x1", bottom, one, 1, f"{at}/relu_1x1")
        net.conv(f"{at}/3x3_reduce", bottom, reduce3, 1, f"{at}/relu_3x3_reduce")
        net.conv(f"{at}/3x3", f"{at}/3x3_reduce", three, 3, f"{at}/relu_3x3", pad=1)
        net.conv(f"{at}/5x5_reduce", bottom, reduce5, 1, f"{at}/relu_5x5_reduce")
        net.conv(f"{at}/5x5", f"{at}/5x5_reduce", five, 5, f"{at}/relu_5x5", pad=2)
        net.pool(f"{at}/pool", bottom, 3, 1, pad=1)
        net.conv(f"{at}/pool_proj", f"{at}/pool", project, 1, f"{at}/relu_pool_proj")
        bottom = net.add(f"{at}/output", "Concat", [f"{at}/1x1", f"{at}/3x3", f"{at}/5x5", f"{at}/pool_proj"])
        if key in ("3b", "4e"):
            bottom = net.pool(f"pool{key[0]}/3x3_s2", bottom, 3, 2)
    net.pool("pool5/7x7_s1", bottom, 7, 1, "AVE")
    net.add("pool5/drop_7x7_s1", "Dropout", "pool5/7x7_s1", "pool5/7x7_s1", dropout_param={"dropout_ratio": 0.4})
    net.add("loss3/classifier", "InnerProduct", "pool5/7x7_s1", inner_product_param={"num_output": 1000})
    net.add("prob", "Softmax", "loss3/classifier")
    return net.text


def resnet(depths=(3, 4, 6, 3), size=224, width=64, classes=1000):
    net = Deploy("ResNet", size)

    def normed(name, bottom, channels, kernel, relu=True, **more):
        net.conv(name, bottom, channels, kernel, bias_term=name == "conv1", **more)
        end = name.replace("res", "") if name != "conv1" else "_conv1"
        net.add(f"bn{end}", "BatchNorm", name, name, batch_norm_param={"use_global_stats": True})
        net.add(f"scale{end}", "Scale", name, name, scale_param={"bias_term": True})
        if relu:
            net.add(f"{name}_relu", "ReLU", name, name)
        return name

    normed("conv1", "data", width, 7, pad=3, stride=2)
    bottom = net.pool("pool1", "conv1", 3, 2)
    for stage, depth in enumerate(depths):
        for i in range(depth):
            at, stride = f"res{stage + 2}{chr(ord('a') + i)}", 2 if stage > 0 and i == 0 else 1
            channels = width << stage
            short = normed(f"{at}_branch1", bottom, 4 * channels, 1, relu=False, stride=stride, pad=0) if i == 0 else bottom
            normed(f"{at}_branch2a", bottom, channels, 1, stride=stride, pad=0)
            normed(f"{at}_branch2b", f"{at}_branch2a", channels, 3, stride=1, pad=1)
            normed(f"{at}_branch2c", f"{at}_branch2b", 4 * channels, 1, relu=False, stride=1, pad=0)
            bottom = net.add(at, "Eltwise", [short, f"{at}_branch2c"])
            net.add(f"{at}_relu", "ReLU", bottom, bottom)
    net.pool("pool5", bottom, max(1, size // 32), 1, "AVE")
    net.add(f"fc{classes}", "InnerProduct", "pool5", inner_product_param={"num_output": classes})
    net.add("prob", "Softmax", f"fc{classes}")
    return net.text


def section(name, **options):
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in options.items()) + "\n"


def darknet_conv(filters, size, stride=1, activation="leaky", normed=True, **more):
    return section("convolutional", **({"batch_normalize": 1} if normed else {}), filters=filters, size=size, stride=stride, pad=1, activation=activation, **more)


NET = dict(batch=1, subdivisions=1, height=256, width=256, channels=3, min_crop=128, max_crop=448, learning_rate=0.1, policy="poly", power=4, max_batches=800000)
END = section("avgpool") + darknet_conv(1000, 1, activation="linear", normed=False) + section("softmax", groups=1)


def darknet53():
    text = "# Darknet-53\n" + section("net", **NET) + darknet_conv(32, 3)
    for channels, blocks in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        text += darknet_conv(channels, 3, 2)
        text += (darknet_conv(channels // 2, 1) + darknet_conv(channels, 3) + section("shortcut", **{"from": -3}, activation="linear")) * blocks
    return text + END


def darknet_resnet50():
    text = section("net", **NET) + darknet_conv(64, 7, 2) + section("maxpool", size=2, stride=2)
    for stage, depth in enumerate((3, 4, 6, 3)):
        for i in range(depth):
            stride = 2 if stage > 0 and i == 0 else 1
            text += darknet_conv(64 << stage, 1) + darknet_conv(64 << stage, 3, stride) + darknet_conv(256 << stage, 1, activation="linear")
            text += section("shortcut", **{"from": -4}, activation="leaky")
    return text + END


def darknet_weights(arrays, version=(0, 2, 0)):
    seen = struct.pack("<q" if version[0] * 10 + version[1] >= 2 and max(version[:2]) < 1000 else "<i", 64000)
    return struct.pack("<3i", *version) + seen + b"".join(numpy.asarray(each, numpy.float32).tobytes() for each in arrays)
