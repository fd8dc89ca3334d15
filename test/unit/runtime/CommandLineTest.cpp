// The toy executables as users would run them.
#include "runtime/data/Dataset.h"
#include "runtime/image/Image.h"
#include "runtime/weights/Safetensors.h"

#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <csignal>
#include <random>
#include <set>
#include <sstream>
#include <unistd.h>

using namespace netc::runtime;

static const std::string toy = TOY_EXECUTABLES "/toy_model";

static std::string train(const std::string &out, const std::string &more) {
  return toy + " train --data synthetic:200 --out " + out + " " + more;
}

TEST(CommandLine, ExitCodesTellUsageFromFailure) {
  EXPECT_EQ(shell(toy).code, 2);
  EXPECT_HAS(shell(toy).err, "Subcommands:");
  EXPECT_EQ(shell(toy + " --help").code, 0);
  for (const char *command : {"info", "train", "eval", "predict", "augment", "gradcheck", "bench",
                              "plan", "run", "calibrate", "compare"})
    EXPECT_EQ(shell(toy + " " + command + " --help").code, 0);
  EXPECT_EQ(shell(toy + " fly").code, 2);
  EXPECT_EQ(shell(toy + " fly").err,
            "error: unknown command 'fly', expected info, train, eval, "
            "predict, augment, gradcheck, bench, plan, run, calibrate, compare\n");
  EXPECT_EQ(shell(toy + " train --data synthetic:10 --lr nan").code, 2);
  EXPECT_EQ(shell(toy + " train").code, 2);
  EXPECT_EQ(shell(toy + " eval --data mnist").err,
            "error: --weights is required (see toy_model eval --help)\n");
  EXPECT_HAS(shell(toy + " train --data synthetic:10 --val synthetic:x").err,
             "error: --val synthetic:x: expected the number");
  EXPECT_HAS(shell(toy + " train --data synthetic:10 --val cifar:x").err,
             "error: --val cifar:x: unknown kind 'cifar'");
  EXPECT_EQ(shell(toy + " train --data synthetic:10 --batch 0").code, 2);
  EXPECT_EQ(shell(toy + " train --data synthetic:10 --batch many").code, 2);
  EXPECT_EQ(shell(toy + " train --data imagenet:/x").code, 2);
  EXPECT_EQ(shell(toy + " eval --data synthetic:10 --weights w --crops 3").code, 2);
  Outcome missing = shell(toy + " eval --data synthetic:10 --weights /nowhere/w");
  EXPECT_EQ(missing.code, 1);
  EXPECT_EQ(missing.err, "error: cannot read /nowhere/w: No such file or directory\n");
  EXPECT_EQ(shell(toy + " train --data mnist:/nowhere").code, 1);
}

TEST(CommandLine, ExecutablesNeedTheCLibraryOnly) {
  EXPECT_LT(std::filesystem::file_size(toy), 5u << 20);
  // The only shared objects: libc, libm, the loader, the kernel's page.
  EXPECT_EQ(shell("ldd " + toy + " | grep -vE 'libc\\.so|libm\\.so|ld-linux|linux-vdso'").out, "");
}

TEST(CommandLine, InfoSpeaksJson) {
  auto json = nlohmann::json::parse(shell(toy + " info --json").out);
  EXPECT_EQ(json["model"], "toy");
  EXPECT_EQ(json["parameters"], 7860);
  EXPECT_EQ(json["arena_bytes_per_image"], 128);
  EXPECT_EQ(json["layers"][0]["name"], "fc");
  for (const char *field : {"flops_per_image", "target", "arena_bytes_fixed"})
    EXPECT_TRUE(json.contains(field)) << field;
}

TEST(CommandLine, BenchSpeaksJson) {
  auto json = nlohmann::json::parse(
      shell(toy + " bench --train --batch 16 --threads 2 --iterations 3 --json").out);
  EXPECT_EQ(json["batch"], 16);
  EXPECT_EQ(json["threads"], 2);
  EXPECT_EQ(json["train"], true);
  for (const char *field : {"ms_median", "ms_min", "images_per_s", "gflops_per_s"})
    EXPECT_GT(json[field].get<double>(), 0) << field;
  EXPECT_GT(json["peak_rss_bytes"].get<int64_t>(), 1 << 20);
  EXPECT_EQ(json["layers"].size(), 4u);
}

