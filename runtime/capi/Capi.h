//===- Capi.h - a compiled model as a C library -----------------*- C -*-===//
//
// The template of the header that `netc --emit lib` writes: it replaces netc_model_ by the model's
// name (resnet18_), here and in the symbols of the library, and this comment by a description of
// the model. docs/reference/library.md explains the use.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_LIBRARY_netc_model_H
#define NETC_LIBRARY_netc_model_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What a function returns: netc_model_ok, or why it failed. netc_model_last_error has the text.
typedef enum {
  netc_model_ok = 0,
  netc_model_error_argument = 1,    ///< a number, a name or a pointer that the call cannot take
  netc_model_error_file = 2,        ///< a file that cannot be read or written
  netc_model_error_weights = 3,     ///< weights that are damaged or not this model's
  netc_model_error_memory = 4,      ///< too little memory
  netc_model_error_unsupported = 5, ///< this CPU, or this library, lacks what the call needs
  netc_model_error_numbers = 6,     ///< a loss or a gradient is not finite
  netc_model_error_internal = 7     ///< a defect of the library
} netc_model_status;

/// What an element of a tensor is stored as.
typedef enum { netc_model_f32 = 0, netc_model_i64 = 2 } netc_model_type;

/// A named input, output, target or parameter.
typedef struct {
  const char *name;     ///< valid as long as the library, or the context it was asked of
  netc_model_type type; ///< of each element
  int trainable;        ///< of a parameter: 0 for running statistics; else 0
  int rank;             ///< number of sizes
  int64_t shape[8];     ///< sizes; of inputs, outputs and targets without the batch
  int64_t elements;     ///< product of the sizes
} netc_model_tensor;

/// The model with its weights, memory and threads. Contexts are independent of each other: any
/// number of threads may each use one of their own. One context must not be used by two threads at
/// the same time.
typedef struct netc_model_context netc_model_context;

//===--- What the model is --------------------------------------------------------------------===//

/// The version of netc that compiled the library.
const char *netc_model_version(void);

/// The model as JSON: layers, parameters, recipe, floating-point operations.
const char *netc_model_description(void);

/// How many inputs and outputs the model has, and how many tensors its losses compare with.
size_t netc_model_input_count(void);
size_t netc_model_output_count(void);
size_t netc_model_target_count(void);

/// Describes one of them. Targets are class indices (i64) of a cross entropy, or values (f32).
/// Fails with error_argument where `index` is too large or `tensor` is null.
netc_model_status netc_model_input(size_t index, netc_model_tensor *tensor);
netc_model_status netc_model_output(size_t index, netc_model_tensor *tensor);
netc_model_status netc_model_target(size_t index, netc_model_tensor *tensor);

//===--- Contexts -----------------------------------------------------------------------------===//

/// Makes a context with weights as training starts them, drawn from `seed`. `threads`: how many
/// compute, the caller included; 0: one for each core that the process may use.
/// On failure *context explains it to netc_model_last_error, and is null only where there was no
/// memory for that. Free it with netc_model_destroy in either case.
netc_model_status netc_model_create(uint64_t seed, unsigned threads, netc_model_context **context);

/// The same with the weights of a safetensors file, or of the folder of a training run.
netc_model_status netc_model_create_from_file(const char *path, unsigned threads,
                                              netc_model_context **context);

/// The same with the `size` bytes of a safetensors file at `bytes`, which the context copies.
netc_model_status netc_model_create_from_memory(const void *bytes, size_t size, unsigned threads,
                                                netc_model_context **context);

/// Frees a context; null is allowed.
void netc_model_destroy(netc_model_context *context);

/// Why the last call with this context failed; empty after a call that did not. Valid until the
/// next call with the context.
const char *netc_model_last_error(const netc_model_context *context);

/// How many threads compute, the caller included; 0 of a context that could not be made.
unsigned netc_model_threads(const netc_model_context *context);

//===--- Inference ----------------------------------------------------------------------------===//

/// Computes the outputs of a batch of `n`. inputs[i] has n times the elements of input i, row-major
/// ([n, channels, height, width]); outputs[i] receives as many of output i, or is null where that
/// output is not wanted. Results for one image do not depend on the others of its batch.
netc_model_status netc_model_infer(netc_model_context *context, int64_t n,
                                   const float *const *inputs, float *const *outputs);

/// Reads a JPEG or PNG file into `input`, one image of the model's input, preprocessed as the
/// recipe's evaluation does (resize, crop, normalise). Fails with error_unsupported where the model
/// does not take one image.
netc_model_status netc_model_read_image(netc_model_context *context, const char *path,
                                        float *input);

/// The same from the bytes of such a file.
netc_model_status netc_model_decode_image(netc_model_context *context, const void *bytes,
                                          size_t size, float *input);

/// The name of a class that the weights store; null where they store none.
const char *netc_model_class_name(const netc_model_context *context, size_t index);

//===--- Training -----------------------------------------------------------------------------===//

/// One forward and backward pass over a batch of `n`: loss, gradients, running statistics. Does not
/// change trainable parameters. targets[i] has n times the elements of target i, of its type.
/// `loss` receives the mean over the batch. Fails with error_unsupported where the library was
/// compiled with --mode infer, with error_numbers where the loss or a gradient is not finite.
netc_model_status netc_model_step(netc_model_context *context, int64_t n,
                                  const float *const *inputs, const void *const *targets,
                                  float *loss);

/// Applies the gradients of the last step with the recipe's optimizer. `learning_rate`: for this
/// update; negative: the recipe's, without its schedule.
netc_model_status netc_model_update(netc_model_context *context, double learning_rate);

/// Writes weights and running statistics as safetensors, all or nothing.
netc_model_status netc_model_save(netc_model_context *context, const char *path);

//===--- Parameters ---------------------------------------------------------------------------===//

/// How many parameters and running statistics there are; 0 of a context that could not be made.
size_t netc_model_parameter_count(const netc_model_context *context);

/// Describes one of them, in the order of the model file.
netc_model_status netc_model_parameter(netc_model_context *context, size_t index,
                                       netc_model_tensor *tensor);

/// Copies parameter `name` to `values`, which has room for `elements`, exactly as many as there
/// are.
netc_model_status netc_model_get_parameter(netc_model_context *context, const char *name,
                                           float *values, size_t elements);

/// Replaces parameter `name` by the `elements` numbers at `values`.
netc_model_status netc_model_set_parameter(netc_model_context *context, const char *name,
                                           const float *values, size_t elements);

/// Copies the last step's gradient of the trainable parameter `name`.
netc_model_status netc_model_get_gradient(netc_model_context *context, const char *name,
                                          float *values, size_t elements);

#ifdef __cplusplus
}
#endif

#endif // NETC_LIBRARY_netc_model_H
