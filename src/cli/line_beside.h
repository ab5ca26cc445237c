#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "cli/command.h"
#include "flow/workspace.h"
#include "online/online_store.h"
#include "serve/line_control.h"

namespace assay::cli {

/// The project's line, as a server beside it is asked about it. Definitions are read anew for every
/// question: they are those that are served by then.
///
/// Threads thread-safe. Nobody waits for another's question: each has its own workspace.
class LineBeside : public serve::LineControl {
 public:
  /// `store` is the server's; both must outlive this object. Without `takes_rows` pushes are
  /// refused.
  LineBeside(Invocation& invocation, online::OnlineStore& store, bool takes_rows)
      : invocation_(invocation), store_(store), takes_rows_(takes_rows) {}

  /// Rows become a new file in the folder of a source of JSON files, complete and durable before
  /// anybody sees its name.
  Status push(const std::string& source,
              const std::string& json_lines,
              const std::string& once) override;
  Result<std::vector<serve::RowVerdict>> judge(const std::string& source,
                                               const std::string& json_lines) override;
  Result<std::vector<std::string>> behind(const std::vector<std::string>& views) override;
  /// Of a view of definitions before those that are served, too, as long as their tables are there.
  Result<std::vector<gold::FeatureValues>> past(const gold::FeatureView& view,
                                                std::span<const data::EntityKey> keys,
                                                EventTime at) override;
  Result<std::shared_ptr<const serve::ServingModel>> model_at(const std::string& model,
                                                              EventTime at) override;
  Result<std::string> explain(const serve::ExplainQuestion& question) override;
  void interrupt() override;

 private:
  /// An open project, which interrupt() knows of.
  class Opened {
   public:
    Opened(LineBeside& line, std::unique_ptr<flow::Workspace> workspace);
    Opened(Opened&& other) noexcept;
    Opened& operator=(Opened&&) = delete;
    ~Opened();
    flow::Workspace& operator*() const { return *workspace_; }
    flow::Workspace* operator->() const { return workspace_.get(); }

   private:
    LineBeside& line_;
    std::unique_ptr<flow::Workspace> workspace_;
  };
  Result<Opened> open();
  Result<Opened> open_of(flow::Workspace& now, const gold::FeatureView& view);
  Result<std::string> folder_of(const catalog::Project& project, const std::string& source);

  Invocation& invocation_;
  online::OnlineStore& store_;
  bool takes_rows_;
  std::mutex mutex_;                    // of what follows
  std::set<flow::Workspace*> running_;  // asked by now
  bool stopping_ = false;
};

}  // namespace assay::cli
