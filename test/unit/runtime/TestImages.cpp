#include "test/unit/runtime/TestImages.h"

#include <cmath>
#include <cstdlib>

namespace netc::runtime {

std::string makeJpeg(const JpegRequest &request) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char *buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_height = unsigned(request.height);
  info.image_width = unsigned(request.width);
  info.input_components = request.channels;
  info.in_color_space = request.space;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 95, TRUE);
  if (request.progressive)
    jpeg_simple_progression(&info);
  info.restart_in_rows = request.restart;
  jpeg_start_compress(&info, TRUE);
  if (request.orientation) {
    std::string exif("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0", 32);
    exif[25] = char(request.orientation);
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET *>(exif.data()), 32);
  }
  std::vector<JSAMPLE> row(size_t(request.width * request.channels));
  JSAMPROW pointer = row.data();
  for (int y = 0; y < request.height; ++y) {
    for (int x = 0; x < request.width; ++x)
      for (int c = 0; c < request.channels; ++c)
        row[size_t(x * request.channels + c)] =
            c == 3           ? 255
            : !request.waves ? JSAMPLE((x < request.width / 2 ? 40 : 200) + 10 * c)
                             : JSAMPLE(std::lround(128 + 55 * std::sin(y / 24.0 + c) +
                                                   55 * std::sin(x / 29.0 + 2 * c)));
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  std::string text(reinterpret_cast<char *>(buffer), size);
  jpeg_destroy_compress(&info);
  std::free(buffer);
  return text;
}

std::string makePng(const PngRequest &request, const std::vector<uint8_t> &samples) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  std::string text;
  png_set_write_fn(
      png, &text,
      [](png_structp png, png_bytep data, size_t size) {
        static_cast<std::string *>(png_get_io_ptr(png))
            ->append(reinterpret_cast<char *>(data), size);
      },
      nullptr);
  png_set_IHDR(png, info, png_uint_32(request.width), png_uint_32(request.height), request.bits,
               request.colorType, request.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_color palette[64];
  for (int i = 0; i < 64; ++i)
    palette[i] = {png_byte(i), png_byte(2 * i), png_byte(3 * i)};
  if (request.colorType == PNG_COLOR_TYPE_PALETTE)
    png_set_PLTE(png, info, palette, 64);
  if (request.gamma > 0)
    png_set_gAMA(png, info, request.gamma);
  if (request.colors)
    png_set_cHRM(png, info, 0.3127, 0.329, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001);
  png_set_benign_errors(png, 1);
  png_byte alpha = 0;
  png_color_16 black{};
  if (request.transparentFirst)
    png_set_tRNS(png, info, &alpha, 1, &black);
  png_write_info(png, info);
  if (!request.profile.empty()) { // as given: libpng would refuse to write most of them
    std::string chunk = "profile" + std::string(2, '\0') + request.profile;
    png_write_chunk(png, reinterpret_cast<png_const_bytep>("iCCP"),
                    reinterpret_cast<png_const_bytep>(chunk.data()), chunk.size());
  }
  size_t rowBytes = png_get_rowbytes(png, info);
  std::vector<uint8_t> padded = samples;
  padded.resize(rowBytes * size_t(request.height));
  std::vector<png_bytep> rows;
  for (int y = 0; y < request.height; ++y)
    rows.push_back(padded.data() + size_t(y) * rowBytes);
  png_write_image(png, rows.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return text;
}

} // namespace netc::runtime
