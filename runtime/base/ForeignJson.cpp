//===- ForeignJson.cpp - JSON that anybody may have written ---------------===//
#include "runtime/base/ForeignJson.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

/// Why the text is beyond the bounds, before a tree is made of it; empty where it is not.
static std::string boundsError(std::string_view text) {
  size_t depth = 0, deepest = 0, names = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
      continue;
    }
    quoted = c == '"';
    names += c == ':';
    if (c == '[' || c == '{')
      deepest = std::max(deepest, ++depth);
    else if ((c == ']' || c == '}') && depth > 0)
      --depth;
  }
  if (deepest > mostJsonDepth)
    return fmt::format("brackets lie {} deep, at most {} are allowed", deepest, mostJsonDepth);
  if (names > mostJsonNames)
    return fmt::format("{} named values, at most {} are allowed", names, mostJsonNames);
  return "";
}

Json parseForeignJson(std::string_view text) {
  if (std::string reason = boundsError(text); !reason.empty())
    throw Json::other_error::create(599, reason, nullptr);
  return Json::parse(text);
}

Json tryForeignJson(std::string_view text) {
  return boundsError(text).empty() ? Json::parse(text, nullptr, /*allow_exceptions=*/false)
                                   : Json(Json::value_t::discarded);
}

/// Short, whatever the file holds.
static std::string shown(const Json &value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() > 40 ? text.substr(0, 40) + "…" : text;
}

int64_t wholeNumber(const Json &object, const char *name, int64_t low, int64_t high) {
  const Json &value = object.at(name);
  bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= uint64_t(INT64_MAX)
                                         : value.is_number_integer();
  if (!fits || value.get<int64_t>() < low || value.get<int64_t>() > high)
    fail("{} is {}, expected an integer from {}{}", name, shown(value), low,
         high == INT64_MAX ? std::string(" on") : fmt::format(" to {}", high));
  return value.get<int64_t>();
}

double finiteNumber(const Json &object, const char *name, double low, double high) {
  const Json &value = object.at(name);
  double number = value.is_number() ? value.get<double>() : NAN;
  if (!(number >= low && number <= high) || !std::isfinite(number))
    fail("{} is {}, expected a number from {} to {}", name, shown(value), low, high);
  return number;
}

} // namespace netc::runtime
