//===- Mistakes.cpp - what a model takes for what -------------------------===//
#include "runtime/report/Mistakes.h"

#include "runtime/base/Error.h"
#include "runtime/report/Html.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace netc::runtime {

static constexpr int64_t mostMatrixClasses = 40;
static constexpr size_t mostPairs = 30;
static constexpr int pictureSide = 112; // pixels, longer side

std::string classLabel(const std::vector<std::string> &names, int64_t index) {
  return size_t(index) < names.size() ? names[size_t(index)] : std::to_string(index);
}

static std::string drawMatrix(const Accuracy &accuracy, const std::vector<std::string> &names) {
  int64_t classes = int64_t(accuracy.classImages.size());
  std::string text = "<div class=\"scroll\"><table class=\"matrix\"><thead><tr><th></th>";
  for (int64_t c = 0; c < classes; ++c)
    text +=
        fmt::format("<th class=\"column\"><span>{}</span></th>", escapeHtml(classLabel(names, c)));
  text += "<th class=\"recall\">images</th></tr></thead><tbody>";
  for (int64_t label = 0; label < classes; ++label) {
    int64_t images = accuracy.classImages[size_t(label)];
    std::string name = escapeHtml(classLabel(names, label));
    text += fmt::format("<tr><th class=\"row\">{}</th>", name);
    for (int64_t guess = 0; guess < classes; ++guess) {
      int64_t count = accuracy.confusion[size_t(label * classes + guess)];
      double share = images ? double(count) / double(images) : 0;
      // The square root keeps rare confusions visible.
      text += fmt::format(
          "<td class=\"{}\" style=\"--s:{:.3f}\" title=\"{} taken for {}: {} of {}\">{}</td>",
          label == guess ? "hit" : "miss", count ? 0.06 + 0.94 * std::sqrt(share) : 0, name,
          escapeHtml(classLabel(names, guess)), count, images,
          count ? fmt::format("{:.0f}", std::max(1.0, share * 100)) : "");
    }
    text += fmt::format("<td class=\"recall\">{}</td></tr>", images);
  }
  return text + "</tbody></table></div>";
}

static std::string drawPairs(const Accuracy &accuracy, const std::vector<std::string> &names) {
  struct Pair {
    int64_t label, guess, count;
  };
  std::vector<Pair> pairs;
  int64_t classes = int64_t(accuracy.classImages.size());
  for (int64_t label = 0; label < classes; ++label)
    for (int64_t guess = 0; guess < classes; ++guess)
      if (int64_t count = accuracy.confusion[size_t(label * classes + guess)];
          count && label != guess)
        pairs.push_back({label, guess, count});
  std::sort(pairs.begin(), pairs.end(), [](const Pair &a, const Pair &b) {
    return std::tuple(-a.count, a.label, a.guess) < std::tuple(-b.count, b.label, b.guess);
  });
  std::string text =
      "<table class=\"plain\"><thead><tr><th>is</th><th>taken for</th>"
      "<th class=\"n\">images</th><th class=\"n\">of its class</th></tr></thead><tbody>";
  for (size_t i = 0; i < std::min(pairs.size(), mostPairs); ++i) {
    const Pair &pair = pairs[i];
    text += fmt::format(
        "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.1f}%</td></tr>",
        escapeHtml(classLabel(names, pair.label)), escapeHtml(classLabel(names, pair.guess)),
        pair.count, 100.0 * double(pair.count) / double(accuracy.classImages[size_t(pair.label)]));
  }
  return text + "</tbody></table>";
}

std::string drawConfusion(const Accuracy &accuracy, const std::vector<std::string> &names) {
  if (accuracy.confusion.empty() || accuracy.images == 0)
    return "";
  bool small = int64_t(accuracy.classImages.size()) <= mostMatrixClasses;
  return fmt::format(
      "<section><h2>Confusion</h2><p class=\"quiet\">{}</p><div class=\"card\">{}</div></section>",
      small ? "A row is what the image shows, a column what the model says; percent "
              "of the row. Green is right, red is wrong."
            : "The pairs of classes that are confused most.",
      small ? drawMatrix(accuracy, names) : drawPairs(accuracy, names));
}

/// Averages blocks down, or repeats pixels up, to about `pictureSide`.
static Image shown(const Image &image) {
  int longer = std::max(image.height, image.width);
  double scale = double(pictureSide) / longer;
  if (scale > 1)
    scale = std::max(1.0, std::floor(scale));
  int channels = image.channels == 3 ? 3 : 1;
  Image result;
  result.resize(std::max(1, int(image.height * scale)), std::max(1, int(image.width * scale)),
                channels);
  for (int y = 0; y < result.height; ++y)
    for (int x = 0; x < result.width; ++x) {
      int y0 = int(y / scale), y1 = std::clamp(int((y + 1) / scale), y0 + 1, image.height);
      int x0 = int(x / scale), x1 = std::clamp(int((x + 1) / scale), x0 + 1, image.width);
      for (int c = 0; c < channels; ++c) {
        int64_t sum = 0;
        for (int sy = y0; sy < y1; ++sy)
          for (int sx = x0; sx < x1; ++sx)
            sum += image.pixels[(size_t(sy) * size_t(image.width) + size_t(sx)) *
                                    size_t(image.channels) +
                                size_t(c)];
        result
            .pixels[(size_t(y) * size_t(result.width) + size_t(x)) * size_t(channels) + size_t(c)] =
            uint8_t(sum / (int64_t(y1 - y0) * (x1 - x0)));
      }
    }
  return result;
}

/// The file's name, or the place in a file of many.
static std::string shortName(const Dataset &data, int64_t sample) {
  if (data.inMemory())
    return fmt::format("image {}", sample);
  std::string path = data.describe(sample);
  return path.substr(path.rfind('/') + 1);
}

static std::string percent(double share) {
  return share < 0.00005 ? "< 0.01%" : fmt::format("{:.{}f}%", share * 100, share < 0.1 ? 2 : 1);
}

std::string drawMistakes(const Accuracy &accuracy, const Dataset &data,
                         const std::vector<std::string> &names) {
  std::string cards;
  for (const Mistake &mistake : accuracy.worst) {
    Image image;
    try {
      // Eighths of the file's size that are enough for a small picture.
      auto choose = [](int height, int width) {
        return std::clamp((8 * pictureSide + std::max(height, width) - 1) /
                              std::max(1, std::max(height, width)),
                          1, 8);
      };
      data.load(mistake.sample, choose, image);
      std::string label = classLabel(names, mistake.label),
                  guess = classLabel(names, mistake.guess);
      cards += fmt::format(
          "<li>{}<b>{}</b><span>{}</span><em>is {}</em><span>{}</span><small "
          "title=\"{}\">{}</small></li>",
          inlineImage(shown(image), label), escapeHtml(guess), percent(mistake.guessProbability),
          escapeHtml(label), percent(mistake.labelProbability),
          escapeHtml(data.describe(mistake.sample)), escapeHtml(shortName(data, mistake.sample)));
    } catch (const Error &) {
      continue;
    }
  }
  if (cards.empty())
    return "";
  return fmt::format(
      "<section><h2>Worst mistakes</h2><p class=\"quiet\">Where the right class was given the "
      "least "
      "probability: what the model said, what it is.</p><ul class=\"mistakes\">{}</ul></section>",
      cards);
}

} // namespace netc::runtime
