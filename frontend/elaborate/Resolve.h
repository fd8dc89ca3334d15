//===- Resolve.h - names of code that no model reaches ----------*- C++ -*-===//
#ifndef NETC_FRONTEND_ELABORATE_RESOLVE_H
#define NETC_FRONTEND_ELABORATE_RESOLVE_H

#include "frontend/elaborate/Program.h"

namespace netc::frontend {

/// Reports names that nothing binds and arguments that a callee doesn't have, in all
/// blocks and models, called or not. Runs after elaboration, whose messages know more.
void resolveNames(const Program &program, Diagnostics &diags);

} // namespace netc::frontend

#endif // NETC_FRONTEND_ELABORATE_RESOLVE_H
