#!/usr/bin/python3
"""Packs python/netc, the netc binary with its shared libraries and the runtime's archives of a build into a wheel: make-wheel.py [--store] BUILD DIST.

A wheel is a zip file with a list of its files (PyPA's binary distribution format), so nothing is needed to make one. It runs on x86-64 Linux with the C and C++
libraries of the system that it was made on, or newer ones. --store: without compression.
"""
import base64
import hashlib
import pathlib
import re
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PLATFORM = "linux_x86_64"
# Parts of the system's C and C++ libraries, which the linker of compiled models needs there, too.
OF_SYSTEM = ("linux-vdso", "ld-linux", "libc.", "libm.", "libdl.", "libpthread.", "librt.", "libstdc++.", "libgcc_s.")
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


def shared_libraries(binary):
    """Name and file of each shared library that a binary needs, also by way of others."""
    found = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    lost = re.findall(r"^\s*(\S+) => not found", found, re.M)
    if lost:
        sys.exit(f"{binary} needs {', '.join(lost)}, which ldd does not find")
    return [(name, pathlib.Path(path)) for name, path in sorted(re.findall(r"^\s*(\S+) => (/\S+)", found, re.M)) if not name.startswith(OF_SYSTEM)]


def add(wheel, records, name, data, executable=False):
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the same bytes from the same files
    entry.compress_type = wheel.compression
    entry.external_attr = (0o100755 if executable else 0o100644) << 16  # regular files; pip keeps the bits of such
    wheel.writestr(entry, data)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    records.append(f"{name},sha256={digest},{len(data)}")


def main():
    words = [word for word in sys.argv[1:] if word != "--store"]
    if len(words) != 2:
        sys.exit(__doc__)
    build, dist = map(pathlib.Path, words)
    compression = zipfile.ZIP_STORED if "--store" in sys.argv else zipfile.ZIP_DEFLATED
    version = re.search(r"project\(netc VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    dist.mkdir(parents=True, exist_ok=True)
    path, info, records = dist / f"netc-{version}-py3-none-{PLATFORM}.whl", f"netc-{version}.dist-info", []
    with zipfile.ZipFile(path, "w", compression) as wheel:
        for file in sorted((ROOT / "python" / "netc").iterdir()):
            if file.suffix in (".py", ".typed"):
                add(wheel, records, f"netc/{file.name}", file.read_bytes())
        # Where the binary looks for them: ../lib/netc beside its own folder.
        add(wheel, records, "netc/bin/netc", (build / "bin" / "netc").read_bytes(), executable=True)
        for name, file in shared_libraries(build / "bin" / "netc"):
            add(wheel, records, f"netc/lib/{name}", file.read_bytes())
        for name in ("Capi.h", "libnetc_runtime.a", "libnetc_sim.a"):
            add(wheel, records, f"netc/lib/netc/{name}", (build / "lib" / "netc" / name).read_bytes())
        add(wheel, records, f"{info}/METADATA", METADATA.format(version=version).encode())
        add(wheel, records, f"{info}/WHEEL", WHEEL.format(platform=PLATFORM).encode())
        records.append(f"{info}/RECORD,,")
        wheel.writestr(f"{info}/RECORD", "\n".join(records) + "\n")
    print(path)


main()
