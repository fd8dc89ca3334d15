//===- Abi.h - what compiled models and the runtime agree on ----*- C -*-===//
//
// The one header that generated code and the runtime share. netc emits a constant
// of type NetcModel into every executable, for each level of the CPU; the runtime
// executes the command tables of one. codegen/package/ModelTable.cpp writes these structs by their
// members: a field that it leaves out is an error of netc. Raise NETC_ABI_VERSION with each change.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_ABI_ABI_H
#define NETC_RUNTIME_ABI_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NETC_ABI_VERSION 8

/// Where a buffer lies. Offsets are in bytes and multiples of 64.
enum NetcSpace {
  NETC_SPACE_ARENA_IMAGE = 0, ///< arena; the offset is multiplied by the batch
  NETC_SPACE_ARENA_FIXED = 1, ///< arena; whatever does not grow with the batch
  NETC_SPACE_PARAMETERS = 2,  ///< parameters and running statistics, as users see them
  NETC_SPACE_GRADIENTS = 3,   ///< a gradient per trainable parameter, same offsets as PARAMETERS
  NETC_SPACE_STATE = 4,       ///< optimizer state (momentum), first slot at PARAMETERS' offsets,
                              ///< the next at parameter_bytes plus those offsets, and so on
  NETC_SPACE_PREPARED = 5,    ///< what `prepare` computes from parameters (packed, folded weights)
  NETC_SPACE_INPUT = 6,       ///< the model's inputs, normalised: see NetcTensor
  NETC_SPACE_LABELS = 7,      ///< i64 class indices
  NETC_SPACE_OUTPUT = 8,      ///< the model's outputs
  NETC_SPACE_LOSS = 9,        ///< f32 [1], mean over the batch, auxiliary heads included
  NETC_SPACE_HYPER = 10,   ///< NetcHyper, then one NetcParameterHyper per parameter, in JSON order
  NETC_SPACE_TARGETS = 11, ///< f32 values that a loss compares an output with; for cross entropy
                           ///< with mixup or cutmix, one distribution per row, which the runtime
                           ///< computes
  NETC_SPACE_ACCUMULATED = 12, ///< sums of gradients over batches, same offsets as GRADIENTS
  NETC_SPACE_ARENA_GROUP = 13, ///< arena, within a section; the offset is multiplied by the group
  NETC_SPACE_COUNT = 14
};

/// What an element is stored as.
enum NetcType {
  NETC_TYPE_F32 = 0,
  NETC_TYPE_F64 = 1,
  NETC_TYPE_I64 = 2,
  NETC_TYPE_I32 = 3,
  NETC_TYPE_BF16 = 4,
  NETC_TYPE_I8 = 5,
  NETC_TYPE_U8 = 6,
  NETC_TYPE_BIASED_I8 = 7, ///< an i8 plus 128, as a u8
  NETC_TYPE_I16 = 8
};

/// Bytes of an element; 0 for a type that is none of these.
static inline uint64_t netc_type_bytes(uint32_t type) {
  switch (type) {
  case NETC_TYPE_F64:
  case NETC_TYPE_I64:
    return 8;
  case NETC_TYPE_F32:
  case NETC_TYPE_I32:
    return 4;
  case NETC_TYPE_BF16:
  case NETC_TYPE_I16:
    return 2;
  case NETC_TYPE_I8:
  case NETC_TYPE_U8:
  case NETC_TYPE_BIASED_I8:
    return 1;
  default:
    return 0;
  }
}

/// A named input or output of the model, or what a loss compares an output with. INPUT, OUTPUT,
/// LABELS and TARGETS store one tensor after the other, each with all images: in a batch of n this
/// one begins at n * offset, and its image i at i times the bytes of its shape from there.
typedef struct {
  const char *name; ///< of labels and targets as data files call them
  uint32_t space;   ///< INPUT, OUTPUT, LABELS or TARGETS
  uint32_t type;    ///< enum NetcType
  uint32_t rank;    ///< sizes without the batch, up to 4; 0: one number
  int32_t output;   ///< LABELS and TARGETS: index of the output that is compared with it; else -1
  int64_t shape[4];
  uint64_t offset; ///< a multiple of 64
} NetcTensor;

