//===- Complete.cpp - completion and signature help -----------------------===//
#include "tools/netc-lsp/Complete.h"

#include "frontend/syntax/Lexer.h"
#include "runtime/abi/RecipeTable.h"
#include "tools/netc-lsp/Describe.h"
#include "tools/netc-lsp/LayerNotes.h"
#include "tools/netc-lsp/Text.h"

#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <set>

using namespace netc::frontend;
using llvm::json::Array;
using llvm::json::Object;

namespace netc::lsp {

// Kinds of completion items, by the protocol.
enum class ItemKind { Function = 3, Field = 5, Variable = 6, Class = 7, Value = 12, Keyword = 14 };

namespace {
/// The tokens before the cursor and the brackets that are open there.
struct Before {
  explicit Before(const std::string &whole);

  std::string text;   ///< without the word that is being typed
  std::string prefix; ///< that word
  Diagnostics scratch;
  TokenStream stream;
  std::vector<size_t> open; ///< indices of opening brackets, outermost first
  bool quiet = false;       ///< in a comment or a string

  TokenKind kind(size_t index) const { return stream.tokens[index].kind; }
  /// How many tokens stand before the cursor: newlines and closing brackets at the end are put in.
  size_t count() const;
  std::string definition() const;
  std::set<std::string> variables() const;
};
} // namespace

static bool isWordCharacter(char c) { return llvm::isAlnum(c) || c == '_'; }

/// Whether a line's end stands in a comment or an open string.
static bool endsQuiet(std::string_view line) {
  bool inString = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"')
      inString = !inString;
    else if (line[i] == '\\' && inString)
      ++i;
    else if (line[i] == '#' && !inString)
      return true;
  }
  return inString;
}

Before::Before(const std::string &whole) {
  size_t end = whole.size();
  while (end > 0 && isWordCharacter(whole[end - 1]))
    --end;
  prefix = whole.substr(end);
  text = whole.substr(0, end);
  size_t line = text.rfind('\n');
  quiet = endsQuiet(std::string_view(text).substr(line == std::string::npos ? 0 : line + 1));
  uint32_t file = scratch.addSource("", text);
  stream = lex(file, scratch);
  for (size_t i = 0; i < stream.tokens.size(); ++i)
    if (stream.tokens[i].unclosed)
      open.push_back(i);
}

size_t Before::count() const {
  size_t end = stream.tokens.size();
  auto isPutIn = [&](const Token &token) {
    return token.kind == TokenKind::End || token.kind == TokenKind::Newline ||
           ((token.kind == TokenKind::RightParen || token.kind == TokenKind::RightBracket ||
             token.kind == TokenKind::RightBrace) &&
            std::any_of(open.begin(), open.end(), [&](size_t bracket) {
              return &stream.tokens[stream.tokens[bracket].match] == &token;
            }));
  };
  while (end > 0 && isPutIn(stream.tokens[end - 1]))
    --end;
  return end;
}

/// "block", "model" or "train", whose braces the cursor stands in; else empty.
std::string Before::definition() const {
  if (open.empty() || kind(open[0]) != TokenKind::LeftBrace)
    return {};
  for (size_t i = open[0]; i-- > 0;) {
    std::string_view word = stream.tokens[i].text;
    bool starts = i == 0 || kind(i - 1) == TokenKind::Newline;
    if (starts && (word == "block" || word == "model" || word == "train"))
      return std::string(word);
  }
  return {};
}

