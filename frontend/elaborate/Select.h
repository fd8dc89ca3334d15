//===- Select.h - which model, with which values ----------------*- C++ -*-===//
#ifndef NETC_FRONTEND_ELABORATE_SELECT_H
#define NETC_FRONTEND_ELABORATE_SELECT_H

#include "frontend/elaborate/Elaborator.h"
#include "frontend/elaborate/Frontend.h"

namespace netc::frontend {

/// The model of --model, or the only one whose parameters all have values; null
/// after an error.
const Definition *selectModel(const Program &program, const ElaborateOptions &options,
                              Diagnostics &diags);

/// Evaluates --set and refuses names that the model does not have.
Bindings readSettings(const Program &program, const Definition &model,
                      const ElaborateOptions &options, Diagnostics &diags);

/// The model that `alias` stands for one level down; null where it is none or unknown.
const Definition *aliasTarget(const Program &program, const Definition &alias);

/// The values a user can give to `model`: its parameters, those that an alias leaves
/// open further down, and its input's name.
std::vector<std::string> settableNames(const Program &program, const Definition &model);

/// Whether the call of an alias gives parameter `index` of its target a value.
bool aliasBinds(const CallExpr &call, const Definition &target, size_t index);

} // namespace netc::frontend

#endif // NETC_FRONTEND_ELABORATE_SELECT_H
