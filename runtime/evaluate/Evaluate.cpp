//===- Evaluate.cpp - accuracy on a set of images -------------------------===//
#include "runtime/evaluate/Evaluate.h"

#include "runtime/base/Error.h"
#include "runtime/data/Loader.h"
#include "runtime/evaluate/Totals.h"
#include "runtime/exec/Diagnosis.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace netc::runtime {

void softmax(const float *logits, int64_t classes, double *probabilities) {
  double high = -INFINITY, sum = 0;
  for (int64_t c = 0; c < classes; ++c)
    high = std::max(high, double(logits[c]));
  for (int64_t c = 0; c < classes; ++c)
    sum += probabilities[c] = std::exp(double(logits[c]) - high);
  for (int64_t c = 0; c < classes; ++c)
    probabilities[c] /= sum;
}

void classProbabilities(const ModelInfo &info, const float *logits, int64_t classes,
                        double *probabilities) {
  if (!info.scoresEachClass())
    return softmax(logits, classes, probabilities);
  for (int64_t c = 0; c < classes; ++c)
    probabilities[c] = 1 / (1 + std::exp(-double(logits[c])));
}

/// The cross entropy of the label, or the mean of each class's own.
static double lossOf(const ModelInfo &info, const std::vector<double> &probabilities,
                     int64_t label) {
  auto cost = [](double probability) { return -std::log(std::max(probability, 1e-300)); };
  double own = probabilities[size_t(label)];
  if (!info.scoresEachClass())
    return cost(own);
  double sum = cost(own) - cost(1 - own);
  for (double probability : probabilities)
    sum += cost(1 - probability);
  return sum / double(probabilities.size());
}

/// Those of a term in a batch that the loader prepared.
static const int64_t *labelsOf(const ModelInfo &info, const LossInfo &loss, const Batch &batch) {
  return batch.labels + uint64_t(batch.n) * info.targets[loss.target].offset / sizeof(int64_t);
}

/// Keeps the maps of which the least is right.
static void rememberMaps(const ModelInfo &info, const float *scores, const int64_t *labels,
                         int64_t n, const int64_t *marks, const std::vector<int64_t> &samples,
                         int64_t first, Tally &tally) {
  const LossInfo &loss = *info.mapLoss();
  const std::vector<int64_t> &shape = info.outputs[loss.output].shape;
  int64_t classes = shape[0], pixels = shape[1] * shape[2];
  for (int64_t i = 0; i < n && classes <= 256; ++i) {
    if (marks && marks[i] < 0)
      continue;
    WorstMap map{
        samples[size_t(first + i)], 0, {}, {labels + i * pixels, labels + (i + 1) * pixels}};
    int64_t counted = 0, correct = 0;
    for (int64_t p = 0; p < pixels; ++p) {
      const float *own = scores + i * classes * pixels + p;
      int64_t best = 0, label = map.labels[size_t(p)];
      for (int64_t c = 1; c < classes; ++c)
        if (own[c * pixels] > own[best * pixels])
          best = c;
      map.guessed.push_back(uint8_t(best));
      if (label < 0 || (loss.ignore && label == *loss.ignore))
        continue;
      ++counted;
      correct += best == label;
    }
    if (!counted || correct == counted)
      continue;
    map.correct = double(correct) / double(counted);
    tally.remember(std::move(map));
  }
}

/// Adds one image's averaged probabilities to the result.
static void count(const ModelInfo &info, const std::vector<double> &probabilities, int64_t sample,
                  int64_t label, Tally &tally) {
  Accuracy &result = tally.accuracy;
  double own = probabilities[size_t(label)];
  // Ties and NaN count against the model.
  int64_t above = 0, guess = label;
  for (size_t c = 0; c < probabilities.size(); ++c) {
    if (int64_t(c) == label || probabilities[c] < own)
      continue;
    if (above++ == 0 || probabilities[c] > probabilities[size_t(guess)])
      guess = int64_t(c);
  }
  if (!result.confusion.empty())
    ++result.confusion[size_t(label) * probabilities.size() + size_t(guess)];
  if (guess != label)
    tally.remember({sample, label, guess, own, probabilities[size_t(guess)]});
  ++result.images;
  ++result.classImages[size_t(label)];
  result.correct += above == 0;
  result.classCorrect[size_t(label)] += above == 0;
  result.correctOfFive += above < 5;
  tally.losses.push_back(lossOf(info, probabilities, label));
}

