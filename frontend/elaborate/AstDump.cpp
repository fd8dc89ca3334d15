//===- AstDump.cpp - the syntax tree as text ------------------------------===//
#include "frontend/elaborate/Frontend.h"
#include "frontend/elaborate/Program.h"
#include "frontend/syntax/Parser.h"

#include <fmt/format.h>

namespace netc::frontend {

namespace {
/// Statements a line each, indented; expressions as one-line S-expressions.
class Dumper {
public:
  std::string run(const File &file);

private:
  void line(std::string text) {
    out.append(2 * indent, ' ');
    out += text;
    out += '\n';
  }
  void definition(const Definition &def);
  void body(const Body &body);
  void statement(const Stmt &stmt);
  void branches(const IfExpr &expr, const std::string &head);
  std::string text(const Expr &expr);
  std::string text(const Body &body);
  std::string call(const CallExpr &expr);
  std::string label(const Label &label);
  std::string names(const std::vector<Target> &targets);
  std::string results(const ReturnStmt &stmt);

  std::string out;
  int indent = 0;
};
} // namespace

static std::string quote(const std::string &text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    out += c == '\n' ? 'n' : c;
    if (c == '\n')
      out.insert(out.size() - 1, "\\");
  }
  return out + "\"";
}

std::string Dumper::names(const std::vector<Target> &targets) {
  std::string result;
  for (const Target &target : targets)
    result += (result.empty() ? "" : ", ") + target.name;
  return result;
}

std::string Dumper::label(const Label &label) {
  std::string result;
  for (const Label::Part &part : label.parts)
    result += part.value ? "{" + text(*part.value) + "}" : part.text;
  return result;
}

std::string Dumper::call(const CallExpr &expr) {
  std::string result = "(call";
  if (expr.label)
    result += " " + label(*expr.label) + ":";
  result += " " + text(*expr.callee);
  for (const Argument &arg : expr.args)
    result += " " + (arg.name.empty() ? "" : arg.name + "=") + text(*arg.value);
  return result + ")";
}

std::string Dumper::text(const Body &body) {
  // A branch within an expression: its statements in one line.
  Dumper inner;
  inner.body(body);
  std::string result = "{";
  bool blank = true;
  for (char c : inner.out) {
    if (c == '\n') {
      result += ";";
      blank = true;
    } else if (!blank || c != ' ') {
      result += (blank ? " " : "") + std::string(1, c);
      blank = false;
    }
  }
  if (result.back() == ';')
    result.pop_back();
  return result + " }";
}

std::string Dumper::text(const Expr &expr) {
  const auto &node = expr.node;
  if (const auto *integer = std::get_if<int64_t>(&node))
    return fmt::format("{}", *integer);
  if (const auto *number = std::get_if<double>(&node))
    return fmt::format("{}", *number);
  if (const auto *flag = std::get_if<bool>(&node))
    return *flag ? "true" : "false";
  if (const auto *string = std::get_if<std::string>(&node))
    return quote(*string);
  if (const auto *iterations = std::get_if<IterationsLiteral>(&node))
    return fmt::format("{}k", iterations->count / 1000);
  if (const auto *name = std::get_if<NameExpr>(&node))
    return name->name;
  if (const auto *callee = std::get_if<CallExpr>(&node))
    return call(*callee);
  if (const auto *member = std::get_if<MemberExpr>(&node))
    return fmt::format("(. {} {})", text(*member->base), member->name);
  if (const auto *index = std::get_if<IndexExpr>(&node))
    return fmt::format("([] {} {})", text(*index->base), text(*index->index));
  if (const auto *range = std::get_if<RangeExpr>(&node))
    return fmt::format("(.. {} {})", text(*range->low), text(*range->high));
  if (const auto *unary = std::get_if<UnaryExpr>(&node))
    return fmt::format("({} {})", unary->op == UnaryOp::Not ? "not" : "-", text(*unary->operand));
  if (const auto *binary = std::get_if<BinaryExpr>(&node)) {
    std::string result = text(*binary->first);
    for (const BinaryExpr::Link &link : binary->rest)
      result += fmt::format(" {} {}", spelling(link.op), text(*link.right));
    return "(" + result + ")";
  }
  std::string result;
  if (const auto *list = std::get_if<ListExpr>(&node)) {
    for (const Expr &item : list->items)
      result += (result.empty() ? "" : " ") + text(item);
    return "[" + result + "]";
  }
  if (const auto *pipe = std::get_if<PipeExpr>(&node)) {
    result = "(| " + text(*pipe->head);
    for (const Expr &stage : pipe->stages)
      result += " " + text(stage);
    return result + ")";
  }
  const auto *branch = std::get_if<IfExpr>(&node);
  if (!branch)
    return "()";
  for (const IfExpr::Arm &arm : branch->arms)
    result += (result.empty() ? "(if " : " elif ") + text(*arm.condition) + " " + text(arm.body);
  if (branch->otherwise)
    result += " else " + text(*branch->otherwise);
  return result + ")";
}

