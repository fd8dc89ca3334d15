//===- ImageFiles.h - which files are images --------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_IMAGE_IMAGEFILES_H
#define NETC_RUNTIME_IMAGE_IMAGEFILES_H

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace netc::runtime {

/// By its name: .jpg, .jpeg, .png, in any case.
bool isImageFile(const std::filesystem::path &path);

/// What a folder holds, and those below it.
struct FoundFiles {
  /// By name. Links that lead nowhere are among them: whoever reads them says so.
  std::vector<std::string> images;
  /// Files whose names are no image's; hidden ones don't count.
  int64_t others = 0;
  std::string firstOther;
};

/// Links are followed, but for those that lead back to a folder above them: a warning names these,
/// and pipes and devices with an image's name. `root`: a folder above, if one matters. Fails with
/// an Error that names a folder that cannot be read.
FoundFiles findImageFiles(const std::string &folder, const std::string &root = {});

} // namespace netc::runtime

#endif // NETC_RUNTIME_IMAGE_IMAGEFILES_H
