//===- LibrarySymbols.h - functions of a library that is opened -*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_CUDA_LIBRARYSYMBOLS_H
#define NETC_RUNTIME_DEVICE_CUDA_LIBRARYSYMBOLS_H

#include <dlfcn.h>

#include <type_traits>

namespace netc::runtime::cuda {

/// Finds the functions of a table, one by one, in a library that dlopen opened.
struct LibrarySymbols {
  void *library;
  const char *missing = nullptr; ///< the first that the library lacks, or null

  /// Sets `function`, null where there is none.
  template <typename Function> void operator()(Function &function, const char *symbol) {
    optional(function, symbol);
    if (!function && !missing)
      missing = symbol;
  }
  /// The same of a function that the library need not have.
  template <typename Function> void optional(Function &function, const char *symbol) {
    function = reinterpret_cast<Function>(dlsym(library, symbol));
  }
};

} // namespace netc::runtime::cuda

#endif // NETC_RUNTIME_DEVICE_CUDA_LIBRARYSYMBOLS_H
