//===- Diagnostics.h - errors with source lines and carets ------*- C++ -*-===//
//
// Holds the sources of a run and the messages about them. Several errors are
// collected and rendered together. A second error at the same place is dropped, so
// a block with an error that is instantiated sixteen times is reported once.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_SYNTAX_DIAGNOSTICS_H
#define NETC_FRONTEND_SYNTAX_DIAGNOSTICS_H

#include "frontend/syntax/Source.h"

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace netc::frontend {

/// A stretch of one source line: 1-based line and column, length in bytes.
/// Line 0: no place in a file (the command line).
struct Range {
  uint32_t file = 0, line = 0, column = 0, length = 1;
};

struct Source {
  std::string name; ///< the path as the user wrote it
  std::string text;
  std::vector<uint32_t> lineStarts;
};

struct Diagnostic {
  enum class Severity { Error, Warning };
  struct Note {
    Range range;
    std::string message;
  };
  Severity severity = Severity::Error;
  Range range;
  std::string message;
  std::vector<Frame> stack; ///< innermost block first
  std::vector<Note> notes;
  std::string help; ///< what to change; may be empty

  Diagnostic &note(Range at, std::string text) {
    notes.push_back({at, std::move(text)});
    return *this;
  }
  Diagnostic &suggest(std::string text) {
    help = std::move(text);
    return *this;
  }
};

class Diagnostics {
public:
  /// Takes a source in; its number stands in every Range that points into it.
  uint32_t addSource(std::string name, std::string text);
  const Source &source(uint32_t file) const { return sources[file]; }
  size_t sourceCount() const { return sources.size(); }

  /// The returned reference stays valid; notes and help are added to it.
  Diagnostic &error(Range at, std::string message, std::vector<Frame> stack = {});
  Diagnostic &warning(Range at, std::string message, std::vector<Frame> stack = {});

  bool hasErrors() const { return errors != 0; }
  int errorCount() const { return errors; }
  /// True once there are so many errors that the search for more stops.
  bool full() const { return errors >= maxErrors; }
  /// In the order in which they were found.
  const std::deque<Diagnostic> &all() const { return diagnostics; }
  std::string render() const;
  SourceLocation locate(Range at) const;

private:
  static constexpr int maxErrors = 50;
  Diagnostic &add(Diagnostic::Severity severity, Range at, std::string message,
                  std::vector<Frame> stack);
  void renderPlace(std::string &out, Range at) const;
  std::string_view lineText(Range at) const;

  std::deque<Source> sources;
  std::deque<Diagnostic> diagnostics;
  std::set<std::tuple<bool, uint32_t, uint32_t, uint32_t>> told; ///< errors and warnings apart
  Diagnostic dropped; ///< receives notes of dropped errors, and is not shown
  int errors = 0;
};

/// The name in `known` closest to `name`, if close enough to be a typo; else empty.
std::string closestName(std::string_view name, const std::vector<std::string> &known);

/// "; did you mean 'stride'?" or nothing.
std::string didYouMean(std::string_view name, const std::vector<std::string> &known);

/// "a, b and c"; "nothing" where there is none.
std::string joinNames(const std::vector<std::string> &names);

} // namespace netc::frontend

#endif // NETC_FRONTEND_SYNTAX_DIAGNOSTICS_H
