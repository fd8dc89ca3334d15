//===- EntryPoint.cpp - main of a compiled model --------------------------===//
//
// Apart from Main.cpp, so that a program with its own main (a test) links the
// runtime without it.
//
//===----------------------------------------------------------------------===//
#include "runtime/commands/Main.h"

int main(int argc, char **argv) { return netc_runtime_main(netc_models, argc, argv); }