/// What may differ from step to step. Generated code reads it by offset.
/// dialect/interfaces/Hyper.h counts its words.
typedef struct {
  float lr;
  float momentum; ///< Adam: beta1
  float weight_decay;
  float dropout;    ///< 1: dropout as written; 0: dropout off (`run --train`)
  uint32_t seed_lo; ///< key of the counter-based generator
  uint32_t seed_hi;
  uint32_t step;         ///< counts batches from 0: no two draw the same numbers
  float beta2;           ///< Adam; LARS: the trust coefficient
  float epsilon;         ///< Adam
  float correction1;     ///< Adam: 1 - beta1^t of update t = 1, 2, …
  float correction2;     ///< Adam: sqrt(1 - beta2^t)
  float gradient_scale;  ///< multiplies every gradient in `update` (clipping)
  float average_decay;   ///< of the moving average of the weights
  float batch_weight;    ///< of this batch's gradients in `accumulate`
  float one_minus_beta2; ///< Adam, rounded once
  float gradient_norm;   ///< written by `norm`
  float label_smoothing; ///< of the loss, 0 to 1
  uint32_t first_image;  ///< index of this batch's first image in the batch of all processes, by
                         ///< which dropout draws its numbers
  float reserved[14];
} NetcHyper;

enum NetcBufferFlags {
  NETC_BUFFER_WRITTEN = 1, ///< the command writes it (and may read it)
};

typedef struct {
  float rate_scale;  ///< times lr; 0: frozen
  float decay_scale; ///< times weight_decay
  float adapts;      ///< LARS: 0 leaves the rate as it is
  /// Of a batch norm's running mean: 1 has the step normalise with the running statistics and leave
  /// them; 0: those of the batch.
  float frozen_statistics;
} NetcParameterHyper;

/// Its size is bytes_fixed + n * bytes_per_image, without padding to lines.
typedef struct {
  uint16_t space; ///< enum NetcSpace
  uint16_t type;  ///< enum NetcType
  uint32_t flags; ///< enum NetcBufferFlags
  uint64_t offset;
  uint64_t bytes_per_image;
  uint64_t bytes_fixed;
} NetcBuffer;

/// Computes grid items [begin, end) of one command. `buffers` are the command's
/// resolved operands, `scratch` is this thread's (64-byte aligned, at least
/// NetcKernel::scratch_bytes), `n` is the batch. Items of one command are
/// independent of each other: any thread may run any of them in any order and
/// the bits are the same.
typedef void (*NetcKernelFn)(char *const *buffers, char *scratch, int64_t n, int64_t begin,
                             int64_t end);

typedef struct {
  NetcKernelFn fn;
  const char *name;
  uint64_t scratch_bytes;
} NetcKernel;

/// One launch. On a CPU its grid, on a GPU its number of blocks has
///   items_outer * (rows_per_image == 0 ? 1 : ceil(n * rows_per_image / rows_per_item))
/// items. Commands of a program run in order, with a barrier between them.
typedef struct {
  uint32_t kernel;       ///< index into NetcModel::kernels
  uint32_t first_buffer; ///< index into NetcModel::buffers
  uint32_t buffer_count;
  uint32_t layer; ///< index into "layers" of the JSON; UINT32_MAX: none
  int64_t items_outer;
  int64_t rows_per_image;
  int64_t rows_per_item;
  int64_t flops_per_image; ///< useful multiply-adds times 2, for `bench`
} NetcCommand;

