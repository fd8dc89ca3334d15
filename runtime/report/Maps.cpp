//===- Maps.cpp - class maps as pictures ----------------------------------===//
#include "runtime/report/Maps.h"

#include "runtime/base/Error.h"
#include "runtime/image/ClassColors.h"
#include "runtime/report/Html.h"
#include "runtime/report/Mistakes.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime {

static std::string spell(double value, bool isShare) {
  if (std::isnan(value))
    return "&ndash;";
  return isShare ? fmt::format("{:.2f}%", value * 100) : fmt::format("{:.4g}", value);
}

std::string drawFigures(const std::vector<Figure> &figures, const std::vector<std::string> &names) {
  std::string head, body;
  size_t rows = 0;
  for (const Figure &figure : figures)
    if (!figure.each.empty()) {
      std::string title = figure.each;
      std::replace(title.begin(), title.end(), '_', ' ');
      head += fmt::format("<th class=\"n\">{}</th>", title);
      rows = std::max(rows, figure.byClass.size());
    }
  for (size_t row = 0; row < rows; ++row) {
    body += fmt::format("<tr><td>{}</td>", escapeHtml(classLabel(names, int64_t(row))));
    for (const Figure &figure : figures)
      if (!figure.each.empty())
        body += fmt::format("<td class=\"n\">{}</td>", spell(figure.byClass[row], figure.isShare));
    body += "</tr>";
  }
  std::string summary = describeFigures(figures);
  if (summary.empty() && rows == 0)
    return "";
  std::string table =
      rows ? fmt::format("<div class=\"card\"><table class=\"plain\"><thead><tr>"
                         "<th>class</th>{}</tr></thead><tbody>{}</tbody></table></div>",
                         head, body)
           : std::string();
  return fmt::format("<section><h2>Validation by class</h2><p class=\"quiet\">{}</p>{}</section>",
                     escapeHtml(summary), table);
}

/// The image as evaluation sees it, before normalisation.
static Image seenImage(const Dataset &data, const Pipeline &evaluation, const ModelInfo &info,
                       int64_t sample) {
  AugmentWorkspace workspace;
  std::vector<float> input(size_t(info.inputElements()));
  evaluation.apply(
      [&](const ScaleChooser &choose, Image &image) { data.load(sample, choose, image); },
      uint64_t(sample), 0, 0, workspace, input.data());
  return workspace.resampled;
}

static std::string card(const Image &picture, const std::string &what, const std::string &share,
                        const std::string &where) {
  return fmt::format("<li>{}<b>{}</b><span>{}</span><small title=\"{}\">{}</small></li>",
                     inlineImage(picture, what), what, share, escapeHtml(where),
                     escapeHtml(where.substr(where.rfind('/') + 1)));
}

std::string drawWorstMaps(const Accuracy &accuracy, const Dataset &data, const Pipeline &evaluation,
                          const ModelInfo &info) {
  const LossInfo *loss = info.mapLoss();
  std::string cards;
  for (const WorstMap &map : accuracy.worstMaps) {
    const std::vector<int64_t> &shape = info.outputs[loss->output].shape;
    if (shape[1] != info.height || shape[2] != info.width)
      break; // maps of another size than the image
    try {
      Image image = seenImage(data, evaluation, info, map.sample);
      std::vector<uint8_t> labels;
      for (int64_t label : map.labels)
        labels.push_back(loss->ignore && label == *loss->ignore ? 255 : uint8_t(label));
      std::string where = data.describe(map.sample);
      cards += card(overlay(image, map.guessed), "model",
                    fmt::format("{:.1f}% right", map.correct * 100), where);
      cards += card(overlay(image, labels), "labels", "", where);
    } catch (const Error &) {
      continue;
    }
  }
  if (cards.empty())
    return "";
  return fmt::format("<section><h2>Worst maps</h2><p class=\"quiet\">The images with the largest "
                     "share of wrong pixels: what the model says, and what the labels say.</p>"
                     "<ul class=\"mistakes\">{}</ul></section>",
                     cards);
}

} // namespace netc::runtime
