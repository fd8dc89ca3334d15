//===- Symbols.h - names of a model's symbols -------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_PACKAGE_SYMBOLS_H
#define NETC_CODEGEN_PACKAGE_SYMBOLS_H

#include <string>
#include <string_view>

namespace netc {

/// What the symbols of one object file are called, so that models of different names link into one
/// program. An executable may hold a model several times, for several levels of the CPU, best
/// first: an object file each.
struct ModelSymbols {
  /// `level` counts from 0, the best.
  explicit ModelSymbols(std::string_view model, unsigned level = 0);

  std::string prefix; ///< "netc_resnet18": all of the model's symbols begin with it
  std::string table;  ///< "netc_resnet18_model", "netc_resnet18_model_1", …: the NetcModel
};

/// A part of a C identifier for any name, different for different names: letters, digits and '_'
/// stay, other bytes become "_x2d", and so does a '_' that would be read as the begin of such.
std::string mangle(std::string_view name);

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_SYMBOLS_H
