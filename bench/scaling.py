#!/usr/bin/python3
"""How training would scale to 512 processes, by `plan`, beside what others published: writes docs/figures/scaling.md and scaling.svg.

    bench/scaling.py --netc build/bin/netc [--out docs/figures]

Compiles AlexNet, ResNet-50, ResNet-101 and VGG-16 for CUDA, which needs no GPU. Takes a minute.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import chart

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROCESSES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
TOPOLOGIES = ["exchange", "ring", "tree", "levels"]

# Images/s of one GPU. P100: TensorFlow's published benchmarks, synthetic data, batch 64. V100: from GradientFlow's own numbers, 95
# epochs of 1.28 million images in 1.5 minutes at a speed-up of 410.2.
CLUSTERS = {
    "AlexNet, V100": dict(file="alexnet.net", model="alexnet", device="v100", network="56Gbit", batch=128, rate=3297, reduce="bf16"),
    "ResNet-50, P100": dict(file="resnet.net", model="resnet50", device="p100", network="25Gbit", batch=64, rate=219),
    "ResNet-101, P100": dict(file="resnet.net", model="resnet101", device="p100", network="25Gbit", batch=64),
    "VGG-16, P100": dict(file="vgg.net", model="vgg16", device="p100", network="25Gbit", batch=64, rate=154),
}
PUBLISHED = [  # name, processes, percent, cluster of the plan, source
    ("GradientFlow, AlexNet", 512, 100 * 410.2 / 512, "AlexNet, V100", "[Sun et al. 2019](https://arxiv.org/abs/1902.06855): 410.2 of 512, "
                                                                      "half precision, only important chunks are sent"),
    ("Horovod, ResNet-101", 512, 90, "ResNet-101, P100", "[Sergeev and Del Balso 2018](https://arxiv.org/abs/1802.05799): 90 %, RoCE"),
    ("Horovod, VGG-16", 512, 68, "VGG-16, P100", "[Sergeev and Del Balso 2018](https://arxiv.org/abs/1802.05799): 68 %, RoCE"),
]
ONE_NODE = dict(file="resnet.net", model="resnet50", device="h100", network="400Gbit", batch=256, reduce="f32")


def call(*words):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def plan(netc, folder, cluster, processes, *options):
    precision = "bf16" if cluster["device"] == "h100" else "f32"
    executable = folder / f"{cluster['model']}-{precision}"
    if not executable.exists():
        call(netc, ROOT / "models" / cluster["file"], "--model", cluster["model"], "--target", "cuda", "--precision", precision, "-o", executable)
    words = ["--device", cluster["device"], "--network", cluster["network"], "--batch", cluster["batch"], "--reduce", cluster.get("reduce", "f32")]
    if "rate" in cluster:
        words += ["--rate", cluster["rate"]]
    return json.loads(call(executable, "plan", "--json", "--processes", *processes, *words, *options))


def at(plans, processes, topology):
    return next(one for one in plans["plans"] if one["processes"] == processes and one["topology"] in (topology, "none"))


def percent(share):
    return f"{100 * share:.1f} %"


def table(plans):
    lines = ["| network | one process, images/s | sum by | step at 512, ms | network, ms | not overlapped, ms | sent by each, MB | efficiency |",
             "|---|---|---|---|---|---|---|---|"]
    for name, result in plans.items():
        for topology in TOPOLOGIES:
            one = at(result, 512, topology)
            lines.append(f"| {name} | {result['images_per_s']:.0f} | {topology} | {one['step_ms']:.1f} | {one['communicating_ms']:.1f} | "
                         f"{one['not_overlapped_ms']:.1f} | {one['bytes_sent_per_process'] / 1e6:.0f} | {percent(one['efficiency'])} |")
    return "\n".join(lines)


def beside(plans, jittered, node):
    lines = ["| published | processes | published efficiency | planned: levels | ring | levels, times that vary by 5 % | source |",
             "|---|---|---|---|---|---|---|"]
    for name, processes, value, cluster, source in PUBLISHED:
        levels, ring = (percent(at(plans[cluster], processes, way)["efficiency"]) for way in ("levels", "ring"))
        lines.append(f"| {name} | {processes} | {value:.1f} % | {levels} | {ring} | "
                     f"{percent(at(jittered[cluster], processes, 'levels')['efficiency'])} | {source} |")
    levels, ring = (percent(at(node, 8, way)["efficiency"]) for way in ("levels", "ring"))
    varied = percent(at(jittered["node"], 8, "levels")["efficiency"])
    lines.append(f"| PyTorch, 8 H100 in one machine | 8 | 98.9 % | {levels} | {ring} | {varied} | PyTorch's published figure; planned: ResNet-50 in bf16 |")
    return "\n".join(lines)


def page(plans, jittered, node):
    settings = "\n".join(f"- {name}: `./{c['model']} plan --processes 512 --device {c['device']} --network {c['network']} --batch {c['batch']}"
                         + (f" --rate {c['rate']}" if "rate" in c else "") + (f" --reduce {c['reduce']}" if "reduce" in c else "") + "`"
                         for name, c in CLUSTERS.items())
    return f"""# Scaling to 512 processes, planned

