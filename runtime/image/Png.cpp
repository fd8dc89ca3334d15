//===- Png.cpp - PNG in and out with libpng -------------------------------===//
#include "runtime/base/Error.h"
#include "runtime/image/Image.h"
#include "runtime/system/AtomicFile.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <png.h>

namespace netc::runtime {

namespace {
/// Everything that must survive the jump by which libpng reports errors.
struct Decoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::jmp_buf jump;
  char message[256] = "";
  std::string_view rest;
  std::vector<png_bytep> rows;

  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
};
} // namespace

static void onError(png_structp png, png_const_charp message) {
  auto *decoder = static_cast<Decoder *>(png_get_error_ptr(png));
  std::snprintf(decoder->message, sizeof decoder->message, "%s", message);
  std::longjmp(decoder->jump, 1);
}

/// Warnings are about colour profiles, texts and the like.
static void onWarning(png_structp, png_const_charp) {}

static void readBytes(png_structp png, png_bytep to, size_t size) {
  auto *decoder = static_cast<Decoder *>(png_get_io_ptr(png));
  if (decoder->rest.size() < size)
    png_error(png, "the file ends early");
  std::memcpy(to, decoder->rest.data(), size);
  decoder->rest.remove_prefix(size);
}

/// To 8 bits and to grey or RGB without alpha. Values stay as stored: gAMA, cHRM, sRGB and iCCP
/// change nothing unless asked to, and no library that trains asks.
static void setTransforms(const Decoder &decoder) {
  png_set_strip_16(decoder.png);
  png_set_strip_alpha(decoder.png);
  int type = png_get_color_type(decoder.png, decoder.info);
  if (type == PNG_COLOR_TYPE_PALETTE)
    png_set_palette_to_rgb(decoder.png);
  else if (type == PNG_COLOR_TYPE_GRAY)
    png_set_expand_gray_1_2_4_to_8(decoder.png);
  png_set_interlace_handling(decoder.png);
  png_read_update_info(decoder.png, decoder.info);
}

/// To one byte for each index; values stay as stored.
static void keepIndices(const std::string &path, const Decoder &decoder) {
  int type = png_get_color_type(decoder.png, decoder.info);
  int bits = png_get_bit_depth(decoder.png, decoder.info);
  if ((type & PNG_COLOR_MASK_COLOR) && type != PNG_COLOR_TYPE_PALETTE)
    fail("{}: a PNG of colours, expected class indices: a palette, or one grey channel", path);
  if (bits > 8)
    fail("{}: a PNG of {} bits, expected class indices of at most 8", path, bits);
  png_set_packing(decoder.png);
  png_set_strip_alpha(decoder.png);
  png_set_interlace_handling(decoder.png);
  png_read_update_info(decoder.png, decoder.info);
}

static void readHeader(const std::string &path, bool indices, Decoder &decoder, Image &out) {
  png_set_read_fn(decoder.png, &decoder, readBytes);
  png_set_benign_errors(decoder.png, 1); // warnings
  png_read_info(decoder.png, decoder.info);
  png_uint_32 width = png_get_image_width(decoder.png, decoder.info);
  png_uint_32 height = png_get_image_height(decoder.png, decoder.info);
  if (uint64_t(width) * height > mostPixels)
    fail("{}: {} x {} pixels are more than this program reads", path, width, height);
  indices ? keepIndices(path, decoder) : setTransforms(decoder);
  out.resize(int(height), int(width), png_get_channels(decoder.png, decoder.info));
}

static void readRows(Decoder &decoder, Image &out) {
  size_t rowBytes = size_t(out.width) * size_t(out.channels);
  if (png_get_rowbytes(decoder.png, decoder.info) != rowBytes)
    png_error(decoder.png, "unexpected size of a row");
  for (int y = 0; y < out.height; ++y)
    decoder.rows.push_back(out.pixels.data() + size_t(y) * rowBytes);
  png_read_image(decoder.png, decoder.rows.data());
}

static void decode(const std::string &path, std::string_view bytes, bool indices, Image &out) {
  auto decoder = std::make_unique<Decoder>();
  decoder->rest = bytes;
  decoder->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder.get(), onError, onWarning);
  decoder->info = decoder->png ? png_create_info_struct(decoder->png) : nullptr;
  if (!decoder->info)
    throw std::bad_alloc();
  if (setjmp(decoder->jump))
    fail("{}: damaged PNG: {}", path, decoder->message);
  readHeader(path, indices, *decoder, out);
  readRows(*decoder, out);
}

void decodePng(const std::string &path, std::string_view bytes, Image &out) {
  decode(path, bytes, false, out);
}

static constexpr std::string_view jpegStart = "\xFF\xD8", pngStart = "\x89PNG\r\n\x1A\n";

void decodeLabels(const std::string &path, std::string_view bytes, Image &out) {
  if (!bytes.starts_with(pngStart))
    fail("{}: masks are PNG files", path);
  decode(path, bytes, true, out);
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

bool isImageStart(std::string_view bytes) {
  return bytes.starts_with(jpegStart) || bytes.starts_with(pngStart);
}

void decodeImage(const std::string &path, std::string_view bytes, const ScaleChooser &chooseScale,
                 Image &out) {
  if (bytes.starts_with(jpegStart))
    return decodeJpeg(path, bytes, chooseScale, out);
  if (bytes.starts_with(pngStart))
    return decodePng(path, bytes, out);
  fail("{}: neither JPEG nor PNG", path);
}

} // namespace netc::runtime
