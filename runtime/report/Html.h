//===- Html.h - text and pictures inside a page -----------------*- C++ -*-===//
#ifndef NETC_RUNTIME_REPORT_HTML_H
#define NETC_RUNTIME_REPORT_HTML_H

#include "runtime/image/Image.h"

#include <string>
#include <string_view>

namespace netc::runtime {

/// `text` with & < > " ' as entities; bytes that are no UTF-8 become '?'.
std::string escapeHtml(std::string_view text);

/// RFC 4648, padded.
std::string base64(std::string_view bytes);

/// An <img> that carries its PNG.
std::string inlineImage(const Image &image, std::string_view description);

} // namespace netc::runtime

#endif // NETC_RUNTIME_REPORT_HTML_H
