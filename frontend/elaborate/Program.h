//===- Program.h - a file with its imports ----------------------*- C++ -*-===//
#ifndef NETC_FRONTEND_ELABORATE_PROGRAM_H
#define NETC_FRONTEND_ELABORATE_PROGRAM_H

#include "frontend/syntax/Ast.h"

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>

namespace netc::frontend {

/// The text of a file, or an error in words.
struct FileText {
  std::string text, error;
};
FileText readSource(const std::string &path);
/// Where files come from: the disk, or an editor that holds newer texts of some.
using SourceReader = std::function<FileText(const std::string &path)>;

/// The files of a run and what they define. All blocks and models share one
/// space of names.
class Program {
public:
  explicit Program(Diagnostics &diags, SourceReader read = readSource)
      : diags(diags), read(std::move(read)) {}

  /// Reads `path` and whatever it imports; errors go to the diagnostics.
  void load(const std::string &path);

  const Definition *find(const std::string &name) const;
  /// The file named on the command line first, then its imports.
  const std::deque<File> &files() const { return loaded; }
  /// Every definition and import of the files is known (some may contain errors), so unbound names
  /// can be reported.
  bool whole() const { return complete; }

private:
  enum class State { Loading, Done };
  void loadFile(const std::string &name, Range importedAt);
  void define(const File &file);

  Diagnostics &diags;
  SourceReader read;
  bool complete = true;
  std::deque<File> loaded;
  std::map<std::string, State> states;              ///< by canonical path
  std::vector<std::pair<std::string, Range>> chain; ///< files being read, with their imports
  std::unordered_map<std::string, const Definition *> definitions;
};

} // namespace netc::frontend

#endif // NETC_FRONTEND_ELABORATE_PROGRAM_H
