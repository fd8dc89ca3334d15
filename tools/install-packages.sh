#!/bin/sh
# Installs the Debian packages that are missing. Usage: install-packages.sh build|test|demo|lint
set -eu

build="ca-certificates make g++ cmake ninja-build ccache clang-22 lld-22 llvm-22-dev llvm-22-tools libmlir-22-dev \
mlir-22-tools libfmt-dev libcli11-dev nlohmann-json3-dev libjpeg62-turbo-dev libpng-dev zlib1g-dev libzstd-dev libonnx-dev libprotobuf-dev"
demo="dataset-fashion-mnist python3"
test="libgtest-dev python3 python3-pip python3-numpy python3-torch python3-torchvision libopenblas0-pthread dataset-fashion-mnist \
libclang-rt-22-dev graphviz pkg-config nodejs libopenmpi-dev openmpi-bin"
lint="git clang-format-22 clang-tidy-22"

case "${1:-build}" in
build) wanted="$build" ;;
demo) wanted="$build $demo" ;;
test) wanted="$build $test" ;;
lint) wanted="$build $test $lint" ;;
*) echo "usage: $0 build|test|demo|lint" >&2; exit 2 ;;
esac

missing=""
for package in $wanted; do
  state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$state" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
run=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "these packages are missing and only root can install them:$missing" >&2; exit 1; }
  run="sudo"
fi
$run apt-get update -q
# shellcheck disable=SC2086
$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
