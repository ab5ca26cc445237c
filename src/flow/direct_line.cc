#include "flow/direct_line.h"

#include <map>

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

/// Where a view stands by what the online store has of it.
enum class Place {
  kNothing,  // is there of it
  kWhole,    // all reads that its table says were made
  kLost,     // less than that, or an earlier definition of it
  kForeign,  // it is at a position of no table that this folder has
};

Result<Place> place_of(Workspace& workspace, const std::string& name, bool has_tables) {
  ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(name));
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace.online(false));
  const Result<std::optional<online::AppliedTo>> applied = store->applied_to(*view);
  if (applied.code() == Code::kFailedPrecondition) {
    return has_tables ? Place::kLost : Place::kForeign;
  }
  ASSAY_RETURN_IF_ERROR(applied.status());
  if (!applied->has_value()) {
    return Place::kNothing;
  }
  const int64_t position = (*applied)->position;
  ASSAY_ASSIGN_OR_RETURN(const std::string key,
                         workspace.source_table_key(workspace.project().views.at(name).from));
  if (!has_tables || OnlinePosition::decode(position).table_number != table_number(key)) {
    return Place::kForeign;
  }
  const Result<lake::DeltaTable*> table = workspace.table(key);
  if (table.code() == Code::kNotFound) {
    return Place::kLost;
  }
  ASSAY_RETURN_IF_ERROR(table.status());
  ASSAY_ASSIGN_OR_RETURN(const bool is_whole, has_reads_of(workspace, **table, position));
  return is_whole ? Place::kWhole : Place::kLost;
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

Status prepare(Workspace& workspace, const std::string& bronze, const RunOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const bool has_tables, workspace.has_positions(bronze));
  ASSAY_ASSIGN_OR_RETURN(const bool are_right, are_tables_right(workspace, bronze));
  if (has_tables && are_right) {
    ASSAY_RETURN_IF_ERROR(make_tables(workspace, bronze, options));
  }
  std::map<Place, std::string> views;
  for (const std::string& name : views_of(workspace.project(), bronze)) {
    ASSAY_ASSIGN_OR_RETURN(const Place place, place_of(workspace, name, has_tables));
    views[place] += (views[place].empty() ? "" : ", ") + name;
  }
  const std::string& foreign = views[Place::kForeign];
  if (!foreign.empty() && !options.begins_anew) {
    return {Code::kFailedPrecondition,
            "the online store has " + foreign +
                " at a position that this folder does not know: "
                "another host or a lake fills it, or `.assay/line` was lost; with another `online` "
                "store or prefix nothing is taken from it, and with --begin-anew its rows go and "
                "topics are read from their beginning"};
  }
  std::string without;  // a place
  for (const Place place : {Place::kNothing, Place::kLost, Place::kForeign}) {
    without += (without.empty() || views[place].empty() ? "" : ", ") + views[place];
  }
  if (has_tables && are_right && without.empty()) {
    return {};
  }
  if (has_tables || !foreign.empty()) {
    workspace.world().log.warn(
        "views_begin_anew",
        {{"table", "bronze." + bronze},
         {"why",
          are_right ? "without their place: " + without
                    : std::string("the definition of the table has changed")},
         {"views", static_cast<int64_t>(views_of(workspace.project(), bronze).size())}});
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
  return {Code::kAborted,
          "a view of bronze." + bronze + " has not all that was read; it begins anew"};
}

}  // namespace assay::flow
