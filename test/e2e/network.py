#!/usr/bin/python3
"""`--comm mpi` over a network: each process in a network namespace of its own, with delays, and with a link that is cut.

Open MPI starts remote processes through a program that it is told of; here that is nsenter. Needs the right to make namespaces, of the system or of its user
(`unshare -r`). Frames go through this program (harness/wire.py), which makes them late: the kernel needs neither a bridge nor netem."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import mpi
from report import Report, Unsupported
from wire import Wire

OWN = "NETC_TEST_OWN_NAMESPACE"
ADDRESSES = ["10.77.0.2", "10.77.0.3"]
# Keepalive packets find a cut link in seconds instead of minutes: docs/guide/parallel.md.
OPTIONS = ["--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "10.77.0.0/24", "--mca", "oob_tcp_if_include", "10.77.0.0/24",
           "--mca", "oob_tcp_keepalive_time", "2", "--mca", "oob_tcp_keepalive_intvl", "1", "--mca", "oob_tcp_keepalive_probes", "2"]


def ip(words, inside=()):
    done = subprocess.run([*inside, "ip", *words.split()], capture_output=True, text=True)
    if done.returncode:
        raise Unsupported(f"ip {words}: {done.stderr.strip()}")


class Hosts:
    """Two namespaces and this program's own, joined by a wire; mpirun is in the latter."""

    def __init__(self, folder, delay, jitter):
        self.agent = pathlib.Path(folder) / "agent"
        self.processes = []
        self.wire = None
        try:
            self.join(delay, jitter)
        except BaseException:
            self.close()
            raise

    def join(self, delay, jitter):
        ip("link set lo up")
        ip("link add launcher type veth peer name port")
        ip("addr add 10.77.0.1/24 dev launcher")
        ip("link set launcher up")
        ip("link set port up")
        lines = ["#!/bin/sh", "case $1 in"]
        for number, address in enumerate(ADDRESSES):
            process = subprocess.Popen(["unshare", "-n", "-u", "sh", "-c", f"hostname node{number}; exec sleep 1000"])
            self.processes.append(process)
            time.sleep(0.3)
            inside = ["nsenter", "-t", str(process.pid), "-n", "-u"]
            ip(f"link add here{number} type veth peer name there{number}")
            ip(f"link set there{number} netns {process.pid}")
            ip(f"link set here{number} up")
            for words in (f"addr add {address}/24 dev there{number}", f"link set there{number} up", "link set lo up"):
                ip(words, inside)
            lines.append(f"  {address}) shift; exec {' '.join(inside)} sh -c \"$*\";;")
        self.agent.write_text("\n".join([*lines, "esac", ""]))
        self.agent.chmod(0o755)
        try:
            self.wire = Wire(["port", *(f"here{number}" for number in range(len(ADDRESSES)))], delay, jitter)
        except OSError as error:
            raise Unsupported(f"no packet sockets: {error}") from error
        self.wire.start()

    def close(self):
        if self.wire:
            self.wire.close()
        for process in self.processes:
            process.kill()
            process.wait()
        for link in ["launcher", *(f"here{number}" for number in range(len(ADDRESSES)))]:
            subprocess.run(["ip", "link", "del", link], capture_output=True)

    def launch(self, words):
        command = ["mpirun", "-np", "2", "--host", ",".join(ADDRESSES), "--mca", "plm_rsh_agent", self.agent, *OPTIONS, *words]
        return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=mpi.ENVIRONMENT)


def need():
    mpi.need_mpi()
    missing = [name for name in ("ip", "unshare", "nsenter") if not shutil.which(name)]
    if missing:
        raise Unsupported(f"no {', '.join(missing)} in PATH: install iproute2 and util-linux")
    if "Open MPI" not in subprocess.run(["mpirun", "--version"], capture_output=True, text=True).stdout:
        raise Unsupported("mpirun is not Open MPI's")
    if os.environ.get(OWN) != "1":
        raise Unsupported(f"no right to make network namespaces: {os.environ[OWN]}")


def with_hosts(check, delay=0, jitter=0):
    need()
    model = mpi.Full()
    hosts = Hosts(model.folder.name, delay, jitter)
    try:
        return check(model, hosts)
    finally:
        hosts.close()


def apart(model, hosts):
    """Over TCP alone: the bytes of one process."""
    alone = mpi.train(model, "alone", 0)
    out = pathlib.Path(model.folder.name) / "apart"
    code, printed, err = mpi.finish(hosts.launch([model.executable, "train", *mpi.DATA, "--out", out, "--threads", 1]))
    if code:
        return [(f"exit code {code}: {printed}{err}", 1, 0.5)]
    return mpi.same_run(alone, out)


def way_and_back(address):
    """Seconds until a host refuses a connection to a port where nothing listens."""
    start = time.monotonic()
    with socket.socket() as probe, contextlib.suppress(ConnectionRefusedError):
        probe.settimeout(10)
        probe.connect((address, 9))
    return time.monotonic() - start


def delayed(model, hosts):
    """Each frame is late by 2 ms, give or take 1: time changes, and no bits."""
    ways = [way_and_back(address) for address in ADDRESSES for _ in range(3)]
    return [*apart(model, hosts), ("a way and back of 2 ms at least, inverse", 0.002 / min(ways), 1)]


def cut(model, hosts):
    """All end soon after a link is cut, the checkpoint is whole, and one process goes on to the bytes of a whole run."""
    words = ["--epochs", 12]
    whole = mpi.train(model, "whole", 0, *words)
    out = pathlib.Path(model.folder.name) / "cut"
    process = hosts.launch([model.executable, "train", *mpi.DATA, "--out", out, "--threads", 1, *words])
    mpi.wait_for(lambda: mpi.lines_of(out) >= 2, "epoch")
    ip("link set here1 down")
    start = time.time()
    code, _, err = mpi.finish(process)
    seconds = time.time() - start
    resumed = mpi.train(model, "cut", 0, "--resume", *words)
    return [("exit code 0", int(code == 0), 0.5), ("seconds until all had ended", seconds, 10), (f"no word of the host: {err}", int("node1" not in err and ADDRESSES[1] not in err), 0.5),
            *mpi.same_run(whole, resumed)]


def way_in():
    """A command that runs another in a network namespace where it may make more of them, and why there is none."""
    why = "no unshare in PATH"
    for prefix in (["unshare", "-n"], ["unshare", "-r", "-n"]):
        if shutil.which("unshare"):
            done = subprocess.run([*prefix, "unshare", "-n", "-u", "true"], capture_output=True, text=True)
            if done.returncode == 0:
                return prefix, None
            why = done.stderr.strip() or f"{' '.join(prefix)}: exit code {done.returncode}"
    return [], why


def main():
    if OWN not in os.environ:  # again, in a network namespace of its own
        prefix, why = way_in()
        os.execvpe([*prefix, sys.executable][0], [*prefix, sys.executable, *sys.argv], dict(os.environ, **{OWN: why or "1"}))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = Report("network")
    report.case("apart", with_hosts, apart)
    report.case("delayed", with_hosts, delayed, 0.002, 0.001)
    report.case("cut", with_hosts, cut)
    report.close()


if __name__ == "__main__":
    main()
