#!/usr/bin/python3
"""Packs python/netc, the netc binary and the runtime's archives of a build into a wheel: make-wheel.py BUILD DIST.

A wheel is a zip file with a list of its files (PyPA's binary distribution format), so nothing is needed to make one. It runs where the binary runs: on x86-64
Linux with LLVM's and MLIR's shared libraries of the same version.
"""
import base64
import hashlib
import pathlib
import re
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PLATFORM = "linux_x86_64"
METADATA = """Metadata-Version: 2.1
Name: netc
Version: {version}
Summary: Compiles .net models to native code and runs them
License: Apache-2.0 WITH LLVM-exception
Requires-Python: >=3.9
Requires-Dist: numpy>=1.23
"""
WHEEL = """Wheel-Version: 1.0
Generator: netc
Root-Is-Purelib: false
Tag: py3-none-{platform}
"""


def add(wheel, records, name, data, executable=False):
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the same bytes from the same files
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o100755 if executable else 0o100644) << 16  # regular files; pip keeps the bits of such
    wheel.writestr(entry, data)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    records.append(f"{name},sha256={digest},{len(data)}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    build, dist = map(pathlib.Path, sys.argv[1:])
    version = re.search(r"project\(netc VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    dist.mkdir(parents=True, exist_ok=True)
    path, info, records = dist / f"netc-{version}-py3-none-{PLATFORM}.whl", f"netc-{version}.dist-info", []
    with zipfile.ZipFile(path, "w") as wheel:
        for file in sorted((ROOT / "python" / "netc").iterdir()):
            if file.suffix in (".py", ".typed"):
                add(wheel, records, f"netc/{file.name}", file.read_bytes())
        # Where the binary looks for them: ../lib/netc beside its own folder.
        add(wheel, records, "netc/bin/netc", (build / "bin" / "netc").read_bytes(), executable=True)
        for name in ("Capi.h", "libnetc_runtime.a", "libnetc_sim.a"):
            add(wheel, records, f"netc/lib/netc/{name}", (build / "lib" / "netc" / name).read_bytes())
        add(wheel, records, f"{info}/METADATA", METADATA.format(version=version).encode())
        add(wheel, records, f"{info}/WHEEL", WHEEL.format(platform=PLATFORM).encode())
        records.append(f"{info}/RECORD,,")
        wheel.writestr(f"{info}/RECORD", "\n".join(records) + "\n")
    print(path)


main()
