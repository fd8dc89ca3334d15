//===- ForeignJson.h - JSON that anybody may have written -------*- C++ -*-===//
#ifndef NETC_RUNTIME_BASE_FOREIGNJSON_H
#define NETC_RUNTIME_BASE_FOREIGNJSON_H

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string_view>

namespace netc::runtime {

/// Brackets within brackets, and named values, that files of a run may hold: far more than any has.
/// A tree of millions would overflow the stack or take hours.
inline constexpr size_t mostJsonDepth = 64, mostJsonNames = 200'000;

/// Parses text of a file. Throws nlohmann's exception where it is no JSON, or beyond these bounds.
nlohmann::ordered_json parseForeignJson(std::string_view text);

/// As above; a discarded value in place of the exception.
nlohmann::ordered_json tryForeignJson(std::string_view text);

/// `object[name]` as an integer from `low` to `high`, written as one: 6.9 and "3" are none. Throws
/// an Error that says what it is.
int64_t wholeNumber(const nlohmann::ordered_json &object, const char *name, int64_t low,
                    int64_t high = INT64_MAX);

/// `object[name]` as a finite number from `low` to `high`.
double finiteNumber(const nlohmann::ordered_json &object, const char *name, double low,
                    double high);

} // namespace netc::runtime

#endif // NETC_RUNTIME_BASE_FOREIGNJSON_H
