//===- Program.cpp - reads a file and its imports -------------------------===//
#include "frontend/elaborate/Program.h"

#include "frontend/layers/LayerTable.h"
#include "frontend/syntax/Parser.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace netc::frontend {

constexpr size_t maxSourceBytes = size_t(4) << 20;
constexpr size_t maxImportDepth = 64;

FileText readSource(const std::string &path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code))
    return {{}, "it is a directory"};
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return {{}, errno ? std::strerror(errno) : "it can't be opened"};
  // One byte past the limit tells that there is more: a file of gigabytes is never held.
  std::string text(maxSourceBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (in.bad())
    return {{}, "reading it failed"};
  if (text.size() > maxSourceBytes)
    return {{},
            fmt::format("it is larger than {} MiB, the most a .net file may have",
                        maxSourceBytes >> 20)};
  return {std::move(text), {}};
}

static std::string canonicalPath(const std::string &path) {
  std::error_code code;
  std::filesystem::path canonical = std::filesystem::weakly_canonical(path, code);
  return code ? path : canonical.string();
}

void Program::load(const std::string &path) { loadFile(path, Range{0, 0, 0, 1}); }

void Program::loadFile(const std::string &name, Range importedAt) {
  std::string key = canonicalPath(name);
  auto known = states.find(key);
  if (known != states.end()) {
    if (known->second == State::Done)
      return;
    complete = false;
    Diagnostic &diag = diags.error(importedAt, fmt::format("'{}' imports itself", name));
    for (size_t i = 1; i < chain.size(); ++i)
      diag.note(chain[i].second, "by way of this import");
    return;
  }
  if (chain.size() >= maxImportDepth) {
    complete = false;
    diags.error(importedAt, fmt::format("imports are nested more than {} deep", maxImportDepth));
    return;
  }
  FileText file = read(name);
  if (!file.error.empty()) {
    complete = false;
    diags.error(importedAt, fmt::format("can't read '{}': {}", name, file.error));
    return;
  }
  states[key] = State::Loading;
  chain.push_back({name, importedAt});
  File &tree = loaded.emplace_back(parseFile(diags.addSource(name, std::move(file.text)), diags));
  complete = complete && tree.whole;
  define(tree);
  for (const Import &import : tree.imports) {
    std::filesystem::path path = std::filesystem::path(name).parent_path() / import.path;
    loadFile(path.lexically_normal().string(), import.range);
  }
  chain.pop_back();
  states[key] = State::Done;
}

void Program::define(const File &file) {
  for (const auto &def : file.definitions) {
    const char *what = def->isModel ? "model" : "block";
    if (findLayerKind(def->name) || findFunction(def->name) || isChoiceWord(def->name)) {
      diags.error(def->range, fmt::format("'{}' is a word of the language: no {} can have "
                                          "this name",
                                          def->name, what));
      complete = false;
      continue;
    }
    auto [place, fresh] = definitions.insert({def->name, def.get()});
    if (!fresh)
      diags.error(def->range, fmt::format("'{}' is defined twice", def->name))
          .note(place->second->range, "the first is here");
  }
}

const Definition *Program::find(const std::string &name) const {
  auto it = definitions.find(name);
  return it == definitions.end() ? nullptr : it->second;
}

} // namespace netc::frontend
