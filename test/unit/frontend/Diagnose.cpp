//===- Diagnose.cpp - runs the front end on a text ------------------------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace netc::frontend {

namespace {
/// Messages show paths as the user wrote them: the tests run where their files lie.
class WorkingFolder : public ::testing::Environment {
  std::filesystem::path folder;

  void SetUp() override {
    folder =
        std::filesystem::path(::testing::TempDir()) / ("netc-frontend-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    std::filesystem::current_path(folder);
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::current_path(folder.parent_path(), ignored);
    std::filesystem::remove_all(folder, ignored);
  }
};
} // namespace

static const auto *const environment = ::testing::AddGlobalTestEnvironment(new WorkingFolder);

std::string readText(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void writeText(const std::string &path, const std::string &text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::optional<Network> elaborateText(const std::string &source, std::string &diagnostics,
                                     const std::string &model, const std::string &setting) {
  writeText("test.net", source);
  ElaborateOptions options;
  options.model = model;
  if (size_t equals = setting.find('='); equals != std::string::npos)
    options.set.push_back({setting.substr(0, equals), setting.substr(equals + 1)});
  return elaborateFile("test.net", options, diagnostics);
}

void expectDiagnostics(const ErrorCase &c) {
  std::string diagnostics;
  std::optional<Network> network = elaborateText(c.source, diagnostics, c.model, c.setting);
  EXPECT_EQ(diagnostics, c.expected);
  bool onlyWarnings = diagnostics.find("error: ") == std::string::npos;
  EXPECT_EQ(network.has_value(), onlyWarnings);
}

} // namespace netc::frontend
