//===- ModelTable.cpp - command tables as constants -----------------------===//
#include "codegen/package/ModelTable.h"

#include "codegen/package/AbiRecord.h"
#include "dialect/net/NetDialect.h"

#include "llvm/IR/Constants.h"
#include "llvm/IR/Module.h"

#include <bit>
#include <type_traits>

using namespace mlir;
using namespace netc;

static constexpr struct {
  net::Role role;
  NetcProgram NetcModel::*member;
} kPrograms[] = {
    {net::Role::Prepare, &NetcModel::prepare}, {net::Role::Infer, &NetcModel::infer},
    {net::Role::Step, &NetcModel::step},       {net::Role::Update, &NetcModel::update},
    {net::Role::Norm, &NetcModel::norm},       {net::Role::Accumulate, &NetcModel::accumulate},
    {net::Role::Observe, &NetcModel::observe},
};

ModelTable::ModelTable(ModuleOp module, LaunchKernels &kernels, std::string json)
    : module(module), kernels(kernels), json(std::move(json)) {
  if (auto list = module->getAttrOfType<ArrayAttr>("net.layers"))
    for (auto [index, layer] : llvm::enumerate(list))
      layers[cast<DictionaryAttr>(layer).getAs<StringAttr>("name")] = static_cast<uint32_t>(index);
}

/// Nothing for a type that no buffer has.
static std::optional<NetcType> storageType(Type type) {
  if (type.isF32())
    return NETC_TYPE_F32;
  if (type.isF64())
    return NETC_TYPE_F64;
  if (type.isInteger(64))
    return NETC_TYPE_I64;
  if (type.isInteger(32))
    return NETC_TYPE_I32;
  if (type.isBF16())
    return NETC_TYPE_BF16;
  if (type.isUnsignedInteger(8))
    return NETC_TYPE_U8;
  if (type.isSignedInteger(8))
    return NETC_TYPE_BIASED_I8;
  if (type.isInteger(8))
    return NETC_TYPE_I8;
  if (type.isInteger(16))
    return NETC_TYPE_I16;
  return std::nullopt;
}

/// The layer that a launch computes, of several the first; UINT32_MAX where there is none.
uint32_t ModelTable::layerOf(Operation *launch) const {
  for (StringAttr name : layersOf(launch))
    if (auto it = layers.find(name); it != layers.end())
      return it->second;
  return UINT32_MAX;
}

LogicalResult ModelTable::addBuffer(Operation *op, OpOperand &operand) {
  Value value = operand.get();
  auto type = cast<ShapedType>(value.getType());
  while (auto reshape = value.getDefiningOp<kern::ReshapeOp>())
    value = reshape.getSource();
  auto buffer = value.getDefiningOp<kern::BufferOp>();
  if (!buffer)
    return op->emitError() << "expected every operand of a launch to be a placed buffer";
  std::optional<NetcType> element = storageType(type.getElementType());
  if (!element)
    return op->emitError() << "no storage type for " << type;
  uint32_t flags = 0;
  if (cast<DestinationStyleOpInterface>(op).isDpsInit(&operand))
    flags |= NETC_BUFFER_WRITTEN;
  // The batch is the one dynamic dimension.
  auto bytes = static_cast<uint64_t>(kern::storageBytes(type));
  bool perImage = !type.hasStaticShape();
  buffers.push_back({static_cast<uint16_t>(buffer.getSpace()), static_cast<uint16_t>(*element),
                     flags, static_cast<uint64_t>(buffer.getOffset()), perImage ? bytes : 0,
                     perImage ? 0 : bytes});
  return success();
}

