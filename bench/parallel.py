#!/usr/bin/python3
"""Two processes of one thread beside one process of two: what the communication costs, and how much of it is not overlapped.

    bench/parallel.py --netc build/bin/netc [--file models/resnet.net --model resnet50] [--batch 32] [--steps 6] [--rounds 3]

Trains both ways in turn on noise, in two shards, and prints the least seconds of each, their ratio (at most 1.05 wanted) and the share of
the step that rank 0 spent on communication and waiting (`communication_seconds` of metrics.jsonl; at most 0.05 wanted). Each process is
bound to one core. The machine must have two cores that are idle, and an MPI.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_rmaps_base_oversubscribe="1",
                   OMPI_MCA_hwloc_base_binding_policy="none")


def call(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, env=ENVIRONMENT)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def train(options, executable, folder, processes):
    """Seconds of the last epoch's training, and those of communication: the first epoch warms up."""
    images = options.batch * options.steps
    words = [executable, "train", "--data", f"synthetic:{images}", "--val", "synthetic:2", "--batch", options.batch, "--epochs", 2, "--shards", 2,
             "--threads", 2 // processes, "--workers", 1, "--out", folder / f"run{processes}"]
    launcher = ["mpirun", "-np", 2, "sh", "-c", 'exec taskset -c $OMPI_COMM_WORLD_RANK$PMI_RANK "$@"', "sh"] if processes == 2 else []
    call(*launcher, *words)
    last = json.loads((folder / f"run{processes}" / "metrics.jsonl").read_text().splitlines()[-1])
    return last["seconds"] / options.steps, last.get("communication_seconds", 0) / last["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--netc", default=ROOT / "build" / "bin" / "netc", type=pathlib.Path)
    parser.add_argument("--file", default=ROOT / "models" / "resnet.net", type=pathlib.Path)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--batch", default=32, type=int)
    parser.add_argument("--steps", default=6, type=int)
    parser.add_argument("--rounds", default=3, type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        executable = folder / options.model
        call(options.netc, options.file, "--model", options.model, "--comm", "mpi", "-o", executable)
        found = {1: [], 2: []}
        for _ in range(options.rounds):
            for processes in found:
                found[processes].append(train(options, executable, folder, processes))
        one, two = (min(seconds for seconds, _ in found[processes]) for processes in (1, 2))
        share = min(share for _, share in found[2])
        print(f"{options.model}, batch {options.batch} in 2 shards, least of {options.rounds} rounds")
        print(f"one process of two threads     {1e3 * one:9.1f} ms a step")
        print(f"two processes of one thread    {1e3 * two:9.1f} ms a step, {two / one:.3f} of it (at most 1.05 wanted)")
        print(f"communication, not overlapped  {100 * share:9.1f} % of a step (at most 5 % wanted)")


if __name__ == "__main__":
    main()