TEST(CommandLine, ContactSheetShowsOriginalsAndVariants) {
  ScratchFolder folder;
  auto sheet = [&](const std::string &more) {
    EXPECT_EQ(shell(toy + " augment --data synthetic:50 --rows 3 --columns 5 --out " +
                    folder / "s.png" + more)
                  .code,
              0);
    Image image;
    decodeImage("s.png", readFile(folder / "s.png"), {}, image);
    return image;
  };
  Image image = sheet("");
  // Tiles of 28 pixels, enlarged threefold, 4 pixels apart.
  ASSERT_EQ(image.height, 3 * (84 + 4) + 4);
  ASSERT_EQ(image.width, 5 * (84 + 4) + 4);
  auto tile = [](const Image &image, int row, int column) {
    std::string pixels;
    for (int y = 0; y < 84; ++y)
      pixels.append(
          reinterpret_cast<const char *>(
              &image.pixels[size_t(((row * 88 + 4 + y) * image.width + column * 88 + 4) * 3)]),
          84 * 3);
    return pixels;
  };
  Image original;
  makeSynthetic(50, Split::Train, {1, 28, 28, 10})->load(16, {}, original);
  std::string shown = tile(image, 1, 0);
  for (int y = 0; y < 28; ++y)
    for (int x = 0; x < 28; ++x)
      EXPECT_NEAR(uint8_t(shown[size_t((3 * y * 84 + 3 * x) * 3)]),
                  original.pixels[size_t(y * 28 + x)], 1);
  std::set<std::string> variants;
  for (int column = 0; column < 5; ++column)
    variants.insert(tile(image, 1, column));
  EXPECT_GE(variants.size(), 4u);
  EXPECT_EQ(sheet(" --threads 3").pixels, image.pixels);
  EXPECT_NE(sheet(" --seed 2").pixels, image.pixels);
  EXPECT_EQ(shell(toy + " augment --data synthetic:50 --out /nowhere/s.png").code, 1);
}

TEST(CommandLine, BenchOfTheInput) {
  auto json =
      nlohmann::json::parse(shell(toy + " bench --data synthetic:500 --threads 2 --json").out);
  EXPECT_EQ(json["images"], 500);
  EXPECT_GT(json["images_per_s"].get<double>(), 0);
  EXPECT_EQ(shell(toy + " bench --data nothing:1").code, 2);
}

TEST(CommandLine, RefusesWithoutTheFeaturesOrTheStep) {
  std::string future = TOY_EXECUTABLES "/toy_future_model",
              infer = TOY_EXECUTABLES "/toy_infer_model";
  EXPECT_EQ(shell(future + " info").code, 0);
  Outcome bench = shell(future + " bench");
  EXPECT_EQ(bench.code, 1);
  EXPECT_HAS(bench.err, "which this one lacks");
  Outcome trained = shell(infer + " train --data synthetic:10");
  EXPECT_EQ(trained.code, 1);
  EXPECT_HAS(trained.err, "--mode infer and cannot train: compile it without that option");
}

TEST(CommandLine, MemoryRefusalNamesTheBytes) {
  ScratchFolder folder;
  Outcome big = shell(train(folder / "out", "--batch 1000000000"));
  EXPECT_EQ(big.code, 1);
  EXPECT_HAS(big.err, "error: batch 1000000000 needs ");
  EXPECT_HAS(big.err, "only ");
  // 128 MiB of address space; a batch of 20,000 takes some 250 MB.
  Outcome limited =
      shell("ulimit -v 131072; " + train(folder / "out", "--batch 20000 --threads 1"));
  EXPECT_EQ(limited.code, 1);
  EXPECT_HAS(limited.err, "error: batch 20000 needs ");
}

TEST(CommandLine, MemoryIsAnAmountFromOneByteOn) {
  ScratchFolder folder;
  auto given = [&](const std::string &amount) {
    return shell(train(folder / "out", "--epochs 0 --memory '" + amount + "'"));
  };
  for (const char *amount : {"0", "0GiB", "-1", "0.1", "99999999999999999999", "16EiB", "1XB",
                             "4GiBB", "1..5GiB", "iB", "nan", "1e9"})
    EXPECT_EQ(
        given(amount).err,
        std::string("error: --memory: ") + amount +
            " is no amount of memory, expected bytes, or a number with a unit: 500MB, 4GiB, 1.5GiB "
            "(see toy_model train --help)\n")
        << amount;
  for (const char *amount : {"1GiB", "0.5 GiB", "1gb", "1g", "1.5gi", "1073741824", "1073741824B",
                             "9223372036854775807"})
    EXPECT_EQ(given(amount).code, 0) << given(amount).err;
  EXPECT_HAS(given("1.5KiB").err, "error: --memory 1536 bytes (1.50 KiB): training with batch ");
  EXPECT_HAS(given("2.5k").err, "error: --memory 2500 bytes (2.44 KiB): training with batch ");
}

