//===- Dot.h - a network as a Graphviz drawing ------------------*- C++ -*-===//
#ifndef NETC_FRONTEND_EMIT_DOT_H
#define NETC_FRONTEND_EMIT_DOT_H

#include "frontend/network/Network.h"

#include <string>

namespace netc::frontend {

/// The layers of `network` and what flows between them, for `dot -Tsvg`; blocks are boxes.
std::string networkDot(const Network &network);

} // namespace netc::frontend

#endif // NETC_FRONTEND_EMIT_DOT_H
