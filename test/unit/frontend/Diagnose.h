//===- Diagnose.h - runs the front end on a text ----------------*- C++ -*-===//
#ifndef NETC_TEST_UNIT_FRONTEND_DIAGNOSE_H
#define NETC_TEST_UNIT_FRONTEND_DIAGNOSE_H

#include "frontend/elaborate/Frontend.h"

#include <ostream>
#include <string>

namespace netc::frontend {

/// A mistake and the whole message about it.
struct ErrorCase {
  const char *name;
  const char *source;
  const char *model;   ///< --model; may be empty
  const char *setting; ///< --set NAME=VALUE; may be empty
  const char *expected;
};

inline std::ostream &operator<<(std::ostream &out, const ErrorCase &c) { return out << c.name; }

/// Writes `source` as test.net into a folder of this process and elaborates it.
std::optional<Network> elaborateText(const std::string &source, std::string &diagnostics,
                                     const std::string &model = {},
                                     const std::string &setting = {});

/// Elaborates the case and compares the diagnostics.
void expectDiagnostics(const ErrorCase &c);

/// The text of a file; empty where it can't be read.
std::string readText(const std::string &path);
void writeText(const std::string &path, const std::string &text);

} // namespace netc::frontend

#endif // NETC_TEST_UNIT_FRONTEND_DIAGNOSE_H