TEST(CommandLine, CacheIsAnAmountOrNone) {
  auto given = [](const std::string &amount) {
    return shell(toy + " bench --iterations 1 --batch 2 --cache '" + amount + "'");
  };
  for (const char *amount : {"-1", "1XB", "99999999999999999999"})
    EXPECT_EQ(given(amount).code, 2) << amount;
  for (const char *amount : {"0", "1.5MiB", "64KiB"})
    EXPECT_EQ(given(amount).code, 0) << given(amount).err;
}

TEST(CommandLine, NumbersOutOfRangeAreRefused) {
  ScratchFolder folder;
  for (const char *option :
       {"--momentum nan", "--label-smoothing nan", "--seed 99999999999999999999", "--seed 1.5"})
    EXPECT_EQ(shell(train(folder / "out", std::string("--epochs 0 ") + option)).code, 2) << option;
  for (const char *option : {"--tolerance nan", "--element-tolerance nan"}) // no error is above NaN
    EXPECT_EQ(shell(toy + " gradcheck " + option).code, 2) << option;
  EXPECT_EQ(shell(train(folder / "out", "--epochs 0 --seed -1")).code, 0);
}

TEST(CommandLine, TrainsEvaluatesPredicts) {
  ScratchFolder folder;
  Outcome trained = shell(toy + " train --data synthetic:1000 --epochs 3 --out " + folder / "out");
  ASSERT_EQ(trained.code, 0) << trained.err;
  auto json = nlohmann::json::parse(
      shell(toy + " eval --json --data synthetic:1000 --weights " + folder / "out").out);
  EXPECT_EQ(json["images"], 1000);
  EXPECT_GT(json["top1"].get<double>(), 0.9);
  EXPECT_GE(json["top5"].get<double>(), json["top1"].get<double>());
  std::string threads = shell(toy +
                              " eval --threads 3 --batch 7 --json --data synthetic:1000 "
                              "--weights " +
                              folder / "out/model.safetensors")
                            .out;
  EXPECT_EQ(nlohmann::json::parse(threads)["top1"], json["top1"]);

  Image image;
  image.resize(50, 40, 3);
  writePng(folder / "x.png", image);
  std::string predict = toy + " predict --weights " + folder / "out ";
  auto answer = nlohmann::json::parse(shell(predict + "--json --top 3 " + folder / "x.png").out);
  ASSERT_EQ(answer["predictions"].size(), 3u);
  double first = answer["predictions"][0]["probability"];
  EXPECT_GE(first, answer["predictions"][1]["probability"].get<double>());
  writeFileAtomically(folder / "labels", "a\nb\n");
  Outcome labels = shell(predict + "--labels " + folder / "labels " + folder / "x.png");
  EXPECT_EQ(labels.code, 1);
  EXPECT_HAS(labels.err, "2 class names, the model has 10 classes");
  writeFileAtomically(folder / "y.jpg", "nonsense");
  Outcome mixed = shell(predict + folder / "y.jpg " + folder / "x.png");
  EXPECT_EQ(mixed.code, 1);
  EXPECT_HAS(mixed.err, "y.jpg: neither JPEG nor PNG");
  EXPECT_HAS(mixed.err, "note: 1 of 2 images could not be read");
  EXPECT_HAS(mixed.out, "x.png  ");

  // Folders, in one table or a JSON object a line; the same as one by one.
  makeFolder(folder / "many/deep");
  for (int i = 0; i < 40; ++i) {
    std::fill(image.pixels.begin(), image.pixels.end(), uint8_t(6 * i));
    writePng(folder /
                 ("many/" + std::string(i % 2 ? "deep/" : "") + std::to_string(100 + i) + ".PNG"),
             image);
  }
  writeFileAtomically(folder / "many/1.jpeg", "broken");
  Outcome many = shell(predict + "--top 2 --threads 3 --json " + folder / "many");
  EXPECT_EQ(many.code, 1);
  EXPECT_HAS(many.err, "1.jpeg: neither JPEG nor PNG");
  EXPECT_HAS(many.err, "1 of 41 images");
  std::istringstream lines(many.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    auto object = nlohmann::json::parse(line);
    if (count % 7 == 0) {
      auto alone = nlohmann::json::parse(
          shell(predict + "--top 2 --json " + object["image"].get<std::string>()).out);
      EXPECT_EQ(alone, object);
    }
  }
  EXPECT_EQ(count, 40);
  Outcome table = shell(predict + "--top 2 " + folder / "many");
  std::istringstream rows(table.out);
  size_t column = 0;
  for (std::string row; std::getline(rows, row);) {
    if (!column)
      column = row.find('%');
    EXPECT_EQ(row.find('%'), column);
  }
  makeFolder(folder / "empty");
  EXPECT_HAS(shell(predict + folder / "empty").err, "no JPEG or PNG file in it");
}

