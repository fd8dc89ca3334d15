//===- Library.cpp - the symbols of a C library ---------------------------===//
//
// A library is one object file: tables, kernels and what they need of the runtime. Its functions
// have the model's name, and everything else is local, so that several models, also of different
// versions of netc, and the program's own libpng are in each other's way nowhere.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/Library.h"

#include "codegen/package/Symbols.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ObjCopy/CommonConfig.h"
#include "llvm/ObjCopy/ConfigManager.h"
#include "llvm/ObjCopy/ObjCopy.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Object/Binary.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <set>

using namespace llvm;
using namespace netc;

static constexpr StringRef kTemplatePrefix = "netc_model_";

std::string netc::libraryPrefix(StringRef model) { return mangle(model.str()) + "_"; }

std::vector<std::string> netc::libraryFunctions(StringRef header) {
  auto isPartOfName = [](char c) { return isAlnum(c) || c == '_'; };
  std::set<std::string> names;
  for (size_t at = header.find(kTemplatePrefix); at != StringRef::npos;
       at = header.find(kTemplatePrefix, at + 1)) {
    StringRef name = header.substr(at).take_while(isPartOfName);
    bool inComment = header.take_front(at).rsplit('\n').second.contains("//");
    if (!inComment && header.substr(at + name.size()).starts_with("("))
      names.insert(name.str());
  }
  return {names.begin(), names.end()};
}

bool netc::exportFunctions(StringRef path, ArrayRef<std::string> functions, StringRef model,
                           std::string &object, std::string &error) {
  auto fail = [&](Error problem) {
    error = toString(std::move(problem));
    return false;
  };
  Expected<object::OwningBinary<object::Binary>> input = object::createBinary(path);
  if (!input)
    return fail(input.takeError());
  std::vector<std::string> renamed; // the configuration refers to them
  for (const std::string &name : functions)
    renamed.push_back(libraryPrefix(model) + name.substr(kTemplatePrefix.size()));
  objcopy::ConfigManager config;
  for (auto [name, to] : llvm::zip_equal(functions, renamed)) {
    config.Common.SymbolsToRename[name] = to;
    if (Error problem = config.Common.SymbolsToKeepGlobal.addMatcher(objcopy::NameOrPattern::create(
            name, objcopy::MatchStyle::Literal, [](Error warning) { return warning; })))
      return fail(std::move(problem));
  }
  SmallString<0> bytes;
  raw_svector_ostream out(bytes);
  if (Error problem = objcopy::executeObjcopyOnBinary(config, *input->getBinary(), out))
    return fail(std::move(problem));
  object = std::string(bytes.str());
  return true;
}

std::string netc::writeLibraryArchive(StringRef path, StringRef member, StringRef object) {
  std::vector<NewArchiveMember> members(1);
  members[0].Buf = MemoryBuffer::getMemBuffer(object, member, false);
  members[0].MemberName = members[0].Buf->getBufferIdentifier();
  Error problem = writeArchive(path, members, SymtabWritingMode::NormalSymtab,
                               object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false);
  return problem ? toString(std::move(problem)) : std::string();
}
