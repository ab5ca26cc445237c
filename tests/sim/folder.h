#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/file_system.h"
#include "live.h"
#include "process.h"
#include "scenario.h"

namespace assay::sim {

/// A project in a folder of its own.
class Folder {
 public:
  explicit Folder(const Scenario& scenario) : scenario_(scenario) {
    std::string pattern = (std::filesystem::temp_directory_path() / "assay_sim_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    write("assay.yaml", scenario.settings);
    write("project.yaml", scenario.definitions);
    std::filesystem::create_directories(join_path(path_, "data"));
  }
  ~Folder() {
    std::filesystem::remove_all(path_);
    std::filesystem::remove(progress_path(path_));
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  End live(const Life& life) {
    for (int i = 0; i < life.new_files; ++i, ++files_) {
      write("data/part-" + std::to_string(100 + files_) + scenario_.file_ending,
            scenario_.files[files_]);
    }
    return in_process([&] { return sim::live(life, path_); });
  }
  /// What it holds; why it cannot be told, when it cannot.
  [[nodiscard]] std::string contents(const Contents& what) const {
    const std::string answer = path_ + ".contents";
    const End end = in_process([&]() -> Status {
      ASSAY_ASSIGN_OR_RETURN(const std::string text, sim::contents(path_, what));
      return system_files()->write(answer, text);
    });
    std::string text = end == End::kCame ? *system_files()->read(answer) : "it cannot be read";
    std::filesystem::remove(answer);
    return text;
  }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  void write(const std::string& name, const std::string& text) const {
    const Status done = [&] {
      const std::string path = join_path(path_, name);
      ASSAY_RETURN_IF_ERROR(system_files()->make_directories(parent_path(path)));
      return system_files()->write(path, text);
    }();
    if (!done.ok()) {
      std::fprintf(stderr, "%s\n", done.to_string().c_str());
      std::abort();
    }
  }

  const Scenario& scenario_;
  std::string path_;
  std::size_t files_ = 0;
};

}  // namespace assay::sim