TEST(CommandLine, EvaluatesByClass) {
  ScratchFolder folder;
  ASSERT_EQ(shell(train(folder / "out", "--epochs 1 --lr 0.0005")).code, 0);
  std::string eval = toy + " eval --data synthetic:300 --weights " + folder / "out ";
  auto json =
      nlohmann::json::parse(shell(eval + "--json --confusion " + folder / "confusion.csv").out);
  // The diagonal is what is right; rows add up to the class's images.
  std::istringstream rows(readFile(folder / "confusion.csv"));
  std::string row, cell;
  std::getline(rows, row);
  EXPECT_EQ(row, "label,0,1,2,3,4,5,6,7,8,9");
  int64_t right = 0, images = 0;
  for (int label = 0; std::getline(rows, row); ++label) {
    std::istringstream cells(row);
    std::getline(cells, cell, ',');
    EXPECT_EQ(cell, std::to_string(label));
    for (int guess = 0; std::getline(cells, cell, ','); ++guess) {
      images += std::stoll(cell);
      right += guess == label ? std::stoll(cell) : 0;
    }
  }
  EXPECT_EQ(images, 300);
  EXPECT_DOUBLE_EQ(double(right) / 300, json["top1"].get<double>());
  std::string table = shell(eval + "--worst-first").out;
  EXPECT_HAS(table, "class   images    top-1  most often taken for\n");
  double last = -1;
  std::istringstream lines(table);
  std::getline(lines, row);
  for (int i = 0; i < 10 && std::getline(lines, row); ++i) {
    double now = std::stod(row.substr(16));
    EXPECT_GE(now, last);
    last = now;
  }
  EXPECT_EQ(shell(eval + "--confusion /nowhere/c.csv").code, 1);
}

TEST(CommandLine, TrainsOnAFolderOfImages) {
  ScratchFolder folder;
  Image image;
  image.resize(40, 50, 3);
  for (const char *name : {"cat", "dog"}) {
    makeFolder(folder / "data/train/" + name);
    makeFolder(folder / "data/val/" + name);
    for (int i = 0; i < 6; ++i) {
      std::fill(image.pixels.begin(), image.pixels.end(),
                uint8_t(name[0] == 'c' ? 40 + i : 200 + i));
      writePng(folder / ("data/train/" + std::string(name) + "/" + std::to_string(i) + ".png"),
               image);
      writePng(folder / ("data/val/" + std::string(name) + "/" + std::to_string(i) + ".png"),
               image);
    }
  }
  writeFileAtomically(folder / "data/train/dog/7.jpg", "broken");
  writeFileAtomically(folder / "data/val/dog/8.jpg", "broken");
  std::string command =
      std::string(TOY_EXECUTABLES "/toy_color_model train --epochs 6 --batch 4 ") +
      "--data imagefolder:" + folder / "data --out " + folder / "out";
  Outcome trained = shell(command + " --workers 3");
  ASSERT_EQ(trained.code, 0) << trained.err;
  // Six epochs meet the file six times; it is named once, and counted in the end.
  size_t first = trained.err.find("dog/7.jpg: neither JPEG nor PNG");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(trained.err.find("dog/7.jpg", first + 1), std::string::npos) << trained.err;
  EXPECT_HAS(trained.err,
             "warning: 1 of 13 training images could not be read: others stood in for them");
  EXPECT_HAS(trained.err,
             "warning: 1 of 13 validation images could not be read and are not counted");
  EXPECT_HAS(trained.out, "top-1 100.00% of 12 validation images");
  writeFileAtomically(folder / "data/train/cat/0.png", "broken");
  Outcome sheet = shell(TOY_EXECUTABLES "/toy_color_model augment --rows 2 --data imagefolder:" +
                        folder / "data --out " + folder / "s.png");
  EXPECT_EQ(sheet.code, 0) << sheet.err;
  EXPECT_HAS(sheet.err, "cat/0.png: neither JPEG nor PNG");
  Outcome predicted = shell(TOY_EXECUTABLES "/toy_color_model predict --top 1 --weights " +
                            folder / "out " + folder / "data/val/cat/0.png");
  EXPECT_HAS(predicted.out, "%  cat");
}

