//===- Blocks.cpp - parts of a model that repeat --------------------------===//
#include "frontend/import/onnx/Blocks.h"
#include "frontend/import/onnx/Import.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

namespace netc::frontend::onnx {

static constexpr size_t kWidth = 96;     // of a line of the model file
static constexpr size_t kMostDepth = 6;  // of prefixes
static constexpr size_t kLeastCalls = 3; // of a block
static constexpr size_t kLongChain = 8;  // calls that are not joined with others

std::string textOf(const Statement &statement) {
  const std::vector<std::string> &chain = statement.chain;
  std::string text = "  " + statement.name + (statement.name == "return" ? " " : " = ");
  text += chain.front();
  size_t line = text.size();
  for (size_t i = 1; i < chain.size(); ++i) {
    if (line + 3 + chain[i].size() > kWidth) {
      text += "\n     ";
      line = 5;
    }
    text += " | " + chain[i];
    line += 3 + chain[i].size();
  }
  if (!statement.shape.empty())
    text += fmt::format("  # [{}]", fmt::join(statement.shape, ", "));
  return text + "\n";
}

//===----------------------------------------------------------------------===//
// Words of a call
//===----------------------------------------------------------------------===//

static bool isWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool isDigit(char c) { return c >= '0' && c <= '9'; }

/// Words, which may have dots and digits, numbers, and single characters.
static std::vector<std::string> tokensOf(const std::string &text) {
  std::vector<std::string> tokens;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    if (isWordStart(text[i])) {
      while (end < text.size() && (isWordStart(text[end]) || isDigit(text[end]) ||
                                   (text[end] == '.' && end + 1 < text.size())))
        ++end;
    } else if (isDigit(text[i])) {
      while (end < text.size() && (isDigit(text[end]) || text[end] == '.' || text[end] == 'e' ||
                                   (text[end] == '-' && text[end - 1] == 'e')))
        ++end;
    }
    tokens.push_back(text.substr(i, end - i));
    i = end;
  }
  return tokens;
}

/// Whether token `i` names a layer: "conv1: conv(…)".
static bool isLabel(const std::vector<std::string> &tokens, size_t i) {
  return isWordStart(tokens[i][0]) && i + 1 < tokens.size() && tokens[i + 1] == ":" &&
         (i == 0 || (tokens[i - 1] != "{" && tokens[0] != "{"));
}

static std::vector<std::string> labelsOf(const std::string &call) {
  std::vector<std::string> labels, tokens = tokensOf(call);
  for (size_t i = 0; i < tokens.size(); ++i)
    if (isLabel(tokens, i))
      labels.push_back(tokens[i]);
  return labels;
}

/// The first `depth` parts of a label that has more; empty otherwise.
static std::string prefixOf(const std::string &label, size_t depth) {
  size_t at = std::string::npos;
  for (size_t i = 0; i < depth; ++i) {
    at = label.find('.', at == std::string::npos ? 0 : at + 1);
    if (at == std::string::npos)
      return {};
  }
  return label.substr(0, at);
}

namespace {
/// Statements that may become one call of a block.
struct Run {
  std::string prefix;
  size_t begin = 0, end = 0;
  std::string input;               ///< the variable that it reads from outside
  std::vector<std::string> tokens; ///< with names of its own in place of the model's
  size_t calls = 0;
};

class Recovery {
public:
  explicit Recovery(const Body &body) : body(body), variables(body.variables) {}
  std::string run(std::string &definitions);

private:
  std::vector<Statement> split(size_t depth);
  std::vector<Run> runsOf(const std::vector<Statement> &statements, size_t depth) const;
  bool describe(const std::vector<Statement> &statements, Run &run) const;
  std::vector<std::string> readsOf(const Statement &statement) const;
  std::string define(const std::vector<const Run *> &group, const std::string &name,
                     std::vector<std::vector<std::string>> &arguments) const;

  void group(const std::vector<Statement> &statements, Run run,
             std::vector<std::vector<Run>> &groups) const;

