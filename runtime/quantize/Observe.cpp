//===- Observe.cpp - values inside a quantised model ----------------------===//
#include "runtime/quantize/Observe.h"

#include "runtime/base/Error.h"

#include <map>

namespace netc::runtime {

/// The operand that a command writes.
static uint32_t writtenOperand(const Executor &executor, const NetcCommand &command) {
  for (uint32_t i = 0; i < command.buffer_count; ++i)
    if (executor.model().buffers[command.first_buffer + i].flags & NETC_BUFFER_WRITTEN)
      return i;
  fail("executable is damaged: a command with a named value writes nothing");
}

void runObserved(Executor &executor, Program program, int64_t n,
                 const std::function<void(size_t, const StoredValue &)> &show) {
  const ModelInfo &info = executor.info();
  const std::vector<NamedValue> &values = program == Program::Observe ? info.observed : info.stored;
  std::map<uint64_t, size_t> byCommand;
  for (size_t i = 0; i < values.size(); ++i)
    byCommand[values[i].command] = i;
  Watch watch;
  watch.after = [&](uint64_t index) {
    auto found = byCommand.find(index);
    if (found == byCommand.end())
      return true;
    const NetcCommand &command = executor.table(program).commands[index];
    uint32_t operand = writtenOperand(executor, command);
    const NetcBuffer &buffer = executor.model().buffers[command.first_buffer + operand];
    auto type = NetcType(buffer.type);
    uint64_t bytes = buffer.bytes_fixed + uint64_t(n) * buffer.bytes_per_image;
    show(found->second,
         {executor.device().operand(operand), type, int64_t(bytes / netc_type_bytes(type))});
    return true;
  };
  executor.run(program, n, &watch);
}

const ParameterInfo *scaleOf(const ModelInfo &info, const std::string &name) {
  for (const ParameterInfo &parameter : info.parameters)
    if (parameter.isScale() && parameter.name == name + kScaleEnding)
      return &parameter;
  return nullptr;
}

} // namespace netc::runtime
