//===- PtxParser.cpp - modules, variables, signatures ---------------------===//
#include "runtime/device/sim/PtxParser.h"

using namespace netc::runtime::sim;

namespace {
// Beyond these a text is an accident, not a program.
constexpr uint64_t maximumVariableBytes = uint64_t(1) << 32;
constexpr size_t maximumInitializer = size_t(1) << 26;
} // namespace

std::string_view Module::lineText(unsigned line) const {
  size_t begin = 0;
  for (unsigned at = 1; at < line; ++at) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos)
      return {};
    begin = end + 1;
  }
  std::string_view rest = std::string_view(text).substr(begin);
  rest = rest.substr(0, rest.find_first_of("\r\n"));
  size_t blank = rest.find_first_not_of(" \t");
  return blank == std::string_view::npos ? std::string_view() : rest.substr(blank);
}

Module netc::runtime::sim::parsePtx(std::string text) {
  // Views point into the text: a short one that lives in the string itself must not move with it.
  Module result;
  text.reserve(256);
  result.text = std::move(text);
  PtxParser(result).parse();
  return result;
}

std::string PtxParser::found() const {
  if (token.kind == TokenKind::End)
    return "the end of the text";
  return "'" + std::string(token.text.substr(0, 60)) + "'";
}

void PtxParser::fail(const std::string &message) const { throw PtxError(token.line, message); }

bool PtxParser::accept(std::string_view text) {
  if (!is(text))
    return false;
  advance();
  return true;
}

void PtxParser::expect(std::string_view text) {
  if (!accept(text))
    fail("expected '" + std::string(text) + "', found " + found());
}

std::string_view PtxParser::word(const char *what) {
  if (token.kind != TokenKind::Word)
    fail(std::string("expected ") + what + ", found " + found());
  std::string_view text = token.text;
  advance();
  return text;
}

uint64_t PtxParser::integer(const char *what) {
  if (token.kind != TokenKind::Integer)
    fail(std::string("expected ") + what + ", found " + found());
  uint64_t bits = token.bits;
  advance();
  return bits;
}

void PtxParser::parse() {
  while (token.kind != TokenKind::End)
    directive();
  if (!module.version)
    fail("no .version: this is not PTX");
  if (!module.chip)
    fail("no .target: this is not PTX");
}

void PtxParser::directive() {
  bool external = false;
  while (is(".visible") || is(".extern") || is(".weak") || is(".common")) {
    external |= is(".extern");
    advance();
  }
  if (accept(".version"))
    return version();
  if (accept(".target"))
    return target();
  if (accept(".address_size")) {
    if (integer("an address size") != 64)
      fail("only 64-bit addresses are simulated");
    return;
  }
  if (accept(".file"))
    return file();
  if (accept(".section"))
    return skipSection();
  if (accept(".pragma")) {
    advance();
    return expect(";");
  }
  if (accept(".loc"))
    return location();
  if (accept(".global"))
    return globalVariables(Space::Global, external);
  if (accept(".const"))
    return globalVariables(Space::Const, external);
  if (accept(".shared"))
    return globalVariables(Space::Shared, external);
  if (accept(".entry"))
    return function(true);
  if (accept(".func"))
    return function(false);
  if (accept(";"))
    return;
  fail("expected a directive of a module, found " + found());
}

void PtxParser::version() {
  uint64_t major = integer("a PTX version");
  std::string_view minor = word("the minor PTX version");
  if (minor.size() != 2 || minor[0] != '.' || minor[1] < '0' || minor[1] > '9' || major > 99)
    fail("malformed PTX version");
  module.version = unsigned(major) * 10 + unsigned(minor[1] - '0');
}

void PtxParser::target() {
  do {
    std::string_view name = word("a target");
    if (name.substr(0, 3) != "sm_")
      continue; // debug, texmode_independent
    unsigned chip = 0;
    for (char digit : name.substr(3))
      if (digit >= '0' && digit <= '9' && chip < 1000)
        chip = chip * 10 + unsigned(digit - '0');
    module.chip = chip;
    module.accelerated = name.back() == 'a';
  } while (accept(","));
}

void PtxParser::file() {
  uint64_t number = integer("a file number");
  if (token.kind != TokenKind::String)
    fail("expected a file name, found " + found());
  module.files[unsigned(number)] = std::string(token.text);
  advance();
  while (accept(","))
    integer("a time stamp or size");
}

/// DWARF sections hold data only.
void PtxParser::skipSection() {
  word("the name of a section");
  expect("{");
  while (!is("}")) {
    if (token.kind == TokenKind::End)
      fail("a section that does not end");
    advance();
  }
  advance();
}

