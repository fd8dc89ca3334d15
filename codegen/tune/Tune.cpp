//===- Tune.cpp - schedules timed on this machine -------------------------===//
#include "codegen/tune/Tune.h"
#include "codegen/cpu/KernelSet.h"
#include "codegen/tune/ChoiceCache.h"
#include "codegen/tune/TrialKernels.h"
#include "dialect/net/NetDialect.h"
#include "dialect/schedule/cpu/Schedule.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"

#include <limits>

using namespace mlir;
using namespace netc;
using namespace netc::tune;

/// Another schedule must be this much faster than the rule's: timing has noise.
static constexpr double kMargin = 0.97;
/// Contractions below this share of a function's multiply-adds are not worth compiling candidates
/// for.
static constexpr double kShare = 0.002;
static constexpr int kRounds = 5;

namespace {
/// One distinct contraction and what is tried for it.
struct Case {
  kern::ContractOp op;
  int64_t batch;
  SmallVector<kern::ScheduleAttr> candidates;
};
} // namespace

/// The distinct contractions of inference and of the step that `known` does not answer. An answer
/// that is no candidate (a file from elsewhere) is forgotten.
static std::vector<Case> casesOf(ModuleOp planned, const CpuTarget &cpu, ChoiceCache &known) {
  llvm::MapVector<Attribute, Case> cases;
  for (net::Role role : {net::Role::Infer, net::Role::Step}) {
    auto function = net::functionOf(planned, role);
    if (!function)
      continue;
    kern::TargetFacts target = kern::cpuFacts(cpu.lanes, cpu.registers);
    target.batch = kern::likelyBatch(role == net::Role::Infer);
    double flops = 0;
    function.walk([&](kern::ContractOp op) { flops += op.getFlopsPerImage(); });
    function.walk([&](kern::ContractOp op) {
      Attribute key = ChoiceCache::keyOf(op.getKind(), target.batch, op.getGeometry());
      if (cases.contains(key))
        return;
      kern::TargetFacts facts = target;
      facts.elementBytes = multipliesBf16(op, cpu) ? 2 : facts.elementBytes;
      facts.matrixTiles = cpu.hasAmx() && facts.elementBytes == 2;
      auto candidates = kern::scheduleCandidates(op.getKind(), op.getGeometry(), facts);
      if (llvm::is_contained(candidates, known.lookup(key)))
        return;
      known.forget(key);
      if (candidates.size() > 1 && op.getFlopsPerImage() >= kShare * flops)
        cases[key] = {op, target.batch, candidates};
    });
  }
  std::vector<Case> result;
  for (auto &[key, one] : cases)
    result.push_back(one);
  return result;
}

/// The trials take turns; the least time of each.
static SmallVector<double> leastSeconds(ArrayRef<Trial *> trials, int rounds) {
  SmallVector<double> least(trials.size(), std::numeric_limits<double>::max());
  for (int round = 0; round < rounds; ++round)
    for (auto [trial, best] : llvm::zip(trials, least))
      best = std::min(best, trial->seconds());
  return least;
}

/// The first candidate is the rule's; another must be faster by the margin, and once more when only
/// these two take turns.
static kern::ScheduleAttr fastest(const Case &one, MutableArrayRef<Trial> trials) {
  SmallVector<Trial *> all;
  for (Trial &trial : trials) {
    trial.prepare(one.batch);
    all.push_back(&trial);
  }
  SmallVector<double> least = leastSeconds(all, kRounds);
  size_t best = std::min_element(least.begin(), least.end()) - least.begin();
  if (best != 0 && least[best] < kMargin * least[0]) {
    SmallVector<double> again = leastSeconds({all[0], all[best]}, 2 * kRounds);
    best = again[1] < kMargin * again[0] ? best : 0;
  } else {
    best = 0;
  }
  for (Trial &trial : trials)
    trial.release();
  return one.candidates[best];
}

FailureOr<ArrayAttr> netc::tuneSchedules(ModuleOp planned, const CpuTarget &target,
                                         const TuneOptions &options) {
  MLIRContext *context = planned.getContext();
  ChoiceCache cache(context, options.cacheFile);
  std::vector<Case> cases = casesOf(planned, target, cache);
  size_t done = 0;
  for (Case &one : cases) {
    options.progress(done++, cases.size());
    FailureOr<std::unique_ptr<TrialKernels>> kernels =
        TrialKernels::compile(one.op, one.batch > 1, one.candidates, target);
    if (failed(kernels))
      return failure();
    cache.add(one.op.getKind(), one.batch, one.op.getGeometry(),
              fastest(one, (*kernels)->trials()));
    cache.save(); // interrupted, the next run goes on from here
  }
  options.progress(done, cases.size());
  return cache.choices();
}
