//===- Diagnostics.cpp - errors with source lines and carets --------------===//
#include "frontend/syntax/Diagnostics.h"

#include <fmt/format.h>

#include <algorithm>

namespace netc::frontend {

uint32_t Diagnostics::addSource(std::string name, std::string text) {
  Source &source = sources.emplace_back();
  source.name = std::move(name);
  source.text = std::move(text);
  source.lineStarts.push_back(0);
  for (size_t i = 0; i < source.text.size(); ++i)
    if (source.text[i] == '\n')
      source.lineStarts.push_back(static_cast<uint32_t>(i + 1));
  return static_cast<uint32_t>(sources.size() - 1);
}

Diagnostic &Diagnostics::add(Diagnostic::Severity severity, Range at, std::string message,
                             std::vector<Frame> stack) {
  bool isError = severity == Diagnostic::Severity::Error;
  bool fresh = at.line == 0 || told.insert({isError, at.file, at.line, at.column}).second;
  if (isError)
    ++errors;
  if (!fresh || errors > maxErrors) {
    if (isError && !fresh)
      --errors;
    dropped = {};
    return dropped;
  }
  Diagnostic &diag = diagnostics.emplace_back();
  diag.severity = severity;
  diag.range = at;
  diag.message = std::move(message);
  diag.stack = std::move(stack);
  return diag;
}

Diagnostic &Diagnostics::error(Range at, std::string message, std::vector<Frame> stack) {
  return add(Diagnostic::Severity::Error, at, std::move(message), std::move(stack));
}

Diagnostic &Diagnostics::warning(Range at, std::string message, std::vector<Frame> stack) {
  return add(Diagnostic::Severity::Warning, at, std::move(message), std::move(stack));
}

SourceLocation Diagnostics::locate(Range at) const {
  if (at.line == 0 || at.file >= sources.size())
    return {};
  return {sources[at.file].name, static_cast<int>(at.line), static_cast<int>(at.column)};
}

std::string_view Diagnostics::lineText(Range at) const {
  const Source &source = sources[at.file];
  if (at.line == 0 || at.line > source.lineStarts.size())
    return {};
  std::string_view text = source.text;
  text.remove_prefix(source.lineStarts[at.line - 1]);
  text = text.substr(0, text.find('\n'));
  if (!text.empty() && text.back() == '\r')
    text.remove_suffix(1);
  return text;
}

static bool isContinuationByte(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// Control bytes would move the terminal's cursor: shown as '?'. Tabs stay.
static std::string printable(std::string_view text) {
  std::string result(text);
  for (char &c : result)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F)
      c = '?';
  return result;
}

void Diagnostics::renderPlace(std::string &out, Range at) const {
  std::string_view line = lineText(at);
  size_t column = std::min<size_t>(at.column - 1, line.size());
  // A line of megabytes is shown as a window around the caret.
  constexpr size_t window = 120;
  std::string_view before;
  if (column > window) {
    size_t cut = column - window / 2;
    while (cut < column && isContinuationByte(line[cut]))
      ++cut;
    line.remove_prefix(cut);
    column -= cut;
    before = "...";
  }
  std::string_view after;
  if (line.size() > column + window / 2 && line.size() > window) {
    size_t cut = std::max(column + window / 2, window);
    while (cut > column && isContinuationByte(line[cut]))
      --cut;
    line = line.substr(0, cut);
    after = "...";
  }
  std::string pad(before.size(), ' ');
  for (size_t i = 0; i < column; ++i)
    if (!isContinuationByte(line[i]))
      pad += line[i] == '\t' ? '\t' : ' ';
  size_t underline = 1;
  for (size_t i = column + 1; i < column + at.length && i < line.size(); ++i)
    underline += !isContinuationByte(line[i]);
  out += fmt::format("{:>5} | {}{}{}\n", at.line, before, printable(line), after);
  out += fmt::format("      | {}^{}\n", pad, std::string(underline - 1, '~'));
}

std::string Diagnostics::render() const {
  std::string out;
  auto place = [&](Range at, std::string_view severity, const std::string &message) {
    SourceLocation location = locate(at);
    if (location.line == 0) {
      out += fmt::format("netc: {}: {}\n", severity, printable(message));
      return;
    }
    out += fmt::format("{}:{}:{}: {}: {}\n", location.file, location.line, location.column,
                       severity, printable(message));
    renderPlace(out, at);
  };
  for (const Diagnostic &diag : diagnostics) {
    bool isError = diag.severity == Diagnostic::Severity::Error;
    place(diag.range, isError ? "error" : "warning", diag.message);
    for (const Frame &frame : diag.stack)
      out += fmt::format("  in block {}, as {}, from {}:{}:{}\n", frame.block, frame.name,
                         frame.from.file, frame.from.line, frame.from.column);
    for (const Diagnostic::Note &note : diag.notes)
      place(note.range, "note", note.message);
    if (!diag.help.empty())
      out += fmt::format("  help: {}\n", printable(diag.help));
  }
  if (full())
    out += fmt::format(
        "netc: error: these are {} errors; whether there are more shows once they are mended\n",
        maxErrors);
  return out;
}

/// Edit distance with swaps of neighbours, or `limit` + 1 where it is larger.
static size_t editDistance(std::string_view a, std::string_view b, size_t limit) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > limit)
    return limit + 1;
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

std::string closestName(std::string_view name, const std::vector<std::string> &known) {
  constexpr size_t longest = 64;
  if (name.size() > longest)
    return {};
  size_t limit = name.size() <= 2 ? 1 : name.size() <= 5 ? 2 : 3;
  std::string best;
  size_t bestDistance = limit + 1;
  for (const std::string &candidate : known) {
    if (candidate.size() > longest || candidate == name)
      continue;
    size_t distance = editDistance(name, candidate, limit);
    // A name all of whose letters change is no typo.
    if (distance < bestDistance && distance < std::max(name.size(), candidate.size())) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

std::string didYouMean(std::string_view name, const std::vector<std::string> &known) {
  std::string best = closestName(name, known);
  return best.empty() ? std::string() : fmt::format("; did you mean '{}'?", best);
}

std::string joinNames(const std::vector<std::string> &names) {
  if (names.empty())
    return "nothing";
  std::string out = names.front();
  for (size_t i = 1; i < names.size(); ++i)
    out += (i + 1 == names.size() ? " and " : ", ") + names[i];
  return out;
}

} // namespace netc::frontend
