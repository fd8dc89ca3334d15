//===- KernelParts.h - functions that kernels share -------------*- C++ -*-===//
//
// What packs and unpacks a few weights gets sizes and strides as arguments, so kernels of many
// layers call functions of the same content. Each is taken out of its kernel's module and compiled
// once. Micro-kernels are not shared: with sizes as arguments they were 7 to 16 % slower.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CPU_KERNELPARTS_H
#define NETC_CODEGEN_CPU_KERNELPARTS_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <memory>
#include <string>
#include <vector>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace netc::cpu {

/// A function by itself. Functions of the same content have the same text.
struct KernelPart {
  std::string symbol;
  std::string text; ///< LLVM IR, in which the function has no name of its own
};

/// Takes the parts (KernelEmitter::part) out of `code`, which then calls them by the symbols that
/// `symbolOf` gives to their texts. Returns them, called ones first.
std::vector<KernelPart> takeParts(llvm::Module &code,
                                  llvm::function_ref<std::string(llvm::StringRef text)> symbolOf);

/// The module of a part's text, its function named `symbol`. Null: it is no such text.
std::unique_ptr<llvm::Module> parsePart(llvm::StringRef text, llvm::StringRef symbol,
                                        llvm::LLVMContext &context);

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_KERNELPARTS_H
