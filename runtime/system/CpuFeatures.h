//===- CpuFeatures.h - can this processor run the kernels -------*- C++ -*-===//
#ifndef NETC_RUNTIME_SYSTEM_CPUFEATURES_H
#define NETC_RUNTIME_SYSTEM_CPUFEATURES_H

#include <string>
#include <vector>

namespace netc::runtime {

/// Whether the processor and the operating system offer `feature` (an LLVM
/// name). A name that is not in this table is taken as offered. Of AMX's, the first question asks
/// Linux for the permission to use its registers.
bool hasCpuFeature(const std::string &feature);

/// Fails with an Error that names what is missing.
void requireCpuFeatures(const std::string &model, const std::vector<std::string> &features);

} // namespace netc::runtime

#endif // NETC_RUNTIME_SYSTEM_CPUFEATURES_H
