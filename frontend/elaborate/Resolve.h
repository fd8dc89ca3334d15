//===- Resolve.h - names of code that no model reaches ----------*- C++ -*-===//
#ifndef NETC_FRONTEND_ELABORATE_RESOLVE_H
#define NETC_FRONTEND_ELABORATE_RESOLVE_H

#include "frontend/elaborate/Program.h"

namespace netc::frontend {

/// Reports unbound names and arguments that a callee does not have, in all blocks and
/// models, called or not. Runs after elaboration, whose messages are more precise.
void resolveNames(const Program &program, Diagnostics &diags);

} // namespace netc::frontend

#endif // NETC_FRONTEND_ELABORATE_RESOLVE_H
