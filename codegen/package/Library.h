//===- Library.h - a model as a C library -----------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_PACKAGE_LIBRARY_H
#define NETC_CODEGEN_PACKAGE_LIBRARY_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace netc {

/// A file of a library: its name and its text.
struct LibraryFile {
  std::string name, text;
};

/// The functions that a library exports, by the names that the header's template gives them:
/// netc_model_create, … Empty where `header` is no such template.
std::vector<std::string> libraryFunctions(llvm::StringRef header);

/// What stands for `netc_model_` in a library of `model`: "resnet18_".
std::string libraryPrefix(llvm::StringRef model);

/// The text files of a library of `module` (after the kern stage): the header made of the template
/// `header`, the pkg-config file and the CMake package; the same under the fixed names model.h, …
/// `target`: what it was compiled for, as the header describes it.
std::vector<LibraryFile> libraryFiles(mlir::ModuleOp module, llvm::StringRef header,
                                      llvm::StringRef target);

/// Renames the functions of an object file after `model` and hides all its other symbols. Returns
/// the new object file in `object`; false: `error` says why there is none.
bool exportFunctions(llvm::StringRef path, llvm::ArrayRef<std::string> functions,
                     llvm::StringRef model, std::string &object, std::string &error);

/// Writes an archive of one object file; an error, or empty.
std::string writeLibraryArchive(llvm::StringRef path, llvm::StringRef member,
                                llvm::StringRef object);

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_LIBRARY_H
