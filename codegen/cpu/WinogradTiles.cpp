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
  int64_t d = s.dilation;
  Value low = k.min(k.ceilDiv(k.max(k.sub(k.c(0), left), k.c(0)), d), k.c(s.size));
  Value high = k.ceilDiv(k.max(k.sub(k.c(s.width), left), k.c(0)), d);
  high = k.max(k.min(high, k.c(s.size)), low);
  k.loop(0, s.size, 1, [&](Value y) {
    Value row = k.add(top, k.mul(y, d));
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
          Value pixel =
              k.add(k.mul(k.add(k.mul(image, s.height), row), s.width), k.add(left, k.mul(low, d)));
          Value element = k.mul(pixel, s.sourceChannels),
                shift = s.firstChannel ? s.firstChannel : k.c(0);
          element = k.add(element, shift);
          Sweep sweep;
          sweep.formula = s.prologue;
          for (auto [source, access] : llvm::zip(s.sources, s.accesses)) {
            if (access == Access::Full)
              sweep.inputs.push_back({k.at(source, element), true, d * s.sourceChannels});
            else
              sweep.inputs.push_back(
                  {k.at(source, offsetOf(k, access, pixel, image, s.sourceChannels, shift)), false,
                   0});
          }
          sweep.output = k.at(out, k.mul(low, s.channels));
          sweep.outputPitch = sweep.channels = s.channels;
          sweep.pixels = k.sub(high, low);
          sweep.random = {s.hyper, element};
          sweep.randomPitch = d * s.sourceChannels;
          emitSweep(k, sweep);
          zeros(high, k.c(s.size));
        },
        [&] { zeros(k.c(0), k.c(s.size)); });
  });
}

WinogradPlace netc::cpu::placeOf(KernelEmitter &k, Value index, int64_t tilesHigh,
                                 int64_t tilesWide, int64_t dilation) {
  int64_t ofResidue = tilesHigh * tilesWide;
  Value residue, image = k.div(index, ofResidue), rest = k.rem(index, ofResidue);
  WinogradPlace place;
  place.row = k.div(rest, tilesWide), place.column = k.rem(rest, tilesWide);
  if (dilation > 1) {
    residue = k.rem(image, dilation * dilation), image = k.div(image, dilation * dilation);
    place.rowResidue = k.div(residue, dilation), place.columnResidue = k.rem(residue, dilation);
  }
  place.image = image;
  return place;
}

void netc::cpu::emitTransforms(KernelEmitter &k, const WinogradTiles &s, Value first, Value count,
                               TypedPointer to, TypedPointer scratch) {
  func::FuncOp fromScratch = transformFunction(k, s, scratch.element, s.channels), inPlace;
  if (!s.prologue)
    inPlace = transformFunction(k, s, s.sources[0].element, s.dilation * s.sourceChannels);
  k.loop(k.c(0), count, 1, [&](Value t) {
    WinogradPlace at = placeOf(k, k.add(first, t), s.tilesHigh, s.tilesWide, s.dilation);
    Value image = at.image;
    Value top = k.add(k.mul(at.row, s.m * s.dilation), -s.padTop),
          left = k.add(k.mul(at.column, s.m * s.dilation), -s.padLeft);
    if (s.dilation > 1)
      top = k.add(top, at.rowResidue), left = k.add(left, at.columnResidue);
    TypedPointer out = k.at(to, k.mul(t, s.pitch));
    auto gathered = [&] {
      gatherWindow(k, s, image, top, left, scratch);
      k.call(fromScratch, {scratch, k.c(s.size * s.channels), out});
    };
    if (s.prologue)
      return gathered();
    Value below = k.less(k.add(top, (s.size - 1) * s.dilation), k.c(s.height)),
          right = k.less(k.add(left, (s.size - 1) * s.dilation), k.c(s.width));
    Value inside =
        k.both(k.both(k.less(k.c(-1), top), k.less(k.c(-1), left)), k.both(below, right));
    k.choose(
        inside,
        [&] {
          Value pixel = k.add(k.mul(k.add(k.mul(image, s.height), top), s.width), left);
          Value element = k.mul(pixel, s.sourceChannels);
          if (s.firstChannel)
            element = k.add(element, s.firstChannel);
          k.call(inPlace,
                 {k.at(s.sources[0], element), k.c(s.dilation * s.width * s.sourceChannels), out});
        },
        gathered);
  });
}
