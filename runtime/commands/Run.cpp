//===- Run.cpp - one batch from tensors to tensors ------------------------===//
#include "runtime/base/Error.h"
#include "runtime/commands/Commands.h"
#include "runtime/data/Tensors.h"
#include "runtime/exec/Executor.h"
#include "runtime/system/CpuFeatures.h"
#include "runtime/train/BatchStatistics.h"
#include "runtime/weights/Weights.h"

#include <vector>

namespace netc::runtime {

/// The inputs by their names; the batch.
static int64_t readInputs(const Safetensors &file, Executor &executor, bool train) {
  const ModelInfo &info = executor.info();
  int64_t n = 0;
  for (const TensorInfo &input : info.inputs)
    n = checkTensor(file, requireTensor(file, input, namesOf(info, input)), input, n);
  executor.reserve(n, train);
  for (const TensorInfo &input : info.inputs)
    convertToF32(requireTensor(file, input, namesOf(info, input)), file.path(),
                 executor.at<float>(input, n));
  return n;
}

/// What the losses compare with.
static void readTargets(const Safetensors &file, const Executor &executor, int64_t n) {
  ModelInfo info = executor.info();
  if (info.scoresEachClass() && file.find(info.targets[info.losses[0].target].name))
    info.compareWithTargets();
  for (const LossInfo &loss : info.losses) {
    TensorInfo wanted = targetInFile(info, loss);
    const Tensor &tensor = requireTensor(file, wanted, {wanted.name});
    checkTensor(file, tensor, wanted, n);
    const TensorInfo &target = info.targets[loss.target];
    if (!loss.comparesClasses() && !info.softLabels) {
      convertToF32(tensor, file.path(), executor.at<float>(target, n));
    } else if (!info.softLabels) {
      readLabels(file, tensor, classesOf(info, loss), loss.ignore, executor.at<int64_t>(target, n));
    } else {
      std::vector<int64_t> labels(static_cast<size_t>(n));
      readLabels(file, tensor, info.classes, {}, labels.data());
      for (int64_t i = 0; i < n; ++i)
        executor.at<float>(target, n)[i * info.classes + labels[size_t(i)]] = 1;
    }
  }
}

static bool isRunningStatistic(const ParameterInfo &parameter) {
  return !parameter.trainable &&
         (parameter.name.ends_with("running_mean") || parameter.name.ends_with("running_var"));
}

int runOnce(const NetcModel &model, const RunOptions &options) {
  ModelInfo info = readModel(model);
  if (options.train && !model.step.command_count)
    fail("{} was compiled with --mode infer: it holds no training step", info.name);
  requireCpuFeatures(info.name, info.features);
  Safetensors weights = Safetensors::read(weightsPath(options.weights));
  Safetensors file = Safetensors::read(options.in);
  ThreadPool pool(options.threads);
  Executor executor(model, info, pool);
  if (options.cache)
    executor.device().fillCache(*options.cache);
  loadWeights(weights, executor, options.train);
  int64_t n = readInputs(file, executor, options.train);

  std::vector<Tensor> results;
  auto addOutputs = [&] {
    for (const TensorInfo &output : info.outputs)
      results.push_back(
          f32Tensor(output.name, output.batchShape(n), executor.at<float>(output, n)));
  };
  if (!options.train) {
    executor.run(Program::Prepare, 1);
    executor.run(Program::Infer, n);
    addOutputs();
    writeSafetensors(options.out, results, {});
    return 0;
  }

  readTargets(file, executor, n);
  requireBatchStatistics(info, n, "--train of one image");
  executor.hyper().dropout = 0;
  executor.run(Program::Step, n);
  addOutputs();
  results.push_back(f32Tensor("loss", {1}, executor.at<float>(NETC_SPACE_LOSS)));
  for (const ParameterInfo &parameter : info.parameters) {
    if (parameter.trainable)
      results.push_back(
          f32Tensor("grad." + parameter.name, parameter.shape, executor.gradient(parameter)));
    else if (isRunningStatistic(parameter))
      results.push_back(f32Tensor(parameter.name, parameter.shape, executor.parameter(parameter)));
  }
  writeSafetensors(options.out, results, {});
  return 0;
}

} // namespace netc::runtime
