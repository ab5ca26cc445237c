// Workspaces of other definitions than those of the files, and those beside another one.

#include <utility>

#include "flow/workspace.h"

namespace assay::flow {

Result<std::unique_ptr<Workspace>> Workspace::open_beside(Workspace& other,
                                                          const std::string& spill) {
  std::unique_ptr<Workspace> workspace(new Workspace(other.world_, other.options_));
  workspace->project_ = other.project_;
  workspace->texts_ = other.texts_;
  ASSAY_RETURN_IF_ERROR(workspace->open_stores_of(other, spill));
  ASSAY_ASSIGN_OR_RETURN(workspace->online_beside_, other.online(false));
  return workspace;
}

Result<std::unique_ptr<Workspace>> Workspace::open_with(Workspace& other,
                                                        const catalog::DefinitionTexts& texts,
                                                        const std::string& spill) {
  std::unique_ptr<Workspace> workspace(new Workspace(other.world_, other.options_));
  ASSAY_RETURN_IF_ERROR(workspace->open_stores_of(other, spill));
  ASSAY_RETURN_IF_ERROR(workspace->take_definitions(texts, other.project_));
  return workspace;
}

Status Workspace::load_served_definitions() {
  ASSAY_ASSIGN_OR_RETURN(std::vector<catalog::CompleteProject> complete,
                         catalog_->complete_projects(options_.profile, 1));
  if (complete.empty()) {
    return {};
  }
  served_version_ = complete.front().version;
  if (complete.front().texts == texts_) {
    return {};
  }
  serves_older_ = true;
  const catalog::Project now = project_;
  return take_definitions(std::move(complete.front().texts), now)
      .with_context("definitions that are served since " + format_time(complete.front().completed));
}

Status Workspace::take_definitions(catalog::DefinitionTexts texts, const catalog::Project& stores) {
  catalog::ReplayedDefinitions files(texts, stores.folder);
  ASSAY_ASSIGN_OR_RETURN(catalog::ParsedProject parsed,
                         load_definitions(files, stores.folder, nullptr));
  project_ = std::move(parsed.project);
  project_.lake = stores.lake;
  project_.has_lake = stores.has_lake;
  project_.catalog = stores.catalog;
  project_.online = stores.online;
  texts_ = std::move(texts);
  return {};
}

}  // namespace assay::flow
