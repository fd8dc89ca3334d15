//===- LowerToKern.cpp - net to kern on physical tensors ------------------===//
//
// Each net op becomes launches with explicit destinations; parameters, gradients,
// inputs and outputs become kern.buffer. Places parameters: sets `offset` (bytes) and
// `index` on each net.parameter. @forward, the source of the other functions, is gone after this.
//
//===----------------------------------------------------------------------===//
#include "passes/lowering/KernBuilder.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

namespace netc {
#define GEN_PASS_DEF_LOWERTOKERN
#include "passes/Passes.h.inc"
} // namespace netc

namespace {
/// Lowers the ops of one function that are no fusions.
class FunctionLowering {
public:
  FunctionLowering(func::FuncOp function, SymbolTable &symbols, const kern::TargetFacts &target,
                   const Choices &choices)
      : function(function), symbols(symbols), builder(function.getBody()),
        k(builder, target, choices) {}
  LogicalResult run();

private:
  LogicalResult lower(Operation &op);
  void lowerArguments();
  void lowerReturn(Operation &op);
  void lowerStatistics(net::BatchNormStatisticsOp op);
  void lowerGradStatistics(net::BatchNormGradStatisticsOp op);
  Value frozenFlag(Value runningMean);
  void lowerCoefficients(net::BatchNormCoefficientsOp op);
  void lowerFrozenGrads(net::FrozenNormGradsOp op);
  void lowerFoldBias(net::FoldBiasOp op);
  void lowerToLayout(net::ToLayoutOp op);
  void lowerMove(net::MoveOp op);
  void lowerConcat(net::ConcatOp op);
  template <typename OpTy>
  void lowerPool(OpTy op, kern::PoolKind kind, ValueRange inputs, Type x, Type y,
                 ArrayRef<int64_t> window, ArrayRef<int64_t> strides, ArrayRef<int64_t> pads);
  void lowerRow(Operation *op, kern::RowKind kind, ArrayRef<double> numbers, Value shapedLike);
  void lowerRow(Operation *op, kern::RowKind kind, ArrayRef<double> numbers, int64_t pixels,
                int64_t channels);
  void lowerRegression(Operation *op, net::LossKind kind, Value prediction, FloatAttr weight);
  void addPort(StringRef name, kern::Space space, Type type, int64_t offset);
  void store(Value value, kern::Space space, int64_t offset, Location loc);
  Value parameterBuffer(FlatSymbolRefAttr symbol, kern::Space space, Location loc);
  SmallVector<Value> getAll(ValueRange values) {
    return llvm::map_to_vector(values, [&](Value v) { return k.get(v); });
  }

  func::FuncOp function;
  SymbolTable &symbols;
  OpBuilder builder;
  KernBuilder k;

public:
  SmallVector<kern::PortAttr> ports; ///< of the function's arguments and results
};
} // namespace

static int64_t offsetOf(net::ParameterOp parameter) {
  return parameter->getAttrOfType<IntegerAttr>("offset").getInt();
}

Value FunctionLowering::parameterBuffer(FlatSymbolRefAttr symbol, kern::Space space, Location loc) {
  auto parameter = symbols.lookup<net::ParameterOp>(symbol.getAttr());
  return kern::BufferOp::create(builder, loc, parameter.getType(), space, offsetOf(parameter));
}

/// What an argument without `net.target` is called: as the model file says.
static StringRef nameOf(DictionaryAttr attributes, StringRef byDefault) {
  auto name = attributes ? attributes.getAs<StringAttr>("net.name") : StringAttr();
  return name ? name.getValue() : byDefault;
}

void FunctionLowering::addPort(StringRef name, kern::Space space, Type type, int64_t offset) {
  ports.push_back(kern::PortAttr::get(type.getContext(), builder.getStringAttr(name), space, offset,
                                      type, /*output=*/-1));
}

