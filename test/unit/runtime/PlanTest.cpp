// The planner: graphs of messages, the simulation of a network, gradients by the end of their
// commands, estimates.
#include "runtime/exec/GradientBuckets.h"
#include "runtime/plan/StepPlan.h"

#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

using namespace netc::runtime;

static Wires wires(uint32_t perNode = 1) { return {perNode, 1e9, 1e-5, 1e10, 1e-6, 1e18}; }

static double slowest(const MessageGraph &graph, const Wires &wires, uint32_t processes) {
  Network network(wires, processes);
  std::vector<double> ends = network.run(graph, std::vector<double>(processes, 0));
  return *std::max_element(ends.begin(), ends.end());
}

/// Processes whose values each process has at the end.
static std::vector<std::set<uint32_t>> reached(const MessageGraph &graph, uint32_t processes) {
  std::vector<std::set<uint32_t>> sources(graph.gates.size()), result(processes);
  // As often as a tree is deep, whose gates may stand before those that they wait for.
  for (size_t round = 0; round < 12; ++round)
    for (size_t i = 0; i < graph.gates.size(); ++i) {
      const Gate &gate = graph.gates[i];
      sources[i].insert(gate.process);
      for (uint32_t m = 0; m < gate.messageCount; ++m) {
        std::set<uint32_t> &there = sources[graph.messages[gate.firstMessage + m].gate];
        there.insert(sources[i].begin(), sources[i].end());
      }
      result[gate.process].insert(sources[i].begin(), sources[i].end());
    }
  return result;
}

TEST(Plan, EveryProcessHasTheSumOfAll) {
  for (Topology topology : allTopologies)
    for (auto [processes, perNode] : std::vector<std::pair<uint32_t, uint32_t>>{
             {2, 1}, {3, 1}, {7, 7}, {8, 4}, {12, 2}, {13, 1}, {16, 8}}) {
      MessageGraph graph = reductionGraph(topology, processes, perNode, 4e6);
      std::vector<uint32_t> waits(graph.gates.size());
      for (const Message &message : graph.messages)
        ++waits[message.gate];
      for (size_t i = 0; i < graph.gates.size(); ++i)
        ASSERT_EQ(waits[i], graph.gates[i].waits) << nameOf(topology) << " gate " << i;
      std::vector<double> ends =
          Network(wires(perNode), processes).run(graph, std::vector<double>(processes, 1));
      for (double end : ends)
        EXPECT_GT(end, 1) << nameOf(topology);
      for (const std::set<uint32_t> &sources : reached(graph, processes))
        EXPECT_EQ(sources.size(), processes) << nameOf(topology);
    }
}

TEST(Plan, EachSendsNoMoreThanASumNeeds) {
  for (Topology topology : allTopologies) {
    // Two times 15/16 of the bytes, by each of 16.
    double bytes = reductionGraph(topology, 16, 4, 16e6).bytes();
    EXPECT_NEAR(bytes, 2 * 15 * 16e6, 1) << nameOf(topology);
  }
  EXPECT_EQ(reductionGraph(Topology::Ring, 1, 1, 1e6).messages.size(), 0u);
}

TEST(Plan, RingsAndExchangesTakeWhatTheFormulaSays) {
  double part = 8e6 / 8 / 1e9;
  EXPECT_NEAR(slowest(reductionGraph(Topology::Ring, 8, 1, 8e6), wires(), 8), 14 * (part + 1e-5),
              1e-9);
  // Seven parts one after the other, twice; latencies but one hide behind them.
  EXPECT_NEAR(slowest(reductionGraph(Topology::Exchange, 8, 1, 8e6), wires(), 8), 14 * part + 2e-5,
              1e-9);
  Wires adding = wires();
  adding.addRate = 1e9;
  EXPECT_NEAR(slowest(reductionGraph(Topology::Ring, 8, 1, 8e6), adding, 8),
              14 * (part + 1e-5) + 7 * part, 1e-9);
}

TEST(Plan, TreesGrowWithTheLogarithm) {
  double few = slowest(reductionGraph(Topology::Tree, 8, 1, 1e3), wires(), 8);
  double many = slowest(reductionGraph(Topology::Tree, 512, 1, 1e3), wires(), 512);
  EXPECT_LT(many, 4 * few);
  double ring = slowest(reductionGraph(Topology::Ring, 512, 1, 1e3), wires(), 512);
  EXPECT_GT(ring, 20 * many);
}

TEST(Plan, ProcessesOfANodeShareItsConnection) {
  double alone = slowest(reductionGraph(Topology::Exchange, 8, 1, 8e6), wires(1), 8);
  double shared = slowest(reductionGraph(Topology::Exchange, 8, 4, 8e6), wires(4), 8);
  double levels = slowest(reductionGraph(Topology::Levels, 8, 4, 8e6), wires(4), 8);
  EXPECT_GT(shared, 1.5 * alone);
  EXPECT_LT(levels, alone);
}

