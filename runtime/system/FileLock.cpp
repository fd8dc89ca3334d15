//===- FileLock.cpp - one process at a time -------------------------------===//
#include "runtime/system/FileLock.h"

#include "runtime/base/Error.h"
#include "runtime/system/AtomicFile.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <utility>

namespace netc::runtime {

/// Whether `path` names the file that is open: another process may have removed or renamed it.
static bool isAt(int descriptor, const std::string &path) {
  struct stat opened, named;
  return fstat(descriptor, &opened) == 0 && stat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

int openLocked(const std::string &path, bool &held) {
  held = false;
  while (true) {
    int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0)
      return -1;
    bool locked = flock(descriptor, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno == EWOULDBLOCK) {
      held = true;
      close(descriptor);
      return -1;
    }
    if (isAt(descriptor, path)) // else its owner removed it between open and flock
      return descriptor;
    close(descriptor);
  }
}

FolderLock::FolderLock(std::string given) : folder(std::move(given)), path(folder + "/train.lock") {
  acquire();
}

FolderLock::~FolderLock() {
  release();
  if (madeFolder)
    rmdir(folder.c_str());
}

void FolderLock::release() noexcept {
  if (descriptor < 0)
    return;
  if (isAt(descriptor, path))
    unlink(path.c_str());
  close(descriptor);
  descriptor = -1;
}

/// "process 1234 on host, since 2026-11-27 18:00:00"
static std::string describeProcess() {
  char host[256] = "?";
  gethostname(host, sizeof host - 1);
  std::time_t now = std::time(nullptr);
  std::tm local{};
  char clock[32] = "";
  if (localtime_r(&now, &local))
    std::strftime(clock, sizeof clock, "%F %T", &local);
  return fmt::format("process {} on {}, since {}", getpid(), host, clock);
}

void FolderLock::acquire() {
  madeFolder |= !std::filesystem::exists(folder);
  makeFolder(folder);
  bool held = false;
  descriptor = openLocked(path, held);
  if (held) {
    std::string owner = readFile(path);
    fail("{} is in use: {} trains there; choose another --out, or wait for it", folder,
         owner.empty() ? std::string("another process") : owner.substr(0, owner.find('\n')));
  }
  if (descriptor < 0)
    failSystem("cannot write", path, errno);
  std::string text = describeProcess() + "\n";
  // Without room for its text the lock holds all the same.
  if (ftruncate(descriptor, 0) == 0 && write(descriptor, text.data(), text.size()) < 0)
    return;
}

bool FolderLock::isHeld() const { return isAt(descriptor, path); }

void FolderLock::renew() {
  release();
  acquire();
}

} // namespace netc::runtime