/// A space holds what each image has of one kind: one tensor after the other, all images of the
/// first, then all of the second. Offsets are an image's, so that one plan serves every batch.
static int64_t takePlace(int64_t &end, Type type) {
  int64_t offset = end;
  end = llvm::alignTo(end + kern::storageBytes(cast<RankedTensorType>(type)), 64);
  return offset;
}

void FunctionLowering::lowerArguments() {
  int64_t inputs = 0, labels = 0, targets = 0;
  for (BlockArgument argument : function.getArguments()) {
    unsigned number = argument.getArgNumber();
    Type type = argument.getType();
    DictionaryAttr attributes = function.getArgAttrDict(number);
    auto target = attributes ? attributes.getAs<IntegerAttr>("net.target") : IntegerAttr();
    bool classes = cast<RankedTensorType>(type).getElementType().isInteger(64);
    kern::Space space = !target && number == 0 ? kern::Space::Input
                        : classes              ? kern::Space::Labels
                        : target               ? kern::Space::Targets
                                               : kern::Space::Input;
    int64_t offset = takePlace(classes ? labels : target ? targets : inputs, type);
    if (space == kern::Space::Input)
      addPort(nameOf(attributes, "input"), space, type, offset);
    k.set(argument, kern::BufferOp::create(builder, argument.getLoc(), type, space, offset));
  }
}

/// Has `value` computed straight into the buffer where it is fresh, else copies it there.
void FunctionLowering::store(Value value, kern::Space space, int64_t offset, Location loc) {
  auto result = dyn_cast<OpResult>(value);
  auto producer = result ? dyn_cast<DestinationStyleOpInterface>(result.getOwner()) : nullptr;
  if (producer) {
    OpOperand *init = producer.getDpsInitOperand(result.getResultNumber());
    auto fresh = init->get().getDefiningOp<kern::EmptyOp>();
    if (fresh && fresh->hasOneUse()) {
      OpBuilder b(fresh);
      init->set(kern::BufferOp::create(b, loc, fresh.getType(), space, offset));
      fresh.erase();
      return;
    }
  }
  auto type = cast<RankedTensorType>(value.getType());
  int64_t size = kern::storageBytes(type) / kern::elementBytes(type.getElementType());
  Value buffer = kern::BufferOp::create(builder, loc, type, space, offset);
  kern::CopyOp::create(builder, loc, TypeRange{type}, ValueRange{value}, ValueRange{buffer}, size,
                       !type.hasStaticShape());
}

/// Outputs, one after the other; a loss has no batch.
void FunctionLowering::lowerReturn(Operation &op) {
  int64_t outputs = 0;
  for (auto [index, value] : llvm::enumerate(op.getOperands())) {
    Type type = value.getType();
    if (!net::isActivation(type)) {
      store(k.get(value), kern::Space::Loss, 0, op.getLoc());
      continue;
    }
    int64_t offset = takePlace(outputs, type);
    addPort(nameOf(function.getResultAttrDict(index), "output"), kern::Space::Output, type, offset);
    store(k.get(value), kern::Space::Output, offset, op.getLoc());
  }
}

//===----------------------------------------------------------------------===//
// Batch norm: formulas of Ioffe and Szegedy, 2015, in f64
//===----------------------------------------------------------------------===//

namespace {
/// f64 arithmetic that reads like formulas.
struct F64 {
  OpBuilder &b;
  Location loc;
  Value c(double v) { return arith::ConstantOp::create(b, loc, b.getF64FloatAttr(v)); }
  Value ext(Value x) { return arith::ExtFOp::create(b, loc, b.getF64Type(), x); }
  Value trunc(Value x) { return arith::TruncFOp::create(b, loc, b.getF32Type(), x); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value max(Value x, Value y) { return arith::MaximumFOp::create(b, loc, x, y); }
  Value sqrt(Value x) { return math::SqrtOp::create(b, loc, x); }
  Value select(Value on, Value x, Value y) { return arith::SelectOp::create(b, loc, on, x, y); }
  /// Whether an f32 switch, 0 or 1, is on.
  Value isOn(Value flag) {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, ext(flag), c(0.5));
  }
};
} // namespace

