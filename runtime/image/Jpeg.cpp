//===- Jpeg.cpp - decoding JPEG with libjpeg-turbo ------------------------===//
#include "runtime/base/Error.h"
#include "runtime/image/Image.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>

#include <jerror.h>

namespace netc::runtime {

// A file of a few hundred bytes may claim scans that take minutes (libjpeg-turbo's
// "Two issues with the JPEG standard"); cameras write about ten.
static constexpr int mostScans = 200;

namespace {
/// libjpeg reports through a jump: C frames cannot be unwound.
struct ErrorState {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

/// Everything that must survive the jump lives here, outside the frame that it leaves.
struct Decoder {
  jpeg_decompress_struct info{};
  ErrorState error{};
  jpeg_progress_mgr progress{};
  std::vector<uint8_t> row;
  int orientation = 1;
};
} // namespace

static void onError(j_common_ptr info) {
  ErrorState *state = reinterpret_cast<ErrorState *>(info->err);
  info->err->format_message(info, state->message);
  std::longjmp(state->jump, 1);
}

/// Whether a warning leaves the pixels sound: it is about headers that some cameras and programs
/// write wrong, about bytes between two segments, or about the end marker alone. The data of a
/// baseline image in one scan that ends too early brings a warning of its own.
static bool isHarmless(j_common_ptr info) {
  switch (info->err->msg_code) {
  case JWRN_JFIF_MAJOR:
  case JWRN_ADOBE_XFORM:
  case JWRN_NOT_SEQUENTIAL:
  case JWRN_EXTRANEOUS_DATA:
    return true;
  case JWRN_JPEG_EOF: {
    if (!info->is_decompressor)
      return false;
    auto *decoding = reinterpret_cast<j_decompress_ptr>(info);
    return !decoding->progressive_mode && !decoding->arith_code &&
           decoding->comps_in_scan == decoding->num_components;
  }
  default:
    return false;
  }
}

/// All other warnings are damage: a truncated file would decode to grey.
static void onMessage(j_common_ptr info, int level) {
  if (level < 0 && !isHarmless(info))
    onError(info);
}

static void onProgress(j_common_ptr info) {
  auto *decoding = reinterpret_cast<j_decompress_ptr>(info);
  if (!info->is_decompressor || decoding->input_scan_number <= mostScans)
    return;
  ErrorState *state = reinterpret_cast<ErrorState *>(info->err);
  std::snprintf(state->message, sizeof state->message, "more than %d scans", mostScans);
  std::longjmp(state->jump, 1);
}

/// APP1 is shared: EXIF, XMP and others each begin with a name.
static bool isExif(jpeg_saved_marker_ptr marker) {
  return marker->marker == JPEG_APP0 + 1 && marker->data_length >= 6 &&
         std::memcmp(marker->data, "Exif\0\0", 6) == 0;
}

/// The orientation tag (0x0112) of an EXIF segment, 1 where there is none.
static int exifOrientation(const uint8_t *data, size_t size) {
  if (size < 14)
    return 1;
  const uint8_t *tiff = data + 6;
  size_t length = size - 6;
  bool little = tiff[0] == 'I';
  auto read = [&](size_t at, int bytes) -> uint32_t {
    uint32_t value = 0;
    if (at + size_t(bytes) > length)
      return 0;
    for (int i = 0; i < bytes; ++i)
      value |= uint32_t(tiff[at + size_t(i)]) << 8 * (little ? i : bytes - 1 - i);
    return value;
  };
  size_t directory = read(4, 4);
  uint32_t entries = read(directory, 2);
  for (uint32_t i = 0; i < entries && i < 1000; ++i) {
    size_t entry = directory + 2 + 12 * size_t(i);
    if (read(entry, 2) == 0x0112) {
      bool isLong = read(entry + 2, 2) == 4; // a short by the standard
      uint32_t value = read(entry + 8, isLong ? 4 : 2);
      return value >= 1 && value <= 8 ? int(value) : 1;
    }
  }
  return 1;
}

/// Turns `image` upright; EXIF numbers the eight ways a camera can be held.
static void applyOrientation(int orientation, Image &image) {
  if (orientation == 1)
    return;
  bool swapped = orientation >= 5;
  int h = swapped ? image.width : image.height, w = swapped ? image.height : image.width;
  std::vector<uint8_t> upright(image.pixels.size());
  size_t channels = size_t(image.channels);
  bool mirrorX = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  bool mirrorY = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      int fromY = swapped ? x : y, fromX = swapped ? y : x;
      if (mirrorX)
        fromX = image.width - 1 - fromX;
      if (mirrorY)
        fromY = image.height - 1 - fromY;
      std::memcpy(&upright[(size_t(y) * size_t(w) + size_t(x)) * channels],
                  &image.pixels[(size_t(fromY) * size_t(image.width) + size_t(fromX)) * channels],
                  channels);
    }
  int fullHeight = image.fullHeight, fullWidth = image.fullWidth, eighths = image.eighths;
  // What a scaled decode has beyond the far edge comes to lie before the near one.
  double outsideY = mirrorY ? image.height * 8.0 / eighths - fullHeight : 0;
  double outsideX = mirrorX ? image.width * 8.0 / eighths - fullWidth : 0;
  image.resize(h, w, image.channels);
  image.pixels = std::move(upright);
  image.fullHeight = swapped ? fullWidth : fullHeight;
  image.fullWidth = swapped ? fullHeight : fullWidth;
  image.eighths = eighths;
  image.outsideTop = swapped ? outsideX : outsideY;
  image.outsideLeft = swapped ? outsideY : outsideX;
}

static void readHeader(Decoder &decoder, const ScaleChooser &chooseScale, Image &out) {
  jpeg_decompress_struct &info = decoder.info;
  jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&info, TRUE);
  jpeg_saved_marker_ptr marker = info.marker_list;
  while (marker && !isExif(marker))
    marker = marker->next;
  if (marker)
    decoder.orientation = exifOrientation(marker->data, marker->data_length);
  out.fullHeight = int(info.image_height);
  out.fullWidth = int(info.image_width);
  if (uint64_t(info.image_height) * info.image_width > mostPixels) {
    std::snprintf(decoder.error.message, sizeof decoder.error.message,
                  "%u x %u pixels are more than this program reads", info.image_width,
                  info.image_height);
    std::longjmp(decoder.error.jump, 1);
  }
  if (chooseScale) {
    bool swapped = decoder.orientation >= 5;
    info.scale_num = unsigned(swapped ? chooseScale(out.fullWidth, out.fullHeight)
                                      : chooseScale(out.fullHeight, out.fullWidth));
    info.scale_denom = 8;
  }
  if (info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK)
    info.out_color_space = JCS_CMYK;
  else
    info.out_color_space = info.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
}

