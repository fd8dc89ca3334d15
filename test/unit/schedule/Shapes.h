//===- Shapes.h - geometries for tests of schedules -------------*- C++ -*-===//
#ifndef NETC_TEST_UNIT_SCHEDULE_SHAPES_H
#define NETC_TEST_UNIT_SCHEDULE_SHAPES_H

#include "dialect/kern/KernDialect.h"
#include "dialect/schedule/cpu/Schedule.h"

#include "mlir/IR/MLIRContext.h"

#include <vector>

namespace netc::kern {

/// A context that knows the dialect; one for all tests, as attributes live in it.
inline mlir::MLIRContext &testContext() {
  static mlir::MLIRContext context;
  static bool loaded = (context.loadDialect<KernDialect>(), true);
  (void)loaded;
  return context;
}

struct Shape {
  int64_t side, in, out, kernel = 3, stride = 1, groups = 1, dilation = 1;
};

/// The geometry of a convolution of square images and windows, padded to keep the size at stride 1.
inline GeometryAttr geometry(Shape s) {
  int64_t extent = (s.kernel - 1) * s.dilation + 1, pad = extent / 2;
  int64_t side = (s.side + 2 * pad - extent) / s.stride + 1;
  return GeometryAttr::get(&testContext(), s.side, s.side, s.in, side, side, s.out, s.kernel,
                           s.kernel, s.stride, s.stride, pad, pad, s.dilation, s.dilation,
                           s.groups);
}

/// Layers of the zoo, and corners: odd channels, one pixel, few and many channels, groups.
inline const std::vector<Shape> &layers() {
  static const std::vector<Shape> shapes{{224, 3, 64, 7, 2},
                                         {56, 64, 64},
                                         {56, 64, 256, 1},
                                         {56, 256, 512, 1, 2},
                                         {28, 128, 128},
                                         {14, 256, 256},
                                         {7, 512, 512},
                                         {7, 2048, 512, 1},
                                         {32, 3, 16},
                                         {32, 16, 16},
                                         {16, 32, 32},
                                         {8, 64, 64},
                                         {227, 3, 96, 11, 4},
                                         {27, 96, 256, 5, 1, 2},
                                         {1, 9216, 4096, 1},
                                         {1, 512, 10, 1},
                                         {112, 32, 32, 3, 1, 32},
                                         {14, 576, 576, 3, 2, 576},
                                         {14, 64, 96, 1},
                                         {13, 5, 33},
                                         {11, 13, 130, 1},
                                         {15, 33, 40, 3, 1, 1, 2},
                                         {12, 64, 64, 3, 1, 8},
                                         {9, 1, 1, 1},
                                         {3, 1000, 1000, 3},
                                         {64, 48, 48, 5, 2}};
  return shapes;
}

inline const std::vector<ContractKind> &kinds() {
  static const std::vector<ContractKind> all{ContractKind::Forward, ContractKind::InputGrad,
                                             ContractKind::FilterGrad};
  return all;
}

inline std::string describe(ContractKind kind, const Shape &s) {
  return (stringifyContractKind(kind) + " " + llvm::Twine(s.side) + " " + llvm::Twine(s.in) + "->" +
          llvm::Twine(s.out) + " k" + llvm::Twine(s.kernel) + " s" + llvm::Twine(s.stride) + " g" +
          llvm::Twine(s.groups))
      .str();
}

} // namespace netc::kern

#endif // NETC_TEST_UNIT_SCHEDULE_SHAPES_H
