//===- Fusion.cpp - groups of ops that become one kernel ------------------===//
#include "dialect/net/NetDialect.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace netc::net;

void YieldOp::build(OpBuilder &, OperationState &) {}

LogicalResult FusionOp::verify() {
  Block &body = getBody().front();
  if (body.getNumArguments() != getInputs().size())
    return emitOpError() << "has " << getInputs().size() << " inputs but its body takes "
                         << body.getNumArguments();
  int contractions = 0;
  for (Operation &op : body.without_terminator()) {
    contractions += isa<netc::ContractionOpInterface>(op);
    if (!isa<netc::ContractionOpInterface, netc::PointwiseOpInterface,
             netc::ChannelReductionOpInterface>(op))
      return emitOpError() << "expected contractions, pointwise ops and channel reductions, found '"
                           << op.getName() << "'";
  }
  if (contractions > 1)
    return emitOpError() << "expected at most one contraction, found " << contractions;
  auto yield = dyn_cast<YieldOp>(body.getTerminator());
  if (!yield || yield.getValues().getTypes() != getResultTypes())
    return emitOpError() << "results differ from what the body yields";
  return success();
}

// net.fusion (%a = %x : type, ...) -> (types) { ... }
void FusionOp::print(OpAsmPrinter &p) {
  p << " (";
  llvm::interleaveComma(llvm::zip(getBody().getArguments(), getInputs()), p, [&](auto pair) {
    p << std::get<0>(pair) << " = " << std::get<1>(pair) << " : " << std::get<1>(pair).getType();
  });
  p << ") -> (" << getResultTypes() << ")";
  p.printOptionalAttrDictWithKeyword((*this)->getAttrs());
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

ParseResult FusionOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> inputs;
  auto parseBinding = [&]() -> ParseResult {
    if (parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
        parser.parseOperand(inputs.emplace_back()) || parser.parseColonType(arguments.back().type))
      return failure();
    return success();
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseBinding) ||
      parser.parseArrow() || parser.parseLParen())
    return failure();
  if (failed(parser.parseOptionalRParen()) &&
      (parser.parseTypeList(result.types) || parser.parseRParen()))
    return failure();
  for (auto [argument, input] : llvm::zip(arguments, inputs))
    if (parser.resolveOperand(input, argument.type, result.operands))
      return failure();
  return failure(parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
                 parser.parseRegion(*result.addRegion(), arguments));
}
