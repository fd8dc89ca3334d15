//===- Capi.cpp - the functions of a C library ----------------------------===//
//
// Exceptions end here: each becomes a status and a text in the context. `netc --emit lib` renames
// these functions after the model, whose tables are `netc_models`.
//
//===----------------------------------------------------------------------===//
#include "runtime/capi/Capi.h"

#include "runtime/capi/Context.h"
#include "runtime/exec/Levels.h"
#include "runtime/image/ImageFiles.h"
#include "runtime/system/Denormals.h"

#include <algorithm>
#include <memory>
#include <new>

using namespace netc::runtime;

struct netc_model_context {
  std::unique_ptr<Context> model; ///< null: it could not be made
  std::string error;
  const char *fixedError = nullptr; ///< in place of `error`, where there was no memory for one
};

/// Keeps `text`, or what stands for it where there is no memory even for that.
static void keepError(netc_model_context *context, const char *text) noexcept {
  if (!context)
    return;
  try {
    context->error = text;
    context->fixedError = nullptr;
  } catch (...) {
    context->fixedError = "out of memory";
  }
}

/// Runs `action` and turns what it throws into a status, by default `status`. Nothing is printed.
template <typename Action>
static netc_model_status guarded(netc_model_context *context, netc_model_status status,
                                 Action &&action) noexcept {
  Silence silence(true);
  FlushedDenormals flushed;
  keepError(context, "");
  try {
    withStatus(status, action);
    return netc_model_ok;
  } catch (const StatusError &error) {
    keepError(context, error.what());
    return error.status;
  } catch (const std::bad_alloc &) {
    keepError(context, "out of memory");
    return netc_model_error_memory;
  } catch (const std::exception &error) {
    keepError(context, error.what());
  } catch (...) {
    keepError(context, "an exception of unknown type");
  }
  return netc_model_error_internal;
}

/// The same for a context that was made.
template <typename Action>
static netc_model_status withModel(netc_model_context *context, netc_model_status status,
                                   Action &&action) noexcept {
  if (!context || !context->model)
    return netc_model_error_argument; // the error of a failed creation stays
  return guarded(context, status, [&] { action(*context->model); });
}

static void requirePointer(const void *pointer, const char *what) {
  if (!pointer)
    failWith(netc_model_error_argument, "{} is null", what);
}

//===----------------------------------------------------------------------===//
// What the model is
//===----------------------------------------------------------------------===//

/// All levels of the CPU have the same inputs, outputs and targets.
static const NetcModel &anyLevel() { return *netc_models[0]; }

static bool isTarget(uint32_t space) {
  return space == NETC_SPACE_LABELS || space == NETC_SPACE_TARGETS;
}
static bool isInput(uint32_t space) { return space == NETC_SPACE_INPUT; }
static bool isOutput(uint32_t space) { return space == NETC_SPACE_OUTPUT; }

static size_t countTensors(bool (*belongs)(uint32_t)) {
  const NetcModel &model = anyLevel();
  return size_t(std::count_if(model.tensors, model.tensors + model.tensor_count,
                              [&](const NetcTensor &tensor) { return belongs(tensor.space); }));
}

static void setShape(netc_model_tensor &tensor, const int64_t *sizes, size_t rank) {
  tensor.rank = int(std::min(rank, std::size(tensor.shape)));
  tensor.elements = 1;
  for (int i = 0; i < tensor.rank; ++i)
    tensor.elements *= tensor.shape[i] = sizes[i];
}

static netc_model_status describeTensor(bool (*belongs)(uint32_t), size_t index,
                                        netc_model_tensor *out) {
  const NetcModel &model = anyLevel();
  for (uint64_t i = 0; out && i < model.tensor_count; ++i) {
    const NetcTensor &tensor = model.tensors[i];
    if (!belongs(tensor.space) || index-- != 0)
      continue;
    *out = {};
    out->name = tensor.name;
    out->type = netc_model_type(tensor.type);
    setShape(*out, tensor.shape, tensor.rank);
    return netc_model_ok;
  }
  return netc_model_error_argument;
}

const char *netc_model_version(void) { return NETC_VERSION; }
const char *netc_model_description(void) { return anyLevel().json; }
size_t netc_model_input_count(void) { return countTensors(isInput); }
size_t netc_model_output_count(void) { return countTensors(isOutput); }
size_t netc_model_target_count(void) { return countTensors(isTarget); }
netc_model_status netc_model_input(size_t index, netc_model_tensor *tensor) {
  return describeTensor(isInput, index, tensor);
}
netc_model_status netc_model_output(size_t index, netc_model_tensor *tensor) {
  return describeTensor(isOutput, index, tensor);
}
netc_model_status netc_model_target(size_t index, netc_model_tensor *tensor) {
  return describeTensor(isTarget, index, tensor);
}

//===----------------------------------------------------------------------===//
// Contexts
//===----------------------------------------------------------------------===//

