//===- Mistakes.h - what a model takes for what -----------------*- C++ -*-===//
#ifndef NETC_RUNTIME_REPORT_MISTAKES_H
#define NETC_RUNTIME_REPORT_MISTAKES_H

#include "runtime/evaluate/Evaluate.h"

#include <string>
#include <vector>

namespace netc::runtime {

/// The name of class `index`, its number where `names` has none.
std::string classLabel(const std::vector<std::string> &names, int64_t index);

/// The confusion matrix as a section: a table of shares for up to 40 classes,
/// beyond that the pairs that are confused most. Empty where there is none.
std::string drawConfusion(const Accuracy &accuracy, const std::vector<std::string> &names);

/// The worst mistakes as a section, each with its picture (as it lies in `data`,
/// not augmented). Pictures that do not decode are left out.
std::string drawMistakes(const Accuracy &accuracy, const Dataset &data,
                         const std::vector<std::string> &names);

} // namespace netc::runtime

#endif // NETC_RUNTIME_REPORT_MISTAKES_H