/// The switch with which the runtime freezes a batch norm, a word of its running mean's block.
Value FunctionLowering::frozenFlag(Value runningMean) {
  auto get = runningMean.getDefiningOp<net::GetParameterOp>();
  auto parameter = symbols.lookup<net::ParameterOp>(get.getParameterAttr().getAttr());
  int64_t index = parameter->getAttrOfType<IntegerAttr>("index").getInt();
  return kern::BufferOp::create(
      builder, get.getLoc(), RankedTensorType::get({1}, builder.getF32Type()), kern::Space::Hyper,
      4 * (kHyperWords + index * kParameterHyperWords + kFrozenStatistics));
}

void FunctionLowering::lowerStatistics(net::BatchNormStatisticsOp op) {
  double eps = op.getEps().convertToDouble(), momentum = op.getMomentum().convertToDouble();
  SmallVector<Value> vectors =
      getAll({op.getWeight(), op.getBias(), op.getRunningMean(), op.getRunningVar()});
  vectors.push_back(frozenFlag(op.getRunningMean()));
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {op.getBatchMean(), op.getSumSquares()}, vectors, op->getResultTypes(),
               [&](OpBuilder &rb, Value images, ValueRange sums, ValueRange v) {
                 F64 f{rb, op.getLoc()};
                 Value count = f.mul(images, f.c(static_cast<double>(op.getPixels())));
                 Value frozen = f.isOn(v[4]);
                 Value ownMean = sums[0], ownVar = f.div(sums[1], count); // of the batch
                 Value mean = f.select(frozen, f.ext(v[2]), ownMean);
                 Value var = f.select(frozen, f.ext(v[3]), ownVar);
                 Value invStd = f.div(f.c(1), f.sqrt(f.add(var, f.c(eps))));
                 // Readers have the scale in f32: the shift takes the mean to the bias with that
                 // one.
                 Value scale = f.ext(f.trunc(f.mul(f.ext(v[0]), invStd)));
                 Value shift = f.sub(f.ext(v[1]), f.mul(mean, scale));
                 // The unbiased variance of a single value is undefined; keep the biased one then.
                 Value unbiased = f.div(f.mul(ownVar, count), f.max(f.sub(count, f.c(1)), f.c(1)));
                 auto blend = [&](Value old, Value next) {
                   Value blended =
                       f.add(f.mul(f.ext(old), f.c(1 - momentum)), f.mul(next, f.c(momentum)));
                   return f.select(frozen, f.ext(old), blended);
                 };
                 SmallVector<Value> all{
                     mean, invStd, scale, shift, blend(v[2], ownMean), blend(v[3], unbiased)};
                 return llvm::map_to_vector(all, [&](Value x) { return f.trunc(x); });
               });
  for (auto [result, lowered] : llvm::zip(op->getResults(), results))
    k.set(result, lowered);
}

void FunctionLowering::lowerGradStatistics(net::BatchNormGradStatisticsOp op) {
  SmallVector<Value> vectors = getAll({op.getMean(), op.getInvStd(), op.getScale()});
  auto statistics = op.getMean().getDefiningOp<net::BatchNormStatisticsOp>();
  vectors.push_back(frozenFlag(statistics.getRunningMean()));
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {op.getSumG(), op.getSumGd()}, vectors, op->getResultTypes(),
               [&](OpBuilder &rb, Value images, ValueRange sums, ValueRange v) {
                 F64 f{rb, op.getLoc()};
                 Value count = f.mul(images, f.c(static_cast<double>(op.getPixels())));
                 Value mean = f.ext(v[0]), invStd = f.ext(v[1]), scale = f.ext(v[2]);
                 Value dBias = sums[0];
                 Value dWeight = f.mul(invStd, sums[1]);
                 Value b = f.sub(f.c(0), f.div(f.mul(f.mul(scale, invStd), dWeight), count));
                 b = f.ext(f.trunc(b)); // as readers have it: c takes the mean to its place
                 Value c = f.sub(f.sub(f.c(0), f.div(f.mul(scale, dBias), count)), f.mul(b, mean));
                 // Frozen statistics do not depend on x.
                 Value frozen = f.isOn(v[3]);
                 b = f.select(frozen, f.c(0), b), c = f.select(frozen, f.c(0), c);
                 SmallVector<Value> all{dWeight, dBias, scale, b, c};
                 return llvm::map_to_vector(all, [&](Value x) { return f.trunc(x); });
               });
  for (auto [result, lowered] : llvm::zip(op->getResults(), results))
    k.set(result, lowered);
}

