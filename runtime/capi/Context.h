//===- Context.h - what a C library's context does --------------*- C++ -*-===//
#ifndef NETC_RUNTIME_CAPI_CONTEXT_H
#define NETC_RUNTIME_CAPI_CONTEXT_H

#include "runtime/augment/Augment.h"
#include "runtime/base/Error.h"
#include "runtime/capi/Capi.h"
#include "runtime/exec/Executor.h"
#include "runtime/train/Optimizer.h"
#include "runtime/weights/Weights.h"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace netc::runtime {

/// An Error that a caller of the C functions can tell from others.
class StatusError : public Error {
public:
  StatusError(netc_model_status status, const std::string &message)
      : Error(message), status(status) {}
  const netc_model_status status;
};

/// Throws a StatusError with a formatted message.
template <typename... Args>
[[noreturn]] void failWith(netc_model_status status, fmt::format_string<Args...> format,
                           Args &&...args) {
  throw StatusError(status, fmt::format(format, std::forward<Args>(args)...));
}

/// Runs `action`; what it throws without a status of its own gets `status`.
template <typename Action> auto withStatus(netc_model_status status, Action &&action) {
  try {
    return action();
  } catch (const StatusError &) {
    throw;
  } catch (const SystemError &error) {
    throw StatusError(netc_model_error_file, error.what());
  } catch (const Error &error) {
    throw StatusError(status, error.what());
  }
}

/// A model with weights, threads and memory. Every function fails with an Error. Not thread-safe.
class Context {
public:
  /// Weights are zero until `draw` or `load`.
  Context(const NetcModel &model, unsigned threads);
  Context(const Context &) = delete;

  /// Draws the weights that training starts with.
  void draw(uint64_t seed);
  /// Takes the weights of `file`.
  void load(const Safetensors &file);

  void infer(int64_t n, const float *const *inputs, float *const *outputs);
  /// Returns the loss.
  float step(int64_t n, const float *const *inputs, const void *const *targets);
  /// `rate` negative: the recipe's.
  void update(double rate);
  void save(const std::string &path) const;

  /// One image from the bytes of a file; `path` names it in errors.
  void decode(const std::string &path, std::string_view bytes, float *input);
  /// Null: the weights name no such class.
  const char *className(size_t index) const;

  void getParameter(const std::string &name, float *values, size_t elements) const;
  void setParameter(const std::string &name, const float *values, size_t elements);
  void getGradient(const std::string &name, float *values, size_t elements) const;

  const ModelInfo &info() const { return description; }
  unsigned threads() const { return pool.size(); }

private:
  void makeRoom(int64_t n, bool training);
  void copyInputs(int64_t n, const float *const *inputs);
  void copyTargets(int64_t n, const void *const *targets);
  const ParameterInfo &findParameter(const std::string &name, size_t elements) const;
  const Pipeline &preprocessing();

  ModelInfo description;
  Recipe recipe;
  ThreadPool pool;
  Executor executor;
  std::optional<Optimizer> optimizer; ///< none with --mode infer
  std::unordered_map<std::string, size_t> parameterIndex;
  WeightsMetadata metadata;
  std::string weightsFile; ///< where the metadata is from; empty: drawn
  std::optional<Pipeline> pipeline;
  AugmentWorkspace workspace;
  uint64_t seed = 0;
  int64_t room = 0;        ///< images that fit
  bool trains = false;     ///< they fit a training step too
  bool isPrepared = false; ///< PREPARED is that of the weights as they are
  bool hasAverage = false; ///< the moving average has begun
  int64_t gradientsOf = 0; ///< images of the step whose gradients there are; 0: none
  int64_t steps = 0, updates = 0;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_CAPI_CONTEXT_H
