//===- Image.h - decoded images ---------------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_IMAGE_IMAGE_H
#define NETC_RUNTIME_IMAGE_IMAGE_H

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace netc::runtime {

/// 8-bit pixels, [height, width, channels], channels 1 (grey) or 3 (RGB);
/// synthetic data may have any number.
struct Image {
  int height = 0, width = 0, channels = 0;
  /// Size of the file's image where decoding scaled it down; else height, width.
  int fullHeight = 0, fullWidth = 0;
  /// Where decoding scaled it down: a pixel covers 8 / eighths pixels of the file's image each way.
  int eighths = 8;
  /// The same: how far the first row and column reach beyond the file's image, in its pixels. The
  /// rows and columns that a scaled decode fills up lie there once an image is turned upright.
  double outsideTop = 0, outsideLeft = 0;
  std::vector<uint8_t> pixels;

  void resize(int h, int w, int c) {
    height = fullHeight = h;
    width = fullWidth = w;
    channels = c;
    eighths = 8;
    outsideTop = outsideLeft = 0;
    pixels.resize(size_t(h) * size_t(w) * size_t(c));
  }
};

/// Files that claim more pixels are refused as damaged or hostile.
inline constexpr uint64_t mostPixels = 1ull << 28;

/// Gets the size of an image in its file (upright) and returns how many eighths of it
/// are enough (1 to 8): JPEG decoding is cheaper at 1/2, 1/4, 1/8. May be empty.
using ScaleChooser = std::function<int(int height, int width)>;

/// Decodes JPEG (baseline, progressive, grey, CMYK, EXIF orientation applied) or
/// PNG (the stored values, whatever the file says of gamma or colour profiles; alpha dropped, of 16
/// bits the high byte, palettes expanded). Fails with an Error that names `path`. Thread-safe.
void decodeImage(const std::string &path, std::string_view bytes, const ScaleChooser &chooseScale,
                 Image &out);

/// Whether a file of these first bytes (eight are enough) is a JPEG or a PNG.
bool isImageStart(std::string_view bytes);

void decodeJpeg(const std::string &path, std::string_view bytes, const ScaleChooser &chooseScale,
                Image &out);
void decodePng(const std::string &path, std::string_view bytes, Image &out);

/// Decodes a PNG whose pixels are class indices: the numbers of a palette's colours, or grey values
/// of 1 to 8 bits as they are stored. Fails where it has colours of its own.
void decodeLabels(const std::string &path, std::string_view bytes, Image &out);

/// The bytes of an 8-bit PNG.
std::string encodePng(const Image &image);

/// Writes an 8-bit PNG atomically.
void writePng(const std::string &path, const Image &image);

} // namespace netc::runtime

#endif // NETC_RUNTIME_IMAGE_IMAGE_H
