//===- ImageFiles.h - which files are images --------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_IMAGE_IMAGEFILES_H
#define NETC_RUNTIME_IMAGE_IMAGEFILES_H

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace netc::runtime {

/// Longer files are no images, whatever their names.
inline constexpr uint64_t mostImageBytes = 1ull << 30;

/// By its name: .jpg, .jpeg, .png, in any case.
bool isImageFile(const std::filesystem::path &path);

/// By its name: it begins with a dot.
bool isHidden(const std::filesystem::path &path);

/// Files that were left out for one reason.
struct LeftOut {
  int64_t count = 0;
  std::string first; ///< by name

  void add(const std::string &path) { add({1, path}); }
  void add(const LeftOut &more);
};

/// What a folder holds, and those below it. Hidden files and folders are left out everywhere.
struct FoundFiles {
  /// Sorted by name. Includes links to nothing; reading them reports the error.
  std::vector<std::string> images;
  LeftOut others;  ///< files whose names are no image's
  LeftOut hidden;  ///< files and folders whose names begin with a dot
  LeftOut loops;   ///< links that lead back to a folder above them
  LeftOut special; ///< pipes, devices and sockets with an image's name, or links to them
  LeftOut giants;  ///< files of more than mostImageBytes

  /// Adds what was left out elsewhere.
  void addLeftOut(const FoundFiles &more);
  /// One line each for hidden files, links that lead back, pipes and devices, and giants.
  void tellLeftOut(const std::string &root) const;
};

/// Links are followed, but for those that lead back to a folder above them. `root`: a folder above,
/// if one matters. Fails with an Error that names a folder that cannot be read.
FoundFiles findImageFiles(const std::string &folder, const std::string &root = {});

/// The bytes of an image file. Fails with an Error that names it where it cannot be read, is none
/// by its first bytes (the rest is not read then), or is longer than mostImageBytes. What is no
/// regular file is refused without waiting for it, but with `pipes` it is read.
std::string readImageFile(const std::string &path, bool pipes = false);

/// Fails where a model's input of `channels` cannot be filled from image files; `file` is one that
/// it was to be filled from.
void requireImageChannels(int channels, const std::string &file);

} // namespace netc::runtime

#endif // NETC_RUNTIME_IMAGE_IMAGEFILES_H