/// PNGs of one grey value, `count` a class.
static void makeClasses(const std::string &root, const std::vector<std::string> &names, int count) {
  Image image;
  image.resize(40, 50, 3);
  for (size_t c = 0; c < names.size(); ++c) {
    makeFolder(root + "/" + names[c]);
    std::fill(image.pixels.begin(), image.pixels.end(), uint8_t(40 + 160 * c / names.size()));
    for (int i = 0; i < count; ++i)
      writePng(root + "/" + names[c] + "/" + std::to_string(i) + ".png", image);
  }
}

static const std::string toyColor = TOY_EXECUTABLES "/toy_color_model";

TEST(CommandLine, TrainingTellsWhatItUnderstood) {
  ScratchFolder folder;
  makeClasses(folder / "data", {"cat", "dog\x1B[2J"}, 6);
  std::string command = toyColor +
                        " train --epochs 1 --data imagefolder:" + folder / "data --out " +
                        folder / "out --val imagefolder:" + folder / "data";
  Outcome trained = shell(command + " --limit 7 --val-limit 4");
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_HAS(trained.out, "2 classes (the model has 10): cat 4, dog\\x1b[2J 3\n");
  EXPECT_HAS(trained.out, "validation: 4 of 12 images");
  EXPECT_HAS(trained.out, " s + validation ");
  EXPECT_HAS(trained.out, "of 4 validation images");
  auto line = nlohmann::json::parse(readFile(folder / "out/metrics.jsonl"));
  EXPECT_GE(line["val_seconds"].get<double>(), 0);
  Outcome other = shell(command + " --limit 7 --val-limit 5 --resume");
  EXPECT_EQ(other.code, 1);
  EXPECT_HAS(other.err, "val_limit was 4, is 5");
  Outcome predicted = shell(toyColor + " predict --weights " + folder / "out " + folder / "data");
  EXPECT_EQ(predicted.out.find('\x1B'), std::string::npos);
  Outcome table = shell(toyColor + " eval --per-class --weights " +
                        folder / "out --data imagefolder:" + folder / "data");
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(table.out.find('\x1B'), std::string::npos);
  EXPECT_HAS(table.out, "dog\\x1b[2J");
}