  const Body &body;
  std::set<std::string> variables, blockNames; ///< variables: also of cut chains
};
} // namespace

std::vector<std::string> Recovery::readsOf(const Statement &statement) const {
  std::vector<std::string> reads;
  for (const std::string &call : statement.chain) {
    std::vector<std::string> tokens = tokensOf(call);
    for (size_t i = 0; i < tokens.size(); ++i) {
      bool isOutputName = i + 1 < tokens.size() && tokens[i + 1] == ":";
      if (!isOutputName && variables.count(tokens[i]))
        reads.push_back(tokens[i]);
    }
  }
  return reads;
}

/// Chains are cut where a layer of another prefix begins.
std::vector<Statement> Recovery::split(size_t depth) {
  std::vector<Statement> result;
  int pieces = 0;
  for (const Statement &statement : body.statements) {
    Statement rest{statement.name, {}, statement.shape};
    std::optional<std::string> prefix;
    for (const std::string &call : statement.chain) {
      for (const std::string &label : labelsOf(call)) {
        std::string own = prefixOf(label, depth);
        auto shape = body.shapesBefore.find(call);
        // A sum in front of the first layer is a part of what was before.
        bool isNew = prefix ? *prefix != own
                            : !rest.chain.empty() && !body.variables.count(rest.chain.front());
        if (isNew && shape != body.shapesBefore.end() && !rest.chain.empty()) {
          std::string name;
          do
            name = fmt::format("part_{}", ++pieces);
          while (body.variables.count(name));
          variables.insert(name);
          result.push_back({name, std::move(rest.chain), shape->second});
          rest.chain = {name};
        }
        prefix = own;
      }
      rest.chain.push_back(call);
    }
    result.push_back(std::move(rest));
  }
  return result;
}

/// Runs of one prefix; statements without labels belong to the run before them if they read of it.
std::vector<Run> Recovery::runsOf(const std::vector<Statement> &statements, size_t depth) const {
  std::vector<Run> runs;
  std::set<std::string> inside;
  for (size_t i = 0; i < statements.size(); ++i) {
    std::set<std::string> prefixes;
    for (const std::string &call : statements[i].chain)
      for (const std::string &label : labelsOf(call))
        prefixes.insert(prefixOf(label, depth));
    bool follows = !runs.empty() && runs.back().end == i;
    std::string prefix;
    if (prefixes.size() == 1)
      prefix = *prefixes.begin();
    else if (prefixes.empty() && follows && statements[i].name != "return")
      for (const std::string &read :
           tokensOf(fmt::format("{}", fmt::join(statements[i].chain, " "))))
        if (inside.count(read))
          prefix = runs.back().prefix;
    if (prefix.empty())
      continue;
    if (follows && runs.back().prefix == prefix) {
      ++runs.back().end;
    } else {
      runs.push_back({prefix, i, i + 1, {}, {}, 0});
      inside.clear();
    }
    inside.insert(statements[i].name);
  }
  return runs;
}

/// Fills in what the run reads and its tokens. False: it is no block, since it reads several values
/// or several of its own are read behind it.
bool Recovery::describe(const std::vector<Statement> &statements, Run &run) const {
  std::map<std::string, std::string> names;
  for (size_t i = run.begin; i < run.end; ++i)
    names[statements[i].name] = i + 1 == run.end ? "return" : fmt::format("y{}", i - run.begin + 1);
  for (size_t i = run.end; i < statements.size(); ++i)
    for (const std::string &word : tokensOf(fmt::format("{}", fmt::join(statements[i].chain, " "))))
      if (auto own = names.find(word); own != names.end() && own->second != "return")
        return false;
  for (size_t i = run.begin; i < run.end; ++i) {
    run.tokens.push_back(names[statements[i].name]);
    run.tokens.emplace_back("=");
    for (size_t c = 0; c < statements[i].chain.size(); ++c) {
      run.calls += c > 0;
      if (c)
        run.tokens.emplace_back("|");
      std::vector<std::string> tokens = tokensOf(statements[i].chain[c]);
      for (size_t t = 0; t < tokens.size(); ++t) {
        std::string &token = tokens[t];
        if (isLabel(tokens, t)) {
          if (!token.starts_with(run.prefix + "."))
            return false;
          token.erase(0, run.prefix.size() + 1);
          if (isDigit(token[0])) // as the language writes a label that begins with a number
            token = "{" + token.insert(std::min(token.find('.'), token.size()), "}");
        } else if (names.count(token)) {
          token = names[token];
        } else if (variables.count(token)) {
          if (!run.input.empty() && run.input != token)
            return false;
          run.input = token;
          token = "x";
        }
        run.tokens.push_back(token);
      }
    }
    run.tokens.emplace_back("\n");
  }
  return !run.input.empty() && run.calls >= kLeastCalls;
}

