// report.html: whole, self-contained, and of the whole run.
#include "runtime/base/Progress.h"
#include "runtime/report/Chart.h"
#include "runtime/report/Html.h"
#include "runtime/report/Mistakes.h"

#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

using namespace netc::runtime;

static const std::string toy = TOY_EXECUTABLES "/toy_model";

static size_t count(const std::string &text, const std::string &part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

/// Every element that is opened is closed in turn; names what is not.
static std::string unbalanced(const std::string &page) {
  static const std::vector<std::string> empty = {"meta", "img", "!doctype"};
  std::vector<std::string> open;
  for (size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    size_t end = page.find_first_of(" >\n/", at + 2);
    std::string name = page.substr(at + 1, end - at - 1);
    if (std::find(empty.begin(), empty.end(), name) != empty.end() ||
        page[page.find('>', at) - 1] == '/')
      continue;
    if (name[0] != '/')
      open.push_back(name);
    else if (open.empty() || open.back() != page.substr(at + 2, page.find('>', at) - at - 2))
      return name + " after " + (open.empty() ? "nothing" : open.back());
    else
      open.pop_back();
  }
  return open.empty() ? "" : open.back() + " stays open";
}

TEST(Progress, NarrowTerminalsKeepTheNumbers) {
  std::string detail = "loss 2.2683  accuracy 15.82%  1183 images/s  ETA 0:49";
  std::string wide = progressLine("epoch 12/30", 0.5, detail, 120),
              usual = progressLine("epoch 12/30", 0.5, detail, 80);
  EXPECT_EQ(wide, "epoch 12/30 [============            ]  50%  " + detail);
  EXPECT_EQ(usual, "epoch 12/30 [==   ]  50%  " + detail);
  EXPECT_EQ(usual.size(), 79u);
  EXPECT_EQ(progressLine("epoch 12/30", 0.5, detail, 78), "epoch 12/30  50%  " + detail);
  EXPECT_EQ(progressLine("epoch 12/30", 0.5, detail, 20).size(), 19u);
}

TEST(Report, IsOneWholePageThatNeedsNothingElse) {
  ScratchFolder folder;
  ASSERT_EQ(
      shell(toy + " train --data synthetic:500 --epochs 2 --lr 0.001 --out " + folder / "out").code,
      0);
  std::string page = readFile(folder / "out/report.html");
  EXPECT_EQ(unbalanced(page), "");
  for (const char *part : {"http:", "https:", "src=\"/", "url(", "<link", "@import"})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  for (const char *part :
       {"Loss", "Accuracy", "Learning rate", "Throughput", "Confusion", "Worst mistakes", "Recipe",
        "Environment", "random_crop(pad=2), hflip", "prefers-color-scheme: dark",
        "cross-entropy, nats", "images/s", "data:image/png;base64,iVBOR"})
    EXPECT_HAS(page, part);
  EXPECT_EQ(count(page, "<svg "), 4u);
}

TEST(Report, ShowsTheWholeCurveOfAResumedRun) {
  ScratchFolder folder;
  std::string command =
      toy + " train --data synthetic:200 --resume --out " + folder / "out --epochs ";
  // The toy's schedule depends on the epochs from their half on.
  ASSERT_EQ(shell(command + "2 --lr 0").code, 0);
  ASSERT_EQ(shell(command + "4 --lr 0").code, 0);
  std::string page = readFile(folder / "out/report.html");
  EXPECT_HAS(page, "<b>4 of 4</b>");
  for (const char *epoch : {"1", "2", "3", "4"})
    EXPECT_HAS(page, std::string("validation top-1, epoch ") + epoch + ":");
}

TEST(Report, ChartsTakeAnyNumbers) {
  EXPECT_EQ(chartTicks(0, 1, 5), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  Chart chart{"t",   "x",   "y", {{"s", {{1, NAN}, {2, INFINITY}, {3, 5}}, 1, true, false}},
              false, false, true};
  EXPECT_HAS(drawChart(chart), "<svg ");
  chart.logarithmic = true; // zero has no logarithm
  EXPECT_HAS(drawChart(chart), "<svg ");
  chart.series[0].points = {{1, 1e-30}, {2, 1e30}};
  EXPECT_LT(drawChart(chart).size(), 20000u);
  chart.series[0].points = {{0, NAN}};
  EXPECT_HAS(drawChart(chart), "nothing to show yet");
  chart.logarithmic = false;
  chart.series[0].points.clear();
  for (int i = 0; i < 100000; ++i)
    chart.series[0].points.emplace_back(i, i % 7);
  chart.series[0].marked = false;
  EXPECT_LT(drawChart(chart).size(), 20000u);
}

TEST(Report, EscapesNamesAndEncodesBytes) {
  EXPECT_EQ(escapeHtml("<a href='x'>&\xFF\xC3\xA9"), "&lt;a href=&#39;x&#39;&gt;&amp;?\xC3\xA9");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

TEST(Report, ManyClassesAreListedByPairs) {
  Accuracy accuracy;
  accuracy.images = 100;
  accuracy.classImages.assign(50, 2);
  accuracy.classCorrect.assign(50, 1);
  accuracy.confusion.assign(2500, 0);
  accuracy.confusion[3 * 50 + 7] = 1;
  std::string text = drawConfusion(accuracy, {"a", "b", "c", "<d>"});
  EXPECT_HAS(text, "<td>&lt;d&gt;</td><td>7</td><td class=\"n\">1</td><td class=\"n\">50.0%</td>");
}
