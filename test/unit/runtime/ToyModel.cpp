//===- ToyModel.cpp - softmax regression behind the ABI -------------------===//
//
// A compiled model written by hand, so that the runtime is tested without the
// compiler: logits = W x + b with momentum SGD, a running mean of the input, and
// an auxiliary head that only exists in name.
//
//===----------------------------------------------------------------------===//
#include "runtime/abi/Abi.h"

#include <cmath>
#include <cstddef>
#include <cstring>

// Sizes by compile definition, so that one source gives several models.
#ifndef TOY_CHANNELS
#define TOY_CHANNELS 1
#endif
#ifndef TOY_SIDE
#define TOY_SIDE 28
#endif
#ifndef TOY_FEATURES
#define TOY_FEATURES "[\"sse2\"]"
#endif
#ifndef TOY_NAME
#define TOY_NAME "toy"
#endif
#ifndef TOY_AUGMENT
#define TOY_AUGMENT                                                                                \
  "{\"name\":\"random_crop\",\"args\":[],\"named\":{\"pad\":2}},"                                  \
  "{\"name\":\"hflip\",\"args\":[],\"named\":{}}"
#endif
// The same sizes as numbers, for the description: checked below.
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

static constexpr int64_t features = TOY_CHANNELS * TOY_SIDE * TOY_SIDE;
static constexpr int64_t classes = 10;
static constexpr int64_t weightBytes = (classes * features * 4 + 63) / 64 * 64;
static constexpr int64_t biasAt = weightBytes, meanAt = biasAt + 64, auxAt = meanAt + 64;
static constexpr int64_t parameterBytes = auxAt + 64;

static float *floats(char *bytes) { return reinterpret_cast<float *>(bytes); }

/// PARAMETERS -> PREPARED: a copy, transposed to [features, classes].
static void prepareKernel(char *const *buffers, char *, int64_t, int64_t begin, int64_t end) {
  const float *weight = floats(buffers[0]);
  float *packed = floats(buffers[1]);
  for (int64_t f = begin; f < end; ++f)
    for (int64_t c = 0; c < classes; ++c)
      packed[f * classes + c] = weight[c * features + f];
}

/// INPUT, PREPARED, bias -> OUTPUT; an item is one image. Sums in scratch first.
static void inferKernel(char *const *buffers, char *scratch, int64_t, int64_t begin, int64_t end) {
  float *sum = floats(scratch);
  for (int64_t i = begin; i < end; ++i) {
    const float *x = floats(buffers[0]) + i * features, *packed = floats(buffers[1]);
    std::memcpy(sum, buffers[2], classes * sizeof(float));
    for (int64_t f = 0; f < features; ++f)
      for (int64_t c = 0; c < classes; ++c)
        sum[c] += x[f] * packed[f * classes + c];
    std::memcpy(floats(buffers[3]) + i * classes, sum, classes * sizeof(float));
  }
}

/// INPUT, weight, bias, LABELS -> OUTPUT, arena: (p - y) / n [n, classes] and -log p [n].
static void forwardKernel(char *const *buffers, char *, int64_t n, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const float *x = floats(buffers[0]) + i * features;
    const int64_t *labels = reinterpret_cast<const int64_t *>(buffers[3]);
    float *logits = floats(buffers[4]) + i * classes, *delta = floats(buffers[5]) + i * 16;
    float high = -INFINITY, total = 0;
    for (int64_t c = 0; c < classes; ++c) {
      float sum = floats(buffers[2])[c];
      for (int64_t f = 0; f < features; ++f)
        sum += x[f] * floats(buffers[1])[c * features + f];
      logits[c] = sum;
      high = sum > high ? sum : high;
    }
    for (int64_t c = 0; c < classes; ++c)
      total += delta[c] = std::exp(logits[c] - high);
    floats(buffers[6])[i] = std::log(total) - (logits[labels[i]] - high);
    for (int64_t c = 0; c < classes; ++c)
      delta[c] = (delta[c] / total - float(c == labels[i])) / float(n);
  }
}

/// losses [n] -> LOSS; INPUT -> running mean.
static void lossKernel(char *const *buffers, char *, int64_t n, int64_t, int64_t) {
  float sum = 0, mean = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += floats(buffers[0])[i];
  for (int64_t i = 0; i < n * features; ++i)
    mean += floats(buffers[2])[i] / float(n * features);
  *floats(buffers[1]) = sum / float(n);
  *floats(buffers[3]) = 0.9f * *floats(buffers[3]) + 0.1f * mean;
}

