"""Claims (what, found, bound) that one training step's results agree with another's; numpy alone."""
import numpy

TF32_LOSS, TF32_COSINE = 1e-3, 0.98
OF_ROUNDING = 9  # times what rounding alone turns a gradient: three times its angle
OF_STORAGE = 4  # the same where what is stored is rounded too: twice its angle
VANISHING = 1e-5  # of the largest gradient: smaller ones have no direction in tf32
BF16_LOSS, BF16_COSINE = 1e-2, 0.98


def difference(found, wanted):
    return float(numpy.linalg.norm(found - wanted) / max(numpy.linalg.norm(wanted), 1e-30))


def step_claims(found, wanted, logits, loss, gradient, running):
    """By norm; a gradient that all but cancels (a bias before a batch norm) by the largest of them."""
    gradients = {key: value for key, value in wanted.items() if key.startswith("grad.")}
    largest = max((float(numpy.linalg.norm(value)) for value in gradients.values()), default=0.0)
    claims = [("logits", difference(found["output"], wanted["output"]), logits), ("loss", difference(found["loss"], wanted["loss"]), loss)]
    for key, value in wanted.items():
        if key in gradients:
            size = max(float(numpy.linalg.norm(value)), 1e-3 * largest, 1e-30)
            claims.append((key, float(numpy.linalg.norm(found[key] - value)) / size, gradient))
        elif "running" in key:
            claims.append((key, difference(found[key], value), running))
    return claims


def cosine(one, other):
    a, b = one.astype(numpy.float64).ravel(), other.astype(numpy.float64).ravel()
    return float(a @ b / max(numpy.linalg.norm(a) * numpy.linalg.norm(b), 1e-30))


def tf32_claims(found, wanted, rounded=None):
    """The loss, and the direction of each gradient. `rounded`: the same step in float64 with operands rounded to tf32; a gradient
    that all but cancels has no more of a direction than rounding leaves it there."""
    largest = max((float(numpy.linalg.norm(value)) for key, value in wanted.items() if key.startswith("grad.")), default=0.0)
    claims = [("loss", difference(found["loss"], wanted["loss"]), TF32_LOSS)]
    for key, value in wanted.items():
        if key.startswith("grad.") and numpy.linalg.norm(value) > VANISHING * largest:
            bound = max(1 - TF32_COSINE, OF_ROUNDING * (1 - cosine(rounded[key], value)) if rounded else 0)
            claims.append(("1 - cosine of " + key, 1 - cosine(found[key], value), bound))
    return claims


def bf16_claims(found, wanted, vanishing=1e-4, rounded=None):
    """Of a step stored in bf16: the loss, and the direction of each gradient that is no smaller than `vanishing` of the largest.

    `rounded`: the same step in float64 with operands and results of products rounded to bf16.
    """
    gradients = {key: value for key, value in wanted.items() if key.startswith("grad.")}
    largest = max(float(numpy.linalg.norm(value)) for value in gradients.values())
    claims = [("loss", difference(found["loss"], wanted["loss"]), BF16_LOSS)]
    for key, value in gradients.items():
        if numpy.linalg.norm(value) > vanishing * largest:
            bound = max(1 - BF16_COSINE, OF_STORAGE * (1 - cosine(rounded[key], value)) if rounded else 0)
            claims.append(("1 - cosine of " + key, 1 - cosine(found[key], value), bound))
    return claims
