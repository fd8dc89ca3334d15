//===- Boundary.cpp - where a function meets the outside ------------------===//
#include "passes/lowering/Boundary.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace netc;
using namespace netc::lowering;

static int64_t offsetOf(net::ParameterOp parameter) {
  return parameter->getAttrOfType<IntegerAttr>("offset").getInt();
}

/// What an argument without `net.target` is called: as the model file says.
static StringRef nameOf(DictionaryAttr attributes, StringRef byDefault) {
  auto name = attributes ? attributes.getAs<StringAttr>("net.name") : StringAttr();
  return name ? name.getValue() : byDefault;
}

void Boundary::addPort(StringRef name, kern::Space space, Type type, int64_t offset) {
  ports.push_back(kern::PortAttr::get(type.getContext(), k.b.getStringAttr(name), space, offset,
                                      type, /*output=*/-1));
}

/// A space holds what each image has of one kind: one tensor after the other, all images of the
/// first, then all of the second. Offsets are an image's, so that one plan serves every batch.
static int64_t takePlace(int64_t &end, Type type) {
  int64_t offset = end;
  end = llvm::alignTo(end + kern::storageBytes(cast<RankedTensorType>(type)), 64);
  return offset;
}

void Boundary::lowerArguments() {
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
    k.set(argument, kern::BufferOp::create(k.b, argument.getLoc(), type, space, offset));
  }
}

/// Has `value` computed straight into the buffer where it is fresh, else copies it there.
void Boundary::store(Value value, kern::Space space, int64_t offset, Location loc) {
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
  Value buffer = kern::BufferOp::create(k.b, loc, type, space, offset);
  kern::CopyOp::create(k.b, loc, TypeRange{type}, ValueRange{value}, ValueRange{buffer}, size,
                       !type.hasStaticShape());
}

/// Outputs, one after the other; a loss has no batch.
void Boundary::lowerReturn(func::ReturnOp op) {
  int64_t outputs = 0;
  for (auto [index, value] : llvm::enumerate(op.getOperands())) {
    Type type = value.getType();
    LayerScope layer(k.b, value.getDefiningOp(), isLaunch);
    if (!net::isActivation(type)) {
      store(k.get(value), kern::Space::Loss, 0, op.getLoc());
      continue;
    }
    int64_t offset = takePlace(outputs, type);
    addPort(nameOf(function.getResultAttrDict(index), "output"), kern::Space::Output, type, offset);
    store(k.get(value), kern::Space::Output, offset, op.getLoc());
  }
}

bool Boundary::lower(Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](net::GetParameterOp get) {
        net::ParameterOp parameter = k.parameter(get.getParameterAttr());
        k.set(get.getValue(), kern::BufferOp::create(k.b, get.getLoc(), parameter.getType(),
                                                     kern::Space::Parameters, offsetOf(parameter)));
        return true;
      })
      .Case([&](net::SetGradientOp set) {
        store(k.get(set.getValue()), kern::Space::Gradients,
              offsetOf(k.parameter(set.getParameterAttr())), set.getLoc());
        return true;
      })
      .Case([&](net::AssignOp assign) {
        store(k.get(assign.getValue()), kern::Space::Parameters,
              offsetOf(k.parameter(assign.getParameterAttr())), assign.getLoc());
        return true;
      })
      .Case([&](func::ReturnOp r) { return lowerReturn(r), true; })
      .Default(false);
}

SmallVector<kern::PortAttr>
netc::lowering::targetPorts(ModuleOp module, ArrayRef<kern::PortAttr> outputs, bool soft) {
  llvm::SetVector<std::pair<int64_t, int64_t>> wanted; // output, and 1 for classes
  int count[2] = {0, 0};
  for (net::LossAttr loss : net::lossTerms(module)) {
    bool classes = loss.comparesClasses();
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