std::string Accuracy::text() const {
  std::string first = quality.text(), second = describeFigures(measures.figures());
  return first + (first.empty() || second.empty() ? "" : ", ") + second;
}

void requireSeveralClasses(const ModelInfo &info, const char *what) {
  if (info.classes == 1 && info.classifies())
    fail("{} has one class, whose probability is always 100%: there is nothing to {}; two classes "
         "make a yes and a no",
         info.name, what);
}

std::vector<int64_t> spreadSamples(int64_t all, int64_t count) {
  int64_t kept = count > 0 ? std::min(count, all) : all;
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < kept; ++i)
    samples.push_back(int64_t(__int128(i) * all / kept));
  return samples;
}

static Tally emptyTally(const ModelInfo &info) {
  Tally tally;
  size_t classes = info.classifies() ? size_t(info.classes) : 0;
  tally.accuracy.classImages.resize(classes);
  tally.accuracy.classCorrect.resize(classes);
  if (classes <= size_t(Accuracy::mostConfusionClasses))
    tally.accuracy.confusion.resize(classes * classes);
  return tally;
}

/// The samples of this process: whole batches, the same ones as one process would make.
static std::vector<int64_t> ownSamples(const std::vector<int64_t> &samples, int64_t batch,
                                       int64_t views, const Communicator &communicator) {
  int64_t count = int64_t(samples.size()), size = communicator.size(), rank = communicator.rank();
  int64_t unit = batch / std::gcd(batch, views), units = (count + unit - 1) / unit;
  auto begin = [&](int64_t of) {
    return samples.begin() + std::min(count, of * units / size * unit);
  };
  return {begin(rank), begin(rank + 1)};
}

namespace {
/// Adds a batch of the executor's output after the other.
struct Counter {
  const Executor &executor;
  const std::vector<int64_t> &samples;
  const int views;
  const bool remembersMaps; ///< of tensors there is no picture to show
  Tally tally = emptyTally(executor.info());
  std::vector<double> sum = std::vector<double>(tally.accuracy.classImages.size());
  int64_t visit = 0;

  void addClassified(const Batch &batch);
  void addMeasured(const Batch &batch);
};
} // namespace

void Counter::addClassified(const Batch &batch) {
  const ModelInfo &info = executor.info();
  const float *logits = executor.at<float>(info.scores(), batch.n);
  std::vector<double> one(sum.size());
  for (int64_t i = 0; i < batch.n; ++i, ++visit) {
    const float *scores = logits + i * info.classes;
    tally.accuracy.notFinite += batch.labels[i] >= 0 && !allFinite(scores, info.classes);
    classProbabilities(info, scores, info.classes, one.data());
    for (size_t c = 0; c < one.size(); ++c)
      sum[c] += one[c] / views;
    if ((visit + 1) % views)
      continue;
    if (batch.labels[i] < 0)
      ++tally.accuracy.corrupt;
    else
      count(info, sum, samples[size_t(visit / views)], batch.labels[i], tally);
    std::fill(sum.begin(), sum.end(), 0.0);
  }
}

void Counter::addMeasured(const Batch &batch) {
  const ModelInfo &info = executor.info();
  const Compared compared{executor.at<char>(NETC_SPACE_OUTPUT),
                          batch.labels,
                          batch.targets,
                          batch.n,
                          batch.marks,
                          &tally.absolutes};
  measure(info, compared, tally.accuracy.quality, &tally.terms, &tally.accuracy.measures);
  int64_t unread = batch.marks ? std::count_if(batch.marks, batch.marks + batch.n,
                                               [](int64_t mark) { return mark < 0; })
                               : 0;
  tally.accuracy.corrupt += unread;
  tally.accuracy.images += batch.n - unread;
  if (const LossInfo *map = info.mapLoss(); map && remembersMaps)
    rememberMaps(info, executor.at<float>(info.outputs[map->output], batch.n),
                 labelsOf(info, *map, batch), batch.n, batch.marks, samples, visit, tally);
  visit += batch.n;
}

