//===- Export.cpp - netc export -------------------------------------------===//
#include "frontend/export/onnx/Export.h"
#include "frontend/elaborate/Frontend.h"
#include "runtime/base/Error.h"
#include "runtime/weights/Safetensors.h"
#include "tools/netc/Options.h"
#include "tools/netc/Output.h"

#include "llvm/Support/raw_ostream.h"

#include <fmt/ranges.h>

using namespace netc;

/// The tensor of a parameter; fails where it is missing or has another shape.
static std::vector<float> valuesOf(const runtime::Safetensors &file,
                                   const frontend::Parameter &parameter) {
  const runtime::Tensor *tensor = file.find(parameter.name);
  if (!tensor)
    runtime::fail("{} has no tensor {}, which the model needs", file.path(), parameter.name);
  if (tensor->shape != parameter.shape)
    runtime::fail("{}: {} has the shape [{}], the model's is [{}]", file.path(), parameter.name,
                  fmt::join(tensor->shape, ", "), fmt::join(parameter.shape, ", "));
  std::vector<float> values(static_cast<size_t>(tensor->elements()));
  runtime::convertToF32(*tensor, file.path(), values.data());
  return values;
}

/// What calibrate found for a layer's values; nothing where the file has none.
static std::optional<float> scaleOf(const runtime::Safetensors &file, const std::string &layer) {
  const runtime::Tensor *tensor = file.find(layer + ".activation_scale");
  if (!tensor || tensor->elements() != 1)
    return std::nullopt;
  float scale = 0;
  runtime::convertToF32(*tensor, file.path(), &scale);
  return scale > 0 ? std::optional(scale) : std::nullopt;
}

int netc::runExporter(const ExportOptions &options) {
  std::string diagnostics, problem;
  std::optional<frontend::Network> network =
      frontend::elaborateFile(options.file, {options.model, options.set}, diagnostics);
  llvm::errs() << diagnostics;
  if (!network)
    return kFailed;
  try {
    runtime::Safetensors weights = runtime::Safetensors::read(options.weights);
    std::optional<std::string> bytes = frontend::onnx::exportNetwork(
        *network,
        [&](const frontend::Parameter &parameter) { return valuesOf(weights, parameter); },
        [&](const std::string &layer) { return scaleOf(weights, layer); }, NETC_VERSION, problem);
    return bytes ? writeFile(options.output, *bytes) : fail(problem);
  } catch (const runtime::Error &error) {
    return fail(error.what());
  }
}