void FunctionLowering::lowerCoefficients(net::BatchNormCoefficientsOp op) {
  double eps = op.getEps().convertToDouble();
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {}, getAll(op->getOperands()), op->getResultTypes(),
               [&](OpBuilder &rb, Value, ValueRange, ValueRange v) {
                 F64 f{rb, op.getLoc()};
                 Value scale = f.div(f.ext(v[0]), f.sqrt(f.add(f.ext(v[3]), f.c(eps))));
                 Value shift = f.sub(f.ext(v[1]), f.mul(f.ext(v[2]), scale));
                 return SmallVector<Value>{f.trunc(scale), f.trunc(shift)};
               });
  k.set(op.getScale(), results[0]);
  k.set(op.getShift(), results[1]);
}

void FunctionLowering::lowerFrozenGrads(net::FrozenNormGradsOp op) {
  double eps = op.getEps().convertToDouble();
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {op.getSumG(), op.getSumGd()}, k.get(op.getVar()), op->getResultTypes(),
               [&](OpBuilder &rb, Value, ValueRange sums, ValueRange v) {
                 F64 f{rb, op.getLoc()};
                 Value std = f.sqrt(f.add(f.ext(v[0]), f.c(eps)));
                 return SmallVector<Value>{f.trunc(f.div(sums[1], std)), f.trunc(sums[0])};
               });
  k.set(op.getWeightGrad(), results[0]);
  k.set(op.getBiasGrad(), results[1]);
}

void FunctionLowering::lowerFoldBias(net::FoldBiasOp op) {
  SmallVector<Value> results =
      k.reduce(op.getLoc(), {}, getAll(op->getOperands()), op->getResultTypes(),
               [&](OpBuilder &rb, Value, ValueRange, ValueRange v) {
                 Value scaled = arith::MulFOp::create(rb, op.getLoc(), v[0], v[1]);
                 return SmallVector<Value>{arith::AddFOp::create(rb, op.getLoc(), scaled, v[2])};
               });
  k.set(op.getResult(), results[0]);
}

//===----------------------------------------------------------------------===//
// Moving values
//===----------------------------------------------------------------------===//

void FunctionLowering::lowerToLayout(net::ToLayoutOp op) {
  Value input = k.get(op.getInput());
  Type type = k.physicalType(op.getType());
  auto logical = cast<RankedTensorType>(op.getType());
  int64_t channels = net::channelsOf(logical), pixels = net::pixelsOf(logical);
  if (channels == 1 || pixels == 1) {
    k.set(op.getResult(), kern::ReshapeOp::create(builder, op.getLoc(), type, input));
    return;
  }
  bool toLast = static_cast<bool>(logical.getEncoding());
  auto transpose =
      kern::TransposeOp::create(builder, op.getLoc(), TypeRange{type}, ValueRange{input},
                                ValueRange{k.empty(type, op.getLoc())}, toLast ? channels : pixels,
                                toLast ? pixels : channels);
  k.set(op.getResult(), transpose.getResult(0));
}

/// The physical type of an image; of a vector that of an image of one pixel.
static RankedTensorType imageType(RankedTensorType physical) {
  if (physical.getRank() != 2)
    return physical;
  return RankedTensorType::get({physical.getDimSize(0), 1, 1, physical.getDimSize(1)},
                               physical.getElementType());
}

/// `value` as a tensor of another shape but the same bytes.
static Value reshaped(OpBuilder &b, Value value, RankedTensorType type) {
  if (value.getType() == type)
    return value;
  return kern::ReshapeOp::create(b, value.getLoc(), type, value);
}

