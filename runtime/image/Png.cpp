//===- Png.cpp - PNG in and out with libpng -------------------------------===//
#include "runtime/base/Error.h"
#include "runtime/image/Image.h"
#include "runtime/system/AtomicFile.h"

#include <cstring>
#include <png.h>

namespace netc::runtime {

void decodePng(const std::string &path, std::string_view bytes, Image &out) {
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()))
    fail("{}: damaged PNG: {}", path, image.message);
  if (uint64_t(image.width) * image.height > mostPixels) {
    png_image_free(&image);
    fail("{}: {} x {} pixels are more than this program reads", path, image.width, image.height);
  }
  // Else 16 bits are taken for linear light, which no training library does.
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  bool color = image.format & PNG_FORMAT_FLAG_COLOR;
  bool alpha = image.format & PNG_FORMAT_FLAG_ALPHA;
  // Read with alpha, which is then dropped: libpng would blend it with a background.
  image.format = (color ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY) | (alpha ? PNG_FORMAT_FLAG_ALPHA : 0);
  size_t stored = PNG_IMAGE_PIXEL_CHANNELS(image.format), kept = color ? 3 : 1;
  out.resize(int(image.height), int(image.width), int(kept));
  std::vector<uint8_t> withAlpha(alpha ? PNG_IMAGE_SIZE(image) : 0);
  if (!png_image_finish_read(&image, nullptr, alpha ? withAlpha.data() : out.pixels.data(), 0,
                             nullptr)) {
    std::string message = image.message;
    png_image_free(&image);
    fail("{}: damaged PNG: {}", path, message);
  }
  if (!alpha)
    return;
  size_t pixels = size_t(out.height) * size_t(out.width);
  for (size_t i = 0; i < pixels; ++i)
    std::memcpy(&out.pixels[i * kept], &withAlpha[i * stored], kept);
}

std::string encodePng(const Image &source) {
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = png_uint_32(source.width);
  image.height = png_uint_32(source.height);
  image.format = source.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(image), '\0');
  png_alloc_size_t size = bytes.size();
  if (!png_image_write_to_memory(&image, bytes.data(), &size, 0, source.pixels.data(), 0, nullptr))
    fail("cannot encode an image of {} x {} as PNG: {}", source.width, source.height,
         image.message);
  bytes.resize(size);
  return bytes;
}

void writePng(const std::string &path, const Image &image) {
  writeFileAtomically(path, encodePng(image));
}

void decodeImage(const std::string &path, std::string_view bytes, const ScaleChooser &chooseScale,
                 Image &out) {
  auto startsWith = [&](std::string_view magic) { return bytes.substr(0, magic.size()) == magic; };
  if (startsWith("\xFF\xD8\xFF"))
    return decodeJpeg(path, bytes, chooseScale, out);
  if (startsWith("\x89PNG\r\n\x1A\n"))
    return decodePng(path, bytes, out);
  fail("{}: neither JPEG nor PNG", path);
}

} // namespace netc::runtime