LogicalResult ModelTable::collect(func::FuncOp function, Program &program) {
  program.name = function.getName().str();
  auto bytes = [&](StringRef attr) {
    auto value = function->getAttrOfType<IntegerAttr>(attr);
    return value ? static_cast<uint64_t>(value.getInt()) : 0;
  };
  program.bytesPerImage = bytes("arena_bytes_per_image");
  program.bytesFixed = bytes("arena_bytes_fixed");
  if (auto sections = function->getAttrOfType<ArrayAttr>("sections"))
    llvm::append_range(program.sections, sections.getAsRange<kern::SectionAttr>());
  for (auto launch : function.getBody().front().getOps<kern::KernelOpInterface>()) {
    NetcCommand command{};
    FailureOr<unsigned> kernel = kernels.kernelOf(launch);
    if (failed(kernel))
      return failure();
    command.kernel = *kernel;
    command.first_buffer = static_cast<uint32_t>(buffers.size());
    for (OpOperand &operand : launch->getOpOperands())
      if (failed(addBuffer(launch, operand)))
        return failure();
    if (readsHyper(launch))
      buffers.push_back({NETC_SPACE_HYPER, NETC_TYPE_F32, 0, 0, 0, 0});
    command.buffer_count = static_cast<uint32_t>(buffers.size()) - command.first_buffer;
    command.layer = layerOf(launch);
    kern::Grid grid = kernels.gridOf(launch, *kernel);
    command.items_outer = grid.outer;
    command.rows_per_image = grid.rowsPerImage;
    command.rows_per_item = grid.rowsPerItem;
    command.flops_per_image = launch.getFlopsPerImage();
    program.commands.push_back(command);
  }
  return success();
}

LogicalResult ModelTable::collect() {
  static_assert(std::size(kPrograms) == std::tuple_size_v<decltype(programs)>);
  for (auto [kind, program] : llvm::zip_equal(kPrograms, programs))
    if (auto function = net::functionOf(module, kind.role);
        function && failed(collect(function, program)))
      return failure();
  auto rank = [](func::FuncOp function) { // null: no lean step
    return function->getAttrOfType<IntegerAttr>("net.lean_step");
  };
  SmallVector<func::FuncOp> lean; // as many as the pipeline made, in ever less memory
  for (auto function : module.getOps<func::FuncOp>())
    if (rank(function))
      lean.push_back(function);
  llvm::sort(lean,
             [&](func::FuncOp a, func::FuncOp b) { return rank(a).getInt() < rank(b).getInt(); });
  for (func::FuncOp function : lean)
    if (failed(collect(function, leanSteps.emplace_back())))
      return failure();
  return success();
}

namespace {
/// Adds the constants of one model to an LLVM module, under names that begin with the model's.
class TableWriter {
public:
  TableWriter(llvm::Module &code, std::string prefix)
      : code(code), context(code.getContext()), pointer(llvm::PointerType::get(context, 0)),
        prefix(std::move(prefix)) {}

  /// A constant that only this object file sees.
  llvm::Constant *local(llvm::Constant *value, const Twine &name) {
    return define(value, llvm::GlobalValue::PrivateLinkage, prefix + "_" + name);
  }
  /// The one that others see, under this very name.
  void visible(llvm::Constant *value, StringRef symbol) {
    define(value, llvm::GlobalValue::ExternalLinkage, symbol);
  }
  /// Null where there are no elements.
  llvm::Constant *array(ArrayRef<llvm::Constant *> elements, const Twine &name) {
    if (elements.empty())
      return nullptr;
    auto *type = llvm::ArrayType::get(elements[0]->getType(), elements.size());
    return local(llvm::ConstantArray::get(type, elements), name);
  }
  /// Records of numbers, as they lie in memory: a deep network has a hundred thousand, and
  /// constants of their own would cost more than the passes. Null where there are none.
  template <typename S> llvm::Constant *numbers(ArrayRef<S> records, const Twine &name) {
    static_assert(std::has_unique_object_representations_v<S> && alignof(S) <= 8);
    static_assert(std::endian::native == std::endian::little, "what netc compiles for is");
    if (records.empty())
      return nullptr;
    StringRef bytes(reinterpret_cast<const char *>(records.data()), sizeof(S) * records.size());
    return local(llvm::ConstantDataArray::getString(context, bytes, /*AddNull=*/false), name);
  }
  llvm::Constant *text(StringRef value) {
    return local(llvm::ConstantDataArray::getString(context, value), "text");
  }
  template <typename S> AbiRecord<S> record() { return AbiRecord<S>(context); }

