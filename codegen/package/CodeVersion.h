//===- CodeVersion.h - which compiler this is -------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_PACKAGE_CODEVERSION_H
#define NETC_CODEGEN_PACKAGE_CODEVERSION_H

#include <string>

namespace netc {

/// Names the code that generates code: this program and the LLVM and MLIR that it runs with. Any
/// other build has another version, so what one has compiled is never taken for another's.
const std::string &codeVersion();

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_CODEVERSION_H
