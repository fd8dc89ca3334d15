#!/bin/sh
# Puts the `onnx` package, for its backend tests, into BUILD/onnx-package. Usage: install-onnx.sh BUILD
# Without a network these tests say UNSUPPORTED.
set -eu
build="${1:?usage: $0 BUILD}"
[ -d "$build/onnx-package/onnx" ] && exit 0
echo "fetching onnx (PyPI)"
if ! python3 -m pip install -q --no-deps --only-binary=:all: --root-user-action=ignore --target "$build/onnx-package" \
    onnx==1.18.0 protobuf==5.29.5 typing_extensions==4.12.2; then
  rm -rf "$build/onnx-package"
  echo "note: onnx could not be fetched; its tests are skipped" >&2
fi
