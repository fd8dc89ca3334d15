//===- ModelTable.cpp - command tables as constants -----------------------===//
#include "codegen/package/ModelTable.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Module.h"

using namespace mlir;
using namespace netc;

static constexpr uint32_t kAbiVersion = 6; // NETC_ABI_VERSION
static constexpr uint32_t kHyperSpace = static_cast<uint32_t>(kern::Space::Hyper);
static constexpr uint32_t kWritten = 1, kF32 = 2; // NetcBufferFlags
static constexpr StringLiteral kPrograms[] = {"prepare", "infer", "step",
                                              "update",  "norm",  "accumulate"};
static constexpr StringLiteral kLeanSteps[] = {"step_lean1", "step_lean2"};

ModelTable::ModelTable(ModuleOp module, LaunchKernels &kernels, std::string json)
    : module(module), kernels(kernels), json(std::move(json)) {
  if (auto list = module->getAttrOfType<ArrayAttr>("net.layers"))
    for (auto [index, layer] : llvm::enumerate(list))
      layers[cast<DictionaryAttr>(layer).getAs<StringAttr>("name")] = static_cast<uint32_t>(index);
}

/// The layer whose name stands in the location; of a fused location the first.
uint32_t ModelTable::layerOf(Location loc) const {
  uint32_t layer = UINT32_MAX;
  loc->walk([&](Location inner) {
    if (auto name = dyn_cast<NameLoc>(inner))
      if (auto it = layers.find(name.getName()); it != layers.end()) {
        layer = it->second;
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  return layer;
}

LogicalResult ModelTable::addBuffer(Operation *op, OpOperand &operand) {
  Value value = operand.get();
  auto type = cast<ShapedType>(value.getType());
  while (auto reshape = value.getDefiningOp<kern::ReshapeOp>())
    value = reshape.getSource();
  auto buffer = value.getDefiningOp<kern::BufferOp>();
  if (!buffer)
    return op->emitError() << "expected every operand of a launch to be a placed buffer";
  uint32_t flags = type.getElementType().isF32() ? kF32 : 0;
  if (cast<DestinationStyleOpInterface>(op).isDpsInit(&operand))
    flags |= kWritten;
  // The batch is the one dynamic dimension.
  uint64_t bytes = type.getElementTypeBitWidth() / 8;
  for (int64_t dim : type.getShape())
    bytes *= ShapedType::isDynamic(dim) ? 1 : dim;
  bool perImage = !type.hasStaticShape();
  buffers.push_back({static_cast<uint32_t>(buffer.getSpace()), flags, buffer.getOffset(),
                     perImage ? bytes : 0, perImage ? 0 : bytes});
  return success();
}

LogicalResult ModelTable::collect(StringRef name, Program &program) {
  auto function = module.lookupSymbol<func::FuncOp>(name);
  if (!function)
    return success();
  auto bytes = [&](StringRef attr) {
    auto value = function->getAttrOfType<IntegerAttr>(attr);
    return value ? static_cast<uint64_t>(value.getInt()) : 0;
  };
  program.bytesPerImage = bytes("arena_bytes_per_image");
  program.bytesFixed = bytes("arena_bytes_fixed");
  if (auto sections = function->getAttrOfType<ArrayAttr>("sections"))
    llvm::append_range(program.sections, sections.getAsRange<kern::SectionAttr>());
  for (auto launch : function.getBody().front().getOps<kern::KernelOpInterface>()) {
    Command command;
    FailureOr<unsigned> kernel = kernels.kernelOf(launch);
    if (failed(kernel))
      return failure();
    command.kernel = *kernel;
    command.firstBuffer = static_cast<uint32_t>(buffers.size());
    for (OpOperand &operand : launch->getOpOperands())
      if (failed(addBuffer(launch, operand)))
        return failure();
    if (readsHyper(launch))
      buffers.push_back({kHyperSpace, 0, 0, 0, 0});
    command.bufferCount = static_cast<uint32_t>(buffers.size()) - command.firstBuffer;
    command.layer = layerOf(launch->getLoc());
    command.grid = kernels.gridOf(launch, *kernel);
    command.flops = launch.getFlopsPerImage();
    program.commands.push_back(command);
  }
  return success();
}

LogicalResult ModelTable::collect() {
  for (auto [name, program] : llvm::zip(kPrograms, programs))
    if (failed(collect(name, program)))
      return failure();
  for (StringRef name : kLeanSteps)
    if (module.lookupSymbol<func::FuncOp>(name) && failed(collect(name, leanSteps.emplace_back())))
      return failure();
  return success();
}

void ModelTable::emit(llvm::Module &code, const ModelSymbols &symbols, const GpuCode *gpu) {
  llvm::LLVMContext &context = code.getContext();
  auto *i32 = llvm::Type::getInt32Ty(context), *i64 = llvm::Type::getInt64Ty(context);
  auto *pointer = llvm::PointerType::get(context, 0);
  auto word = [&](uint64_t v) -> llvm::Constant * { return llvm::ConstantInt::get(i32, v); };
  auto wide = [&](uint64_t v) -> llvm::Constant * { return llvm::ConstantInt::get(i64, v); };
  auto constant = [&](llvm::Constant *value, StringRef name, bool external = false) {
    auto linkage =
        external ? llvm::GlobalValue::ExternalLinkage : llvm::GlobalValue::PrivateLinkage;
    auto *global = new llvm::GlobalVariable(code, value->getType(), true, linkage, value, name);
    global->setAlignment(llvm::Align(8));
    return global;
  };
  auto array = [&](llvm::Type *type, ArrayRef<llvm::Constant *> elements,
                   StringRef name) -> llvm::Constant * {
    if (elements.empty())
      return llvm::ConstantPointerNull::get(pointer);
    return constant(llvm::ConstantArray::get(llvm::ArrayType::get(type, elements.size()), elements),
                    name);
  };
  auto text = [&](StringRef value) {
    return constant(llvm::ConstantDataArray::getString(context, value), "netc_text");
  };

  auto *kernelType = llvm::StructType::get(pointer, pointer, i64);
  SmallVector<llvm::Constant *> kernelTable;
  for (size_t i = 0; i < kernels.size(); ++i) {
    llvm::Constant *function = code.getFunction(kernels.symbol(i));
    if (!function)
      function = llvm::ConstantPointerNull::get(pointer);
    kernelTable.push_back(llvm::ConstantStruct::get(
        kernelType, {function, text(kernels.name(i)), wide(kernels.scratchBytes(i))}));
  }
  // Only the model table is visible outside.
  for (llvm::Function &function : code)
    if (!function.isDeclaration())
      function.setLinkage(llvm::GlobalValue::InternalLinkage);

  auto *bufferType = llvm::StructType::get(i32, i32, i64, i64, i64);
  SmallVector<llvm::Constant *> bufferTable;
  for (const Buffer &buffer : buffers)
    bufferTable.push_back(llvm::ConstantStruct::get(
        bufferType, {word(buffer.space), word(buffer.flags), wide(buffer.offset),
                     wide(buffer.bytesPerImage), wide(buffer.bytesFixed)}));

  auto *commandType = llvm::StructType::get(i32, i32, i32, i32, i64, i64, i64, i64);
  auto *programType = llvm::StructType::get(pointer, i64, i64, i64, pointer, i64);
  auto *sectionType = llvm::StructType::get(i64, i64, i64, i64, i64);
  auto program = [&](const Program &p, StringRef name) {
    SmallVector<llvm::Constant *> commands;
    for (const Command &c : p.commands)
      commands.push_back(llvm::ConstantStruct::get(
          commandType, {word(c.kernel), word(c.firstBuffer), word(c.bufferCount), word(c.layer),
                        wide(c.grid.outer), wide(c.grid.rowsPerImage), wide(c.grid.rowsPerItem),
                        wide(c.flops)}));
    SmallVector<llvm::Constant *> sections;
    for (kern::SectionAttr s : p.sections)
      sections.push_back(llvm::ConstantStruct::get(
          sectionType, {wide(s.getLaunches()), wide(s.getBatchBytes()), wide(s.getGroupBytes()),
                        wide(s.getLiveBytes()), wide(s.getWeightBytes())}));
    return llvm::ConstantStruct::get(
        programType,
        {array(commandType, commands, ("netc_" + name).str()), wide(p.commands.size()),
         wide(p.bytesPerImage), wide(p.bytesFixed),
         array(sectionType, sections, ("netc_sections_" + name).str()), wide(p.sections.size())});
  };
  auto moduleBytes = [&](StringRef name) {
    auto attr = module->getAttrOfType<IntegerAttr>(name);
    return wide(attr ? attr.getInt() : 0);
  };
  uint64_t slots = module->hasAttr("net.state_slots")
                       ? module->getAttrOfType<IntegerAttr>("net.state_slots").getInt()
                       : 0;
  uint64_t parameterBytes = module->hasAttr("net.parameter_bytes")
                                ? module->getAttrOfType<IntegerAttr>("net.parameter_bytes").getInt()
                                : 0;
  SmallVector<llvm::Constant *> fields{word(kAbiVersion),
                                       word(0),
                                       text(json),
                                       array(kernelType, kernelTable, "netc_kernels"),
                                       wide(kernelTable.size()),
                                       array(bufferType, bufferTable, "netc_buffers"),
                                       wide(bufferTable.size())};
  for (auto [name, p] : llvm::zip(kPrograms, programs))
    fields.push_back(program(p, name));
  llvm::append_range(fields, SmallVector<llvm::Constant *>{moduleBytes("net.parameter_bytes"),
                                                           wide(slots * parameterBytes),
                                                           moduleBytes("net.prepared_bytes")});
  llvm::Constant *gpuTable = llvm::ConstantPointerNull::get(pointer);
  if (gpu) {
    SmallVector<llvm::Constant *> images;
    for (const cuda::GpuImage &image : gpu->images) {
      SmallVector<llvm::Constant *> launches;
      for (const cuda::GpuKernelInfo &info : image.kernels)
        launches.push_back(
            llvm::ConstantStruct::getAnon({word(static_cast<uint64_t>(info.threads)),
                                           word(static_cast<uint64_t>(info.sharedBytes))}));
      images.push_back(llvm::ConstantStruct::getAnon(
          {word(image.chip), word(image.assembled), text(image.bytes), wide(image.bytes.size()),
           array(launches.empty() ? nullptr : launches[0]->getType(), launches,
                 "netc_gpu_kernels")}));
    }
    auto *open = llvm::Function::Create(llvm::FunctionType::get(pointer, false),
                                        llvm::GlobalValue::ExternalLinkage,
                                        gpu->simulated ? "netc_open_sim" : "netc_open_cuda", code);
    gpuTable = constant(
        llvm::ConstantStruct::getAnon(
            {array(images[0]->getType(), images, "netc_gpu_images"), wide(images.size()), open}),
        "netc_gpu");
  }
  fields.push_back(gpuTable);
  SmallVector<llvm::Constant *> lean;
  for (auto [name, p] : llvm::zip(kLeanSteps, leanSteps))
    lean.push_back(program(p, name));
  fields.push_back(array(programType, lean, "netc_lean_steps"));
  fields.push_back(wide(lean.size()));
  constant(llvm::ConstantStruct::getAnon(fields), symbols.own, /*external=*/true);
  if (symbols.all.empty())
    return;
  SmallVector<llvm::Constant *> models;
  for (const std::string &name : symbols.all)
    models.push_back(code.getOrInsertGlobal(name, pointer));
  models.push_back(llvm::ConstantPointerNull::get(pointer));
  constant(llvm::ConstantArray::get(llvm::ArrayType::get(pointer, models.size()), models),
           "netc_models", /*external=*/true);
}
