#!/usr/bin/python3
"""A class for each pixel: synthetic shapes in files, trained with augmentation that moves image and mask, judged by class, predicted as masks."""
import json
import pathlib
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import MODELS, NETC, Failed, call
from report import Report, Unsupported
from runs import same_files

try:
    from PIL import Image
except ImportError:
    Image = None

MODEL = """net 1

block step(x, c, d) {
  return x | conv(c, k=3, pad=d, dilation=d) | bn | relu
}

model shapes {
  input image: [3, 48, 48]
  x = image | step(16, 1)
  y = x | step(24, 1) | step(24, 2) | step(24, 4) | step(24, 8)
  return concat(x, y) | step(24, 1) | scores: conv(3, k=1)
}

train shapes {
  augment    hflip, vflip, random_affine(20, translate=[0.1, 0.1], scale=[0.8, 1.25]), color_jitter(brightness=0.2)
  normalize(mean=0.5, std=0.25)
  loss       cross_entropy + 0.5 * dice
  optimizer  adam(lr=0.01), decay(norm=0, bias=0)
  schedule   cosine
  batch      16
  epochs     8
}
"""
UNET = """net 1

import "{models}/unet.net"

model small = unet(16, 3, 3)

train small {{
  augment    hflip, vflip
  normalize(mean=0.5, std=0.25)
  loss       cross_entropy + 0.5 * dice
  optimizer  adam(lr=0.005)
  schedule   cosine
  batch      16
  epochs     8
}}
"""
SIDE = 48


def draw(rng):
    """A disc (1) and a square (2) on a noisy ground, some pixels of unknown class."""
    image = rng.normal(90, 25, (SIDE, SIDE, 3))
    mask = numpy.zeros((SIDE, SIDE), numpy.uint8)
    y, x = numpy.mgrid[:SIDE, :SIDE]
    for kind, color in ((1, (190, 120, 90)), (2, (110, 130, 200))):
        radius = rng.integers(6, 12)
        cy, cx = rng.integers(radius, SIDE - radius, 2)
        inside = (y - cy) ** 2 + (x - cx) ** 2 <= radius ** 2 if kind == 1 else (abs(y - cy) < radius) & (abs(x - cx) < radius)
        image[inside] = rng.normal(color, 25, (inside.sum(), 3))
        mask[inside] = kind
    mask[:2, :2] = 255
    return image.clip(0, 255).astype(numpy.uint8), mask


def write(folder, count, seed):
    """Masks are palettes or grey, in turn."""
    rng = numpy.random.default_rng(seed)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    truth = []
    for i in range(count):
        image, mask = draw(rng)
        Image.fromarray(image).save(folder / "images" / f"{i:03}.png")
        picture = Image.fromarray(mask)
        if i % 2:
            picture = picture.convert("P")
            picture.putpalette([int(v) for v in rng.permutation(768) % 256])
        picture.save(folder / "masks" / f"{i:03}.png")
        truth.append(mask)
    return numpy.stack(truth)


def figures(masks, guesses):
    """Intersection over union and Dice of each class, of the pixels that count."""
    counted = masks != 255
    iou, dice = [], []
    for c in range(3):
        own, guess = (masks == c) & counted, (guesses == c) & counted
        both = (own & guess).sum()
        iou.append(both / (own | guess).sum())
        dice.append(2 * both / (own.sum() + guess.sum()))
    return iou, dice


