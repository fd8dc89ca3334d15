"""numeric/parity.py's comparison, for the kit: one model, one draw, any executable of it."""
import contextlib

import numpy
import parity
import tensor_cores
import torch
import torch_models


class Case:
    """Weights, images and PyTorch's float64 results of one draw."""

    def __init__(self, about, seed):
        self.model, self.images, self.labels = parity.draw(about["model"], about["side"], about["images"], about["classes"], seed, True)
        self.weights = parity.weights_of(self.model)
        self.model.double()

    def claims(self, executable, threads):
        """By the bounds of parity.py for values off the corners."""
        self.restore()
        return parity.compare(ManyThreads(executable, threads), self.model, self.images, self.labels, parity.GRADIENT)

    def inputs(self):
        return {"input": self.images.numpy().astype(numpy.float32), "labels": self.labels.numpy()}

    def step(self, executable, threads):
        return executable.run(self.weights, self.inputs(), train=True, threads=threads)

    def rounded_step(self):
        """wanted_step() with the operands of all products rounded to tf32."""
        with tf32_operands():
            return self.wanted_step()

    def wanted_step(self):
        self.restore()
        logits, loss = parity.step(self.model, self.images, self.labels)
        wanted = {"grad." + name: parameter.grad.numpy() for name, parameter in self.model.named_parameters()}
        return {"output": logits.detach().numpy(), "loss": numpy.array([float(loss)]), **wanted}

    def restore(self):
        """What a step has changed: the running statistics."""
        statistics = {name: torch.from_numpy(value).double() for name, value in self.weights.items() if "running_" in name}
        self.model.load_state_dict(statistics, strict=False)


def rounded(x):
    return torch.from_numpy(tensor_cores.rounded(x.detach().numpy()))


class RoundedConvolution(torch.autograd.Function):
    """A product of rounded operands; what it passes back is computed from a rounded cotangent."""

    @staticmethod
    def forward(context, image, weight, *geometry):
        image, weight = rounded(image), rounded(weight)
        context.save_for_backward(image, weight)
        context.geometry = geometry
        return convolution(image, weight, None, *geometry)

    @staticmethod
    def backward(context, cotangent):
        image, weight = context.saved_tensors
        cotangent = rounded(cotangent)
        return (torch.nn.grad.conv2d_input(image.shape, weight, cotangent, *context.geometry),
                torch.nn.grad.conv2d_weight(image, weight.shape, cotangent, *context.geometry), None, None, None, None)


convolution = torch.nn.functional.conv2d


def rounded_convolution(image, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    product = RoundedConvolution.apply(image, weight, stride, padding, dilation, groups)
    return product if bias is None else product + bias.view(1, -1, 1, 1)


def rounded_linear(x, weight, bias=None):
    return rounded_convolution(x[..., None, None], weight[..., None, None], bias)[..., 0, 0]


@contextlib.contextmanager
def tf32_operands():
    """PyTorch's layers with operands rounded as tensor cores' are, all else in the type of the model."""
    functional = torch.nn.functional
    kept = functional.conv2d, functional.linear
    functional.conv2d, functional.linear = rounded_convolution, rounded_linear
    try:
        yield
    finally:
        functional.conv2d, functional.linear = kept


class ManyThreads:
    """An executable whose runs take all cores."""

    def __init__(self, executable, threads):
        self.executable, self.threads = executable, threads

    def run(self, weights, inputs, train=False):
        return self.executable.run(weights, inputs, train, self.threads)

    def run_again(self, inputs, train=False):
        return self.executable.run_again(inputs, train, self.threads)
