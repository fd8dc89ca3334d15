#!/bin/sh
# Puts NVIDIA's assembler for PTX into BUILD/ptxas where the system has none. Usage: install-ptxas.sh BUILD
# Without a network tests that need it say UNSUPPORTED.
set -eu
build="${1:?usage: $0 BUILD}"
command -v ptxas >/dev/null && exit 0
[ -x /usr/local/cuda/bin/ptxas ] && exit 0
[ -x "$build/ptxas/bin/ptxas" ] && exit 0
mkdir -p "$build/ptxas"
echo "fetching ptxas (PyPI: nvidia-cuda-nvcc)"
if ! python3 -m pip download -q --no-deps --only-binary=:all: -d "$build/ptxas" 'nvidia-cuda-nvcc>=13,<14'; then
  echo "note: ptxas could not be fetched; what needs it is skipped" >&2
  exit 0
fi
python3 - "$build/ptxas" <<'END'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = next(folder.glob("nvidia_cuda_nvcc-*.whl"))
with zipfile.ZipFile(wheel) as archive:
    name = next(name for name in archive.namelist() if name.endswith("bin/ptxas"))
    target = folder / "bin" / "ptxas"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(archive.read(name))
    target.chmod(0o755)
wheel.unlink()
END