uint64_t PtxParser::elementBytes(std::string_view type) const {
  static const std::map<std::string_view, uint64_t> sizes = {
      {".b8", 1},   {".u8", 1},    {".s8", 1},     {".b16", 2},  {".u16", 2},
      {".s16", 2},  {".f16", 2},   {".b32", 4},    {".u32", 4},  {".s32", 4},
      {".f32", 4},  {".b64", 8},   {".u64", 8},    {".s64", 8},  {".f64", 8},
      {".bf16", 2}, {".f16x2", 4}, {".bf16x2", 4}, {".b128", 16}};
  auto found = sizes.find(type);
  if (found == sizes.end())
    fail("unknown type '" + std::string(type) + "' of a variable");
  return found->second;
}

/// After the space: `.align 16 .b8 name[128]`, `.u64 .ptr .global .align 4 name`.
Variable PtxParser::variable(Space space, bool external) {
  Variable result;
  result.space = space;
  result.external = external;
  result.line = token.line;
  uint64_t align = 0, vector = 1;
  if (accept(".align"))
    align = integer("an alignment");
  if (accept(".v2"))
    vector = 2;
  else if (accept(".v4"))
    vector = 4;
  uint64_t bytes = elementBytes(word("a type")) * vector;
  if (accept(".ptr")) { // says what a pointer points to: nothing that is needed
    if (is(".global") || is(".shared") || is(".local") || is(".const"))
      advance();
    if (accept(".align"))
      integer("an alignment");
  }
  result.align = align ? align : bytes;
  if (result.align > 4096 || (result.align & (result.align - 1)))
    fail("an alignment that is no power of two up to 4096");
  result.name = word("the name of a variable");
  result.bytes = bytes;
  arraySize(result);
  if (is("="))
    initializer(result, bytes);
  return result;
}

void PtxParser::arraySize(Variable &variable) {
  while (accept("[")) {
    if (accept("]")) {
      variable.bytes = 0; // dynamic shared memory, or an external array
      continue;
    }
    uint64_t count = integer("a number of elements");
    if (count && variable.bytes > maximumVariableBytes / count)
      fail("a variable of more than 4 GiB");
    variable.bytes *= count;
    expect("]");
  }
}

void PtxParser::initializer(Variable &variable, uint64_t elementBytes) {
  expect("=");
  unsigned depth = 0;
  do {
    while (accept("{"))
      ++depth;
    bool negative = accept("-");
    if (token.kind != TokenKind::Integer && token.kind != TokenKind::Float32 &&
        token.kind != TokenKind::Float64)
      fail("expected a number as initial value, found " + found() +
           " (addresses are not simulated there)");
    uint64_t bits = negative ? 0 - token.bits : token.bits;
    advance();
    for (uint64_t byte = 0; byte < elementBytes; ++byte)
      variable.initial.push_back(byte < 8 ? uint8_t(bits >> (8 * byte)) : 0);
    if (variable.initial.size() > maximumInitializer)
      fail("an initial value of more than 64 MiB");
    while (depth && accept("}"))
      --depth;
  } while (accept(","));
  if (depth)
    fail("expected '}', found " + found());
  if (variable.initial.size() > variable.bytes)
    fail("more initial values than '" + std::string(variable.name) + "' holds");
}

void PtxParser::globalVariables(Space space, bool external) {
  module.variables.push_back(variable(space, external));
  expect(";");
}

std::vector<Variable> PtxParser::parameterList() {
  std::vector<Variable> result;
  expect("(");
  while (!is(")")) {
    if (accept(".reg"))
      fail("parameters in registers are not simulated");
    expect(".param");
    result.push_back(variable(Space::Param, false));
    if (!accept(","))
      break;
  }
  expect(")");
  return result;
}

std::array<uint32_t, 3> PtxParser::dimensions() {
  std::array<uint32_t, 3> result = {1, 1, 1};
  for (unsigned axis = 0; axis < 3; ++axis) {
    uint64_t size = integer("a number of threads");
    if (size > UINT32_MAX)
      fail("too many threads");
    result[axis] = uint32_t(size);
    if (!accept(","))
      break;
  }
  return result;
}

void PtxParser::performanceDirectives(Function &function) {
  for (;;) {
    if (accept(".reqntid"))
      function.requiredThreads = dimensions();
    else if (accept(".maxntid"))
      function.maximumThreads = dimensions();
    else if (is(".minnctapersm") || is(".maxnreg") || is(".maxclusterrank") ||
             is(".reqnctapercluster")) {
      advance();
      dimensions();
    } else if (accept(".pragma")) {
      advance();
      expect(";");
    } else if (!accept(".noreturn"))
      return;
  }
}

void PtxParser::function(bool isEntry) {
  Function result;
  result.isEntry = isEntry;
  result.line = token.line;
  if (!isEntry && is("("))
    result.results = parameterList();
  result.name = word("the name of a function");
  if (is("("))
    result.parameters = parameterList();
  performanceDirectives(result);
  if (accept(";"))
    return; // a declaration: calls of what has no body are found where they are made
  body(result);
  for (const Function &other : module.functions)
    if (other.name == result.name)
      throw PtxError(result.line, "a second function '" + std::string(result.name) + "'");
  module.functions.push_back(std::move(result));
}