void FunctionLowering::lowerMove(net::MoveOp op) {
  RankedTensorType result = k.physicalType(op.getType()), type = imageType(result);
  Value input = k.get(op.getInput());
  input = reshaped(builder, input, imageType(cast<RankedTensorType>(input.getType())));
  auto move =
      kern::MoveOp::create(builder, op.getLoc(), TypeRange{type}, ValueRange{input},
                           ValueRange{k.empty(type, op.getLoc())}, op.getStrides(), op.getSpreads(),
                           op.getOffsets(), op.getChannelOffset(), 0,
                           net::channelsOf(cast<RankedTensorType>(op.getType())), k.target.lanes);
  k.set(op.getResult(), reshaped(builder, move.getResult(0), result));
}

void FunctionLowering::lowerConcat(net::ConcatOp op) {
  RankedTensorType result = k.physicalType(op.getType()), type = imageType(result);
  Value destination = k.empty(type, op.getLoc());
  int64_t channel = 0;
  SmallVector<int64_t> ones{1, 1}, zeros{0, 0};
  for (Value input : op.getInputs()) {
    int64_t channels = net::channelsOf(cast<RankedTensorType>(input.getType()));
    Value source = k.get(input);
    source = reshaped(builder, source, imageType(cast<RankedTensorType>(source.getType())));
    destination = kern::MoveOp::create(builder, op.getLoc(), TypeRange{type}, ValueRange{source},
                                       ValueRange{destination}, ones, ones, zeros,
                                       /*channel_offset=*/0, channel, channels, k.target.lanes)
                      .getResult(0);
    channel += channels;
  }
  k.set(op.getResult(), reshaped(builder, destination, result));
}

template <typename OpTy>
void FunctionLowering::lowerPool(OpTy op, kern::PoolKind kind, ValueRange inputs, Type x, Type y,
                                 ArrayRef<int64_t> window, ArrayRef<int64_t> strides,
                                 ArrayRef<int64_t> pads) {
  auto xt = cast<RankedTensorType>(x), yt = cast<RankedTensorType>(y);
  auto geometry =
      kern::GeometryAttr::get(op.getContext(), xt.getDimSize(2), xt.getDimSize(3), xt.getDimSize(1),
                              yt.getDimSize(2), yt.getDimSize(3), yt.getDimSize(1), window[0],
                              window[1], strides[0], strides[1], pads[0], pads[1], 1, 1, 1);
  Type type = k.physicalType(op.getType());
  auto pool = kern::PoolOp::create(builder, op.getLoc(), TypeRange{type}, getAll(inputs),
                                   ValueRange{k.empty(type, op.getLoc())}, kind, geometry,
                                   ArrayRef<int64_t>{pads[2], pads[3]}, k.target.lanes);
  k.set(op.getResult(), pool.getResult(0));
}

/// Softmax, losses and LRN: functions of one pixel's channels.
void FunctionLowering::lowerRow(Operation *op, kern::RowKind kind, ArrayRef<double> numbers,
                                Value shapedLike) {
  auto shape = cast<RankedTensorType>(shapedLike.getType());
  lowerRow(op, kind, numbers, net::pixelsOf(shape), net::channelsOf(shape));
}

void FunctionLowering::lowerRow(Operation *op, kern::RowKind kind, ArrayRef<double> numbers,
                                int64_t pixels, int64_t channels) {
  Type type = k.physicalType(op->getResult(0).getType());
  SmallVector<Value> inputs = getAll(op->getOperands());
  if (kind == kern::RowKind::CrossEntropy || kind == kern::RowKind::CrossEntropyGrad)
    inputs.push_back(kern::BufferOp::create(builder, op->getLoc(),
                                            RankedTensorType::get({1}, builder.getF32Type()),
                                            kern::Space::Hyper, 4 * kLabelSmoothing));
  auto row = kern::RowOp::create(builder, op->getLoc(), TypeRange{type}, inputs,
                                 ValueRange{k.empty(type, op->getLoc())}, kind, numbers, pixels,
                                 channels, k.target.lanes);
  k.set(op->getResult(0), row.getResult(0));
}