/// Adobe writes CMYK inverted, and all who write CMYK do as Adobe.
static void cmykToRgb(const uint8_t *from, int count, uint8_t *to) {
  for (int i = 0; i < count; ++i, from += 4, to += 3)
    for (int c = 0; c < 3; ++c)
      to[c] = uint8_t((from[c] * from[3] + 127) / 255);
}

static void readRows(Decoder &decoder, Image &out) {
  jpeg_decompress_struct &info = decoder.info;
  jpeg_start_decompress(&info);
  int fullHeight = out.fullHeight, fullWidth = out.fullWidth;
  int eighths = int(info.scale_num * 8 / info.scale_denom);
  bool cmyk = info.out_color_space == JCS_CMYK;
  out.resize(int(info.output_height), int(info.output_width), cmyk ? 3 : info.output_components);
  out.fullHeight = fullHeight;
  out.fullWidth = fullWidth;
  out.eighths = eighths;
  decoder.row.resize(size_t(info.output_width) * 4);
  while (info.output_scanline < info.output_height) {
    uint8_t *to =
        out.pixels.data() + size_t(info.output_scanline) * size_t(out.width) * size_t(out.channels);
    JSAMPROW row = cmyk ? decoder.row.data() : to;
    jpeg_read_scanlines(&info, &row, 1);
    if (cmyk)
      cmykToRgb(decoder.row.data(), out.width, to);
  }
  jpeg_finish_decompress(&info);
}

void decodeJpeg(const std::string &path, std::string_view bytes, const ScaleChooser &chooseScale,
                Image &out) {
  auto decoder = std::make_unique<Decoder>();
  decoder->info.err = jpeg_std_error(&decoder->error.manager);
  decoder->error.manager.error_exit = onError;
  decoder->error.manager.emit_message = onMessage;
  if (setjmp(decoder->error.jump)) {
    std::string message = decoder->error.message;
    jpeg_destroy_decompress(&decoder->info);
    fail("{}: damaged JPEG: {}", path, message);
  }
  jpeg_create_decompress(&decoder->info);
  decoder->progress.progress_monitor = onProgress;
  decoder->info.progress = &decoder->progress;
  jpeg_mem_src(&decoder->info, reinterpret_cast<const unsigned char *>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  readHeader(*decoder, chooseScale, out);
  readRows(*decoder, out);
  int orientation = decoder->orientation;
  jpeg_destroy_decompress(&decoder->info);
  applyOrientation(orientation, out);
}

} // namespace netc::runtime
