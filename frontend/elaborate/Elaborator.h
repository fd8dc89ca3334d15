//===- Elaborator.h - from the tree to a network ----------------*- C++ -*-===//
//
// Evaluates a model's body: blocks are inlined, loops unrolled, layers named and
// their shapes inferred. After an error, the value concerned becomes Poison and
// evaluation continues.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_ELABORATE_ELABORATOR_H
#define NETC_FRONTEND_ELABORATE_ELABORATOR_H

#include "frontend/elaborate/Naming.h"
#include "frontend/elaborate/Program.h"
#include "frontend/layers/LayerTable.h"
#include "frontend/values/Value.h"

#include <unordered_map>
#include <vector>

namespace netc::frontend {

using Bindings = std::vector<std::pair<std::string, Value>>;

/// One block or model being run.
struct Activation {
  const Definition *def = nullptr;
  Scope scope;
  Range from; ///< where it was called
  std::unordered_map<std::string, Value> variables;
  bool blind = false; ///< a statement in error may have bound any name
};

/// Is told of values while a model runs, for editors.
class Observer {
public:
  virtual ~Observer() = default;
  /// `at`: a name that is read or bound, a member, or the word `return`. `shape`: of a tensor.
  virtual void saw(Range at, const Value &value, const Shape *shape) = 0;
};

class Elaborator : public LayerContext {
public:
  Elaborator(const Program &program, Diagnostics &diags, Observer *observer = nullptr)
      : program(program), diags(diags), observer(observer) {}

  /// Runs `model` with parameters and input shapes from `set`. The network is
  /// complete except for its recipe; after an error it has the layers that were reached, which
  /// serve to show but not to compile.
  Network run(const Definition &model, const Bindings &set);
  /// Where the model's results are written in the file, one range per output.
  const std::vector<Range> &outputRanges() const { return resultRanges; }
  /// After `run`: a warning if the loss applies softmax to values that are probabilities already.
  void warnOfProbabilities(const Recipe &recipe);
  /// An expression outside of any block: a recipe's or the command line's.
  Value evaluateAlone(const Expr &expr);

  // For the layers' builders.
  Diagnostic &error(Range at, std::string message) override;
  const Layer &layer(int index) const override { return network.layers[index]; }
  Range rangeOfLayer(int index) const override { return layerRanges[index]; }

private:
  // Elaborate.cpp
  const Definition *resolveAlias(const Definition &model, const Bindings &set);
  bool bindModel(const Definition &model, const Bindings &set);
  void observe(Range at, const Value &value) const;
  Activation &current() { return activations.back(); }
  std::vector<Frame> frames() const;

  // Statements.cpp
  Value runBody(const Body &body);
  Value runStatement(const Stmt &stmt);
  void runFor(const ForStmt &loop);
  void runRepeat(const RepeatStmt &loop);
  void runInput(const InputStmt &input);
  void runNamedResults(const std::vector<NamedResult> &results);
  Value runIf(const IfExpr &expr);
  void bindTargets(const std::vector<Target> &targets, const Value &value, Range at);
  void poisonAssigned(const Body &body);
  void fall(const HoleStmt &hole);
  bool spend(Range at);

  // Expressions.cpp
  Value evaluate(const Expr &expr);
  Value evaluateName(const NameExpr &expr, Range at);
  Value evaluateList(const ListExpr &expr, Range at);
  Value evaluateUnary(const UnaryExpr &expr, Range at);
  Value evaluateBinary(const BinaryExpr &expr);
  Value evaluateLogic(const BinaryExpr &expr);
  Value evaluateMember(const MemberExpr &expr);
  Value sizeOf(const Shape &shape, const MemberExpr &expr);
  Value evaluateIndex(const IndexExpr &expr, Range at);
  Value evaluateRange(const RangeExpr &expr, Range at);
  Value evaluatePipe(const PipeExpr &expr);
  Value makeRange(int64_t low, int64_t high, int64_t step, Range at);
  Value combine(BinaryOp op, Range at, const Value &left, const Value &right);
  Value combineTensors(BinaryOp op, Range at, int left, int right);
  Value combineWithNumber(BinaryOp op, Range at, int tensor, const Value &number);
  Value addOperator(bool isAdd, LayerAttrs attrs, Shape output, std::vector<int> inputs, Range at);
  std::optional<bool> condition(const Expr &expr);
  std::string describeValue(const Value &value) const;
  std::vector<std::string> visibleNames() const;
  Diagnostic &unboundName(const std::string &name, Range at,
                          const std::vector<ParamSpec> *switches = nullptr);
  bool isBound(const std::string &name) const;

