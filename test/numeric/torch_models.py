"""The models of models/ in PyTorch, with the same parameter names: torchvision's, and ours for the CIFAR networks."""
import torch
import torchvision
from torch import nn
from torch.nn import functional


class Residual(nn.Module):
    """He et al. 2015, section 4.2: two 3x3 convolutions; option A takes every second pixel and adds zero channels."""

    def __init__(self, inputs, c, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, c, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c)
        self.conv2 = nn.Conv2d(c, c, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c)
        self.stride, self.grown = stride, c - inputs

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        shortcut = functional.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.grown))
        return torch.relu(y + shortcut)


class CifarResNet(nn.Module):
    def __init__(self, n, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        inputs = 16
        for stage in range(3):
            c, blocks = 16 << stage, []
            for i in range(n):
                blocks.append(Residual(inputs, c, 2 if stage > 0 and i == 0 else 1))
                inputs = c
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


class SmallAlexNet(nn.Module):
    """The network `ALEXNET` of cuda_step.py. The language's alpha multiplies the plain sum of squares; PyTorch divides it by the size."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 24, 11, 4, 2)
        self.conv2 = nn.Conv2d(24, 32, 5, 1, 2, groups=2)
        self.conv3 = nn.Conv2d(32, 48, 3, 1, 1)
        self.conv4 = nn.Conv2d(48, 32, 3, 1, 1, groups=2)
        self.fc6 = nn.Linear(32, 64)
        self.fc8 = nn.Linear(64, classes)
        self.norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = functional.max_pool2d(self.norm(torch.relu(self.conv1(x))), 3, 2)
        x = functional.max_pool2d(self.norm(torch.relu(self.conv2(x))), 3, 2, ceil_mode=True)
        x = torch.relu(self.conv4(torch.relu(self.conv3(x))))
        return self.fc8(self.dropout(torch.relu(self.fc6(x.flatten(1)))))


def small_convnext(classes):
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt
    settings = [CNBlockConfig(24, 48, 1), CNBlockConfig(48, 96, 1), CNBlockConfig(96, 192, 2), CNBlockConfig(192, None, 1)]
    return ConvNeXt(settings, stochastic_depth_prob=0.0, layer_scale=0.5, num_classes=classes)


def small_vit(classes):
    model = torchvision.models.VisionTransformer(40, 8, 2, 3, 192, 768, num_classes=classes)
    nn.init.normal_(model.heads.head.weight, std=0.05)  # zero as published: nothing else would have a gradient
    return model


def build(name, classes):
    if name in ("convnext", "vit"):
        return small_convnext(classes) if name == "convnext" else small_vit(classes)
    if name == "resnet20":
        return CifarResNet(3, classes)
    if name == "alexnet_small":
        return SmallAlexNet(classes)
    if name == "bottleneck_small":
        bottleneck = torchvision.models.resnet.Bottleneck
        return torchvision.models.ResNet(bottleneck, [1, 2, 1, 1], num_classes=classes, width_per_group=16)
    arguments = {"num_classes": classes}
    if name == "googlenet":
        arguments.update(aux_logits=True, transform_input=False, init_weights=False)
    return getattr(torchvision.models, name)(**arguments)


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, (nn.Dropout, torchvision.ops.StochasticDepth)):
            module.p = 0.0
    return model
