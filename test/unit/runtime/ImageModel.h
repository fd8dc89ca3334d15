//===- ImageModel.h - what a test has to know of a model --------*- C++ -*-===//
#ifndef NETC_TEST_UNIT_RUNTIME_IMAGEMODEL_H
#define NETC_TEST_UNIT_RUNTIME_IMAGEMODEL_H

#include "runtime/exec/Model.h"

namespace netc::runtime {

/// A model of ten classes whose input is an image [channels, height, width].
inline ModelInfo imageModel(int channels, int height, int width) {
  ModelInfo info;
  info.channels = channels;
  info.height = height;
  info.width = width;
  info.classes = 10;
  info.inputs = {{"image", NETC_SPACE_INPUT, NETC_TYPE_F32, {channels, height, width}}};
  return info;
}

} // namespace netc::runtime

#endif // NETC_TEST_UNIT_RUNTIME_IMAGEMODEL_H