/// Launches that may run for a group of images before the next group begins (depth first), so that
/// values between launches stay in a cache. Images are independent, so the bits are the same for
/// any group. While it runs, a batch of n in groups of g takes n * batch_bytes_per_image of the
/// arena and after them g * group_bytes_per_image.
typedef struct {
  uint64_t command_count;
  uint64_t batch_bytes_per_image;
  uint64_t group_bytes_per_image;
  uint64_t live_bytes_per_image; ///< most that are alive at one of its launches, input and output
                                 ///< included
  uint64_t weight_bytes;         ///< read again by each group
} NetcSection;

/// A batch of n needs n * arena_bytes_per_image + arena_bytes_fixed bytes of arena, or less if the
/// program has sections.
typedef struct {
  const NetcCommand *commands;
  uint64_t command_count; ///< 0: left out (`--mode infer` has no step)
  uint64_t arena_bytes_per_image;
  uint64_t arena_bytes_fixed;
  const NetcSection
      *sections; ///< they cover the commands in order; null: each command runs for the whole batch
  uint64_t section_count;
} NetcProgram;

/// How a kernel is launched on a GPU: one block of `threads` per item of the command's grid, with
/// parameters: one device pointer per buffer, then the batch as i32.
typedef struct {
  uint32_t threads;
  uint32_t shared_bytes; ///< dynamic shared memory
} NetcGpuKernel;

/// The kernels' code in one form.
typedef struct {
  uint32_t chip; ///< 10 * major + minor of the compute capability; PTX: the oldest that loads it
  uint32_t is_assembled; ///< 1: machine code of `chip`; 0: PTX text, NUL-terminated
  const void *bytes;
  uint64_t size;                ///< without the NUL
  const NetcGpuKernel *kernels; ///< as many as NetcModel::kernels
} NetcGpuImage;

/// What an executable for a GPU has in addition to the tables.
typedef struct {
  const NetcGpuImage *images; ///< ascending by chip
  uint64_t image_count;
  void *(*open)(void); ///< netc_open_cuda or netc_open_sim: a new netc::runtime::Device
} NetcGpu;

typedef struct {
  uint32_t abi_version;
  uint32_t reserved;
  const char *json; ///< NUL-terminated description, see docs/reference/abi.md
  const NetcKernel *kernels;
  uint64_t kernel_count;
  const NetcBuffer *buffers;
  uint64_t buffer_count;
  NetcProgram prepare; ///< PARAMETERS -> PREPARED, once after loading
  NetcProgram infer;   ///< INPUT, PREPARED -> OUTPUT
  NetcProgram step;    ///< INPUT, LABELS, PARAMETERS -> OUTPUT, LOSS, GRADIENTS, running statistics
  NetcProgram update;  ///< GRADIENTS, HYPER -> PARAMETERS, STATE
  NetcProgram norm;    ///< GRADIENTS -> HYPER's gradient_norm; gaps between parameters must be zero
  NetcProgram accumulate; ///< ACCUMULATED += batch_weight * GRADIENTS
  NetcProgram observe; ///< of int8: INPUT, PARAMETERS -> OUTPUT in f32; see "observed" of the JSON
  uint64_t parameter_bytes;
  uint64_t state_bytes;
  uint64_t prepared_bytes;
  const NetcGpu *gpu;            ///< null: kernels are functions of this executable
  const NetcProgram *lean_steps; ///< versions of `step`, each in less memory: they recompute what
                                 ///< they do not keep, with the same bits
  uint64_t lean_step_count;
  const NetcTensor *tensors; ///< inputs, outputs and targets, each kind in its order
  uint64_t tensor_count;
} NetcModel;

/// Of an executable: its model for each level of the CPU that it was compiled for, best first, then
/// null. A model's object file does not have it, so that several link into one program: it has one
/// NetcModel, `netc_NAME_model`.
extern const NetcModel *const netc_models[];

#ifdef __cplusplus
}
#endif

#endif // NETC_RUNTIME_ABI_ABI_H