/// What the definition around the cursor binds before it.
std::set<std::string> Before::variables() const {
  std::set<std::string> names;
  if (open.empty())
    return names;
  size_t begin = open[0];
  while (begin > 0 && kind(begin - 1) != TokenKind::Newline)
    --begin;
  auto add = [&](size_t i) { names.insert(std::string(stream.tokens[i].text)); };
  for (size_t i = begin + 2; i + 1 < stream.tokens.size(); ++i) {
    if (kind(i) != TokenKind::Identifier)
      continue;
    TokenKind last = kind(i - 1), next = kind(i + 1);
    bool isParam = i < open[0] && (last == TokenKind::LeftParen || last == TokenKind::Comma);
    bool starts = last == TokenKind::Newline || last == TokenKind::LeftBrace;
    bool isInput = stream.tokens[i - 1].text == "input" && next == TokenKind::Colon;
    bool isLoop = last == TokenKind::For || (last == TokenKind::Comma && next == TokenKind::In);
    bool isTarget =
        i > open[0] && starts && (next == TokenKind::Assign || next == TokenKind::Comma);
    if (isParam || isInput || isLoop || isTarget)
      add(i);
  }
  return names;
}

namespace {
class Items {
public:
  void add(std::string_view label, ItemKind kind, std::string detail = {}, std::string about = {},
           std::string insert = {}) {
    if (!seen.insert(std::string(label)).second)
      return;
    Object item{{"label", std::string(label)}, {"kind", static_cast<int>(kind)}};
    if (!detail.empty())
      item["detail"] = validText(std::move(detail));
    if (!about.empty())
      item["documentation"] = Object{{"kind", "markdown"}, {"value", validText(std::move(about))}};
    if (!insert.empty())
      item["insertText"] = std::move(insert);
    // Arguments before variables before the words of the language.
    item["sortText"] = std::to_string(rank) + std::string(label);
    items.push_back(std::move(item));
  }
  void next() { ++rank; }
  Array take() { return std::move(items); }

private:
  Array items;
  std::set<std::string> seen;
  int rank = 0;
};
} // namespace

static void addCallables(Items &items, const Analysis *known) {
  if (known)
    for (const File &file : known->program.files())
      for (const auto &def : file.definitions)
        items.add(def->name, ItemKind::Class, signatureOf(*known, *def),
                  commentAbove(*known, *def));
  for (const LayerKind &kind : layerTable()) {
    const LayerNote *note = findLayerNote(kind.name);
    std::string about =
        note ? std::string(note->summary) + "\n\nPyTorch: `" + std::string(note->pytorch) + "`"
             : std::string();
    items.add(kind.name, ItemKind::Function, signatureOfLayer(kind.name), about);
  }
}

static void addExpressions(Items &items, const Before &before, const Analysis *known) {
  for (const std::string &name : before.variables())
    items.add(name, ItemKind::Variable);
  items.next();
  addCallables(items, known);
  for (const Function &function : functionTable())
    items.add(function.name, ItemKind::Function, signatureOfFunction(function.name),
              std::string(describeWord(function.name)));
  for (const char *word : {"if", "else", "true", "false", "and", "or", "not"})
    items.add(word, ItemKind::Keyword);
}

namespace {
/// A call whose parentheses the cursor stands in.
struct OpenCall {
  std::string callee;
  size_t paren = 0;
  bool piped = false;
};
} // namespace

static std::optional<OpenCall> innermostCall(const Before &before) {
  for (size_t i = before.open.size(); i-- > 0;) {
    size_t bracket = before.open[i];
    if (before.kind(bracket) == TokenKind::LeftBrace)
      return std::nullopt;
    bool calls = before.kind(bracket) == TokenKind::LeftParen && bracket > 0 &&
                 before.kind(bracket - 1) == TokenKind::Identifier;
    if (!calls)
      continue;
    OpenCall call{std::string(before.stream.tokens[bracket - 1].text), bracket, false};
    // `x | label: f(`; a label may have braces.
    size_t at = bracket - 1;
    while (at > 0 && before.kind(at - 1) != TokenKind::Newline &&
           before.kind(at - 1) != TokenKind::Assign && before.kind(at - 1) != TokenKind::Pipe &&
           before.kind(at - 1) != TokenKind::LeftParen && before.kind(at - 1) != TokenKind::Comma)
      --at;
    call.piped = at > 0 && before.kind(at - 1) == TokenKind::Pipe;
    return call;
  }
  return std::nullopt;
}