  llvm::Module &code;
  llvm::LLVMContext &context;
  llvm::PointerType *pointer;

private:
  llvm::Constant *define(llvm::Constant *value, llvm::GlobalValue::LinkageTypes linkage,
                         const Twine &name) {
    auto *global = new llvm::GlobalVariable(code, value->getType(), true, linkage, value, name);
    global->setAlignment(llvm::Align(8));
    return global;
  }
  std::string prefix;
};
} // namespace

static SmallVector<llvm::Constant *> kernelTable(TableWriter &writer, LaunchKernels &kernels) {
  SmallVector<llvm::Constant *> table;
  for (size_t i = 0; i < kernels.size(); ++i)
    table.push_back(writer.record<NetcKernel>()
                        .set(&NetcKernel::fn, writer.code.getFunction(kernels.symbol(i)))
                        .set(&NetcKernel::name, writer.text(kernels.name(i)))
                        .set(&NetcKernel::scratch_bytes, kernels.scratchBytes(i))
                        .finish());
  return table;
}

static llvm::Constant *sectionRecord(TableWriter &writer, kern::SectionAttr section) {
  return writer.record<NetcSection>()
      .set(&NetcSection::command_count, section.getLaunches())
      .set(&NetcSection::batch_bytes_per_image, section.getBatchBytes())
      .set(&NetcSection::group_bytes_per_image, section.getGroupBytes())
      .set(&NetcSection::live_bytes_per_image, section.getLiveBytes())
      .set(&NetcSection::weight_bytes, section.getWeightBytes())
      .finish();
}

/// Inputs, outputs and targets: the module's net.ports.
static SmallVector<llvm::Constant *> tensorTable(TableWriter &writer, ModuleOp module) {
  SmallVector<llvm::Constant *> table;
  auto ports = module->getAttrOfType<ArrayAttr>("net.ports");
  if (!ports)
    return table;
  for (auto port : ports.getAsRange<kern::PortAttr>()) {
    auto type = cast<ShapedType>(port.getType());
    SmallVector<uint64_t> sizes(std::extent_v<decltype(NetcTensor::shape)>);
    llvm::copy(type.getShape().drop_front(), sizes.begin());
    table.push_back(
        writer.record<NetcTensor>()
            .set(&NetcTensor::name, writer.text(port.getName().getValue()))
            .set(&NetcTensor::space, static_cast<uint64_t>(port.getSpace()))
            .set(&NetcTensor::type, *storageType(type.getElementType()))
            .set(&NetcTensor::rank, static_cast<uint64_t>(type.getRank() - 1))
            .set(&NetcTensor::output, static_cast<uint32_t>(port.getOutput()))
            .set(&NetcTensor::shape, llvm::ConstantDataArray::get(writer.context, sizes))
            .set(&NetcTensor::offset, static_cast<uint64_t>(port.getOffset()))
            .finish());
  }
  return table;
}

