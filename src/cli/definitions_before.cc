#include "cli/definitions_before.h"

#include <utility>

#include "catalog/definition_files.h"

namespace assay::cli {
namespace {

/// The files of a machine, with definitions of before in the place of a project's own.
class FilesOfBefore : public FileSystem {
 public:
  FilesOfBefore(FileSystem& below, catalog::DefinitionTexts texts, const std::string& folder)
      : below_(below), texts_(std::move(texts), folder) {}

  Result<std::string> read(const std::string& path) override {
    Result<std::string> text = texts_.read(path);
    return text.code() == Code::kNotFound ? below_.read(path) : text;
  }
  Result<std::vector<FileInfo>> list(const std::string& directory) override {
    Result<std::vector<FileInfo>> found = texts_.list(directory);
    return found.code() == Code::kNotFound ? below_.list(directory) : found;
  }
  Result<FileInfo> stat(const std::string& path) override {
    const Result<FileInfo> found = texts_.stat(path);
    return found.code() == Code::kNotFound ? below_.stat(path) : found;
  }
  Result<std::string> read_range(const std::string& path, int64_t offset, int64_t size) override {
    return below_.read_range(path, offset, size);
  }
  Result<std::unique_ptr<FileReader>> open(const std::string& path) override {
    return below_.open(path);
  }
  Status write(const std::string& path, std::string_view bytes) override {
    return below_.write(path, bytes);
  }
  Status put_if_absent(const std::string& path, std::string_view bytes) override {
    return below_.put_if_absent(path, bytes);
  }
  Status make_directories(const std::string& path) override {
    return below_.make_directories(path);
  }
  Status remove(const std::string& path) override { return below_.remove(path); }
  Status sync(const std::string& path) override { return below_.sync(path); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return below_.lock(path);
  }
  Result<std::unique_ptr<FileLock>> lock_shared(const std::string& path) override {
    return below_.lock_shared(path);
  }

 private:
  FileSystem& below_;
  catalog::ReplayedDefinitions texts_;
};

}  // namespace

Result<flow::Workspace*> DefinitionsBefore::get() {
  if (workspace_ != nullptr) {
    return workspace_.get();
  }
  flow::WorkspaceOptions options;
  options.profile = invocation_.arguments.get("profile");
  ASSAY_ASSIGN_OR_RETURN(std::vector<catalog::CompleteProject> complete,
                         now_.catalog().complete_projects(options.profile, 2));
  if (complete.size() < 2) {
    return Status(Code::kNotFound, "no definitions were served before these");
  }
  const World& world = invocation_.world;
  const std::string& folder = now_.project().folder;
  files_ = std::make_unique<FilesOfBefore>(world.files, std::move(complete.back().texts), folder);
  world_ =
      std::make_unique<World>(World{world.clock, *files_, world.random, world.log, world.metrics});
  ASSAY_ASSIGN_OR_RETURN(workspace_, flow::Workspace::open(*world_, folder, options));
  return workspace_.get();
}

}  // namespace assay::cli