namespace {
struct ParamNote {
  std::string name;
  bool bare = false; ///< a word that is written alone
};
} // namespace

/// The clause of a recipe that a token stands in: the word after the newline before it.
static const recipe::Clause *clauseAt(const Before &before, size_t token) {
  size_t begin = token;
  while (begin > before.open[0] + 1 && before.kind(begin - 1) != TokenKind::Newline)
    --begin;
  return recipe::findClause(before.stream.tokens[begin].text);
}

static const recipe::Call *recipeCall(const Before &before, const OpenCall &call) {
  const recipe::Clause *clause = clauseAt(before, call.paren);
  return clause ? recipe::findCall(*clause, call.callee) : nullptr;
}

static std::vector<ParamNote> paramsOf(const Before &before, const OpenCall &call,
                                       const Analysis *known) {
  std::vector<ParamNote> params;
  if (before.definition() == "train") {
    if (const recipe::Call *kind = recipeCall(before, call))
      for (const recipe::Param &param : kind->params())
        params.push_back({std::string(param.name), param.type == recipe::Type::Flag});
    return params;
  }
  const Definition *def = known ? known->program.find(call.callee) : nullptr;
  if (def) {
    for (const Param &param : def->params)
      params.push_back(
          {param.name, param.byDefault && std::holds_alternative<bool>(param.byDefault->node)});
    return params;
  }
  const LayerKind *kind = findLayerKind(call.callee);
  const Function *function = findFunction(call.callee);
  if (kind && kind->inputs != LayerKind::Inputs::None)
    params.push_back({"x"});
  if (kind || function)
    for (const ParamSpec &param : kind ? kind->params : function->params)
      params.push_back({param.name, param.need == ParamSpec::Need::Switch});
  return params;
}

/// Names that the call has been given already.
static std::set<std::string> givenNames(const Before &before, const OpenCall &call) {
  std::set<std::string> given;
  for (size_t i = call.paren + 1; i + 1 < before.stream.tokens.size(); ++i)
    if (before.kind(i) == TokenKind::Identifier && before.kind(i + 1) == TokenKind::Assign)
      given.insert(std::string(before.stream.tokens[i].text));
  return given;
}

static void addArguments(Items &items, const Before &before, const OpenCall &call,
                         const Analysis *known) {
  std::set<std::string> given = givenNames(before, call);
  for (const ParamNote &param : paramsOf(before, call, known)) {
    if (given.count(param.name) || param.name == "x")
      continue;
    if (param.bare)
      items.add(param.name, ItemKind::Value, "switch of " + call.callee);
    else
      items.add(param.name + "=", ItemKind::Field, "argument of " + call.callee);
  }
  items.next();
}

static void addRecipe(Items &items, const Before &before, const Analysis *known) {
  if (std::optional<OpenCall> call = innermostCall(before)) {
    addArguments(items, before, *call, known);
    return;
  }
  size_t end = before.count();
  // A newline that the text has itself ends the clause before it.
  size_t line = before.text.find_last_not_of(" \t");
  bool startsClause =
      end == before.open[0] + 1 || (line != std::string::npos && before.text[line] == '\n');
  if (startsClause) {
    for (const recipe::Clause &clause : recipe::clauses)
      items.add(clause.name, ItemKind::Keyword, {}, std::string(describeWord(clause.name)));
    return;
  }
  if (const recipe::Clause *clause = clauseAt(before, end - 1))
    for (const recipe::Call &call : clause->calls)
      items.add(call.name, ItemKind::Function);
}