class Shapes:
    def __init__(self, folder):
        if Image is None:
            raise Unsupported("Pillow is not installed")
        self.folder, self.data = folder, folder / "data"
        write(self.data / "train", 160, 1)
        self.truth = write(self.data / "val", 30, 2)
        (self.data / "classes.txt").write_text("ground\ndisc\nsquare\n")
        (folder / "shapes.net").write_text(MODEL)
        call([NETC, folder / "shapes.net", "-o", folder / "shapes"])

    def run(self, *words):
        return call([self.folder / "shapes", *words])

    def refused(self, text, *words):
        try:
            self.run(*words)
            message = "no error"
        except Failed as error:
            message = str(error)
        return (f"no word of: {text}; found {message}", int(text not in message), 0.5)

    def learns(self):
        """Dice of every class is at least 0.95, and what is printed, recorded and reported says so."""
        out = self.folder / "run"
        text = self.run("train", "--data", f"segmentation:{self.data}", "--out", out, "--threads", 2)
        self.record = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
        report = (out / "report.html").read_text()
        claims = [(f"1 - Dice of class {c}", 1 - dice, 0.05) for c, dice in enumerate(self.record["val_dice"])]
        claims.append(("mean of IoU", abs(self.record["val_mean_iou"] - numpy.mean(self.record["val_iou"])), 1e-12))
        wanted = [("mean Dice", text), ("Worst maps", report), ("Overlap of maps", report), ("square", report), ("data:image/png", report)]
        return claims + [(f"no word of {word}", int(word not in place), 0.5) for word, place in wanted]

    def evaluates(self):
        """`eval` gives validation's figures; they are those of the masks that `predict` writes."""
        found = json.loads(self.run("eval", "--data", f"segmentation:{self.data}", "--weights", self.folder / "run", "--json"))
        self.run("predict", "--weights", self.folder / "run", "--out", self.folder / "masks", self.data / "val" / "images")
        guesses = numpy.stack([numpy.asarray(Image.open(self.folder / "masks" / f"{i:03}-mask.png")) for i in range(30)])
        iou, dice = figures(self.truth, guesses)
        counted = self.truth != 255
        claims = [("loss", abs(found["loss"] - self.record["val_loss"]), 1e-9), ("mean IoU", abs(found["mean_iou"] - numpy.mean(iou)), 1e-12),
                  ("mean Dice", abs(found["mean_dice"] - numpy.mean(dice)), 1e-12),
                  ("accuracy", abs(found["accuracy"] - ((guesses == self.truth) & counted).sum() / counted.sum()), 1e-12),
                  ("names", int([c["label"] for c in found["classes"]] != ["ground", "disc", "square"]), 0.5)]
        claims += [(f"IoU of class {c}", abs(found["classes"][c]["iou"] - iou[c]), 1e-12) for c in range(3)]
        overlay = numpy.asarray(Image.open(self.folder / "masks" / "000-overlay.png")).astype(int)
        image, mask = numpy.asarray(Image.open(self.data / "val" / "images" / "000.png")).astype(int), guesses[0]
        colors = numpy.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]])
        wanted = numpy.where(mask[..., None] > 0, (image + colors[mask]) // 2, image)
        table = self.run("eval", "--data", f"segmentation:{self.data}", "--weights", self.folder / "run", "--per-class")
        return claims + [("overlay", float(abs(overlay - wanted).max()), 0.5), ("no table", int("square" not in table), 0.5)]

    def same_bytes(self):
        """Threads and workers change no bit."""
        words = ["train", "--data", f"segmentation:{self.data}", "--limit", 40, "--epochs", 2, "--out"]
        self.run(*words, self.folder / "once", "--threads", 1, "--workers", 1)
        self.run(*words, self.folder / "twice", "--threads", 2, "--workers", 3)
        return same_files(self.folder / "once", self.folder / "twice")

    def loss_is_pytorchs(self):
        """`eval`'s cross entropy is the mean over all pixels that count, that of one batch of everything."""
        images = numpy.stack([numpy.asarray(Image.open(p)) for p in sorted((self.data / "val" / "images").iterdir())])
        inputs = ((images / 255 - 0.5) / 0.25).astype(numpy.float32).transpose(0, 3, 1, 2)
        safetensors.save(self.folder / "in.safetensors", {"image": numpy.ascontiguousarray(inputs)})
        self.run("run", "--weights", self.folder / "run" / "model.safetensors", "--in", self.folder / "in.safetensors", "--out",
                 self.folder / "out.safetensors")
        scores = safetensors.load(self.folder / "out.safetensors")["output"].astype(numpy.float64)
        logs = scores - numpy.log(numpy.exp(scores).sum(1, keepdims=True))
        counted = self.truth != 255
        labels = numpy.where(counted, self.truth, 0).astype(numpy.int64)
        entropy = -numpy.take_along_axis(logs, labels[:, None], 1)[:, 0][counted].mean()
        p, t = numpy.exp(logs) * counted[:, None], numpy.eye(3)[labels].transpose(0, 3, 1, 2) * counted[:, None]
        dice = 1 - ((2 * (p * t).sum((2, 3)) + 1) / ((p + t).sum((2, 3)) + 1)).mean()
        return [("loss", abs(self.record["val_loss"] - (entropy + 0.5 * dice)), 1e-5)]

    def tiles(self):
        """Of an image of several windows `--tile` finds the shapes as they are; without it they are too small."""
        rng = numpy.random.default_rng(5)
        parts = [[draw(rng) for _ in range(3)] for _ in range(2)]
        image, mask = (numpy.concatenate([numpy.concatenate([part[k] for part in row], 1) for row in parts]) for k in (0, 1))
        image, mask = image[:-7, :-11], mask[:-7, :-11]
        Image.fromarray(image).save(self.folder / "large.png")
        correct = []
        for option in ((), ("--tile",)):
            found = json.loads(self.run("predict", "--weights", self.folder / "run", "--json", "--out", self.folder / "large", *option,
                                        self.folder / "large.png"))
            guess = numpy.asarray(Image.open(found["mask"]))
            correct.append((guess == mask)[mask != 255].mean())
        shares = sum(c["share"] for c in found["classes"])
        return [("wrong with tiles", 1 - correct[1], 0.04), ("tiles against one window", correct[0] - correct[1], -0.01),
                ("shares", abs(shares - 1), 1e-12), ("size", int(guess.shape != mask.shape), 0.5)]

    def unet(self):
        """models/unet.net with half a million parameters: Dice of every class is at least 0.95."""
        (self.folder / "unet.net").write_text(UNET.format(models=MODELS))
        call([NETC, self.folder / "unet.net", "--model", "small", "--set", f"image=[3,{SIDE},{SIDE}]", "-o", self.folder / "unet"])
        parameters = json.loads(call([self.folder / "unet", "info", "--json"]))["parameters"]
        out = self.folder / "unet-run"
        call([self.folder / "unet", "train", "--data", f"segmentation:{self.data}", "--out", out, "--threads", 2])
        record = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
        return [(f"1 - Dice of class {c}", 1 - dice, 0.05) for c, dice in enumerate(record["val_dice"])] + \
            [(f"{parameters} parameters, off half a million", abs(parameters - 500_000), 50_000)]

    def refuses(self):
        """A wrong label, a mask of another size, a missing one, colours in a mask, and a model for one label."""
        bad = self.folder / "bad" / "train"
        write(bad, 3, 3)
        words = ["train", "--data", f"segmentation:{bad.parent}", "--epochs", 1, "--out", self.folder / "none"]
        mask = numpy.asarray(Image.open(bad / "masks" / "000.png")).copy()
        mask[5, 7] = 3
        Image.fromarray(mask).save(bad / "masks" / "000.png")
        claims = [self.refused("000.png has label 3, but shapes has 3 classes (label 255 is ignored)", *words)]
        (bad / "masks" / "000.png").unlink()
        claims.append(self.refused("000.png has no mask: expected", *words))
        for picture, text in ((Image.fromarray(mask[:-1]), "has 48 x 47 pixels, its image"),
                              (Image.fromarray(mask).convert("RGB"), "a PNG of colours, expected class indices")):
            for i in range(3):
                picture.save(bad / "masks" / f"00{i}.png")
            claims.append(self.refused(text, *words))
        claims.append(self.refused("give it segmentation:DIR or tensors:FILE", "train", "--data", "synthetic:10"))
        return claims


def main():
    report = Report("segmentation")
    with tempfile.TemporaryDirectory(prefix="netc-segmentation-") as folder:
        try:
            shapes = Shapes(pathlib.Path(folder))
        except Unsupported as error:
            report.line("UNSUPPORTED", "segmentation", str(error))
            return report.close()
        for case in (shapes.learns, shapes.evaluates, shapes.same_bytes, shapes.loss_is_pytorchs, shapes.tiles, shapes.unet, shapes.refuses):
            report.case(case.__name__, case)
    report.close()


if __name__ == "__main__":
    main()