static std::vector<GradientBucket> twoBuckets() {
  GradientBucket last, first;
  last.count = first.count = 1'000'000;
  last.command = 1;
  first.command = 2;
  return {last, first};
}

TEST(Plan, GradientsTravelWhileTheBackwardPassGoesOn) {
  StepTimes times{{0.01, 0.01, 0.02}, 0.005};
  PlannedRun run{2, Topology::Ring, wires(), 4, true, 0};
  PlannedStep plan = planStep(times, twoBuckets(), run);
  double bucket = 2 * (2e-3 + 1e-5); // of 4 MB, and the first is through before the second
  EXPECT_NEAR(plan.computing, 0.04, 1e-12);
  EXPECT_NEAR(plan.exposed, bucket, 1e-9);
  EXPECT_NEAR(plan.step, 0.04 + bucket + 0.005, 1e-9);
  EXPECT_NEAR(plan.overlap(), 0.5, 1e-9);
  EXPECT_NEAR(plan.bytesSent, 8e6, 1);
  run.overlaps = false;
  EXPECT_NEAR(planStep(times, twoBuckets(), run).exposed, 2 * bucket, 1e-9);
  run.bytesPerGradient = 2;
  EXPECT_NEAR(planStep(times, twoBuckets(), run).bytesSent, 4e6, 1);
  run.processes = 1;
  EXPECT_EQ(planStep(times, twoBuckets(), run).communicating, 0);
}

TEST(Plan, AllWaitForTheSlowest) {
  StepTimes times{{0.01, 0.01, 0.02}, 0};
  PlannedRun run{64, Topology::Ring, wires(), 4, true, 0.05};
  PlannedStep plan = planStep(times, twoBuckets(), run);
  EXPECT_GT(plan.computing, 0.04 * 1.05);
  EXPECT_GT(plan.step, plan.computing);
}

TEST(Plan, StatedDevicesAndRates) {
  EXPECT_EQ(findDevice("abacus"), nullptr);
  ASSERT_NE(findDevice("a100"), nullptr);
  StepTimes times{{1, 2}, 1};
  times.scaleTo(0.4);
  EXPECT_NEAR(times.computing(), 0.3, 1e-12);
  EXPECT_NEAR(times.update, 0.1, 1e-12);
}

extern "C" const NetcModel *const netc_models[];

TEST(Plan, BucketsAreTheGradientsByTheirLastCommand) {
  const NetcModel &model = *netc_models[0];
  ModelInfo info = readModel(model);
  std::vector<GradientBucket> whole = gradientBuckets(model, model.step, info, 1 << 30);
  ASSERT_EQ(whole.size(), 1u);
  int64_t elements = 0;
  for (const ParameterInfo &parameter : info.parameters)
    if (parameter.trainable)
      elements += parameter.elements();
  EXPECT_EQ(whole[0].count, elements);
  EXPECT_EQ(whole[0].command, 2u); // forward, loss, backward
  std::vector<GradientBucket> apart = gradientBuckets(model, model.step, info, 1);
  EXPECT_EQ(apart.size(), whole[0].ranges.size());
}

TEST(Plan, TheCommandLine) {
  const std::string toy = TOY_EXECUTABLES "/toy_model";
  auto json = nlohmann::json::parse(
      shell(toy + " plan --processes 1 16 --network 10Gbit --device h100 --batch 8 --json").out);
  ASSERT_EQ(json["plans"].size(), 5u);
  EXPECT_EQ(json["plans"][0]["efficiency"], 1.0);
  for (size_t i = 1; i < 5; ++i) {
    EXPECT_LT(json["plans"][i]["efficiency"].get<double>(), 1);
    EXPECT_GT(json["plans"][i]["bytes_sent_per_process"].get<double>(), 2 * 15 / 16. * 7850 * 4);
  }
  Outcome here = shell(toy + " plan --processes 4 --network 1.25GB/s --topology ring");
  EXPECT_EQ(here.code, 0) << here.err;
  EXPECT_HAS(here.out, "measured");
  EXPECT_HAS(here.out, "10 Gbit/s");
  EXPECT_HAS(shell(toy + " plan --processes 4 --network fast").err,
             "fast is no rate, expected a number with a unit: 100Gbit, 12.5GB");
  EXPECT_HAS(shell(toy + " plan --processes 4 --network 1Gbit --device tpu").err,
             "--device tpu: expected this, or one of p100, v100, a100, h100");
  EXPECT_HAS(shell(toy + " plan --processes 9 --network 1Gbit --device a100").err,
             "--processes 9: 8 share a node");
  EXPECT_EQ(shell(TOY_EXECUTABLES "/toy_infer_model plan --processes 4 --network 1Gbit").code, 1);
}