Array complete(const std::string &whole, const Analysis *known) {
  Before before(whole);
  Items items;
  if (before.quiet)
    return {};
  size_t end = before.count();
  TokenKind last = end ? before.kind(end - 1) : TokenKind::Newline;
  if (before.open.empty()) {
    for (const char *word : {"net", "import", "block", "model", "train"})
      items.add(word, ItemKind::Keyword);
    if (last == TokenKind::Assign) // model a = b(...)
      addCallables(items, known);
    return items.take();
  }
  if (last == TokenKind::Dot) {
    for (const char *word : {"channels", "height", "width", "tokens", "features", "shape"})
      items.add(word, ItemKind::Field, {}, std::string(describeWord(word)));
    return items.take();
  }
  if (before.definition() == "train") {
    addRecipe(items, before, known);
    return items.take();
  }
  if (last == TokenKind::Pipe) {
    addCallables(items, known);
    return items.take();
  }
  if (std::optional<OpenCall> call = innermostCall(before)) {
    if (last == TokenKind::LeftParen || last == TokenKind::Comma)
      addArguments(items, before, *call, known);
    if (last == TokenKind::Assign)
      for (const char *word :
           {"same", "up", "down", "he_normal", "he_uniform", "xavier_normal", "xavier_uniform"})
        items.add(word, ItemKind::Value, {}, std::string(describeWord(word)));
  } else {
    for (const char *word : {"for", "repeat", "return", "input"})
      items.add(word, ItemKind::Keyword);
  }
  addExpressions(items, before, known);
  return items.take();
}

/// Which argument the cursor stands in.
static size_t activeParam(const Before &before, const OpenCall &call,
                          const std::vector<ParamNote> &params) {
  size_t index = call.piped ? 1 : 0, end = before.count();
  std::string named;
  for (size_t i = call.paren + 1; i < end; ++i) {
    TokenKind kind = before.kind(i);
    bool opens = kind == TokenKind::LeftParen || kind == TokenKind::LeftBracket;
    if (opens && !before.stream.tokens[i].unclosed)
      i = before.stream.tokens[i].match;
    if (kind == TokenKind::Comma) {
      ++index;
      named.clear();
    } else if (kind == TokenKind::Identifier && before.kind(i + 1) == TokenKind::Assign) {
      named = before.stream.tokens[i].text;
    }
  }
  for (size_t i = 0; i < params.size() && !named.empty(); ++i)
    if (params[i].name == named)
      return i;
  return index;
}

llvm::json::Value signatureHelp(const std::string &whole, const Analysis *known) {
  Before before(whole);
  std::optional<OpenCall> call = innermostCall(before);
  if (before.quiet || !call)
    return nullptr;
  std::vector<ParamNote> params = paramsOf(before, *call, known);
  const Definition *def = known ? known->program.find(call->callee) : nullptr;
  bool isRecipe = before.definition() == "train";
  std::string label, about;
  if (!isRecipe && def) {
    label = signatureOf(*known, *def);
    about = commentAbove(*known, *def);
  } else if (!isRecipe && findLayerKind(call->callee)) {
    label = signatureOfLayer(call->callee);
    if (const LayerNote *note = findLayerNote(call->callee))
      about = note->summary;
  } else if (!isRecipe && findFunction(call->callee)) {
    label = signatureOfFunction(call->callee);
    about = describeWord(call->callee);
  } else if (isRecipe && recipeCall(before, *call)) {
    label = call->callee + "(";
    for (const ParamNote &param : params)
      label += (label.back() == '(' ? "" : ", ") + param.name;
    label += ")";
  }
  if (label.empty())
    return nullptr;
  Array list;
  for (const ParamNote &param : params)
    list.push_back(Object{{"label", param.name}});
  Object signature{{"label", validText(label)}, {"parameters", std::move(list)}};
  if (!about.empty())
    signature["documentation"] = validText(about);
  return Object{{"signatures", Array{std::move(signature)}},
                {"activeSignature", 0},
                {"activeParameter", static_cast<int64_t>(activeParam(before, *call, params))}};
}

} // namespace netc::lsp