/// Rows of the last axis, in the order of files; `weight` of a gradient only.
void FunctionLowering::lowerRegression(Operation *op, net::LossKind kind, Value prediction,
                                       FloatAttr weight) {
  auto type = cast<RankedTensorType>(prediction.getType());
  int64_t rows = net::rowsOf(type), width = type.getShape().back();
  bool squared = kind == net::LossKind::Mse;
  if (weight)
    lowerRow(op, squared ? kern::RowKind::SquaredGrad : kern::RowKind::AbsoluteGrad,
             {weight.getValueAsDouble() / static_cast<double>(rows * width)}, rows, width);
  else
    lowerRow(op, squared ? kern::RowKind::Squared : kern::RowKind::Absolute, {}, rows, width);
}

LogicalResult FunctionLowering::lower(Operation &op) {
  using llvm::ArrayRef;
  auto number = [](FloatAttr attr) { return attr.getValueAsDouble(); };
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case([&](net::FusionOp fusion) { return lowerFusion(k, fusion); })
      .Case([&](net::GetParameterOp get) {
        k.set(get.getValue(),
              parameterBuffer(get.getParameterAttr(), kern::Space::Parameters, get.getLoc()));
        return success();
      })
      .Case([&](net::SetGradientOp set) {
        store(k.get(set.getValue()), kern::Space::Gradients,
              offsetOf(symbols.lookup<net::ParameterOp>(set.getParameter())), set.getLoc());
        return success();
      })
      .Case([&](net::AssignOp assign) {
        store(k.get(assign.getValue()), kern::Space::Parameters,
              offsetOf(symbols.lookup<net::ParameterOp>(assign.getParameter())), assign.getLoc());
        return success();
      })
      .Case([&](net::BatchNormStatisticsOp s) { return lowerStatistics(s), success(); })
      .Case([&](net::BatchNormGradStatisticsOp s) { return lowerGradStatistics(s), success(); })
      .Case([&](net::BatchNormCoefficientsOp c) { return lowerCoefficients(c), success(); })
      .Case([&](net::FrozenNormGradsOp g) { return lowerFrozenGrads(g), success(); })
      .Case([&](net::FoldBiasOp f) { return lowerFoldBias(f), success(); })
      .Case([&](net::ScaleFilterOp) { return success(); }) // packed with the filter by its reader
      .Case([&](net::ToLayoutOp l) { return lowerToLayout(l), success(); })
      .Case<net::FlattenOp, net::UnflattenOp>([&](Operation *reshape) {
        Value result = reshape->getResult(0);
        k.set(result,
              kern::ReshapeOp::create(builder, op.getLoc(), k.physicalType(result.getType()),
                                      k.get(reshape->getOperand(0))));
        return success();
      })
      .Case([&](net::MoveOp m) { return lowerMove(m), success(); })
      .Case([&](net::ConcatOp c) { return lowerConcat(c), success(); })
      .Case([&](net::MaxPoolOp p) {
        lowerPool(p, kern::PoolKind::Max, p.getInput(), p.getInput().getType(), p.getType(),
                  p.getKernel(), p.getStrides(), p.getPads());
        return success();
      })
      .Case([&](net::MaxPoolGradOp p) {
        lowerPool(p, kern::PoolKind::MaxGrad, p.getOperands(), p.getType(),
                  p.getCotangent().getType(), p.getKernel(), p.getStrides(), p.getPads());
        return success();
      })
      .Case([&](net::AvgPoolOp p) {
        lowerPool(p, kern::PoolKind::Average, p.getInput(), p.getInput().getType(), p.getType(),
                  p.getKernel(), p.getStrides(), p.getPads());
        return success();
      })
      .Case([&](net::AvgPoolGradOp p) {
        lowerPool(p, kern::PoolKind::AverageGrad, p.getCotangent(), p.getType(),
                  p.getCotangent().getType(), p.getKernel(), p.getStrides(), p.getPads());
        return success();
      })
      .Case([&](net::AdaptiveAvgPoolOp p) {
        lowerPool(p, kern::PoolKind::Adaptive, p.getInput(), p.getInput().getType(), p.getType(),
                  {1, 1}, {1, 1}, {0, 0, 0, 0});
        return success();
      })
      .Case([&](net::AdaptiveAvgPoolGradOp p) {
        lowerPool(p, kern::PoolKind::AdaptiveGrad, p.getCotangent(), p.getType(),
                  p.getCotangent().getType(), {1, 1}, {1, 1}, {0, 0, 0, 0});
        return success();
      })
      .Case([&](net::SoftmaxCrossEntropyOp l) {
        lowerRow(l, kern::RowKind::CrossEntropy, {}, l.getLogits());
        return success();
      })
      .Case([&](net::SoftmaxCrossEntropyGradOp l) {
        auto logits = cast<RankedTensorType>(l.getLogits().getType());
        lowerRow(l, kern::RowKind::CrossEntropyGrad,
                 {number(l.getWeightAttr()) / static_cast<double>(net::pixelsOf(logits))},
                 l.getLogits());
        return success();
      })
      .Case([&](net::RegressionLossOp l) {
        return lowerRegression(l, l.getKind(), l.getPrediction(), {}), success();
      })
      .Case([&](net::RegressionLossGradOp l) {
        return lowerRegression(l, l.getKind(), l.getPrediction(), l.getWeightAttr()), success();
      })
      .Case([&](net::SoftmaxOp s) {
        return lowerRow(s, kern::RowKind::Softmax, {}, s.getInput()), success();
      })
      .Case([&](net::SoftmaxGradOp s) {
        return lowerRow(s, kern::RowKind::SoftmaxGrad, {}, s.getSaved()), success();
      })
      .Case<net::LrnOp, net::LrnGradOp>([&](auto l) {
        auto kind = isa<net::LrnOp>(l) ? kern::RowKind::Lrn : kern::RowKind::LrnGrad;
        lowerRow(l, kind,
                 {static_cast<double>(l.getSize()), number(l.getAlphaAttr()),
                  number(l.getBetaAttr()), number(l.getKAttr())},
                 l.getInput());
        return success();
      })
      .Case([&](net::MeanLossOp m) {
        Type type = m.getType();
        k.set(m.getLoss(),
              kern::MeanLossOp::create(builder, m.getLoc(), TypeRange{type}, getAll(m.getLosses()),
                                       ValueRange{k.empty(type, m.getLoc())}, m.getWeights())
                  .getResult(0));
        return success();
      })
      .Case([&](UpdateOpInterface u) { return lowerUpdate(k, symbols, u), success(); })
      .Case([&](net::GradientNormOp n) { return lowerGradientNorm(k, n), success(); })
      .Case([&](net::AccumulateGradientsOp a) { return lowerAccumulation(k, a), success(); })
      .Case([&](func::ReturnOp r) { return lowerReturn(*r), success(); })
      .Default([](Operation *other) {
        return other->emitError() << "'" << other->getName() << "' has no lowering to kern";
      });
}