Estimates by `plan` ([parallel.md](../guide/parallel.md#planning)), not measurements: no cluster was at hand. `bench/scaling.py` writes this page.
The points are what others published of their systems on clusters of the same kind.

![planned efficiency against processes](scaling.svg)

{settings}

P100: 4 per node; V100: 8 per node, one connection per node. Rates of one GPU: of P100 [TensorFlow's benchmarks](https://www.tensorflow.org/performance/benchmarks) (ResNet-50 219 images/s, VGG-16
154), of V100 what GradientFlow's own numbers give (95 epochs in 1.5 minutes at a speed-up of 410.2); ResNet-101 by the planner's estimate.

{table(plans)}

## Beside published figures

{beside(plans, jittered, node)}

The plan leaves out much that costs time: it knows the bytes, the order in which the backward pass finishes gradients, the rates and the latencies, but nothing of protocols (TCP, RoCE)
that reach a part of a connection's rate, of switches that are shared, of input pipelines, or of kernels that slow down while the network's library copies.
Processes whose times vary by 5 % (`--jitter 0.05`) wait for the slowest of 512, which alone costs as much as is missing in several of the published figures.
`exchange` is what netc does today: it needs no more bytes than a ring, but where several processes share a node's connection, most of them cross it, and it sends P - 1
messages where a tree sends a few. With one process per node it is as fast as a ring.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--netc", default=ROOT / "build" / "bin" / "netc", type=pathlib.Path)
    parser.add_argument("--out", default=ROOT / "docs" / "figures", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        plans = {key: plan(options.netc, folder, cluster, PROCESSES) for key, cluster in CLUSTERS.items()}
        jittered = {key: plan(options.netc, folder, cluster, [512], "--topology", "levels", "--jitter", 0.05) for key, cluster in CLUSTERS.items()}
        node = plan(options.netc, folder, ONE_NODE, [8])
        jittered["node"] = plan(options.netc, folder, ONE_NODE, [8], "--topology", "levels", "--jitter", 0.05)
    series = {name: [(p, 100 * at(result, p, "levels")["efficiency"]) for p in PROCESSES] for name, result in plans.items()}
    series.update({name: [(processes, value)] for name, processes, value, _, _ in PUBLISHED})
    series["PyTorch, 8 H100"] = [(8, 98.9)]
    chart.line_chart(options.out / "scaling.svg", "Planned efficiency (lines) beside published figures (points)", "processes", "efficiency, %",
                     series, PROCESSES, logx=True)
    (options.out / "scaling.md").write_text(page(plans, jittered, node))


if __name__ == "__main__":
    main()
