//===- ImageFiles.cpp - which files are images ----------------------------===//
#include "runtime/image/ImageFiles.h"

#include "runtime/base/Error.h"
#include "runtime/image/Image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace netc::runtime {

namespace fs = std::filesystem;

bool isImageFile(const fs::path &path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

bool isHidden(const fs::path &path) { return path.filename().string().starts_with('.'); }

void LeftOut::add(const LeftOut &more) {
  if (more.count && (count == 0 || more.first < first))
    first = more.first;
  count += more.count;
}

void FoundFiles::addLeftOut(const FoundFiles &more) {
  others.add(more.others);
  hidden.add(more.hidden);
  loops.add(more.loops);
  special.add(more.special);
  giants.add(more.giants);
}

void FoundFiles::tellLeftOut(const std::string &root) const {
  auto tell = [](const LeftOut &files, const std::string &what) {
    std::string more = files.count > 1 ? fmt::format(" (and {} more)", files.count - 1) : "";
    if (files.count)
      warn(fmt::format("{}: {}{}", files.first, what, more));
  };
  tell(loops, "leads back to a folder above it and is left out");
  tell(special, "no regular file, left out");
  tell(giants, fmt::format("longer than {} bytes, left out", mostImageBytes));
  if (hidden.count)
    note(fmt::format("{}: left out: {} hidden {} ({})", root, hidden.count,
                     hidden.count == 1 ? "file or folder" : "files or folders", hidden.first));
}

/// An image's name: what the name, or the link, leads to decides.
static void addImage(const fs::directory_entry &entry, const fs::file_status &status,
                     FoundFiles &found) {
  std::error_code error;
  std::string path = entry.path().string();
  bool special = fs::is_other(status);
  bool giant = fs::is_regular_file(status) && entry.file_size(error) > mostImageBytes && !error;
  if (special)
    found.special.add(path);
  else if (giant)
    found.giants.add(path);
  else
    found.images.push_back(path);
}

/// `above`: the folders that `folder` lies in.
static void search(const fs::path &folder, std::vector<fs::path> &above, FoundFiles &found) {
  std::error_code error;
  auto leadsBack = [&](const fs::path &other) { return fs::equivalent(folder, other, error); };
  if (std::any_of(above.begin(), above.end(), leadsBack)) {
    found.loops.add(folder.string());
    return;
  }
  fs::directory_iterator entries(folder, error), end;
  if (error)
    fail("cannot read the folder {}: {}", folder.string(), error.message());
  above.push_back(folder);
  while (entries != end) {
    const fs::directory_entry &entry = *entries;
    fs::file_status status = entry.status(error); // of what a link leads to
    if (isHidden(entry.path()))
      found.hidden.add(entry.path().string());
    else if (fs::is_directory(status))
      search(entry.path(), above, found);
    else if (isImageFile(entry.path()))
      addImage(entry, status, found);
    else
      found.others.add(entry.path().string());
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

namespace {
class Descriptor {
public:
  explicit Descriptor(int number) : number(number) {}
  ~Descriptor() {
    if (number >= 0)
      close(number);
  }
  Descriptor(const Descriptor &) = delete;
  const int number;
};
} // namespace

/// Appends up to `most` bytes; false at the file's end.
static bool readMore(const std::string &path, int descriptor, size_t most, std::string &bytes) {
  size_t used = bytes.size();
  bytes.resize(used + most);
  ssize_t count;
  while ((count = read(descriptor, bytes.data() + used, most)) < 0 && errno == EINTR) {
  }
  if (count < 0)
    fail("cannot read {}: {}", path, std::strerror(errno));
  bytes.resize(used + size_t(count));
  return count > 0;
}

std::string readImageFile(const std::string &path, bool pipes) {
  // Without O_NONBLOCK a pipe that nobody writes to is waited for.
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | (pipes ? 0 : O_NONBLOCK)));
  struct stat status;
  if (file.number < 0 || fstat(file.number, &status) != 0)
    fail("cannot read {}: {}", path, std::strerror(errno));
  bool regular = S_ISREG(status.st_mode);
  if (!regular && !pipes && !S_ISDIR(status.st_mode)) // a folder: the read says so
    fail("{}: no regular file", path);
  static constexpr size_t start = 8, chunk = 1 << 16;
  std::string bytes;
  while (bytes.size() < start && readMore(path, file.number, start - bytes.size(), bytes)) {
  }
  if (!isImageStart(bytes))
    fail("{}: neither JPEG nor PNG", path);
  uint64_t size = regular ? std::min(uint64_t(status.st_size), mostImageBytes) : 0;
  bytes.reserve(size + chunk);
  while (readMore(path, file.number, size > bytes.size() ? size - bytes.size() : chunk, bytes))
    if (bytes.size() > mostImageBytes)
      fail("{}: longer than the {} bytes that an image may have", path, mostImageBytes);
  return bytes;
}

void requireImageChannels(int channels, const std::string &file) {
  if (channels != 1 && channels != 3)
    fail("{}: images are read as grey or RGB (alpha is dropped), but the model's input has {} "
         "channels",
         file, channels);
}

} // namespace netc::runtime
