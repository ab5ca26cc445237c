#include "flow/views_online.h"

#include <optional>

#include "flow/fast_path.h"
#include "flow/online_stage.h"
#include "flow/read_journal.h"

namespace assay::flow {

Result<bool> has_all_views(Workspace& workspace) {
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore* const store, workspace.online(false));
  for (const auto& [name, definition] : workspace.project().views) {
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(name));
    const Result<std::optional<online::AppliedTo>> applied = store->applied_to(*view);
    if (applied.code() == Code::kFailedPrecondition) {
      return false;  // of an earlier definition
    }
    ASSAY_RETURN_IF_ERROR(applied.status());
    if (!applied->has_value()) {
      return false;
    }
  }
  return true;
}

Result<bool> has_journal(Workspace& workspace, const std::string& bronze) {
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.bronze_table_key(bronze));
  return ReadJournal(workspace.world(), workspace.project().folder, key).has_file();
}

Result<std::set<std::string>> views_behind_journals(Workspace& workspace,
                                                    const std::string& bronze) {
  std::set<std::string> views;
  ASSAY_ASSIGN_OR_RETURN(const bool has_reads, has_journal(workspace, bronze));
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore* const store, workspace.online(false));
  for (const auto& [name, definition] : workspace.project().views) {
    if (!has_reads || bronze_of_view(workspace.project(), name).name != bronze ||
        !why_not_fast(workspace.project(), name).empty()) {
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(name));
    const Result<std::optional<online::AppliedTo>> applied = store->applied_to(*view);
    if (applied.code() == Code::kFailedPrecondition) {
      continue;  // of an earlier definition
    }
    ASSAY_RETURN_IF_ERROR(applied.status());
    if (applied->has_value() && OnlinePosition::decode((*applied)->position).reads > 0) {
      views.insert(name);
    }
  }
  return views;
}

}  // namespace assay::flow