static llvm::Constant *gpuTable(TableWriter &writer, const GpuCode &gpu) {
  SmallVector<llvm::Constant *> images;
  for (const cuda::GpuImage &image : gpu.images) {
    SmallVector<llvm::Constant *> launches;
    for (const cuda::GpuKernelInfo &info : image.kernels)
      launches.push_back(writer.record<NetcGpuKernel>()
                             .set(&NetcGpuKernel::threads, info.threads)
                             .set(&NetcGpuKernel::shared_bytes, info.sharedBytes)
                             .finish());
    images.push_back(writer.record<NetcGpuImage>()
                         .set(&NetcGpuImage::chip, image.chip)
                         .set(&NetcGpuImage::is_assembled, image.assembled)
                         .set(&NetcGpuImage::bytes, writer.text(image.bytes))
                         .set(&NetcGpuImage::size, image.bytes.size())
                         .set(&NetcGpuImage::kernels, writer.array(launches, "gpu_kernels"))
                         .finish());
  }
  auto *open = llvm::Function::Create(
      llvm::FunctionType::get(writer.pointer, false), llvm::GlobalValue::ExternalLinkage,
      gpu.simulated ? "netc_open_sim" : "netc_open_cuda", writer.code);
  return writer.local(writer.record<NetcGpu>()
                          .set(&NetcGpu::images, writer.array(images, "gpu_images"))
                          .set(&NetcGpu::image_count, images.size())
                          .set(&NetcGpu::open, open)
                          .finish(),
                      "gpu");
}

static uint64_t moduleNumber(ModuleOp module, StringRef name) {
  auto attr = module->getAttrOfType<IntegerAttr>(name);
  return attr ? attr.getInt() : 0;
}

void ModelTable::emit(llvm::Module &code, const ModelSymbols &symbols, const GpuCode *gpu) {
  TableWriter writer(code, symbols.prefix);
  SmallVector<llvm::Constant *> kernelRecords = kernelTable(writer, kernels);
  // Only the model table is visible outside.
  for (llvm::Function &function : code)
    if (!function.isDeclaration()) {
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
      function.setName(symbols.prefix + "_" + function.getName());
    }

  auto program = [&](const Program &p) {
    SmallVector<llvm::Constant *> sections;
    for (kern::SectionAttr section : p.sections)
      sections.push_back(sectionRecord(writer, section));
    return writer.record<NetcProgram>()
        .set(&NetcProgram::commands, writer.numbers<NetcCommand>(p.commands, p.name))
        .set(&NetcProgram::command_count, p.commands.size())
        .set(&NetcProgram::arena_bytes_per_image, p.bytesPerImage)
        .set(&NetcProgram::arena_bytes_fixed, p.bytesFixed)
        .set(&NetcProgram::sections, writer.array(sections, "sections_" + p.name))
        .set(&NetcProgram::section_count, sections.size())
        .finish();
  };
  uint64_t parameterBytes = moduleNumber(module, "net.parameter_bytes");
  auto model = writer.record<NetcModel>();
  model.set(&NetcModel::abi_version, NETC_ABI_VERSION)
      .set(&NetcModel::reserved, uint64_t(0))
      .set(&NetcModel::json, writer.text(json))
      .set(&NetcModel::kernels, writer.array(kernelRecords, "kernels"))
      .set(&NetcModel::kernel_count, kernelRecords.size())
      .set(&NetcModel::buffers, writer.numbers<NetcBuffer>(buffers, "buffers"))
      .set(&NetcModel::buffer_count, buffers.size());
  for (auto [kind, p] : llvm::zip_equal(kPrograms, programs))
    model.set(kind.member, program(p));
  model.set(&NetcModel::parameter_bytes, parameterBytes)
      .set(&NetcModel::state_bytes, moduleNumber(module, "net.state_slots") * parameterBytes)
      .set(&NetcModel::prepared_bytes, moduleNumber(module, "net.prepared_bytes"))
      .set(&NetcModel::gpu, gpu ? gpuTable(writer, *gpu) : nullptr);
  SmallVector<llvm::Constant *> lean;
  for (const Program &p : leanSteps)
    lean.push_back(program(p));
  model.set(&NetcModel::lean_steps, writer.array(lean, "lean_steps"))
      .set(&NetcModel::lean_step_count, lean.size());
  SmallVector<llvm::Constant *> tensors = tensorTable(writer, module);
  model.set(&NetcModel::tensors, writer.array(tensors, "tensors"))
      .set(&NetcModel::tensor_count, tensors.size());
  writer.visible(model.finish(), symbols.table);
}
