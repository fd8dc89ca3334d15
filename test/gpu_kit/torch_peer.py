"""PyTorch beside netc: a process that answers lines of JSON, so that its failures and its memory are its own.

{"prepare": CONTESTANT, "model", "train", "batch", "precision"} makes a step and warms it up, {"time": N, "contestant"} gives N
times in milliseconds, {"drop": true} frees all. What cannot be done is answered with {"error"}.
"""
import gc
import json
import os
import sys
import time
import warnings

import torch
import torch_models

CONTESTANTS = ("eager channels_last", "CUDA graph", "compile")
WARM_UPS = 3


class LeNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = torch.nn.Conv2d(1, 6, 5, padding=2), torch.nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = torch.nn.Linear(400, 120), torch.nn.Linear(120, 84), torch.nn.Linear(84, 10)

    def forward(self, x):
        pool = torch.nn.functional.max_pool2d
        x = pool(torch.relu(self.conv2(pool(torch.relu(self.conv1(x)), 2))), 2).flatten(1)
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


def build(name):
    """(model, shape of an image, classes)"""
    if name == "lenet":
        return LeNet(), (1, 28, 28), 10
    if name == "resnet20":
        return torch_models.build(name, 10), (3, 32, 32), 10
    return torch_models.build(name, 1000), (3, 224, 224), 1000


def set_precision(precision):
    """Whether f32 products may round their operands to tf32; bf16 is AMP's business."""
    allowed = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


class Contestant:
    """A model with one way to run it. `of`: an eager one, whose model and memory it shares."""

    def __init__(self, name, model, train, batch, precision, of=None):
        self.gpu = torch.cuda.is_available()
        if of:
            self.__dict__.update(of.__dict__)
        else:
            self.make(name, model, train, batch, precision)
        if name == "CUDA graph":
            self.capture()
        self.wait()

    def make(self, name, model, train, batch, precision):
        device = "cuda" if self.gpu else "cpu"
        set_precision(precision)
        torch.backends.cudnn.benchmark = True
        self.train, self.amp, self.device = train, precision == "bf16", device
        network, shape, classes = build(model)
        self.model = network.to(device).to(memory_format=torch.channels_last).train(train)
        self.images = torch.randn(batch, *shape, device=device).to(memory_format=torch.channels_last)
        self.labels = torch.randint(classes, (batch,), device=device)
        if train:
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
        self.forward = torch.compile(self.model) if name == "compile" else self.model
        if self.gpu:
            torch.cuda.reset_peak_memory_stats()
        self.once = self.step if train else self.infer
        for _ in range(WARM_UPS):
            self.once()
        self.reserved = torch.cuda.max_memory_reserved() if self.gpu else None

    def wait(self):
        if self.gpu:
            torch.cuda.synchronize()

    def loss(self):
        with torch.autocast(self.device, torch.bfloat16, enabled=self.amp):
            return torch.nn.functional.cross_entropy(self.forward(self.images), self.labels)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.loss().backward()
        self.optimizer.step()

    def infer(self):
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=self.amp):
            return self.forward(self.images)

    def capture(self):
        if not self.gpu:
            raise RuntimeError("CUDA graphs need a GPU")
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                self.once()
        torch.cuda.current_stream().wait_stream(side)
        graph, once = torch.cuda.CUDAGraph(), self.once
        if self.train:
            self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            self.kept = once()
        self.once = graph.replay

    def time(self, count):
        times = []
        for _ in range(count):
            self.wait()
            begin = time.perf_counter()
            self.once()
            self.wait()
            times.append(1e3 * (time.perf_counter() - begin))
        return times

class Peer:
    """The contestants of one row: they stay until the next, so that turns cost no preparation."""

    def __init__(self):
        self.drop()

    def answer(self, request):
        if "prepare" in request:
            name = request["prepare"]
            about = (name, *(request[key] for key in ("model", "train", "batch", "precision")))
            self.contestants[name] = Contestant(*about, of=self.contestants.get(CONTESTANTS[0]) if name == "CUDA graph" else None)
            return {"ready": name, "memory": self.contestants[name].reserved}
        if "time" in request:
            return {"ms": self.contestants[request["contestant"]].time(request["time"])}
        self.drop()
        return {"dropped": True}

    def drop(self):
        self.contestants = {}
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def main():
    # Libraries print; the conversation goes on over a descriptor of its own.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    peer = Peer()
    out.write(json.dumps({"version": torch.__version__, "gpu": torch.cuda.is_available()}) + "\n")
    out.flush()
    for line in sys.stdin:
        try:
            answer = peer.answer(json.loads(line))
        except Exception as error:
            peer.drop()
            answer = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
