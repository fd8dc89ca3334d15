//===- WinogradTiles.cpp - tiles of images in the transform's domain ------===//
#include "codegen/cpu/WinogradTiles.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

/// void transform(source, elements between rows, to): one window, all channels, of `element`s; its
/// pixels lie `pixelPitch` of them apart.
static func::FuncOp transformFunction(KernelEmitter &k, const WinogradTiles &s, Type element,
                                      int64_t pixelPitch) {
  SmallVector<Type> types{k.pointerType(), k.i64(), k.pointerType()};
  std::string name = s.name.str() + "_" + std::to_string(pixelPitch);
  if (!element.isF32())
    name += "_stored";
  return k.helper(name, types, {true, false, true}, [&](KernelEmitter &t, ValueRange arguments) {
    t.overChannels(s.channels, [&](Value channel, int64_t valid) {
      Values window;
      for (int64_t y = 0; y < s.size; ++y) {
        TypedPointer row =
            t.at(TypedPointer{arguments[0], element}, t.add(t.mul(arguments[1], y), channel));
        for (int64_t x = 0; x < s.size; ++x)
          window.push_back(t.loadVector(t.at(row, x * pixelPitch), valid));
      }
      TypedPointer to = t.at(t.floats(arguments[2]), channel);
      for (auto [point, value] :
           llvm::enumerate(transformTile(t, s.m, s.transform, s.size, window)))
        t.storeVector(value, t.at(to, static_cast<int64_t>(point) * s.pointPitch));
    });
  });
}

/// Copies a window to scratch with the prologue applied and zeros where it leaves the image.
static void gatherWindow(KernelEmitter &k, const WinogradTiles &s, Value image, Value top,
                         Value left, TypedPointer to) {
  Value low = k.min(k.max(k.sub(k.c(0), left), k.c(0)), k.c(s.size));
  Value high = k.max(k.min(k.sub(k.c(s.width), left), k.c(s.size)), low);
  k.loop(0, s.size, 1, [&](Value y) {
    Value row = k.add(top, y);
    TypedPointer out = k.at(to, k.mul(y, s.size * s.channels));
    Value inside = k.both(k.less(k.c(-1), row), k.less(row, k.c(s.height)));
    auto zeros = [&](Value begin, Value end) {
      k.loop(begin, end, 1, [&](Value x) {
        k.overChannels(s.channels, [&](Value channel, int64_t valid) {
          k.storeVector(k.zeros(), k.at(out, k.add(k.mul(x, s.channels), channel)), valid);
        });
      });
    };
    k.choose(
        inside,
        [&] {
          zeros(k.c(0), low);
          Value pixel = k.add(k.mul(k.add(k.mul(image, s.height), row), s.width), k.add(left, low));
          Value element = k.mul(pixel, s.sourceChannels),
                shift = s.firstChannel ? s.firstChannel : k.c(0);
          element = k.add(element, shift);
          Sweep sweep;
          sweep.formula = s.prologue;
          for (auto [source, access] : llvm::zip(s.sources, s.accesses)) {
            if (access == Access::Full)
              sweep.inputs.push_back({k.at(source, element), true, s.sourceChannels});
            else
              sweep.inputs.push_back(
                  {k.at(source, offsetOf(k, access, pixel, image, s.sourceChannels, shift)), false,
                   0});
          }
          sweep.output = k.at(out, k.mul(low, s.channels));
          sweep.outputPitch = sweep.channels = s.channels;
          sweep.pixels = k.sub(high, low);
          sweep.random = {s.hyper, element};
          sweep.randomPitch = s.sourceChannels;
          emitSweep(k, sweep);
          zeros(high, k.c(s.size));
        },
        [&] { zeros(k.c(0), k.c(s.size)); });
  });
}

void netc::cpu::emitTransforms(KernelEmitter &k, const WinogradTiles &s, Value first, Value count,
                               TypedPointer to, TypedPointer scratch) {
  func::FuncOp fromScratch = transformFunction(k, s, scratch.element, s.channels), inPlace;
  if (!s.prologue)
    inPlace = transformFunction(k, s, s.sources[0].element, s.sourceChannels);
  int64_t tilesOfImage = s.tilesHigh * s.tilesWide;
  k.loop(k.c(0), count, 1, [&](Value t) {
    Value tile = k.add(first, t), image = k.div(tile, tilesOfImage),
          rest = k.rem(tile, tilesOfImage);
    Value top = k.add(k.mul(k.div(rest, s.tilesWide), s.m), -s.padTop);
    Value left = k.add(k.mul(k.rem(rest, s.tilesWide), s.m), -s.padLeft);
    TypedPointer out = k.at(to, k.mul(t, s.pitch));
    auto gathered = [&] {
      gatherWindow(k, s, image, top, left, scratch);
      k.call(fromScratch, {scratch, k.c(s.size * s.channels), out});
    };
    if (s.prologue)
      return gathered();
    Value below = k.less(k.add(top, s.size - 1), k.c(s.height)),
          right = k.less(k.add(left, s.size - 1), k.c(s.width));
    Value inside =
        k.both(k.both(k.less(k.c(-1), top), k.less(k.c(-1), left)), k.both(below, right));
    k.choose(
        inside,
        [&] {
          Value pixel = k.add(k.mul(k.add(k.mul(image, s.height), top), s.width), left);
          Value element = k.mul(pixel, s.sourceChannels);
          if (s.firstChannel)
            element = k.add(element, s.firstChannel);
          k.call(inPlace, {k.at(s.sources[0], element), k.c(s.width * s.sourceChannels), out});
        },
        gathered);
  });
}