static bool isSimilar(const Run &a, const Run &b) {
  if (a.tokens.size() != b.tokens.size())
    return false;
  for (size_t i = 0; i < a.tokens.size(); ++i)
    if (a.tokens[i] != b.tokens[i] && !(isDigit(a.tokens[i][0]) && isDigit(b.tokens[i][0])))
      return false;
  return true;
}

/// Puts a run to those like it. The last one may end with statements without labels that are none
/// of its block: it is tried without them.
void Recovery::group(const std::vector<Statement> &statements, Run run,
                     std::vector<std::vector<Run>> &groups) const {
  auto hasLabel = [&](const Statement &statement) {
    return std::any_of(statement.chain.begin(), statement.chain.end(),
                       [](const std::string &call) { return !labelsOf(call).empty(); });
  };
  std::optional<Run> whole;
  for (size_t end = run.end; end > run.begin; --end) {
    Run part{run.prefix, run.begin, end, {}, {}, 0};
    if (describe(statements, part)) {
      for (std::vector<Run> &each : groups)
        if (isSimilar(each.front(), part))
          return each.push_back(part);
      whole = whole.value_or(part);
    }
    if (hasLabel(statements[end - 1]))
      break;
  }
  if (whole)
    groups.push_back({*whole});
}

/// "stride" of "stride=2"; "c" of a layer's first argument.
static std::string parameterName(const std::vector<std::string> &tokens, size_t at) {
  for (size_t i = at; i-- > 0;) {
    if (tokens[i] == "(")
      return "c";
    if (tokens[i] == "=" && i > 0 && isWordStart(tokens[i - 1][0]))
      return tokens[i - 1];
    if (tokens[i] != "[" && tokens[i] != "," && tokens[i] != " " && !isDigit(tokens[i][0]))
      return "n";
  }
  return "n";
}

std::string Recovery::define(const std::vector<const Run *> &group, const std::string &name,
                             std::vector<std::vector<std::string>> &arguments) const {
  std::vector<std::string> tokens = group.front()->tokens, parameters;
  std::map<std::vector<std::string>, std::string> known; // numbers of all calls to a parameter
  std::set<std::string> taken{"x"};
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::vector<std::string> numbers;
    for (const Run *run : group)
      numbers.push_back(run->tokens[i]);
    if (std::all_of(numbers.begin(), numbers.end(),
                    [&](const std::string &number) { return number == numbers.front(); }))
      continue;
    std::string &parameter = known[numbers];
    if (parameter.empty()) {
      std::string base = parameterName(group.front()->tokens, i);
      parameter = base;
      for (int n = 2; !taken.insert(parameter).second; ++n)
        parameter = fmt::format("{}{}", base, n);
      parameters.push_back(parameter);
      for (size_t call = 0; call < group.size(); ++call)
        arguments[call].push_back(numbers[call]);
    }
    tokens[i] = parameter;
  }
  std::string text = fmt::format("block {}(x{}{}) {{\n", name, parameters.empty() ? "" : ", ",
                                 fmt::join(parameters, ", "));
  for (size_t i = 0; i < tokens.size();) {
    Statement statement{tokens[i], {""}, {}};
    for (i += 2; tokens[i] != "\n"; ++i)
      if (tokens[i] == "|")
        statement.chain.emplace_back();
      else
        statement.chain.back() += tokens[i];
    ++i;
    text += textOf(statement);
  }
  return text + "}\n\n";
}