/// delta, INPUT -> gradients; an item is one class: no sum depends on the threads.
static void backwardKernel(char *const *buffers, char *, int64_t n, int64_t begin, int64_t end) {
  for (int64_t c = begin; c < end; ++c) {
    float *grad = floats(buffers[2]) + c * features, bias = 0;
    std::memset(grad, 0, features * sizeof(float));
    for (int64_t i = 0; i < n; ++i) {
      float delta = floats(buffers[0])[i * 16 + c];
      bias += delta;
      for (int64_t f = 0; f < features; ++f)
        grad[f] += delta * floats(buffers[1])[i * features + f];
    }
#ifdef TOY_WRONG_BIAS_GRADIENT
    bias *= 1.01f;
#endif
    floats(buffers[3])[c] = bias;
    floats(buffers[4])[c] = 0; // the auxiliary head
  }
}

/// Momentum SGD over whole lines of 16 floats.
static void updateKernel(char *const *buffers, char *, int64_t, int64_t begin, int64_t end) {
  const NetcHyper *hyper = reinterpret_cast<const NetcHyper *>(buffers[3]);
  for (int64_t i = begin * 16; i < end * 16; ++i) {
    if (i >= meanAt / 4 && i < auxAt / 4)
      continue; // the running mean is not trained
    float &velocity = floats(buffers[2])[i], &value = floats(buffers[0])[i];
    velocity = hyper->momentum * velocity + floats(buffers[1])[i] + hyper->weight_decay * value;
    value -= hyper->lr * velocity;
  }
}

static const NetcKernel kernels[] = {
    {prepareKernel, "prepare", 0},   {inferKernel, "infer", classes * sizeof(float)},
    {forwardKernel, "forward", 0},   {lossKernel, "loss", 0},
    {backwardKernel, "backward", 0}, {updateKernel, "update", 0},
};

// The arena: delta, a line an image; the losses, a line an image.
static constexpr uint16_t f32 = NETC_TYPE_F32, i64 = NETC_TYPE_I64;
static constexpr uint32_t written = NETC_BUFFER_WRITTEN;
static constexpr uint64_t imageBytes = features * 4, logitBytes = classes * 4, meanBytes = 4;
static constexpr uint64_t filterBytes = features * classes * 4;
static const NetcBuffer buffers[] = {
    // prepare: 0
    {NETC_SPACE_PARAMETERS, f32, 0, 0, 0, filterBytes},
    {NETC_SPACE_PREPARED, f32, written, 0, 0, filterBytes},
    // infer: 2
    {NETC_SPACE_INPUT, f32, 0, 0, imageBytes, 0},
    {NETC_SPACE_PREPARED, f32, 0, 0, 0, filterBytes},
    {NETC_SPACE_PARAMETERS, f32, 0, biasAt, 0, logitBytes},
    {NETC_SPACE_OUTPUT, f32, written, 0, logitBytes, 0},
    // forward: 6
    {NETC_SPACE_INPUT, f32, 0, 0, imageBytes, 0},
    {NETC_SPACE_PARAMETERS, f32, 0, 0, 0, filterBytes},
    {NETC_SPACE_PARAMETERS, f32, 0, biasAt, 0, logitBytes},
    {NETC_SPACE_LABELS, i64, 0, 0, 8, 0},
    {NETC_SPACE_OUTPUT, f32, written, 0, logitBytes, 0},
    {NETC_SPACE_ARENA_IMAGE, f32, written, 0, 64, 0},
    {NETC_SPACE_ARENA_IMAGE, f32, written, 64, 4, 0},
    // loss: 13
    {NETC_SPACE_ARENA_IMAGE, f32, 0, 64, 4, 0},
    {NETC_SPACE_LOSS, f32, written, 0, 0, 4},
    {NETC_SPACE_INPUT, f32, 0, 0, imageBytes, 0},
    {NETC_SPACE_PARAMETERS, f32, written, meanAt, 0, meanBytes},
    // backward: 17
    {NETC_SPACE_ARENA_IMAGE, f32, 0, 0, 64, 0},
    {NETC_SPACE_INPUT, f32, 0, 0, imageBytes, 0},
    {NETC_SPACE_GRADIENTS, f32, written, 0, 0, filterBytes},
    {NETC_SPACE_GRADIENTS, f32, written, biasAt, 0, logitBytes},
    {NETC_SPACE_GRADIENTS, f32, written, auxAt, 0, logitBytes},
    // update: 22
    {NETC_SPACE_PARAMETERS, f32, written, 0, 0, parameterBytes},
    {NETC_SPACE_GRADIENTS, f32, 0, 0, 0, parameterBytes},
    {NETC_SPACE_STATE, f32, written, 0, 0, parameterBytes},
    {NETC_SPACE_HYPER, f32, 0, 0, 0, sizeof(NetcHyper)},
};

static const NetcTensor tensors[] = {
    {"input", NETC_SPACE_INPUT, f32, 3, -1, {TOY_CHANNELS, TOY_SIDE, TOY_SIDE}, 0},
    {"output", NETC_SPACE_OUTPUT, f32, 1, -1, {classes}, 0},
    {"labels", NETC_SPACE_LABELS, i64, 0, 0, {}, 0},
};

