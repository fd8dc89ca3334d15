#!/bin/sh
# The whole way in a few minutes: a model file, an executable, training on real images, a prediction.
# Usage: demo.sh BUILD_DIRECTORY
set -eu
build=$1
out=demo
mkdir -p "$out"

echo
echo "1. models/resnet_cifar.net -> $out/resnet20, one native executable"
"$build/bin/netc" models/resnet_cifar.net --model resnet20 --set 'image=[1,28,28]' -o "$out/resnet20"
ls -l "$out/resnet20" | awk '{printf "   %.1f MB\n", $5 / 1e6}'

echo
echo "2. train on Fashion-MNIST: 3 epochs of 60,000 images, some 6 minutes on two AVX2 cores"
"$out/resnet20" train --data fashion-mnist --epochs 3 --batch 64 --out "$out/run"

echo
echo "3. evaluate the saved weights on the 10,000 test images"
"$out/resnet20" eval --data fashion-mnist --weights "$out/run/model.safetensors"

echo
echo "4. predict a real image: test image 0, as a PNG"
python3 tools/fashion-mnist-image.py 0 "$out/image.png"
"$out/resnet20" predict --weights "$out/run/model.safetensors" "$out/image.png"
echo
echo "weights: $out/run/model.safetensors; more: $out/resnet20 --help"
