//===- Maps.h - class maps as pictures --------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_REPORT_MAPS_H
#define NETC_RUNTIME_REPORT_MAPS_H

#include "runtime/evaluate/Evaluate.h"

#include <string>
#include <vector>

namespace netc::runtime {

/// The figures of an evaluation as a section: a table of classes, or of targets. Empty where there
/// are none.
std::string drawFigures(const std::vector<Figure> &figures, const std::vector<std::string> &names);

/// The worst maps as a section: what the model says and what the labels say, over the image as
/// evaluation sees it.
std::string drawWorstMaps(const Accuracy &accuracy, const Dataset &data, const Pipeline &evaluation,
                          const ModelInfo &info);

} // namespace netc::runtime

#endif // NETC_RUNTIME_REPORT_MAPS_H
