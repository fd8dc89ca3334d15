//===- KernelCache.cpp - machine code of kernels, kept in a folder --------===//
#include "codegen/package/KernelCache.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/EndianStream.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

#include <chrono>
#include <vector>

using namespace netc;
using llvm::StringRef;

/// A file: magic, checksum of the rest, scratch bytes, lengths of the source and of the parts'
/// symbols, source, symbols (each ends in a newline), object.
static constexpr StringRef kMagic = "netck002";
static constexpr StringRef kSuffix = ".kernel";
static constexpr size_t kHead = 8 + 8 + 8 + 8 + 8;
/// Partial files older than this belong to a netc process that was killed.
static constexpr std::chrono::hours kAbandoned(1);

KernelCache::KernelCache(std::string folder, uint64_t mostBytes)
    : folder(std::move(folder)), mostBytes(mostBytes) {}

std::string KernelCache::pathOf(StringRef key) const {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, key + kSuffix);
  return std::string(path);
}

/// The entry in `bytes`, where it is whole and its source is right.
static std::optional<KernelCode> decode(StringRef bytes,
                                        llvm::function_ref<bool(StringRef)> isRight) {
  using namespace llvm::support;
  if (bytes.size() < kHead || !bytes.starts_with(kMagic) ||
      endian::read64le(bytes.data() + 8) != llvm::xxh3_64bits(bytes.drop_front(16)))
    return std::nullopt;
  KernelCode code;
  code.scratchBytes = endian::read64le(bytes.data() + 16);
  StringRef rest = bytes.drop_front(kHead);
  uint64_t length = endian::read64le(bytes.data() + 24);
  uint64_t partsLength = endian::read64le(bytes.data() + 32);
  if (length > rest.size() || partsLength > rest.size() - length ||
      !isRight(rest.take_front(length)))
    return std::nullopt;
  llvm::SmallVector<StringRef> parts;
  rest.substr(length, partsLength).split(parts, '\n', -1, /*KeepEmpty=*/false);
  code.parts.assign(parts.begin(), parts.end());
  code.object = rest.drop_front(length + partsLength).str();
  return code;
}

static std::string encode(StringRef source, const KernelCode &code) {
  std::string rest, parts;
  for (const std::string &part : code.parts)
    parts += part + "\n";
  llvm::raw_string_ostream out(rest);
  llvm::support::endian::Writer writer(out, llvm::endianness::little);
  writer.write<uint64_t>(code.scratchBytes);
  writer.write<uint64_t>(source.size());
  writer.write<uint64_t>(parts.size());
  out << source << parts << code.object;
  std::string whole;
  llvm::raw_string_ostream all(whole);
  all << kMagic;
  llvm::support::endian::Writer(all, llvm::endianness::little)
      .write<uint64_t>(llvm::xxh3_64bits(rest));
  all << rest;
  return whole;
}

std::optional<KernelCode> KernelCache::find(StringRef key,
                                            llvm::function_ref<bool(StringRef)> isRight) const {
  if (folder.empty())
    return std::nullopt;
  std::string path = pathOf(key);
  auto file = llvm::sys::fs::openNativeFileForRead(path);
  if (!file) {
    llvm::consumeError(file.takeError());
    return std::nullopt;
  }
  std::optional<KernelCode> code;
  if (auto buffer = llvm::MemoryBuffer::getOpenFile(*file, path, -1, false))
    code = decode((*buffer)->getBuffer(), isRight);
  if (code) // the time of the last use; another user's file keeps its own
    (void)llvm::sys::fs::setLastAccessAndModificationTime(*file, std::chrono::system_clock::now());
  llvm::sys::fs::closeFile(*file);
  return code;
}

void KernelCache::keep(StringRef key, StringRef source, const KernelCode &code) {
  if (folder.empty() || !failure.empty())
    return;
  if (std::error_code error = llvm::sys::fs::create_directories(folder)) {
    failure = error.message();
    return;
  }
  std::string path = pathOf(key);
  auto partial = llvm::sys::fs::TempFile::create(path + "-%%%%%%%%.partial");
  if (!partial) {
    failure = llvm::toString(partial.takeError());
    return;
  }
  llvm::raw_fd_ostream out(partial->FD, /*shouldClose=*/false);
  out << encode(source, code);
  out.flush();
  std::error_code unwritten = out.error();
  out.clear_error();
  llvm::Error lost = unwritten ? partial->discard() : partial->keep(path);
  if (unwritten)
    failure = unwritten.message();
  if (lost && failure.empty())
    failure = llvm::toString(std::move(lost));
  else
    llvm::consumeError(std::move(lost));
  hasGrown = true;
}

namespace {
struct Entry {
  std::string path;
  llvm::sys::TimePoint<> used;
  uint64_t bytes;
};
} // namespace

void KernelCache::trim() {
  if (!hasGrown)
    return;
  hasGrown = false;
  std::vector<Entry> entries;
  uint64_t total = 0;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator file(folder, error), end; file != end && !error;
       file.increment(error)) {
    StringRef name = llvm::sys::path::filename(file->path());
    auto status = file->status();
    if (!status)
      continue;
    if (name.ends_with(".partial") &&
        status->getLastModificationTime() + kAbandoned < std::chrono::system_clock::now())
      llvm::sys::fs::remove(file->path());
    if (!name.ends_with(kSuffix))
      continue;
    entries.push_back({file->path(), status->getLastModificationTime(), status->getSize()});
    total += status->getSize();
  }
  if (total <= mostBytes)
    return;
  // A little further than needed, so that not every run has to.
  llvm::sort(entries, [](const Entry &a, const Entry &b) {
    return std::tie(a.used, a.path) < std::tie(b.used, b.path);
  });
  for (const Entry &entry : entries) {
    if (total <= mostBytes / 8 * 7)
      break;
    llvm::sys::fs::remove(entry.path);
    total -= entry.bytes;
  }
}