TEST(CommandLine, EvaluationKnowsWhichFolderIsWhichClass) {
  ScratchFolder folder;
  ASSERT_EQ(shell(toyColor + " train --epochs 0 --data synthetic:20 --out " + folder / "out").code,
            0);
  makeClasses(folder / "some/val", {"b", "d"}, 3);
  std::string eval =
      toyColor + " eval --weights " + folder / "out --data imagefolder:" + folder / "some";
  Outcome unknown = shell(eval);
  EXPECT_EQ(unknown.code, 1);
  EXPECT_HAS(unknown.err, "has 2 folders, but toycolor has 10 classes");
  EXPECT_HAS(unknown.err, "--labels FILE");
  writeFileAtomically(folder / "labels", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
  Outcome known = shell(eval + " --json --labels " + folder / "labels");
  ASSERT_EQ(known.code, 0) << known.err;
  auto json = nlohmann::json::parse(known.out);
  EXPECT_EQ(json["images"], 6);
  ASSERT_EQ(json["classes"].size(), 2u);
  EXPECT_EQ(json["classes"][0]["class"], 1);
  EXPECT_EQ(json["classes"][1]["label"], "d");
  EXPECT_HAS(shell(eval + " --labels imagenet").err, "1000 class names, the model has 10 classes");
  // A folder for each class: by position.
  makeClasses(folder / "all", {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, 1);
  EXPECT_EQ(
      shell(toyColor + " eval --weights " + folder / "out --data imagefolder:" + folder / "all")
          .code,
      0);
}

TEST(CommandLine, PreprocessingIsShownAndCanBeSet) {
  ScratchFolder folder;
  auto json = nlohmann::json::parse(shell(toyColor + " info --json").out);
  EXPECT_EQ(json["preprocessing"]["normalize"], "by the weights");
  EXPECT_EQ(json["preprocessing"]["order"], "rgb");
  EXPECT_EQ(json["preprocessing"]["steps"][0]["name"], "resize");
  EXPECT_EQ(json["preprocessing"]["steps"][0]["size"], 32);
  EXPECT_EQ(json["preprocessing"]["steps"][1]["size"], (std::vector<int>{32, 32}));
  EXPECT_HAS(shell(toyColor + " info").out,
             "preprocessing    resize 32 (shorter side), center_crop 32x32, normalized by the "
             "weights\n");
  makeClasses(folder / "data", {"a", "b"}, 2);
  std::string data = "imagefolder:" + folder / "data";
  ASSERT_EQ(shell(toyColor + " train --epochs 1 --data " + data + " --out " + folder / "out").code,
            0);
  std::string predict =
      toyColor + " predict --json --weights " + folder / "out " + folder / "data/a/0.png";
  std::string usual = shell(predict).out;
  std::string set = " --set eval.resize.size=40 --set normalize.mean=[0,0,0] --set normalize.std=1";
  Outcome other = shell(predict + set);
  EXPECT_EQ(other.code, 0) << other.err;
  EXPECT_NE(other.out, usual);
  EXPECT_EQ(shell(toyColor + " eval --weights " + folder / "out --data " + data + set).code, 0);
  EXPECT_EQ(shell(toyColor + " bench --data " + data + set).code, 0);
  EXPECT_EQ(shell(toyColor + " augment --data " + data + " --out " + folder / "s.png" + set +
                  " --set augment.random_crop.pad=0")
                .code,
            0);
  Outcome wrong = shell(predict + " --set optimizer.lr=1");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_HAS(wrong.err, "--set optimizer.lr=1: expected a name that begins with eval or normalize");
  EXPECT_EQ(shell(predict + " --set normalize.order=grb").code, 2);
  EXPECT_EQ(shell(predict + " --set normalize.mean=[1,2]").code, 2);
}

TEST(CommandLine, RunWritesWhatTheLanguagePagePromises) {
  ScratchFolder folder;
  ASSERT_EQ(shell(train(folder / "out", "--epochs 0")).code, 0);
  std::vector<float> input(3 * 784, 0.5f);
  int64_t labels[] = {1, 2, 3};
  Tensor image = f32Tensor("input", {3, 1, 28, 28}, input.data());
  Tensor label{"labels", "I64", {3}, reinterpret_cast<char *>(labels), 24};
  auto run = [&](std::vector<Tensor> tensors, const std::string &more) {
    writeSafetensors(folder / "in", tensors, {});
    return shell(toy + " run --weights " + folder / "out --in " + folder / "in --out " +
                 folder / "result " + more);
  };
  ASSERT_EQ(run({image}, "").code, 0);
  Safetensors inferred = Safetensors::read(folder / "result");
  EXPECT_EQ(inferred.find("output")->shape, (std::vector<int64_t>{3, 10}));
  ASSERT_EQ(run({image, label}, "--train").code, 0);
  Safetensors trained = Safetensors::read(folder / "result");
  for (const char *name : {"loss", "grad.fc.weight", "grad.fc.bias", "norm.running_mean"})
    EXPECT_TRUE(trained.find(name)) << name;
  EXPECT_EQ(trained.find("loss")->shape, (std::vector<int64_t>{1}));
  EXPECT_FALSE(trained.find("grad.norm.running_mean"));

  auto error = [&](std::vector<Tensor> tensors) {
    Outcome outcome = run(tensors, "--train");
    EXPECT_EQ(outcome.code, 1);
    return outcome.err;
  };
  EXPECT_HAS(error({label}),
             "no tensor 'input', expected input [N, 1, 28, 28] of type F32; the file has labels");
  EXPECT_HAS(error({image}), "no tensor 'labels'");
  EXPECT_HAS(error({f32Tensor("input", {3, 28, 28, 1}, input.data()), label}),
             "shape [3, 28, 28, 1], expected [N, 1, 28, 28]");
  labels[1] = 10;
  EXPECT_HAS(error({image, label}), "label 10 of image 1, expected 0 to 9");
  label.shape = {1};
  label.bytes = 8;
  EXPECT_HAS(error({image, label}), "tensor 'labels' has shape [1], expected [3]");
}
