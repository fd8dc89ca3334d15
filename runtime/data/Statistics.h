//===- Statistics.h - what the training set's pixels are like ---*- C++ -*-===//
#ifndef NETC_RUNTIME_DATA_STATISTICS_H
#define NETC_RUNTIME_DATA_STATISTICS_H

#include "runtime/augment/Augment.h"
#include "runtime/data/Dataset.h"

namespace netc::runtime {

struct StatisticsRequest {
  bool moments = false;   ///< mean and standard deviation by channel
  bool pixelMean = false; ///< mean image at the model's size
  bool colors = false;    ///< principal components of the colours
};

/// Reads the images named by `samples` (folders of images: at most 10,000 of
/// them, evenly spaced) and fills the requested fields of a PixelScaling. Sums
/// are exact integers: the same bits with any number of workers.
PixelScaling computeStatistics(const Dataset &data, const std::vector<int64_t> &samples,
                               const ModelInfo &info, StatisticsRequest request, unsigned workers);

/// Eigenvalues (descending) and eigenvectors (rows) of a symmetric n x n matrix, by
/// Jacobi's rotations. Each vector's largest component is positive.
void symmetricEigen(std::vector<double> matrix, int n, std::vector<double> &values,
                    std::vector<double> &vectors);

} // namespace netc::runtime

#endif // NETC_RUNTIME_DATA_STATISTICS_H
