//===- ImageFiles.cpp - which files are images ----------------------------===//
#include "runtime/ImageFiles.h"

#include "runtime/Error.h"

#include <algorithm>
#include <cctype>

namespace netc::runtime {

namespace fs = std::filesystem;

bool isImageFile(const fs::path &path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

std::vector<std::string> imageFilesBelow(const std::string &folder) {
  std::vector<std::string> files;
  try {
    for (const fs::directory_entry &entry : fs::recursive_directory_iterator(
             folder, fs::directory_options::follow_directory_symlink))
      if (entry.is_regular_file() && isImageFile(entry.path()))
        files.push_back(entry.path().string());
  } catch (const fs::filesystem_error &error) {
    fail("cannot read the folder {}: {}", error.path1().string(), error.code().message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

} // namespace netc::runtime