  // Calls.cpp
  using Bound = std::vector<std::optional<BoundArgument>>;
  Value call(const CallExpr &expr, Range at, const Value *piped);
  Value callBlock(const Definition &def, const CallExpr &expr, Range at, const Value *piped);
  Value callLayer(const LayerKind &kind, const CallExpr &expr, Range at, const Value *piped);
  Value refuseCall(const char *what, const std::string &name, Range at);
  Value callFunction(const Function &function, const CallExpr &expr, Range at, const Value *piped);
  bool bind(const std::string &callee, const std::vector<ParamSpec> &params, const CallExpr &expr,
            Range at, const Value *piped, Bound &bound,
            std::vector<BoundArgument> *extra = nullptr);
  bool checkTensor(const std::string &callee, const BoundArgument &arg);
  bool bindNamed(const std::string &callee, const std::vector<ParamSpec> &params,
                 const Argument &arg, Bound &bound);
  bool enter(const Definition &def, Range at);
  bool bindParams(const Definition &def, Bound &bound, Range at);
  bool takeInputs(const LayerKind &kind, Bound &bound, std::vector<BoundArgument> &extra,
                  LayerCall &layerCall);
  std::optional<std::string> evaluateLabel(const Label &label);
  std::string nameFor(const std::optional<Label> &label, const std::string &kind);
  bool claimName(const std::string &name, Range at);
  Value addParts(std::vector<Draft> parts, const LayerCall &call, const std::string &name,
                 Range at);
  Value addLayer(const char *kind, Draft draft, std::vector<int> inputs, std::string name,
                 Range at);

  // Functions.cpp
  Value runFunction(const Function &function, std::vector<BoundArgument> &args, Range at);
  Value minMax(const Function &function, std::vector<BoundArgument> &args, Range at);
  Value enumerate(const BoundArgument &arg);
  Value length(const BoundArgument &arg);
  Value rangeFunction(std::vector<BoundArgument> &args, Range at);
  Value initializer(const Function &function, std::vector<BoundArgument> &args);
  Value auxiliary(std::vector<BoundArgument> &args, Range at);

  // Finish.cpp
  void checkNames();
  void checkHeads();
  void findProbabilities();
  void settleBiases();
  void dropUnused();

  const Program &program;
  Diagnostics &diags;
  Observer *observer;  ///< may be null
  Diagnostic silenced; ///< receives errors that may be consequences of another, and is not shown
  Network network;
  std::vector<Activation> activations; ///< outermost first
  std::vector<Range> layerRanges;
  std::vector<bool> biasByUse; ///< by layer
  struct Claim {
    Range range;
    std::vector<Frame> stack;
  };
  std::unordered_map<std::string, Claim> names;
  std::vector<Claim> heads; ///< where network.auxiliaries are
  std::vector<Range> resultRanges;
  /// A softmax or sigmoid at the end of an output, or, without a name, of an auxiliary head.
  struct Probabilities {
    std::string output, kind;
    Claim claim;
  };
  std::vector<Probabilities> probabilities;
  Bindings overrides; ///< `--set` of input shapes
  int64_t fuel = maxSteps;
  int depth = 0;
  int speculative = 0;  ///< within code that runs only to find more errors
  bool alone = false;   ///< no model runs: there are no tensors
  bool stopped = false; ///< a limit was reached: no more work, no more errors

  static constexpr int64_t maxSteps = 20'000'000;
  static constexpr int64_t maxIterations = 1'000'000;
  static constexpr size_t maxLayers = 1'000'000;
  static constexpr int maxDepth = 400; ///< of nested evaluation, through all blocks
  static constexpr size_t maxBlockDepth = 64;
};

} // namespace netc::frontend

#endif // NETC_FRONTEND_ELABORATE_ELABORATOR_H
