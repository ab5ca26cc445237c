#include "flow/direct_line.h"

#include <algorithm>

#include "flow/bronze_writer.h"
#include "flow/fast_path.h"
#include "flow/online_stage.h"
#include "flow/part_position.h"
#include "flow/read_journal.h"
#include "flow/silver_stage.h"

namespace assay::flow {
namespace {

/// The views whose rows come from a bronze table.
std::vector<std::string> views_of(const catalog::Project& project, const std::string& bronze) {
  std::vector<std::string> views;
  for (const auto& [name, view] : project.views) {
    if (bronze_of_view(project, name).name == bronze) {
      views.push_back(name);
    }
  }
  return views;
}

/// Tables that hold positions: the bronze table's, and those of silver tables over it.
Status make_tables(Workspace& workspace, const std::string& bronze, const RunOptions& options) {
  ASSAY_RETURN_IF_ERROR(BronzeWriter::open(workspace, bronze, options).status());
  return move_positions(workspace, bronze, options);
}

/// Whether the tables that there are were made for these definitions.
Result<bool> are_tables_right(Workspace& workspace, const std::string& bronze) {
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.bronze_table_key(bronze));
  ASSAY_ASSIGN_OR_RETURN(bool are_right, workspace.is_of_definition(key));
  for (const auto& [name, silver] : workspace.project().silver) {
    if (silver.from == bronze) {
      ASSAY_ASSIGN_OR_RETURN(const std::string silver_key, workspace.silver_table_key(name));
      ASSAY_ASSIGN_OR_RETURN(const bool is_right, workspace.is_of_definition(silver_key));
      are_right = are_right && is_right;
    }
  }
  return are_right;
}

/// Whether a view has all reads that its table says were made.
Result<bool> has_its_place(Workspace& workspace, const std::string& name) {
  ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(name));
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace.online(false));
  const Result<std::optional<online::AppliedTo>> applied = store->applied_to(*view);
  if (applied.code() == Code::kFailedPrecondition) {
    return false;  // of an earlier definition
  }
  ASSAY_RETURN_IF_ERROR(applied.status());
  ASSAY_ASSIGN_OR_RETURN(const std::string key,
                         workspace.source_table_key(workspace.project().views.at(name).from));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace.table(key));
  return applied->has_value() ? has_reads_of(workspace, *table, (*applied)->position)
                              : Result<bool>(false);
}

Status begin_anew(Workspace& workspace, const std::string& bronze, const RunOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace.online(false));
  const std::vector<std::string> views = views_of(workspace.project(), bronze);
  for (const std::string& name : views) {
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(name));
    ASSAY_RETURN_IF_ERROR(store->drop(view->storage_name()));
  }
  ASSAY_RETURN_IF_ERROR(workspace.begin_new_positions(bronze));
  ASSAY_RETURN_IF_ERROR(make_tables(workspace, bronze, options));
  for (const std::string& name : views) {
    ASSAY_RETURN_IF_ERROR(run_online_stage(workspace, name, options).status());
  }
  return {};
}

/// Whether views have, or had, rows of the table.
Result<bool> has_been_read(Workspace& workspace, const std::string& bronze) {
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.bronze_table_key(bronze));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace.table(key));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
  return snapshot->txn(reads_app_id(workspace.app_id(key))).value_or(0) > 0;
}

Status prepare(Workspace& workspace, const std::string& bronze, const RunOptions& options) {
  const std::vector<std::string> views = views_of(workspace.project(), bronze);
  std::string without;  // a place
  ASSAY_ASSIGN_OR_RETURN(const bool are_right, are_tables_right(workspace, bronze));
  if (are_right) {
    ASSAY_RETURN_IF_ERROR(make_tables(workspace, bronze, options));
    for (const std::string& name : views) {
      ASSAY_ASSIGN_OR_RETURN(const bool has_place, has_its_place(workspace, name));
      without += has_place ? "" : (without.empty() ? "" : ", ") + name;
    }
    if (without.empty()) {
      return {};
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const bool was_read, has_been_read(workspace, bronze));
  if (was_read) {
    workspace.world().log.warn(
        "views_begin_anew",
        {{"table", "bronze." + bronze},
         {"why",
          are_right ? "without their place: " + without
                    : std::string("the definition of the table has changed")},
         {"views", static_cast<int64_t>(views.size())}});
  }
  return begin_anew(workspace, bronze, options);
}

}  // namespace

Status prepare_direct_lines(Workspace& workspace, const RunOptions& options) {
  for (const auto& [name, bronze] : workspace.project().bronze) {
    ASSAY_RETURN_IF_ERROR(
        prepare(workspace, name, options).with_context("positions of bronze." + name));
  }
  return {};
}

Status move_positions(Workspace& workspace, const std::string& bronze, const RunOptions& options) {
  for (const auto& [name, silver] : workspace.project().silver) {
    if (silver.from == bronze) {
      ASSAY_RETURN_IF_ERROR(run_silver_stage(workspace, name, options).status());
    }
  }
  return {};
}

Status require_lake(const Workspace& workspace, const std::string& what) {
  return workspace.project().has_lake
             ? Status()
             : Status(Code::kFailedPrecondition,
                      what + " needs rows of tables, and this project has `lake: none`");
}

Status lost_its_place(const std::string& bronze) {
  return {Code::kUnavailable,
          "a view of bronze." + bronze + " has not all that was read; it begins anew"};
}

}  // namespace assay::flow