/// Replaces one place's scores, `classes` of them `stride` apart, by those of the mean probability.
static void averageScores(LossKind kind, const std::vector<float *> &all, int64_t classes,
                          int64_t stride) {
  std::vector<double> mean(static_cast<size_t>(classes)), one(mean.size());
  std::vector<float> logits(mean.size());
  double share = 1 / double(all.size());
  for (const float *scores : all) {
    for (int64_t c = 0; c < classes; ++c)
      logits[size_t(c)] = scores[c * stride];
    if (kind == LossKind::Bce)
      for (size_t c = 0; c < one.size(); ++c)
        one[c] = 1 / (1 + std::exp(-double(logits[c])));
    else
      softmax(logits.data(), classes, one.data());
    for (size_t c = 0; c < mean.size(); ++c)
      mean[c] += share * one[c];
  }
  for (int64_t c = 0; c < classes; ++c) {
    double own = std::max(mean[size_t(c)], 1e-300), rest = std::max(1 - mean[size_t(c)], 1e-300);
    all[0][c * stride] = float(kind == LossKind::Bce ? std::log(own / rest) : std::log(own));
  }
}

/// Makes the outputs of the first executor those of all together.
static void averageOutputs(Executor &first, const std::vector<Executor *> &others, int64_t n) {
  const ModelInfo &info = first.info();
  std::set<size_t> done; // terms of one output share it
  for (const LossInfo &loss : info.losses) {
    const TensorInfo &output = info.outputs[loss.output];
    if (!done.insert(loss.output).second)
      continue;
    bool isImage = output.shape.size() == 3;
    bool scores = loss.comparesClasses() || loss.kind == LossKind::Bce;
    int64_t classes = !scores ? 1 : isImage ? output.shape.front() : output.shape.back();
    int64_t places = output.elements() / classes, stride = isImage && scores ? places : 1;
    for (int64_t i = 0; i < n * places; ++i) {
      int64_t at = stride == 1 ? i * classes : i / places * output.elements() + i % places;
      std::vector<float *> all{first.at<float>(output, n) + at};
      for (Executor *other : others)
        all.push_back(other->at<float>(output, n) + at);
      if (scores) {
        averageScores(loss.kind, all, classes, stride);
        continue;
      }
      double sum = 0;
      for (const float *value : all)
        sum += double(*value);
      *all[0] = float(sum / double(all.size()));
    }
  }
}

Accuracy evaluate(Executor &executor, Communicator &communicator, const Dataset &data,
                  const std::vector<int64_t> &all, const Pipeline &pipeline, int64_t batch,
                  unsigned workers, const std::function<bool(int64_t)> &progress,
                  CorruptImages *corrupt, const std::vector<Executor *> &others) {
  int views = pipeline.views();
  std::vector<int64_t> samples = ownSamples(all, batch, views, communicator);
  executor.run(Program::Prepare, 1);
  for (Executor *other : others)
    other->run(Program::Prepare, 1);

  std::vector<Visit> order;
  for (int64_t sample : samples)
    for (int view = 0; view < views; ++view)
      order.push_back({sample, view});
  LoaderOptions options;
  options.batch = batch;
  options.workers = workers;
  options.corrupt = corrupt;
  Loader loader(data, pipeline, executor.info(), options);
  loader.begin(std::move(order), 0);

  char *input = executor.at<char>(NETC_SPACE_INPUT);
  Counter counter{executor, samples, views, !data.isTensors()};
  while (const Batch *ready = loader.next()) {
    executor.bind(NETC_SPACE_INPUT, ready->input);
    executor.run(Program::Infer, ready->n);
    for (Executor *other : others) {
      other->bind(NETC_SPACE_INPUT, ready->input);
      other->run(Program::Infer, ready->n);
    }
    if (!others.empty())
      averageOutputs(executor, others, ready->n);
    executor.info().classifies() ? counter.addClassified(*ready) : counter.addMeasured(*ready);
    int64_t done = counter.visit / views * communicator.size();
    if (progress && !progress(std::min(done, int64_t(all.size()))))
      break;
  }
  executor.bind(NETC_SPACE_INPUT, input);
  // Made from its terms.
  counter.tally.accuracy.quality.absolute = 0;
  return totalOf(executor.info(), counter.tally, communicator);
}

} // namespace netc::runtime