void Dumper::body(const Body &body) {
  ++indent;
  for (const Stmt &stmt : body.statements)
    statement(stmt);
  --indent;
}

void Dumper::branches(const IfExpr &expr, const std::string &head) {
  for (const IfExpr::Arm &arm : expr.arms) {
    line((&arm == &expr.arms.front() ? head : "elif ") + text(*arm.condition));
    body(arm.body);
  }
  if (expr.otherwise) {
    line("else");
    body(*expr.otherwise);
  }
}

std::string Dumper::results(const ReturnStmt &stmt) {
  if (stmt.named.empty())
    return text(*stmt.value);
  std::string result;
  for (const NamedResult &named : stmt.named)
    result += (result.empty() ? "" : ", ") + named.name.name + ": " + text(*named.value);
  return "{" + result + "}";
}

void Dumper::statement(const Stmt &stmt) {
  if (const auto *assign = std::get_if<AssignStmt>(&stmt.node)) {
    line(fmt::format("{} = {}", names(assign->targets), text(*assign->value)));
  } else if (const auto *input = std::get_if<InputStmt>(&stmt.node)) {
    line(fmt::format("input {}: {}", input->name.name, text(*input->shape)));
  } else if (const auto *loop = std::get_if<ForStmt>(&stmt.node)) {
    line(fmt::format("for {} in {}", names(loop->targets), text(*loop->over)));
    body(loop->body);
  } else if (const auto *loop = std::get_if<RepeatStmt>(&stmt.node)) {
    line("repeat " + text(*loop->count));
    body(loop->body);
  } else if (const auto *result = std::get_if<ReturnStmt>(&stmt.node)) {
    line("return " + results(*result));
  } else {
    const Expr &value = *std::get<ExprStmt>(stmt.node).value;
    if (const auto *branch = std::get_if<IfExpr>(&value.node))
      branches(*branch, "if ");
    else
      line(text(value));
  }
}

void Dumper::definition(const Definition &def) {
  std::string head = fmt::format("{} {}(", def.isModel ? "model" : "block", def.name);
  for (const Param &param : def.params) {
    head += &param == &def.params.front() ? "" : ", ";
    head += param.name + (param.byDefault ? "=" + text(*param.byDefault) : "");
  }
  head += ")";
  if (def.alias)
    return line(head + " = " + text(*def.alias));
  line(head);
  body(def.body);
}

std::string Dumper::run(const File &file) {
  for (const Import &import : file.imports)
    line("import " + quote(import.path));
  for (const auto &def : file.definitions)
    definition(*def);
  for (const Train &train : file.recipes) {
    line("train " + names(train.models));
    ++indent;
    for (const Clause &clause : train.clauses) {
      std::string items;
      for (size_t i = 0; i < clause.items.size(); ++i) {
        bool named = i < clause.outputs.size() && !clause.outputs[i].name.empty();
        items += " " + (named ? clause.outputs[i].name + ": " : "") + text(clause.items[i]);
      }
      line(clause.name.name + items);
    }
    --indent;
  }
  return std::move(out);
}

std::string dump(const File &file) { return Dumper().run(file); }

std::optional<std::string> dumpAst(const std::string &path, std::string &diagnostics) {
  Diagnostics diags;
  FileText read = readSource(path);
  std::optional<std::string> result;
  if (!read.error.empty()) {
    diags.error({0, 0, 0, 1}, fmt::format("can't read '{}': {}", path, read.error));
  } else {
    File file = parseFile(diags.addSource(path, std::move(read.text)), diags);
    if (!diags.hasErrors())
      result = dump(file);
  }
  diagnostics += diags.render();
  return result;
}

} // namespace netc::frontend