LogicalResult FunctionLowering::run() {
  Block &body = function.getBody().front();
  SmallVector<Operation *> before;
  for (Operation &op : body)
    before.push_back(&op);
  builder.setInsertionPointToEnd(&body);
  lowerArguments();
  for (Operation *op : before)
    if (failed(lower(*op)))
      return failure();
  func::ReturnOp::create(builder, function.getLoc());
  for (Operation *op : llvm::reverse(before))
    op->erase();
  body.eraseArguments(0, body.getNumArguments());
  function.removeArgAttrsAttr();
  function.removeResAttrsAttr();
  function.setType(builder.getFunctionType({}, {}));
  return success();
}

namespace {
struct LowerToKern : netc::impl::LowerToKernBase<LowerToKern> {
  using LowerToKernBase::LowerToKernBase;
  void runOnOperation() override;
};
} // namespace

/// Gives every parameter its place, 64-byte aligned, in the order of the file.
static void placeParameters(ModuleOp module) {
  Builder b(module.getContext());
  int64_t offset = 0, index = 0;
  for (auto parameter : module.getOps<net::ParameterOp>()) {
    parameter->setAttr("offset", b.getI64IntegerAttr(offset));
    parameter->setAttr("index", b.getI64IntegerAttr(index++));
    offset = llvm::alignTo(offset + kern::storageBytes(cast<ShapedType>(parameter.getType())), 64);
  }
  module->setAttr("net.parameter_bytes", b.getI64IntegerAttr(offset));
}

