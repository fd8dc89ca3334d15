//===- Weights.h - parameters in and out of files ---------------*- C++ -*-===//
#ifndef NETC_RUNTIME_WEIGHTS_WEIGHTS_H
#define NETC_RUNTIME_WEIGHTS_WEIGHTS_H

#include "runtime/exec/Executor.h"
#include "runtime/weights/Safetensors.h"

#include <string>
#include <vector>

namespace netc::runtime {

/// What a prediction needs besides the tensors; stored in the file's metadata.
struct WeightsMetadata {
  std::string model;
  std::string data;                 ///< data kind that it was trained on
  std::vector<std::string> classes; ///< names by class; may be empty
  std::vector<float> mean, std;     ///< by channel, of pixels in 0..1; empty: none stored
  std::vector<float> pixelMean;     ///< [C, H, W]; empty: not subtracted
  std::vector<float>
      pcaValues; ///< as PixelScaling's; empty: no jitter along components of the colours
  std::vector<float> pcaVectors;
  std::string order; ///< "bgr" where blue is the first channel; mean and std are in this order

  std::map<std::string, std::string> encode() const;
  static WeightsMetadata decode(const Safetensors &file);
};

/// `path`, or the model.safetensors inside where it is a folder.
std::string weightsPath(const std::string &path);

/// Copies every parameter from `file`. `training`: auxiliary heads must be there
/// too. num_batches_tracked and relative_position_index (Swin's) are ignored, and scales of
/// activations that the model does not have. Fails with one Error that lists missing, unexpected
/// and differently shaped tensors, or says how to calibrate weights that lack the scales of a
/// quantised model; not if `calibrating`.
void loadWeights(const Safetensors &file, const Executor &executor, bool training,
                 bool calibrating = false);

/// Copies what fits and says on stderr what does not; fails where nothing fits.
void loadWeightsThatFit(const Safetensors &file, const Executor &executor);

/// Writes all parameters and running statistics in the model's order.
WrittenFile saveWeights(const std::string &path, const Executor &executor,
                        const WeightsMetadata &metadata);

} // namespace netc::runtime

#endif // NETC_RUNTIME_WEIGHTS_WEIGHTS_H
