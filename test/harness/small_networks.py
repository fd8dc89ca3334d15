"""Small networks: (name, text, images of gradcheck or 0, whether two epochs are trained)."""


def network(image, body, classes=5):
    return f"net 1\nmodel m(classes={classes}) {{\n  input image: {list(image)}\n{body}\n}}\n"


HEAD = " | avgpool(global) | flatten | linear(classes)"
NETWORKS = [
    ("every_layer", network((3, 12, 12), """  x = image | conv(8, k=3, pad=1) | bn | leaky_relu | lrn(3)
  a = x | conv(8, k=3, pad=1, groups=4) | silu
  b = x | conv(8, k=[3, 1], pad=[1, 0]) | tanh
  g = x | avgpool(global) | conv(8, k=1) | sigmoid
  y = concat(a, b * g, x | avgpool(k=3, stride=1, pad=1)) | conv(12, k=3, pad=2, dilation=2) | bn | hardswish | dropout(0.5)
  aux(y | avgpool(global) | flatten | linear(classes), weight=0.3)
  z = y | maxpool(k=3, stride=2, round=up) | subsample(2) | pad_channels(16) | relu6
  return z | avgpool(out=2) | flatten | linear(classes)"""), 4, True),
    ("residual", network((3, 20, 20), """  x = image | conv(24, k=3, pad=1) | bn | relu
  y = x | conv(24, k=3, pad=1, groups=6) | bn | relu | conv(24, k=3, pad=1) | bn
  return relu(x + y) | conv(33, k=3, stride=2) | bn | relu""" + HEAD), 2, True),
    ("odd_channels", network((3, 11, 13), "  return image" + "".join(
        f" | conv({c}, k={k}, stride={s}, pad={k // 2}) | bn | silu" for c, k, s in
        ((5, 3, 1), (13, 1, 1), (33, 3, 1), (130, 3, 1), (13, 1, 1), (5, 5, 2), (130, 1, 2), (33, 3, 1), (3, 1, 1))) + HEAD), 2, True),
    ("imagenet_stem", network((3, 43, 37), "  return image | conv(64, k=7, stride=2, pad=3) | bn | relu | maxpool(k=3, stride=2, pad=1)" + HEAD), 0, False),
    ("alexnet_stem", network((3, 47, 51), "  return image | conv(96, k=11, stride=4) | relu | lrn(5) | maxpool(k=3, stride=2) | "
                             "conv(64, k=5, pad=2, groups=2) | relu | flatten | linear(130) | relu | dropout(0.5) | linear(classes)"), 0, True),
    ("mobile", network((3, 16, 16), """  x = image | conv(16, k=3, stride=2, pad=1) | bn | relu6
  y = x | conv(96, k=1) | bn | relu6 | conv(96, k=3, pad=1, groups=96) | bn | relu6 | conv(16, k=1) | bn
  z = (x + y) | conv(50, k=1) | bn | relu6 | conv(50, k=3, stride=2, pad=1, groups=50) | bn | relu6 | conv(33, k=1) | bn
  return z | conv(33, k=5, pad=2, groups=33) | bn | hardswish | conv(99, k=3, pad=1, groups=33) | bn | hardswish""" + HEAD), 2, True),
    ("grouped", network((3, 12, 10), "  return image | conv(64, k=3, pad=1) | bn | silu | conv(64, k=3, pad=1, groups=8) | bn | silu | "
                        "conv(128, k=3, pad=1, groups=4) | silu | conv(60, k=3, stride=2, pad=1, groups=2) | silu | conv(60, k=1, groups=15) | silu | "
                        "conv(60, k=3, pad=1, groups=3) | tanh" + HEAD), 2, False),
    ("vgg", network((3, 24, 24), "  return image | conv(32, k=3, pad=1) | bn | relu | conv(48, k=3, pad=1) | bn | relu | maxpool(k=2) | "
                    "conv(64, k=3, pad=1) | relu | conv(64, k=3, pad=1) | relu | maxpool(k=2) | conv(130, k=3, pad=1) | relu | maxpool(k=2) | "
                    "flatten | linear(100) | relu | dropout(0.5) | linear(classes)"), 0, True),
    ("wide", network((3, 5, 5), "  return image | conv(610, k=1) | bn | relu | conv(640, k=3, pad=1) | bn | relu | conv(1030, k=1) | relu | "
                     "conv(96, k=3, stride=2, pad=1) | tanh" + HEAD), 0, False),
    ("bottleneck", network((3, 14, 14), """  x = image | conv(64, k=1) | bn | relu
  y = x | conv(64, k=1) | bn | relu | conv(64, k=3, pad=1) | bn | relu | conv(256, k=1) | bn
  z = relu(y + (x | conv(256, k=1) | bn))
  u = z | conv(128, k=1) | bn | relu | conv(128, k=3, stride=2, pad=1) | bn | relu | conv(512, k=1) | bn
  return relu(u + (z | conv(512, k=1, stride=2) | bn))""" + HEAD), 0, False),
    ("dilated", network((3, 15, 15), "  return image | conv(33, k=3, pad=2, dilation=2) | silu | conv(40, k=3, pad=3, dilation=3) | silu | "
                        "conv(17, k=[3, 5], stride=[2, 1], pad=[2, 4], dilation=[2, 2]) | tanh | conv(16, k=3, stride=2, pad=2, dilation=2) | tanh" + HEAD), 2, False),
    ("linear", network((13, 1, 1), "  return image | flatten | linear(130) | tanh | linear(33) | tanh | linear(1000) | tanh | linear(5) | tanh | linear(classes)"), 2, True),
]

# Dropout, and all that a recipe does to images before the step and to gradients after their sum.
FULL = """net 1

model full {
  input image: [3, 16, 16]
  x = image | conv(8, k=3, pad=1) | bn | relu | maxpool(k=2)
  x = x | conv(16, k=3, pad=1) | bn | relu | dropout(0.3)
  return x | avgpool(global) | flatten | dropout(0.5) | linear(10)
}

train full {
  augment    random_crop(16, pad=2), hflip, mixup(0.4)
  optimizer  OPTIMIZER
  schedule   cosine, warmup(0.2)
  clip_norm  1.0
  accumulate 2
  ema        0.9
  shards     SHARDS
  batch      16
  epochs     EPOCHS
}
"""


def full_recipe(optimizer, shards=1, epochs=2):
    """The text of a model `full` with every clause that data-parallel training must keep."""
    return FULL.replace("OPTIMIZER", optimizer).replace("SHARDS", str(shards)).replace("EPOCHS", str(epochs))
