//===- TestImages.h - image files made for tests ----------------*- C++ -*-===//
#ifndef NETC_TEST_UNIT_RUNTIME_TESTIMAGES_H
#define NETC_TEST_UNIT_RUNTIME_TESTIMAGES_H

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include <jpeglib.h>
#include <png.h>

namespace netc::runtime {

struct JpegRequest {
  int height = 16, width = 24, channels = 3;
  J_COLOR_SPACE space = JCS_RGB;
  bool progressive = false;
  int orientation = 0; ///< 0: no EXIF
  int restart = 0;     ///< rows of blocks between two restart markers; 0: none
  bool waves = false;  ///< smooth waves that run down and to the right instead of two halves
};

/// A JPEG with a dark left half and a bright right half.
std::string makeJpeg(const JpegRequest &request);

struct PngRequest {
  int height, width, colorType, bits; ///< PNG_COLOR_TYPE_*; palettes are i -> (i, 2 i, 3 i)
  bool interlaced = false;
  double gamma = 0;              ///< of a gAMA chunk; 0: none
  bool colors = false;           ///< a cHRM chunk of other primaries than sRGB's
  std::string profile = {};      ///< bytes of an iCCP chunk; empty: none
  bool transparentFirst = false; ///< a tRNS chunk: the first colour of the palette, or black
};

/// A PNG of `samples`: its rows as they are packed in the file.
std::string makePng(const PngRequest &request, const std::vector<uint8_t> &samples);

} // namespace netc::runtime

#endif // NETC_TEST_UNIT_RUNTIME_TESTIMAGES_H
