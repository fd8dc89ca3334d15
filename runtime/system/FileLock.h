//===- FileLock.h - one process at a time ------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_SYSTEM_FILELOCK_H
#define NETC_RUNTIME_SYSTEM_FILELOCK_H

#include <string>

namespace netc::runtime {

/// Opens `path` for writing (it is made where it is missing) and locks it; the lock ends with
/// the process. The descriptor, or -1 with `held` where another process has the lock, or -1 and
/// errno. On file systems that know no locks the file is only opened.
int openLocked(const std::string &path, bool &held);

/// A folder that one process writes to. FOLDER/train.lock says who, and goes with the object.
class FolderLock {
public:
  /// Makes the folder. Fails with an Error that names the process that has it.
  explicit FolderLock(std::string folder);
  ~FolderLock(); ///< a folder that it made and that is still empty goes as well
  FolderLock(const FolderLock &) = delete;
  FolderLock &operator=(const FolderLock &) = delete;

  /// Whether the lock still lies there: the folder was not removed, moved or replaced.
  bool isHeld() const;
  /// Locks the folder again, and makes it where it was removed.
  void renew();

private:
  void acquire();
  void release() noexcept;

  std::string folder, path;
  int descriptor = -1;
  bool madeFolder = false;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_SYSTEM_FILELOCK_H