static const NetcCommand prepareCommands[] = {{0, 0, 2, UINT32_MAX, features, 0, 0, 0}};
static const NetcCommand inferCommands[] = {{1, 2, 4, 0, 1, 1, 1, 2 * features * classes}};
#ifndef TOY_INFER_ONLY
static const NetcCommand stepCommands[] = {
    {2, 6, 7, 0, 1, 1, 1, 2 * features * classes},
    {3, 13, 4, UINT32_MAX, 1, 0, 0, 0},
    {4, 17, 5, 0, classes, 0, 0, 2 * features * classes},
};
static const NetcCommand updateCommands[] = {{5, 22, 4, UINT32_MAX, parameterBytes / 64, 0, 0, 0}};
#endif

static const char json[] =
    R"({"model":")" TOY_NAME R"(","file":"toy.net","netc":"0.1.0","target":"cpu","cpu":"x86-64",
 "features":)" TOY_FEATURES R"(,"input":[)" TEXT(TOY_CHANNELS) "," TEXT(TOY_SIDE) "," TEXT(
        TOY_SIDE) R"(],"classes":10,"mode":"both",
 "losses":[{"kind":"cross_entropy","output":0,"weight":1}],"flops_per_image":15680,
 "layers":[{"name":"fc","kind":"linear","output":[10],"parameters":7850,"flops":15680}],
 "parameters":[
  {"name":"fc.weight","shape":[10,)" TEXT(TOY_WIDTH) R"(],"offset":0,"trainable":true,"decay":true,
   "init":{"kind":"normal","mean":0.0,"std":0.01},"layer":0,"aux":false},
  {"name":"fc.bias","shape":[10],"offset":)" TEXT(TOY_BIAS_AT) R"(,"trainable":true,"decay":true,
   "init":{"kind":"uniform","low":-0.01,"high":0.01},"layer":0,"aux":false},
  {"name":"norm.running_mean","shape":[1],"offset":)" TEXT(TOY_MEAN_AT) R"(,"trainable":false,
   "decay":false,"init":{"kind":"constant","value":0.0},"layer":0,"aux":false},
  {"name":"aux.bias","shape":[10],"offset":)" TEXT(TOY_AUX_AT) R"(,"trainable":true,"decay":true,
   "init":{"kind":"constant","value":0.0},"layer":0,"aux":true}],
 "graph":{"results":[4],"auxiliary_weights":[],"smoothing":0,"nodes":[
  {"op":"get_parameter","in":[],"shape":[10,)" TEXT(TOY_WIDTH) R"(],"parameter":"fc.weight"},
  {"op":"get_parameter","in":[],"shape":[10],"parameter":"fc.bias"},
  {"op":"flatten","in":[0],"shape":[-1,)" TEXT(TOY_WIDTH) R"(]},
  {"op":"linear","in":[3,1,2],"shape":[-1,10]}]},
 "recipe":{"written":true,"augment":[)" TOY_AUGMENT R"(],"eval":[],
  "normalize":{"auto":true},"loss":{"name":"cross_entropy","args":[],"named":{}},
  "optimizer":{"name":"sgd","args":[],"named":{"lr":0.01,"momentum":0.9,"weight_decay":0.0001}},
  "schedule":[{"name":"step","args":[],"named":{"at":[0.5,0.75],"factor":0.1}}],
  "batch":64,"epochs":2}})";

static_assert(TOY_WIDTH == features && TOY_BIAS_AT == biasAt && TOY_MEAN_AT == meanAt &&
              TOY_AUX_AT == auxAt);

extern "C" const NetcModel netc_model = {
    NETC_ABI_VERSION,
    0,
    json,
    kernels,
    sizeof kernels / sizeof *kernels,
    buffers,
    sizeof buffers / sizeof *buffers,
    {prepareCommands, 1, 0, 0, nullptr, 0},
    {inferCommands, 1, 0, 0, nullptr, 0},
#ifdef TOY_INFER_ONLY
    {nullptr, 0, 0, 0, nullptr, 0},
    {nullptr, 0, 0, 0, nullptr, 0},
#else
    {stepCommands, 3, 128, 0, nullptr, 0},
    {updateCommands, 1, 0, 0, nullptr, 0},
#endif
    {nullptr, 0, 0, 0, nullptr, 0},
    {nullptr, 0, 0, 0, nullptr, 0},
    {nullptr, 0, 0, 0, nullptr, 0},
    parameterBytes,
    parameterBytes,
    weightBytes,
    nullptr,
    nullptr,
    0,
    tensors,
    sizeof tensors / sizeof *tensors,
};

extern "C" const NetcModel *const netc_models[] = {&netc_model, nullptr};
