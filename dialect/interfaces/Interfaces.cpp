//===- Interfaces.cpp - what the drivers know of an op --------------------===//
#include "dialect/interfaces/Interfaces.h"

using namespace mlir;
#include "dialect/interfaces/Interfaces.cpp.inc"
