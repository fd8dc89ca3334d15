//===- Import.h - netc import -----------------------------------*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_IMPORT_H
#define NETC_TOOLS_NETC_IMPORT_H

#include "tools/netc/Options.h"

namespace netc {

/// `netc model.onnx -o model`: imports to model.net and model.safetensors, and has `options` name
/// the former. Returns an exit code if that fails, else -1, also for a model file.
int importFirst(Options &options);

} // namespace netc

#endif // NETC_TOOLS_NETC_IMPORT_H
