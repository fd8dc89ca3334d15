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


def build(name, classes):
    if name == "resnet20":
        return CifarResNet(3, classes)
    arguments = {"num_classes": classes}
    if name == "googlenet":
        arguments.update(aux_logits=True, transform_input=False, init_weights=False)
    return getattr(torchvision.models, name)(**arguments)


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model
