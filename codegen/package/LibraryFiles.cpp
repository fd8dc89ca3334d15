//===- LibraryFiles.cpp - header and build files of a C library -----------===//
#include "codegen/package/Library.h"

#include "dialect/kern/KernDialect.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace netc;

static std::string replaced(llvm::StringRef text, llvm::StringRef from, llvm::StringRef to) {
  std::string result;
  for (size_t at; (at = text.find(from)) != llvm::StringRef::npos;
       text = text.drop_front(at + from.size()))
    result += (text.take_front(at) + to).str();
  return result + text.str();
}

/// "image: float [n, 3, 224, 224]", a tensor per line.
static std::string portLines(ModuleOp module, llvm::ArrayRef<kern::Space> spaces) {
  std::string lines;
  auto ports = module->getAttrOfType<ArrayAttr>("net.ports");
  for (auto port : ports.getAsRange<kern::PortAttr>()) {
    if (!llvm::is_contained(spaces, port.getSpace()))
      continue;
    auto type = cast<ShapedType>(port.getType());
    std::string sizes = "n";
    for (int64_t size : type.getShape().drop_front())
      sizes += ", " + std::to_string(size);
    lines += llvm::formatv("//     {0}: {1} [{2}]\n", port.getName().getValue(),
                           type.getElementType().isInteger() ? "int64_t" : "float", sizes)
                 .str();
  }
  return lines.empty() ? "//     none\n" : lines;
}

/// What the header says first: which model this is, and the shapes of what its functions take.
static std::string headerComment(ModuleOp module, llvm::StringRef model, llvm::StringRef target) {
  std::string text =
      ("// " + model + " as a C library, compiled by netc from " +
       llvm::sys::path::filename(module->getAttrOfType<StringAttr>("net.file").getValue()) +
       " for " + target + ".\n//\n// Inputs of a batch of n, in this order:\n")
          .str();
  text += portLines(module, {kern::Space::Input});
  text += "// Outputs:\n" + portLines(module, {kern::Space::Output});
  text += "// Targets of a training step:\n" +
          portLines(module, {kern::Space::Labels, kern::Space::Targets});
  return text + "//\n";
}

static std::string pkgConfig(llvm::StringRef name, llvm::StringRef library,
                             llvm::StringRef version) {
  return llvm::formatv("prefix=${{pcfiledir}\n\nName: {0}\nDescription: {0}, a model compiled by "
                       "netc\nVersion: {2}\nCflags: -I${{prefix}\nLibs: -L${{prefix} "
                       "-Wl,-rpath,${{prefix} -l{1}\nLibs.private: -lstdc++ -lm -lpthread -ldl\n",
                       name, library, version)
      .str();
}

/// Two targets: NAME::NAME, the shared library, and NAME::static.
static std::string cmakePackage(llvm::StringRef name, llvm::StringRef library) {
  return llvm::formatv(
             R"(# find_package({0}): {0}::{0} is the shared library, {0}::static the archive.
if(TARGET {0}::{0})
  return()
endif()
find_package(Threads REQUIRED)
add_library({0}::{0} SHARED IMPORTED)
set_target_properties({0}::{0} PROPERTIES
  IMPORTED_LOCATION "${{CMAKE_CURRENT_LIST_DIR}/lib{1}.so"
  IMPORTED_SONAME lib{1}.so
  INTERFACE_INCLUDE_DIRECTORIES "${{CMAKE_CURRENT_LIST_DIR}")
add_library({0}::static STATIC IMPORTED)
set_target_properties({0}::static PROPERTIES
  IMPORTED_LOCATION "${{CMAKE_CURRENT_LIST_DIR}/lib{1}.a"
  INTERFACE_INCLUDE_DIRECTORIES "${{CMAKE_CURRENT_LIST_DIR}"
  INTERFACE_LINK_LIBRARIES "stdc++;m;Threads::Threads;${{CMAKE_DL_LIBS}")
)",
             name, library)
      .str();
}

/// The functions and types of the header under names without the model's: model_create, …
static std::string genericHeader(llvm::StringRef model, llvm::StringRef prefix,
                                 llvm::StringRef header) {
  std::string text =
      llvm::formatv("// The model of this folder under names that do not depend on it: "
                    "model_create is {0}create.\n"
                    "#ifndef NETC_LIBRARY_MODEL_H\n#define NETC_LIBRARY_MODEL_H\n\n#include "
                    "\"{1}.h\"\n\n",
                    prefix, model)
          .str();
  auto define = [&](llvm::StringRef name) {
    text += ("#define model_" + name + " " + prefix + name + "\n").str();
  };
  for (llvm::StringRef type : {"context", "status", "tensor", "type", "f32", "i64", "ok"})
    define(type);
  for (llvm::StringRef error :
       {"argument", "file", "weights", "memory", "unsupported", "numbers", "internal"})
    define(("error_" + error).str());
  for (const std::string &function : libraryFunctions(header))
    define(llvm::StringRef(function).drop_front(llvm::StringRef("netc_model_").size()));
  return text + "\n#endif\n";
}

std::vector<LibraryFile> netc::libraryFiles(ModuleOp module, llvm::StringRef header,
                                            llvm::StringRef target) {
  std::string model = module->getAttrOfType<StringAttr>("net.model").str(),
              prefix = libraryPrefix(model);
  std::string code = header.substr(header.find("#ifndef")).str();
  std::vector<LibraryFile> files{
      {model + ".h", headerComment(module, model, target) + replaced(code, "netc_model_", prefix)},
      {model + ".pc", pkgConfig(model, model, NETC_VERSION)},
      {model + "Config.cmake", cmakePackage(model, model)}};
  if (model != "model") {
    files.push_back({"model.h", genericHeader(model, prefix, header)});
    files.push_back({"model.pc", pkgConfig("model", model, NETC_VERSION)});
    files.push_back({"modelConfig.cmake", cmakePackage("model", model)});
  }
  return files;
}
