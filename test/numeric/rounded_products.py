"""PyTorch's convolutions and linear layers as --precision rounds them, all else in the type of the model.

Operands are rounded to tf32 or bf16; with bf16 results too, which are stored so.
"""
import contextlib
import functools

import tensor_cores
import torch

convolution = torch.nn.functional.conv2d


def rounded(x, precision):
    return torch.from_numpy(tensor_cores.rounded(x.detach().numpy(), precision))


def stored(x, precision):
    return rounded(x, precision) if precision == "bf16" else x


class RoundedConvolution(torch.autograd.Function):
    """A product of rounded operands; what it passes back is computed from a rounded cotangent."""

    @staticmethod
    def forward(context, precision, image, weight, *geometry):
        image, weight = rounded(image, precision), rounded(weight, precision)
        context.save_for_backward(image, weight)
        context.geometry, context.precision = geometry, precision
        return stored(convolution(image, weight, None, *geometry), precision)

    @staticmethod
    def backward(context, cotangent):
        image, weight = context.saved_tensors
        cotangent = rounded(cotangent, context.precision)
        by_image = torch.nn.grad.conv2d_input(image.shape, weight, cotangent, *context.geometry)
        return (None, stored(by_image, context.precision),
                torch.nn.grad.conv2d_weight(image, weight.shape, cotangent, *context.geometry), None, None, None, None)


def rounded_convolution(precision, image, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    product = RoundedConvolution.apply(precision, image, weight, stride, padding, dilation, groups)
    return product if bias is None else product + bias.view(1, -1, 1, 1)


def rounded_linear(precision, x, weight, bias=None):
    return rounded_convolution(precision, x[..., None, None], weight[..., None, None], bias)[..., 0, 0]


@contextlib.contextmanager
def rounded_operands(precision):
    functional = torch.nn.functional
    kept = functional.conv2d, functional.linear
    functional.conv2d = functools.partial(rounded_convolution, precision)
    functional.linear = functools.partial(rounded_linear, precision)
    try:
        yield
    finally:
        functional.conv2d, functional.linear = kept
