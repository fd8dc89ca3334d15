//===- CodeVersion.cpp - which compiler this is ---------------------------===//
//
// A linker gives each program and library a build id, a hash of what is in it. Where there is none,
// the file itself is hashed.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/CodeVersion.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"

#include <elf.h>
#include <link.h>

using namespace netc;

/// The build id among the notes of a loaded object; empty: it has none.
static llvm::StringRef buildIdOf(const dl_phdr_info &object) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr) &segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_NOTE)
      continue;
    const char *at = reinterpret_cast<const char *>(object.dlpi_addr + segment.p_vaddr);
    const char *end = at + segment.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      const auto *note = reinterpret_cast<const ElfW(Nhdr) *>(at);
      const char *name = at + sizeof(*note), *value = name + llvm::alignTo(note->n_namesz, 4);
      if (note->n_type == NT_GNU_BUILD_ID &&
          llvm::StringRef(name, note->n_namesz) ==
              llvm::StringRef(ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)))
        return {value, note->n_descsz};
      at = value + llvm::alignTo(note->n_descsz, 4);
    }
  }
  return {};
}

static void addFile(llvm::BLAKE3 &hash, llvm::StringRef path) {
  if (auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                                /*RequiresNullTerminator=*/false))
    hash.update((*buffer)->getBuffer());
}

static int addObject(dl_phdr_info *object, size_t, void *data) {
  auto &hash = *static_cast<llvm::BLAKE3 *>(data);
  llvm::StringRef name = object->dlpi_name; // of the program: empty
  if (!name.empty() && !name.contains("LLVM") && !name.contains("MLIR"))
    return 0;
  llvm::StringRef id = buildIdOf(*object);
  if (!id.empty())
    hash.update(id);
  else
    addFile(hash, name.empty() ? "/proc/self/exe" : name);
  return 0;
}

const std::string &netc::codeVersion() {
  static const std::string version = [] {
    llvm::BLAKE3 hash;
    dl_iterate_phdr(addObject, &hash);
    return llvm::toHex(hash.final<16>(), /*LowerCase=*/true);
  }();
  return version;
}
