//===- PredictMaps.h - class maps of image files ----------------*- C++ -*-===//
#ifndef NETC_RUNTIME_COMMANDS_PREDICTMAPS_H
#define NETC_RUNTIME_COMMANDS_PREDICTMAPS_H

#include "runtime/commands/Commands.h"
#include "runtime/exec/Model.h"

namespace netc::runtime {

/// Writes a mask and an overlay for each image, of the image's size. The image is resized to the
/// input's size and its scores back; with `tile` windows of the input's size, half overlapping, are
/// laid over the image as it is, and their probabilities are blended.
int predictMaps(const NetcModel &model, const ModelInfo &info, const PredictOptions &options,
                const std::vector<std::string> &images);

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMMANDS_PREDICTMAPS_H
