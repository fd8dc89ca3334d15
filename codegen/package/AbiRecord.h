//===- AbiRecord.h - a struct of Abi.h as an LLVM constant ------*- C++ -*-===//
//
// Order, offsets and widths of the fields are those of the C header: a field is named by its C++
// member, so the constant follows whatever the header says.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_PACKAGE_ABIRECORD_H
#define NETC_CODEGEN_PACKAGE_ABIRECORD_H

#include "runtime/abi/Abi.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/Support/ErrorHandling.h"

#include <cstdint>
#include <type_traits>

namespace netc {

/// A constant of the struct `S` of runtime/abi/Abi.h.
template <typename S> class AbiRecord {
  static_assert(std::is_standard_layout_v<S>);

public:
  explicit AbiRecord(llvm::LLVMContext &context) : context(context) {}

  template <typename F> AbiRecord &set(F S::*member, uint64_t number) {
    static_assert(std::is_integral_v<F>, "a pointer or a struct takes a constant");
    return add(member,
               llvm::ConstantInt::get(llvm::IntegerType::get(context, 8 * sizeof(F)), number));
  }

  /// Null: the null pointer.
  template <typename F> AbiRecord &set(F S::*member, llvm::Constant *value) {
    static_assert(!std::is_integral_v<F>, "an integer takes a number");
    if (!value && std::is_pointer_v<F>)
      value = llvm::ConstantPointerNull::get(llvm::PointerType::get(context, 0));
    return add(member, value);
  }

  /// Every field must be set: a hole is a fault of ours.
  llvm::Constant *finish() {
    llvm::sort(fields, [](const Field &x, const Field &y) { return x.offset < y.offset; });
    llvm::SmallVector<llvm::Constant *> values;
    size_t end = 0;
    for (const Field &field : fields) {
      if (field.offset != end)
        llvm::report_fatal_error("a field of Abi.h is left out, or set twice");
      end += field.bytes;
      values.push_back(field.value);
    }
    if (end != sizeof(S))
      llvm::report_fatal_error("the last fields of a struct of Abi.h are left out");
    return llvm::ConstantStruct::getAnon(context, values);
  }

private:
  struct Field {
    size_t offset, bytes;
    llvm::Constant *value;
  };

  template <typename F> AbiRecord &add(F S::*member, llvm::Constant *value) {
    static const S probe{};
    const auto *begin = reinterpret_cast<const char *>(&probe);
    const auto *at = reinterpret_cast<const char *>(&(probe.*member));
    fields.push_back({static_cast<size_t>(at - begin), sizeof(F), value});
    return *this;
  }

  llvm::LLVMContext &context;
  llvm::SmallVector<Field> fields;
};

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_ABIRECORD_H
