//===- ManualTest.cpp - the manual's recipes are the table's --------------===//
#include "runtime/abi/RecipeTable.h"
#include "test/unit/frontend/Diagnose.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

namespace netc {

/// `random_crop(size, pad=0)`: a call with its defaults.
static std::string signatureOf(const recipe::Call &call) {
  std::string text;
  for (const recipe::Param &param : call.params()) {
    text += (text.empty() ? "" : ", ") + std::string(param.name);
    if (param.otherwise)
      text += fmt::format("={:.4g}", *param.otherwise);
    else if (param.type == recipe::Type::Bounds)
      text += fmt::format("=[{:.4g}, {:.4g}]", param.between[0], param.between[1]);
  }
  return text.empty() ? std::string(call.name) : fmt::format("{}({})", call.name, text);
}

/// What stands between backticks in the row of a table that begins with `first`.
static std::vector<std::string> codeOfRow(const std::string &manual, const std::string &first) {
  size_t begin = manual.find("\n| `" + first + "`");
  if (begin == std::string::npos)
    return {};
  std::string row = manual.substr(begin + 1, manual.find('\n', begin + 1) - begin - 1);
  std::vector<std::string> found;
  static const std::regex code("`([^`]*)`");
  for (std::sregex_iterator it(row.begin(), row.end(), code), end; it != end; ++it)
    found.push_back((*it)[1]);
  return found;
}

TEST(RecipeManual, ListsEveryCallWithItsArguments) {
  std::string manual = frontend::readText(NETC_MANUAL);
  ASSERT_FALSE(manual.empty());
  for (const recipe::Clause &clause : recipe::clauses) {
    std::vector<std::string> row = codeOfRow(manual, std::string(clause.name));
    EXPECT_FALSE(row.empty()) << "no row for " << clause.name;
    std::set<std::string> signatures;
    for (const recipe::Call &call : clause.calls)
      signatures.insert(signatureOf(call));
    if (clause.name == "normalize")
      signatures.insert(signatureOf(recipe::automaticNormalization));
    for (const std::string &signature : signatures)
      EXPECT_TRUE(std::find(row.begin(), row.end(), signature) != row.end())
          << clause.name << ": the manual lacks `" << signature << "`";
    for (const std::string &code : row)
      EXPECT_TRUE(code.find('(') == std::string::npos || signatures.contains(code))
          << clause.name << ": the manual has `" << code << "`";
  }
}

/// The rows that say what each argument must be. A name that means the same everywhere stands
/// alone.
static std::string argumentRows() {
  std::map<std::string_view, std::set<recipe::Type>> types;
  std::vector<std::pair<std::string_view, const recipe::Param *>> all; ///< call, argument
  for (const recipe::Clause &clause : recipe::clauses)
    for (const recipe::Call &call : clause.calls)
      for (const recipe::Param &param : call.params()) {
        types[param.name].insert(param.type);
        all.push_back({call.name, &param});
      }
  std::vector<std::pair<std::string_view, std::vector<std::string>>> rows;
  auto add = [&](recipe::Type type, const std::string &name) {
    auto row = std::find_if(rows.begin(), rows.end(),
                            [&](const auto &each) { return each.first == recipe::wanted(type); });
    if (row == rows.end())
      row = rows.insert(row, {recipe::wanted(type), {}});
    if (std::find(row->second.begin(), row->second.end(), name) == row->second.end())
      row->second.push_back(name);
  };
  for (auto [call, param] : all)
    add(param->type, types[param->name].size() == 1 ? fmt::format("`{}`", param->name)
                                                    : fmt::format("`{}.{}`", call, param->name));
  for (const recipe::Clause &clause : recipe::clauses)
    if (clause.form == recipe::Form::Number)
      add(clause.type, fmt::format("`{}`", clause.name));
  std::string text;
  for (const auto &[wanted, names] : rows)
    text += fmt::format("| {} | {} |\n", fmt::join(names, ", "), wanted);
  return text;
}

TEST(RecipeManual, SaysWhatEachArgumentMustBe) {
  std::string rows = argumentRows();
  EXPECT_TRUE(frontend::readText(NETC_MANUAL).find(rows) != std::string::npos)
      << "expected in " << NETC_MANUAL << ":\n"
      << rows;
}

} // namespace netc
