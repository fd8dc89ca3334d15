//===- LibraryOutput.cpp - netc --emit lib --------------------------------===//
#include "tools/netc/LibraryOutput.h"

#include "codegen/package/Library.h"
#include "codegen/package/Linker.h"
#include "tools/netc/Objects.h"
#include "tools/netc/Output.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace netc;

int netc::openLibraryFolder(const std::string &folder) {
  if (std::error_code error = llvm::sys::fs::create_directories(folder))
    return fail("cannot create the folder " + folder + ": " + error.message());
  if (!llvm::sys::fs::is_directory(folder))
    return fail("cannot create the folder " + folder + ": there is a file of this name");
  if (std::error_code error = llvm::sys::fs::access(folder, llvm::sys::fs::AccessMode::Write))
    return fail("cannot write to the folder " + folder + ": " + error.message());
  return kDone;
}

/// `folder`/libmodel.so as a link to libNAME.so beside it.
static int linkName(const std::string &folder, const std::string &file, const std::string &alias) {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, alias);
  llvm::sys::fs::remove(path);
  if (std::error_code error = llvm::sys::fs::create_link(file, path))
    return fail("cannot write " + path + ": " + error.message());
  return kDone;
}

/// libNAME.so and libNAME.a of one object file.
static int writeBinaries(const std::string &model, const std::string &object,
                         const std::string &folder) {
  auto inFolder = [&](const std::string &name) {
    llvm::SmallString<256> path(folder);
    llvm::sys::path::append(path, name);
    return std::string(path);
  };
  std::string shared = "lib" + model + ".so", archive = "lib" + model + ".a",
              file = inFolder(model + ".o"), error;
  if (int code = writeFile(file, object))
    return code;
  llvm::scope_exit remove([&] { llvm::sys::fs::remove(file); });
  if (!linkShared(file, shared, inFolder(shared), error))
    return fail(error);
  error = writeLibraryArchive(inFolder(archive), model + ".o", object);
  if (!error.empty())
    return fail("cannot write " + inFolder(archive) + ": " + error);
  if (model == "model")
    return kDone;
  if (int code = linkName(folder, shared, "libmodel.so"))
    return code;
  return linkName(folder, archive, "libmodel.a");
}

int netc::writeLibrary(ModuleOp module, const Objects &objects,
                       const std::vector<std::string> &archives, const std::string &target,
                       const std::string &folder) {
  std::string model = module->getAttrOfType<StringAttr>("net.model").str();
  std::string headerPath = archivePath("Capi.h");
  auto header = llvm::MemoryBuffer::getFile(headerPath, /*IsText=*/true);
  if (!header)
    return fail("the header of libraries is missing: expected " + headerPath +
                " beside netc; build or install it with netc");
  llvm::StringRef text = (*header)->getBuffer();
  std::vector<std::string> functions = libraryFunctions(text);
  std::string linked = objects.files().front() + ".lib", object, error;
  llvm::scope_exit remove([&] { llvm::sys::fs::remove(linked); });
  if (!linkRelocatable(objects.files(), archives, functions, linked, error) ||
      !exportFunctions(linked, functions, model, object, error))
    return fail(error);
  if (int code = writeBinaries(model, object, folder))
    return code;
  for (const LibraryFile &file : libraryFiles(module, text, target)) {
    llvm::SmallString<256> path(folder);
    llvm::sys::path::append(path, file.name);
    if (int code = writeFile(std::string(path), file.text))
      return code;
  }
  return kDone;
}