/// A value that one statement alone reads, first in its chain, is a part of that chain.
/// Calls of blocks keep a line of their own.
static void joinChains(std::vector<Statement> &statements, const std::set<std::string> &calls) {
  std::map<std::string, int> reads;
  for (const Statement &statement : statements)
    for (const std::string &word : tokensOf(fmt::format("{}", fmt::join(statement.chain, " "))))
      ++reads[word];
  std::vector<Statement> result;
  for (Statement &statement : statements) {
    bool joins = !result.empty() && result.back().name == statement.chain.front() &&
                 reads[result.back().name] == 1 &&
                 result.back().chain.size() + statement.chain.size() <= kLongChain + 2 &&
                 result.back().name.starts_with("part_") && !calls.count(statement.name) &&
                 !calls.count(result.back().name);
    if (joins) {
      std::vector<std::string> chain = std::move(result.back().chain);
      chain.insert(chain.end(), statement.chain.begin() + 1, statement.chain.end());
      statement.chain = std::move(chain);
      result.pop_back();
    }
    result.push_back(std::move(statement));
  }
  statements = std::move(result);
}

std::string Recovery::run(std::string &definitions) {
  // The depth at which blocks replace the most calls.
  std::vector<Statement> best = body.statements;
  std::vector<std::vector<Run>> groups;
  size_t most = 0;
  for (size_t depth = 1; depth <= kMostDepth; ++depth) {
    std::vector<Statement> statements = split(depth);
    std::vector<std::vector<Run>> own;
    for (const Run &run : runsOf(statements, depth))
      group(statements, run, own);
    size_t saved = 0;
    for (const std::vector<Run> &group : own)
      saved += (group.size() - 1) * group.front().calls;
    if (saved <= most)
      continue;
    most = saved;
    best = std::move(statements);
    groups = std::move(own);
  }
  std::set<std::string> called;
  std::map<size_t, std::pair<size_t, Statement>> calls; // by first statement: the end, the call
  for (const std::vector<Run> &group : groups) {
    if (group.size() < 2)
      continue;
    std::vector<const Run *> members;
    for (const Run &run : group)
      members.push_back(&run);
    std::string base = group.front().prefix.substr(0, group.front().prefix.find('.'));
    while (!base.empty() && isDigit(base.back()))
      base.pop_back();
    base = identifier(base) + "_block";
    std::string name = base;
    for (int n = 2; !blockNames.insert(name).second; ++n)
      name = fmt::format("{}{}", base, n);
    std::vector<std::vector<std::string>> arguments(members.size());
    definitions += define(members, name, arguments);
    for (size_t i = 0; i < members.size(); ++i) {
      const Statement &last = best[members[i]->end - 1];
      std::string call = fmt::format("{}: {}", members[i]->prefix, name);
      if (!arguments[i].empty())
        call += fmt::format("({})", fmt::join(arguments[i], ", "));
      called.insert(last.name);
      calls[members[i]->begin] = {members[i]->end,
                                  {last.name, {members[i]->input, call}, last.shape}};
    }
  }
  std::vector<Statement> statements;
  for (size_t i = 0; i < best.size();) {
    auto call = calls.find(i);
    statements.push_back(call == calls.end() ? best[i] : call->second.second);
    i = call == calls.end() ? i + 1 : call->second.first;
  }
  joinChains(statements, called);
  return flatText({std::move(statements), {}, {}});
}

std::string flatText(const Body &body) {
  std::string text;
  for (const Statement &statement : body.statements)
    text += textOf(statement);
  return text;
}

std::string writeBody(const Body &body, std::string &definitions) {
  return Recovery(body).run(definitions);
}

} // namespace netc::frontend::onnx
