//===- Format.cpp - netc fmt ----------------------------------------------===//
//
// Works on tokens, so that comments and the user's line breaks stay: it sets
// indentation, blanks, the alignment of pipes, recipes and trailing comments,
// and keeps at most one empty line. Files in error are left alone.
//
//===----------------------------------------------------------------------===//
#include "frontend/syntax/Format.h"
#include "frontend/syntax/Parser.h"

#include <algorithm>

namespace netc::frontend {

namespace {
struct OutputLine {
  std::string text;    ///< with its indentation
  std::string comment; ///< after the text
  bool emptyBefore = false;
  bool opens = false; ///< ends in a bracket that is closed on a later line
};

class Formatter {
public:
  explicit Formatter(TokenStream stream) : stream(std::move(stream)) {}
  std::string run();

private:
  const std::vector<Token> &tokens() const { return stream.tokens; }
  void markLabels();
  size_t endOfLine(size_t begin) const;
  void formatLine(size_t begin, size_t end);
  void commentLine(const Comment &comment, size_t next);
  bool startsStatement(size_t index) const;
  bool opensResults(size_t index) const;
  bool spaceBetween(size_t left, size_t right) const;
  bool isUnary(size_t index) const;
  size_t indentOf(size_t begin) const;
  void enter(size_t index, size_t column);
  bool within(TokenKind kind) const {
    return !open.empty() && tokens()[open.back().index].kind == kind;
  }
  void alignComments();
  std::string join() const;

