#include <algorithm>
#include <array>
#include <cstdio>

#include "base/hash.h"
#include "cli/commands.h"
#include "lake/table_hash.h"
#include "lake/table_properties.h"

namespace assay::cli {
namespace {

/// Without a lake tables have positions and no rows.
Result<std::vector<std::string>> tables_with_rows(flow::Workspace& workspace) {
  return workspace.project().has_lake ? lake::list_tables(workspace.store())
                                      : std::vector<std::string>();
}

const Positional kTable{"TABLE", "table, e.g. silver/events (`assay lake list` shows them)", true};

std::string lake_key(std::string name) {
  // "lake.silver.events" and "silver.events", as SQL writes them, are fine too.
  if (name.rfind("lake.", 0) == 0) {
    name = name.substr(5);
  }
  const std::size_t dot = name.find('.');
  if (dot != std::string::npos && name.find('/') == std::string::npos) {
    name[dot] = '/';
  }
  return name;
}

Status run_list(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  data::BatchBuilder rows(data::make_schema({{"table", data::Type::kString, false},
                                             {"version", data::Type::kInt64, false},
                                             {"rows", data::Type::kInt64, false},
                                             {"files", data::Type::kInt64, false},
                                             {"bytes", data::Type::kInt64, false}}));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> tables, tables_with_rows(*workspace));
  for (const std::string& key : tables) {
    ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace->table(key));
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
    int64_t bytes = 0;
    for (const auto& [path, file] : snapshot->files) {
      bytes += file.size_bytes;
    }
    rows.column(0).append_text(key);
    rows.column(1).append(snapshot->version);
    rows.column(2).append(snapshot->rows());
    rows.column(3).append(static_cast<int64_t>(snapshot->files.size()));
    rows.column(4).append(bytes);
  }
  invocation.output.rows(rows.finish());
  return {};
}

Status run_show(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const std::string key,
                         existing_table(*workspace, invocation.arguments.get("TABLE")));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace->table(key));
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
  data::BatchBuilder rows(data::make_schema({{"column", data::Type::kString, false},
                                             {"type", data::Type::kString, false},
                                             {"nullable", data::Type::kBool, false},
                                             {"partition", data::Type::kBool, false}}));
  for (const data::Field& field : snapshot->schema->fields()) {
    bool partition = false;
    for (const std::string& name : snapshot->partition_columns) {
      partition = partition || name == field.name;
    }
    rows.column(0).append_text(field.name);
    rows.column(1).append_text(data::type_name(field.type));
    rows.column(2).append<uint8_t>(field.nullable ? 1 : 0);
    rows.column(3).append<uint8_t>(partition ? 1 : 0);
  }
  invocation.output.say(key + ": version " + std::to_string(snapshot->version) + ", " +
                        std::to_string(snapshot->rows()) + " rows in " +
                        std::to_string(snapshot->files.size()) + " files");
  for (const auto& [app_id, version] : snapshot->txns) {
    if (app_id == lake::kWriterAppId) {
      continue;
    }
    invocation.output.say("position " + app_id + " = " + std::to_string(version));
  }
  invocation.output.rows(rows.finish());
  return {};
}

Status run_history(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const std::string key,
                         existing_table(*workspace, invocation.arguments.get("TABLE")));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace->table(key));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<lake::HistoryEntry> history, table->history());
  data::BatchBuilder rows(data::make_schema({{"version", data::Type::kInt64, false},
                                             {"time", data::Type::kTimestamp, false},
                                             {"operation", data::Type::kString, false},
                                             {"files_added", data::Type::kInt64, false},
                                             {"files_removed", data::Type::kInt64, false},
                                             {"rows_added", data::Type::kInt64, false},
                                             {"parameters", data::Type::kString, false}}));
  for (const lake::HistoryEntry& entry : history) {
    std::string parameters;
    for (const auto& [name, value] : entry.parameters) {
      parameters += (parameters.empty() ? "" : " ") + name + "=" + value;
    }
    rows.column(0).append(entry.version);
    rows.column(1).append(entry.timestamp_ms * 1'000);
    rows.column(2).append_text(entry.operation);
    rows.column(3).append(entry.files_added);
    rows.column(4).append(entry.files_removed);
    rows.column(5).append(entry.rows_added);
    rows.column(6).append_text(parameters);
  }
  invocation.output.rows(rows.finish());
  return {};
}

/// Hash of every table's rows, whatever their order or files: equal tables have equal lines.
Status run_hash(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  data::BatchBuilder rows(data::make_schema({{"table", data::Type::kString, false},
                                             {"rows", data::Type::kInt64, false},
                                             {"hash", data::Type::kString, false}}));
  const auto add = [&](const std::string& name, int64_t count, uint64_t hash) {
    rows.column(0).append_text(name);
    rows.column(1).append(count);
    rows.column(2).append_text(hash_text(hash));
  };
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> tables, tables_with_rows(*workspace));
  for (const std::string& key : tables) {
    ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace->table(key));
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
    ASSAY_ASSIGN_OR_RETURN(const uint64_t hash, lake::table_content_hash(*table, workspace->sql()));
    add(key, snapshot->rows(), hash);
  }
  if (invocation.arguments.has("online")) {
    ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace->online(true));
    for (const auto& [name, definition] : workspace->project().views) {
      ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace->view(name));
      ASSAY_ASSIGN_OR_RETURN(const uint64_t hash, store->content_hash(*view));
      add("online/" + name, -1, hash);
    }
  }
  invocation.output.rows(rows.finish());
  return {};
}

Status run_checkpoint(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const std::string key,
                         existing_table(*workspace, invocation.arguments.get("TABLE")));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, workspace->table(key));
  ASSAY_RETURN_IF_ERROR(table->checkpoint());
  invocation.output.say("checkpoint of " + key + " written");
  return {};
}

}  // namespace

Result<std::string> existing_table(flow::Workspace& workspace, const std::string& name) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> tables,
                         lake::list_tables(workspace.store()));
  return only_or_given(lake_key(name), tables, "table");
}

std::vector<Command> lake_commands() {
  return {
      {{"lake", "list"}, "list tables with rows, files and bytes", "", {}, {}, run_list},
      {{"lake", "show"}, "show a table's columns and positions", "", {kTable}, {}, run_show},
      {{"lake", "history"}, "show a table's commits", "", {kTable}, {}, run_history},
      {{"lake", "hash"},
       "print a hash of every table's rows, independent of their order and files",
       "",
       {},
       {{"online", "", "hash the online store's values too", "", false, false}},
       run_hash},
      {{"lake", "checkpoint"},
       "write a checkpoint of a table's log",
       "",
       {kTable},
       {},
       run_checkpoint},
  };
}

}  // namespace assay::cli
