//===- ImageFiles.h - which files are images --------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_IMAGEFILES_H
#define NETC_RUNTIME_IMAGEFILES_H

#include <filesystem>
#include <string>
#include <vector>

namespace netc::runtime {

/// By its name: .jpg, .jpeg, .png, in any case.
bool isImageFile(const std::filesystem::path &path);

/// The image files in `folder` and below, by name; links are followed. Fails with
/// an Error that names what cannot be read.
std::vector<std::string> imageFilesBelow(const std::string &folder);

} // namespace netc::runtime

#endif // NETC_RUNTIME_IMAGEFILES_H