  TokenStream stream;
  std::vector<OutputLine> lines;
  std::vector<bool> inLabel; ///< by token: no blank before it
  struct Bracket {
    size_t index;
    size_t column; ///< where what stands in it begins; 0: on the next line
  };
  std::vector<Bracket> open; ///< around the current token
  size_t braces = 0;         ///< of those, the bodies
  size_t pipeColumn = 0;     ///< where the statement's '|'s stand; 0: none yet
  uint32_t lastLine = 0;     ///< of the source, that was put out
  bool inRecipe = false;
};
} // namespace

static bool isWord(TokenKind kind) {
  return kind == TokenKind::Identifier || kind >= TokenKind::If || kind == TokenKind::String ||
         kind == TokenKind::Integer || kind == TokenKind::Float || kind == TokenKind::Iterations;
}

static size_t displayWidth(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

static bool endsOperand(TokenKind kind) {
  return kind == TokenKind::RightParen || kind == TokenKind::RightBracket ||
         kind == TokenKind::RightBrace || kind == TokenKind::True || kind == TokenKind::False ||
         (isWord(kind) && kind < TokenKind::If);
}

/// Within a label only its `{…}` may hold blanks.
void Formatter::markLabels() {
  inLabel.assign(tokens().size(), false);
  for (size_t i = 0; i < tokens().size(); ++i) {
    bool starts = tokens()[i].kind == TokenKind::Identifier ||
                  (tokens()[i].kind == TokenKind::LeftBrace && i > 0 &&
                   tokens()[i - 1].kind == TokenKind::Pipe);
    if (!starts || inLabel[i])
      continue;
    size_t end = i;
    std::vector<size_t> tight;
    while (tokens()[end].kind != TokenKind::Colon) {
      const Token &token = tokens()[end];
      bool part =
          isWord(token.kind) || token.kind == TokenKind::Dot || token.kind == TokenKind::LeftBrace;
      if (!part || (end != i && !token.adjacent))
        break;
      tight.push_back(end);
      if (token.kind == TokenKind::LeftBrace) {
        tight.push_back(end + 1);
        end = token.match;
        tight.push_back(end);
      }
      ++end;
    }
    if (tokens()[end].kind != TokenKind::Colon || end == i)
      continue;
    for (size_t index : tight)
      if (index != i)
        inLabel[index] = true;
  }
}

/// The brace of `return {scores: a, features: b}`, which holds no statements; that of
/// `return {i}: conv(x)` is a label's.
bool Formatter::opensResults(size_t index) const {
  if (tokens()[index].kind != TokenKind::LeftBrace || index == 0 ||
      tokens()[index - 1].kind != TokenKind::Return)
    return false;
  const Token &next = tokens()[tokens()[index].match + 1];
  bool labels = next.kind == TokenKind::Colon || next.kind == TokenKind::Dot || isWord(next.kind);
  return !(labels && next.adjacent);
}

bool Formatter::startsStatement(size_t index) const {
  if (index == 0 || tokens()[index - 1].kind == TokenKind::Newline)
    return true;
  if (tokens()[index - 1].kind == TokenKind::Comma && !open.empty() &&
      opensResults(open.back().index))
    return true;
  return tokens()[index - 1].kind == TokenKind::LeftBrace ||
         tokens()[index].kind == TokenKind::RightBrace;
}

bool Formatter::isUnary(size_t index) const {
  if (tokens()[index].kind != TokenKind::Minus)
    return false;
  if (index == 0)
    return true;
  return !endsOperand(tokens()[index - 1].kind);
}

bool Formatter::spaceBetween(size_t left, size_t right) const {
  TokenKind a = tokens()[left].kind, b = tokens()[right].kind;
  if (inLabel[right])
    return false;
  switch (b) {
  case TokenKind::Comma:
  case TokenKind::RightParen:
  case TokenKind::RightBracket:
  case TokenKind::Colon:
  case TokenKind::Dot:
  case TokenKind::DotDot:
    return false;
  default:
    break;
  }
  if (a == TokenKind::LeftParen || a == TokenKind::LeftBracket || a == TokenKind::Dot ||
      a == TokenKind::DotDot || isUnary(left))
    return false;
  if (a == TokenKind::LeftBrace && b == TokenKind::RightBrace)
    return false;
  if (opensResults(left) ||
      (b == TokenKind::RightBrace && !open.empty() && opensResults(open.back().index)))
    return false;
  bool callable =
      a == TokenKind::Identifier || a == TokenKind::RightParen || a == TokenKind::RightBracket;
  if (b == TokenKind::LeftParen && callable)
    return false;
  // `a[0]` is an index, `a [0]` is not.
  if (b == TokenKind::LeftBracket && endsOperand(a))
    return !tokens()[right].adjacent;
  // `name=value` among arguments; a value that is an `if` needs the air.
  bool inParens = within(TokenKind::LeftParen);
  if (inParens && a == TokenKind::Assign)
    return b == TokenKind::If;
  if (inParens && b == TokenKind::Assign)
    return tokens()[right + 1].kind == TokenKind::If;
  return true;
}

/// Follows the brackets; `column`: where the line goes on after this token.
void Formatter::enter(size_t index, size_t column) {
  bool last = index + 1 >= tokens().size() || tokens()[index + 1].line != tokens()[index].line;
  switch (tokens()[index].kind) {
  case TokenKind::LeftBrace:
    ++braces;
    [[fallthrough]];
  case TokenKind::LeftParen:
  case TokenKind::LeftBracket:
    open.push_back({index, last ? 0 : column});
    break;
  case TokenKind::RightBrace:
    --braces;
    [[fallthrough]];
  case TokenKind::RightParen:
  case TokenKind::RightBracket:
    open.pop_back();
    break;
  default:
    break;
  }
}

size_t Formatter::endOfLine(size_t begin) const {
  size_t end = begin;
  while (end < tokens().size() && tokens()[end].line == tokens()[begin].line &&
         tokens()[end].kind != TokenKind::End && tokens()[end].kind != TokenKind::Newline)
    ++end;
  return end;
}

size_t Formatter::indentOf(size_t begin) const {
  const Token &first = tokens()[begin];
  size_t base = 2 * (braces - (first.kind == TokenKind::RightBrace && braces > 0));
  if (startsStatement(begin))
    return base;
  bool outer = open.empty() || within(TokenKind::LeftBrace);
  if (first.kind == TokenKind::Pipe && pipeColumn > 0 && outer)
    return pipeColumn;
  if (!outer && open.back().column > 0)
    return open.back().column;
  // A closing bracket on a line of its own returns to its statement.
  bool closes = first.kind == TokenKind::RightParen || first.kind == TokenKind::RightBracket;
  return closes ? base : base + 4;
}

void Formatter::formatLine(size_t begin, size_t end) {
  OutputLine line;
  bool startsNew = startsStatement(begin);
  if (startsNew)
    pipeColumn = 0;
  bool joinsElse = tokens()[begin].kind == TokenKind::Else && !lines.empty() &&
                   lines.back().comment.empty() && !lines.back().text.empty() &&
                   lines.back().text.back() == '}';
  uint32_t sourceLine = tokens()[begin].line;
  line.emptyBefore = lastLine != 0 && sourceLine > lastLine + 1;
  if (joinsElse) {
    line = std::move(lines.back());
    lines.pop_back();
    line.text += ' ';
  } else {
    line.text.assign(indentOf(begin), ' ');
  }
  if (braces == 0 && tokens()[begin].kind == TokenKind::Identifier)
    inRecipe = tokens()[begin].text == "train";
  bool clause =
      inRecipe && braces == 1 && startsNew && tokens()[begin].kind == TokenKind::Identifier;
  // Kept along: measuring anew at every token would be quadratic in a long line.
  size_t width = displayWidth(line.text);
  auto put = [&](std::string_view text) {
    line.text += text;
    width += displayWidth(text);
  };
  for (size_t i = begin; i < end; ++i) {
    if (i > begin && spaceBetween(i - 1, i))
      put(" ");
    // The items of a recipe stand in a column.
    constexpr size_t clauseWidth = 2 + 11;
    if (clause && i == begin + 1 && tokens()[i].kind != TokenKind::LeftParen)
      put(std::string(clauseWidth - std::min(width, clauseWidth), ' '));
    bool outer = open.empty() || within(TokenKind::LeftBrace);
    if (tokens()[i].kind == TokenKind::Pipe && pipeColumn == 0 && outer)
      pipeColumn = width;
    put(tokens()[i].text);
    enter(i, width);
    lastLine = tokens()[i].line;
  }
  line.opens = tokens()[end - 1].kind == TokenKind::LeftBrace;
  lines.push_back(std::move(line));
}

void Formatter::commentLine(const Comment &comment, size_t next) {
  OutputLine line;
  line.emptyBefore = lastLine != 0 && comment.line > lastLine + 1;
  bool continues = next < tokens().size() && !startsStatement(next) &&
                   tokens()[next].kind != TokenKind::End &&
                   tokens()[next].kind != TokenKind::Newline;
  line.text.assign(2 * braces + (continues ? 4 : 0), ' ');
  line.text += comment.text;
  lastLine = comment.line;
  lines.push_back(std::move(line));
}

/// Trailing comments of neighbouring lines stand in one column.
void Formatter::alignComments() {
  for (size_t i = 0; i < lines.size();) {
    size_t end = i;
    size_t column = 0;
    while (end < lines.size() && !lines[end].comment.empty() &&
           (end == i || !lines[end].emptyBefore)) {
      column = std::max(column, displayWidth(lines[end].text) + 2);
      ++end;
    }
    for (size_t j = i; j < end; ++j) {
      lines[j].text.append(column - displayWidth(lines[j].text), ' ');
      lines[j].text += lines[j].comment;
    }
    i = std::max(end, i + 1);
  }
}

std::string Formatter::join() const {
  std::string out;
  bool opened = false;
  for (const OutputLine &line : lines) {
    size_t first = line.text.find_first_not_of(' ');
    bool closes = first != std::string::npos && line.text[first] == '}';
    if (line.emptyBefore && !closes && !opened)
      out += '\n';
    out += line.text;
    out += '\n';
    opened = line.opens;
  }
  return out;
}

std::string Formatter::run() {
  markLabels();
  size_t next = 0, comment = 0;
  auto &comments = stream.comments;
  while (true) {
    while (next < tokens().size() && tokens()[next].kind == TokenKind::Newline)
      ++next;
    bool tokensLeft = next < tokens().size() && tokens()[next].kind != TokenKind::End;
    if (comment < comments.size() && comments[comment].alone &&
        (!tokensLeft || comments[comment].line < tokens()[next].line)) {
      commentLine(comments[comment++], next);
      continue;
    }
    if (!tokensLeft)
      break;
    size_t end = endOfLine(next);
    uint32_t sourceLine = tokens()[next].line;
    formatLine(next, end);
    next = end;
    if (comment < comments.size() && comments[comment].line == sourceLine)
      lines.back().comment = comments[comment++].text;
  }
  alignComments();
  return join();
}

std::optional<std::string> formatSource(const std::string &path, const std::string &source,
                                        std::string &diagnostics) {
  Diagnostics diags;
  uint32_t file = diags.addSource(path, source);
  parseFile(file, diags);
  std::optional<std::string> result;
  if (!diags.hasErrors())
    result = Formatter(lex(file, diags)).run();
  diagnostics += diags.render();
  return result;
}

} // namespace netc::frontend