/// Makes a context and has `fill` give it weights.
template <typename Fill>
static netc_model_status makeContext(netc_model_context **context, unsigned threads, Fill &&fill) {
  if (!context)
    return netc_model_error_argument;
  *context = new (std::nothrow) netc_model_context;
  if (!*context)
    return netc_model_error_memory;
  return guarded(*context, netc_model_error_weights, [&] {
    auto model = std::make_unique<Context>(chooseModel(netc_models), threads);
    fill(*model);
    (*context)->model = std::move(model);
  });
}

netc_model_status netc_model_create(uint64_t seed, unsigned threads, netc_model_context **context) {
  return makeContext(context, threads, [&](Context &model) { model.draw(seed); });
}

netc_model_status netc_model_create_from_file(const char *path, unsigned threads,
                                              netc_model_context **context) {
  return makeContext(context, threads, [&](Context &model) {
    requirePointer(path, "path");
    model.load(Safetensors::read(weightsPath(path)));
  });
}

netc_model_status netc_model_create_from_memory(const void *bytes, size_t size, unsigned threads,
                                                netc_model_context **context) {
  return makeContext(context, threads, [&](Context &model) {
    requirePointer(bytes, "bytes");
    model.load(
        Safetensors::readMemory("weights in memory", static_cast<const char *>(bytes), size));
  });
}

void netc_model_destroy(netc_model_context *context) { delete context; }

const char *netc_model_last_error(const netc_model_context *context) {
  if (!context)
    return "there is no context";
  return context->fixedError ? context->fixedError : context->error.c_str();
}

unsigned netc_model_threads(const netc_model_context *context) {
  return context && context->model ? context->model->threads() : 0;
}

//===----------------------------------------------------------------------===//
// Inference and training
//===----------------------------------------------------------------------===//

netc_model_status netc_model_infer(netc_model_context *context, int64_t n,
                                   const float *const *inputs, float *const *outputs) {
  return withModel(context, netc_model_error_internal,
                   [&](Context &model) { model.infer(n, inputs, outputs); });
}

netc_model_status netc_model_read_image(netc_model_context *context, const char *path,
                                        float *input) {
  return withModel(context, netc_model_error_file, [&](Context &model) {
    requirePointer(path, "path");
    model.decode(path, readImageFile(path), input);
  });
}

netc_model_status netc_model_decode_image(netc_model_context *context, const void *bytes,
                                          size_t size, float *input) {
  return withModel(context, netc_model_error_file, [&](Context &model) {
    requirePointer(bytes, "bytes");
    model.decode("image in memory", {static_cast<const char *>(bytes), size}, input);
  });
}

const char *netc_model_class_name(const netc_model_context *context, size_t index) {
  return context && context->model ? context->model->className(index) : nullptr;
}

netc_model_status netc_model_step(netc_model_context *context, int64_t n,
                                  const float *const *inputs, const void *const *targets,
                                  float *loss) {
  return withModel(context, netc_model_error_internal, [&](Context &model) {
    float value = model.step(n, inputs, targets);
    if (loss)
      *loss = value;
  });
}

netc_model_status netc_model_update(netc_model_context *context, double learning_rate) {
  return withModel(context, netc_model_error_internal,
                   [&](Context &model) { model.update(learning_rate); });
}

netc_model_status netc_model_save(netc_model_context *context, const char *path) {
  return withModel(context, netc_model_error_file, [&](Context &model) {
    requirePointer(path, "path");
    model.save(path);
  });
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

size_t netc_model_parameter_count(const netc_model_context *context) {
  return context && context->model ? context->model->info().parameters.size() : 0;
}

netc_model_status netc_model_parameter(netc_model_context *context, size_t index,
                                       netc_model_tensor *tensor) {
  return withModel(context, netc_model_error_internal, [&](Context &model) {
    requirePointer(tensor, "tensor");
    const std::vector<ParameterInfo> &parameters = model.info().parameters;
    if (index >= parameters.size())
      failWith(netc_model_error_argument, "parameter {} of {}", index, parameters.size());
    const ParameterInfo &parameter = parameters[index];
    *tensor = {};
    tensor->name = parameter.name.c_str();
    tensor->trainable = parameter.trainable;
    setShape(*tensor, parameter.shape.data(), parameter.shape.size());
  });
}

netc_model_status netc_model_get_parameter(netc_model_context *context, const char *name,
                                           float *values, size_t elements) {
  return withModel(context, netc_model_error_internal, [&](Context &model) {
    requirePointer(name, "name");
    requirePointer(values, "values");
    model.getParameter(name, values, elements);
  });
}

netc_model_status netc_model_set_parameter(netc_model_context *context, const char *name,
                                           const float *values, size_t elements) {
  return withModel(context, netc_model_error_internal, [&](Context &model) {
    requirePointer(name, "name");
    requirePointer(values, "values");
    model.setParameter(name, values, elements);
  });
}

netc_model_status netc_model_get_gradient(netc_model_context *context, const char *name,
                                          float *values, size_t elements) {
  return withModel(context, netc_model_error_internal, [&](Context &model) {
    requirePointer(name, "name");
    requirePointer(values, "values");
    model.getGradient(name, values, elements);
  });
}
