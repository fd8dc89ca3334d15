#!/usr/bin/python3
"""The kernel cache changes how long netc takes, and nothing else: the same bytes with it, without it, and on any number of threads."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import NETC, Failed
from report import Report, Unsupported

TEXT = """net 1
model small(classes=10, width=16) {
  input image: [3, 12, 12]
  x = image | conv(width, k=3, pad=1) | bn | relu | conv(32, k=3, stride=2, pad=1) | bn | relu
  return x | conv(24, k=1) | relu | maxpool(2) | avgpool(global) | flatten | fc: linear(classes)
}
"""
# A recipe of its own and another number of classes: most kernels stay.
TAUGHT = TEXT.replace("classes=10", "classes=7") + "train small {\n  optimizer sgd(lr=0.2, momentum=0.8)\n  batch 16\n  epochs 2\n}\n"


class Bench:
    """Model files and a cache folder of their own."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="netc-kernels-")
        self.path = pathlib.Path(self.folder.name)
        self.cache = self.path / "cache"
        self.file = self.path / "small.net"
        self.file.write_text(TEXT)
        self.taught = self.path / "taught.net"
        self.taught.write_text(TAUGHT)

    def start(self, *words, output="model", file=None, netc=NETC, **environment):
        """netc at work; --timing tells what the cache had."""
        return subprocess.Popen([str(word) for word in (netc, file or self.file, "--timing", "-o", self.path / output, *words)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={key: value for key, value in {**os.environ, "NETC_CACHE": str(self.cache), **environment}.items()
                                     if value is not None})

    def end(self, process):
        """What it wrote to stderr, how many kernels there were and how many the cache had.

        Notes how many parts the kernels share."""
        errors = process.communicate()[1]
        if process.returncode != 0:
            raise Failed(f"netc: exit code {process.returncode}\n{errors}")
        for line in errors.splitlines():
            words = line.split()
            if "kernels," in words and "cached;" in words:
                self.parts = int(words[words.index("parts") - 1])
                return (errors, int(words[words.index("kernels,") - 1]),
                        int(words[words.index("cached;") - 1]))
        raise Failed(f"--timing says nothing of kernels:\n{errors}")

    def netc(self, *words, **arguments):
        return self.end(self.start(*words, **arguments))

    def bytes(self, output="model"):
        return (self.path / output).read_bytes()

    def entries(self):
        return sorted((self.cache / "kernels").glob("*.kernel"))

    def size(self):
        return sum(entry.stat().st_size for entry in self.entries())


def truth(*claims):
    """Claims that hold or don't."""
    return [(what, 0 if holds else 1, 0.5) for what, holds in claims]


def same_bytes():
    bench = Bench()
    _, kernels, cold = bench.netc("-j", "2")
    first = bench.bytes()
    _, _, warm = bench.netc("-j", "1")
    second = bench.bytes()
    _, _, none = bench.netc("--no-kernel-cache", "-j", "1", NETC_CACHE=str(bench.path / "unused"))
    third = bench.bytes()
    bench.netc("--no-kernel-cache", "-j", "5")
    levels = ("--cpu", "x86-64-v2,x86-64-v3")
    bench.netc(*levels, output="levels")
    before = bench.bytes("levels")
    bench.netc(*levels, output="levels")
    return truth(("the first run finds kernels", cold == 0), ("the second run finds all", warm == kernels > 0), ("--no-kernel-cache finds some", none == 0),
                 ("cached and uncached differ", first == second), ("cached and --no-kernel-cache differ", first == third),
                 ("one thread and five differ", third == bench.bytes()), ("--no-kernel-cache keeps kernels", not (bench.path / "unused").exists()),
                 ("two levels differ", before == bench.bytes("levels")))


def other_recipe():
    bench = Bench()
    bench.netc()
    _, kernels, found = bench.netc(file=bench.taught, output="taught")
    cached = bench.bytes("taught")
    bench.netc("--no-kernel-cache", file=bench.taught, output="taught")
    return truth((f"another recipe and head share {found} of {kernels} kernels", 2 * found > kernels > found),
                 ("the bytes differ", cached == bench.bytes("taught")))


def other_names():
    """A kernel does not depend on what its layers are called."""
    bench = Bench()
    bench.netc()
    named = bench.path / "named.net"
    named.write_text(TEXT.replace("fc: linear", "head: linear").replace("| conv(24", "| narrow: conv(24"))
    _, kernels, found = bench.netc(file=named, output="named")
    return truth((f"other names share {found} of {kernels} kernels", found == kernels))


def lost_part():
    """A kernel whose part is gone is compiled again; the other kernels and parts are used."""
    bench = Bench()
    _, kernels, _ = bench.netc()
    first = bench.bytes()
    part = next(entry for entry in bench.entries() if entry.name.startswith("netc_part_"))
    part.unlink()
    _, _, found = bench.netc()
    return truth(("its kernels are found", found < kernels), ("no kernel is found", found > 0),
                 ("the part is not kept again", part.exists()),
                 ("the bytes differ", first == bench.bytes()))


def damaged():
    bench = Bench()
    _, kernels, _ = bench.netc()
    first = bench.bytes()
    entries = bench.entries()
    whole = [entry.read_bytes() for entry in entries]
    claims = [("parts are shared", bench.parts > 0),
              ("an entry per kernel and part", len(entries) == kernels + bench.parts)]
    for index, entry in enumerate(entries):
        data = bytearray(whole[index])
        change = index % 5
        if change == 0:
            data[len(data) // 2] ^= 1
        elif change == 1:
            data[20] ^= 0x80  # how much scratch it needs
        elif change == 2:
            del data[len(data) // 3:]
        elif change == 3:
            data.clear()
        else:  # whole, but another kernel's
            data = whole[index - 1]
        entry.write_bytes(data)
    _, _, found = bench.netc()
    claims += [("a damaged entry is used", found == 0), ("damage shows in the executable", first == bench.bytes())]
    _, _, found = bench.netc()
    return truth(*claims, ("damaged entries are replaced", found == kernels), ("the bytes differ", first == bench.bytes()))


def concurrent():
    bench = Bench()
    runs = [bench.start(file=file, output=f"model{index}") for index, file in enumerate([bench.file, bench.taught] * 3)]
    for run in runs:
        bench.end(run)
    bench.netc("--no-kernel-cache")
    bench.netc("--no-kernel-cache", file=bench.taught, output="taught")
    wanted = [bench.bytes(), bench.bytes("taught")] * 3
    left = [entry for entry in (bench.cache / "kernels").iterdir() if entry.suffix != ".kernel"]
    _, kernels, found = bench.netc()
    return truth(("all runs give the same bytes", all(bench.bytes(f"model{index}") == whole for index, whole in enumerate(wanted))),
                 ("files are left over", not left), ("all kernels are kept", found == kernels))


def bounded_size():
    bench = Bench()
    most = 256 << 10
    claims = []
    for width in (16, 24, 32, 40):
        bench.netc("--set", f"width={width}", NETC_KERNEL_CACHE_KIB=str(most >> 10))
        claims.append((f"KiB after width {width}", bench.size() / 1024, most / 1024))
    _, kernels, found = bench.netc("--set", "width=40", NETC_KERNEL_CACHE_KIB=str(most >> 10))
    claims += truth(("the newest stay", found > 0))
    # What is used stays, what is not goes: a kernel of width 16 that was used last outlives those of width 24.
    return claims + least_recent()


def least_recent():
    bench = Bench()
    bench.netc()
    used = set(bench.entries())
    apart = bench.path / "apart.net"  # other shapes throughout: none of its kernels serve the rest
    apart.write_text(TEXT.replace("12, 12", "20, 20").replace("conv(32", "conv(48").replace("conv(24", "conv(40").replace("width=16", "width=56"))
    bench.netc(file=apart)
    other = set(bench.entries()) - used
    for entry in used | other:
        os.utime(entry, (1e9, 1e9))
    bench.netc()
    touched = sum(entry.stat().st_mtime > 1e9 for entry in used)
    bench.netc("--set", "width=32", NETC_KERNEL_CACHE_KIB=str(sum(entry.stat().st_size for entry in bench.entries()) >> 10))
    left = set(bench.entries())
    return truth(("a use renews an entry", touched == len(used)), ("the least recently used go first", not other <= left and (used <= left or not other & left)))


def unwritable():
    bench = Bench()
    bench.netc()
    first = bench.bytes()
    (bench.path / "file").write_text("no folder")
    errors, _, found = bench.netc(NETC_CACHE=str(bench.path / "file"))
    warnings = [line for line in errors.splitlines() if "warning" in line]
    claims = [("one warning", len(warnings) == 1 and str(bench.path / "file") in warnings[0]), ("nothing is found", found == 0),
              ("the bytes differ", first == bench.bytes())]
    if os.geteuid() != 0:
        (bench.cache / "kernels").chmod(0o555)
        errors, kernels, found = bench.netc()
        claims += [("a full cache that is not written to needs no warning", "warning" not in errors), ("it is read", found == kernels)]
    no_home = bench.netc(NETC_CACHE=None, HOME=str(bench.path), XDG_CACHE_HOME=str(bench.path / "xdg"))
    claims += [("the user's cache folder", (bench.path / "xdg" / "netc" / "kernels").is_dir() and no_home[2] == 0)]
    return truth(*claims)


def other_version():
    """A compiler of another build takes nothing of this one's."""
    bench = Bench()
    _, kernels, _ = bench.netc()
    tree = pathlib.Path(NETC).resolve().parents[1]
    (bench.path / "bin").mkdir()
    (bench.path / "lib").symlink_to(tree / "lib")
    other = bench.path / "bin" / "netc"
    shutil.copy(NETC, other)
    _, _, found = bench.netc(netc=other)
    notes = subprocess.run(["readelf", "-n", str(other)], capture_output=True, text=True).stdout if shutil.which("readelf") else ""
    ids = [line.split()[-1] for line in notes.splitlines() if "Build ID" in line]
    if not ids:
        raise Unsupported("readelf shows no build id")
    data, identity = other.read_bytes(), bytes.fromhex(ids[0])
    other.write_bytes(data.replace(identity, identity[::-1]))
    _, _, found_by_other = bench.netc(netc=other)
    return truth(("a copy finds the kernels", found == kernels), ("another build finds some", found_by_other == 0))


def main():
    report = Report("kernel_cache")
    for case in report.share([same_bytes, other_recipe, other_names, lost_part, damaged, concurrent, bounded_size, unwritable, other_version]):
        report.case(case.__name__, case)
    report.close()


if __name__ == "__main__":
    main()
