//===- ImageFiles.cpp - which files are images ----------------------------===//
#include "runtime/image/ImageFiles.h"

#include "runtime/base/Error.h"

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

/// `above`: the folders that `folder` lies in.
static void search(const fs::path &folder, std::vector<fs::path> &above, FoundFiles &found) {
  std::error_code error;
  auto leadsBack = [&](const fs::path &other) { return fs::equivalent(folder, other, error); };
  if (std::any_of(above.begin(), above.end(), leadsBack)) {
    warn(fmt::format("{}: leads back to a folder above it and is left out", folder.string()));
    return;
  }
  fs::directory_iterator entries(folder, error), end;
  if (error)
    fail("cannot read the folder {}: {}", folder.string(), error.message());
  above.push_back(folder);
  while (entries != end) {
    const fs::directory_entry &entry = *entries;
    fs::file_status status = entry.status(error); // of what a link leads to
    if (fs::is_directory(status)) {
      search(entry.path(), above, found);
    } else if (!isImageFile(entry.path())) {
      if (!entry.path().filename().string().starts_with('.') && found.others++ == 0)
        found.firstOther = entry.path().string();
    } else if (fs::is_regular_file(status) || entry.is_symlink(error) ||
               !fs::status_known(status)) {
      found.images.push_back(entry.path().string());
    } else {
      warn(fmt::format("{}: no regular file, left out", entry.path().string()));
    }
    entries.increment(error);
    if (error)
      fail("cannot read the folder {}: {}", folder.string(), error.message());
  }
  above.pop_back();
}

FoundFiles findImageFiles(const std::string &folder, const std::string &root) {
  FoundFiles found;
  std::vector<fs::path> above;
  if (!root.empty())
    above.emplace_back(root);
  search(folder, above, found);
  std::sort(found.images.begin(), found.images.end());
  return found;
}

} // namespace netc::runtime
