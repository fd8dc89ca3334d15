//===- Blocks.h - parts of a model that repeat ------------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_BLOCKS_H
#define NETC_FRONTEND_IMPORT_ONNX_BLOCKS_H

#include "frontend/import/onnx/View.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace netc::frontend::onnx {

/// "NAME = VALUE | CALL | CALL"; the name `return`: the last one.
struct Statement {
  std::string name;
  std::vector<std::string> chain;
  Shape shape; ///< of the value, for a comment; empty: none is written
};

/// A model's statements, and what is known of them.
struct Body {
  std::vector<Statement> statements;
  std::set<std::string> variables;           ///< names of inputs and statements
  std::map<std::string, Shape> shapesBefore; ///< of labelled calls: the shape of what they take
};

/// Over as many lines as it needs, indented by two blanks.
std::string textOf(const Statement &statement);

/// The text of the model's statements as they are.
std::string flatText(const Body &body);

/// The text of the model's statements, and before it, in `definitions`, that of blocks: runs of
/// statements whose layers have a common prefix, as exporters name the modules of a list
/// (`layer1.0.conv1`), become a call of a block where two or more differ only in numbers. These are
/// the block's parameters. Names of layers stay as they are.
std::string writeBody(const Body &body, std::string &definitions);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_IMPORT_ONNX_BLOCKS_H
