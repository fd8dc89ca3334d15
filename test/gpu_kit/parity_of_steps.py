"""numeric/parity.py's comparison, for the kit: one model, one draw, any executable of it."""
import numpy
import parity
from rounded_products import rounded_operands


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
        with rounded_operands("tf32"):
            return self.wanted_step()

    def wanted_step(self):
        self.restore()
        logits, loss = parity.step(self.model, self.images, self.labels)
        wanted = {"grad." + name: parameter.grad.numpy() for name, parameter in self.model.named_parameters()}
        return {"output": logits.detach().numpy(), "loss": numpy.array([float(loss)]), **wanted}

    def restore(self):
        """What a step has changed: the running statistics."""
        parity.restore(self.model, self.weights)


class ManyThreads:
    """An executable whose runs take all cores."""

    def __init__(self, executable, threads):
        self.executable, self.threads = executable, threads

    def run(self, weights, inputs, train=False):
        return self.executable.run(weights, inputs, train, self.threads)

    def run_again(self, inputs, train=False):
        return self.executable.run_again(inputs, train, self.threads)
