//===- Source.h - places in model files -------------------------*- C++ -*-===//
#ifndef NETC_FRONTEND_SYNTAX_SOURCE_H
#define NETC_FRONTEND_SYNTAX_SOURCE_H

#include <string>

namespace netc::frontend {

/// 1-based line and column (in bytes) in `file` (the path as the user wrote it).
struct SourceLocation {
  std::string file;
  int line = 0;
  int column = 0;
};

/// One level of block instantiation: "in block basic, as layer2.0, from resnet.net:22:11".
struct Frame {
  std::string block;   ///< name of the block
  std::string name;    ///< full dotted name of this instance
  SourceLocation from; ///< where it was called
};

} // namespace netc::frontend

#endif // NETC_FRONTEND_SYNTAX_SOURCE_H