/// What the losses compare outputs with, whether or not there is a training step, because
/// evaluation needs it too. Named `labels` where it is classes, else `targets`; where several
/// outputs have one, `labels.OUTPUT`. In the order of the step's arguments, and so in their places.
static SmallVector<kern::PortAttr> targetPorts(ModuleOp module, ArrayRef<kern::PortAttr> outputs,
                                               bool soft) {
  llvm::SetVector<std::pair<int64_t, int64_t>> wanted; // output, and 1 for classes
  int count[2] = {0, 0};
  for (net::LossAttr loss : net::lossTerms(module)) {
    bool classes = loss.getKind() == net::LossKind::CrossEntropy;
    bool exists = loss.getOutput() < static_cast<int64_t>(outputs.size());
    if (exists && wanted.insert({loss.getOutput(), classes ? 1 : 0}))
      ++count[classes];
  }
  SmallVector<kern::PortAttr> ports;
  int64_t labels = 0, targets = 0;
  for (auto [output, classes] : wanted) {
    auto type = cast<RankedTensorType>(outputs[output].getType());
    bool indices = classes && !soft;
    Type own = indices ? net::labelsType(type) : type;
    std::string name = classes ? "labels" : "targets";
    if (count[classes] > 1)
      name += "." + outputs[output].getName().str();
    ports.push_back(kern::PortAttr::get(module.getContext(),
                                        StringAttr::get(module.getContext(), name),
                                        indices ? kern::Space::Labels : kern::Space::Targets,
                                        takePlace(indices ? labels : targets, own), own, output));
  }
  return ports;
}

void LowerToKern::runOnOperation() {
  bool soft = false; // labels are distributions
  if (auto forward = getOperation().lookupSymbol<func::FuncOp>("forward")) {
    soft = forward->hasAttr("net.soft_targets");
    forward.erase();
  }
  placeParameters(getOperation());
  SymbolTable symbols(getOperation());
  kern::TargetFacts target = kern::cpuFacts(lanes, registers);
  target.gpu = gpu;
  if (gpu)
    target.lanes = 1;
  Choices choices;
  if (auto timed = getOperation()->getAttrOfType<ArrayAttr>("kern.choices"))
    for (auto choice : timed.getAsRange<kern::ChoiceAttr>())
      choices[{{static_cast<unsigned>(choice.getKind()), choice.getBatch()},
               choice.getGeometry()}] = choice.getSchedule();
  llvm::SetVector<Attribute> ports; // @infer and @step have the same inputs and outputs
  for (auto function : getOperation().getOps<func::FuncOp>()) {
    target.batch = kern::likelyBatch(function.getName());
    FunctionLowering lowering(function, symbols, target, choices);
    if (failed(lowering.run()))
      return signalPassFailure();
    ports.insert(lowering.ports.begin(), lowering.ports.end());
    function.walk([&](kern::KernelOpInterface) { ++numLaunches; });
  }
  SmallVector<kern::PortAttr> outputs;
  for (Attribute port : ports)
    if (auto each = cast<kern::PortAttr>(port); each.getSpace() == kern::Space::Output)
      outputs.push_back(each);
  for (kern::PortAttr port : targetPorts(getOperation(), outputs, soft))
    ports.insert(port);
  getOperation()->setAttr("net.ports", ArrayAttr::get(&getContext(), ports.getArrayRef()));
}
