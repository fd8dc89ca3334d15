#!/usr/bin/python3
"""kill -9 of a process at random points, and resumption with another number of processes: are the bytes those of an uninterrupted run?

    bench/kill_points.py --netc build/bin/netc [--points 20] [--seed 1] [--shard-state]

Each point draws an optimizer, a number of processes of 1, 2, 4, 8 and one to go on with, the process that is killed and when; with
--shard-state also whether the state is divided before and after. Prints a line per point and ends with exit code 1 where a file differs. The recipe has augmentation, mixup, dropout, clipping, accumulation and a moving average.
"""
import argparse
import os
import pathlib
import random
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "test" / "e2e"), str(ROOT / "test" / "harness")]
import compiled
import mpi
from runs import files_of
from small_networks import full_recipe

OPTIMIZERS = ["sgd(lr=0.1, momentum=0.9)", "adamw(lr=0.01)", "lars(lr=1)", "lamb(lr=0.01)"]
EPOCHS = ["--epochs", 9]
SIZES = [1, 2, 4, 8]


def kill(processes, words, out, after, within, draw):
    """Starts a run and kills one of its processes in the `within` seconds after that epoch; seconds until all had ended."""
    process = mpi.launch(processes, words)
    mpi.wait_for(lambda: process.poll() is not None or (mpi.lines_of(out) >= after and len(mpi.ranks_of(process)) == processes), "epoch")
    time.sleep(draw.random() * within)
    begin = time.time()
    try:
        os.kill(mpi.ranks_of(process)[draw.randrange(processes)], signal.SIGKILL)
    except (KeyError, ProcessLookupError):
        pass  # it was through by then
    mpi.finish(process)
    return time.time() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--netc", default=ROOT / "build" / "bin" / "netc", type=pathlib.Path)
    parser.add_argument("--points", default=20, type=int)
    parser.add_argument("--seed", default=1, type=int)
    parser.add_argument("--shard-state", action="store_true", help="each point draws whether the optimizer's state is divided")
    options = parser.parse_args()
    compiled.NETC = str(options.netc)
    draw = random.Random(options.seed)
    models = {optimizer: mpi.compiled(full_recipe(optimizer, 8, 3)) for optimizer in OPTIMIZERS}
    whole = {optimizer: mpi.train(model, "whole", 0, *EPOCHS) for optimizer, model in models.items()}
    failed = 0
    for point in range(options.points):
        optimizer, first, then = draw.choice(OPTIMIZERS), draw.choice(SIZES), draw.choice(SIZES)
        out = pathlib.Path(models[optimizer].folder.name) / f"killed{point}"
        before, behind = (draw.choice([[], ["--shard-state"]]) if options.shard_state else [] for _ in range(2))
        after = draw.randrange(0, 7)
        words = [models[optimizer].executable, "train", *mpi.DATA, "--out", out, "--threads", 1, *EPOCHS, *before]
        seconds = kill(first, words, out, after, 0.1, draw)
        mpi.train(models[optimizer], out.name, then, "--resume", *EPOCHS, *behind)
        same = files_of(whole[optimizer]) == files_of(out) and mpi.records(whole[optimizer]) == mpi.records(out)
        failed += not same
        divided = [" of a divided state" if words else "" for words in (before, behind)]
        print(f"{optimizer.split('(')[0]:5}  {first} processes{divided[0]}, killed after epoch {after}, all ended in {seconds:.1f} s, {then}{divided[1]} went on: "
              f"{'the same bytes' if same else 'OTHER BYTES'}", flush=True)
    print(f"{options.points - failed} of {options.points} points end with the bytes of an uninterrupted run")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
