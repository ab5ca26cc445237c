#include "flow/status.h"

#include <algorithm>
#include <map>
#include <memory>

#include "flow/online_stage.h"
#include "flow/part_position.h"
#include "flow/publish.h"
#include "flow/retention.h"
#include "flow/run.h"
#include "flow/source_ledger.h"
#include "ingest/kafka_parts.h"
#include "ingest/kafka_reading.h"
#include "ingest/kafka_source.h"
#include "ingest/record.h"

namespace assay::flow {
namespace {

/// The table, or nullptr when it was never made.
Result<lake::DeltaTable*> table_if_any(Workspace& workspace, const std::string& key) {
  Result<lake::DeltaTable*> table = workspace.table(key);
  if (table.code() == Code::kNotFound) {
    return static_cast<lake::DeltaTable*>(nullptr);
  }
  return table;
}

/// How many versions after `after` added rows: what a stage has not taken yet.
Result<int64_t> versions_with_rows(Workspace& workspace,
                                   const std::string& key,
                                   lake::Version after) {
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, table_if_any(workspace, key));
  if (table == nullptr) {
    return int64_t{0};
  }
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
  const auto changes = table->added_between(after, snapshot->version);
  if (changes.code() == Code::kOutOfRange) {  // the log of some of them was cleaned up
    return snapshot->version - after;
  }
  ASSAY_RETURN_IF_ERROR(changes.status());
  const std::vector<lake::DeltaTable::AddedFile>& added = *changes;
  int64_t count = 0;
  for (std::size_t i = 0; i < added.size(); ++i) {
    count += i == 0 || added[i].version != added[i - 1].version ? 1 : 0;
  }
  return count;
}

/// Position of `app_id` in a table and the account of its history; nothing done when there is no
/// table.
Status fill_from_table(Workspace& workspace,
                       const std::string& key,
                       StageStatus* status,
                       std::optional<int64_t>* position) {
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, table_if_any(workspace, key));
  if (table == nullptr) {
    return {};
  }
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
  *position = snapshot->txn(workspace.app_id(key));
  status->kept_from = kept_from(workspace, key, *snapshot);
  if (!status->kept_from.has_value()) {
    status->kept_from = snapshot->txn(workspace.app_id(key) + "/answers_from");
  }
  ASSAY_ASSIGN_OR_RETURN(status->account.rows, account_of_history(*table));
  return {};
}

StageStatus stage_status(const std::string& stage, const std::string& name) {
  StageStatus status;
  status.account.stage = stage;
  status.account.name = name;
  status.position = "-";
  return status;
}

/// Of a source that is read part by part: the parts' positions.
Result<StageStatus> part_status(Workspace& workspace,
                                const std::string& name,
                                const std::string& key,
                                StageStatus status) {
  SourceLedger ledger(workspace.catalog());
  ASSAY_ASSIGN_OR_RETURN(
      const auto parts,
      ledger.known(ingest::kafka_ledger_name(workspace.project().bronze.at(name).source)));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, table_if_any(workspace, key));
  if (table == nullptr) {
    return status;
  }
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
  std::string text;
  for (const ingest::SourceFile& part : parts) {
    const std::optional<int64_t> position =
        snapshot->txn(part_app_id(workspace.app_id(key), part.ordinal));
    if (position.has_value()) {
      text += (text.empty() ? "" : ", ") + ingest::describe_part_position(part, *position);
    }
  }
  status.position = text.empty() ? "-" : text;
  return status;
}

Result<StageStatus> bronze_status(Workspace& workspace, const std::string& name) {
  StageStatus status = stage_status("bronze", name);
  std::optional<int64_t> position;
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.bronze_table_key(name));
  ASSAY_RETURN_IF_ERROR(fill_from_table(workspace, key, &status, &position));
  SourceLedger ledger(workspace.catalog());
  ASSAY_ASSIGN_OR_RETURN(const auto files,
                         ledger.known(workspace.project().bronze.at(name).source));
  if (workspace.reads_parts(name)) {
    return part_status(workspace, name, key, std::move(status));
  }
  const ingest::Position at{position.value_or(0)};
  if (position.has_value()) {
    status.position =
        "file " + std::to_string(at.file_ordinal()) + " record " + std::to_string(at.record());
  }
  status.lag = std::max<int64_t>(
      0, static_cast<int64_t>(files.size()) - at.file_ordinal() - (at.record() > 0 ? 1 : 0));
  return status;
}

/// A stage that reads versions of a table.
Result<StageStatus> table_status(Workspace& workspace,
                                 const std::string& stage,
                                 const std::string& name,
                                 const std::string& key,
                                 const std::string& source_key) {
  StageStatus status = stage_status(stage, name);
  std::optional<int64_t> position;
  ASSAY_RETURN_IF_ERROR(fill_from_table(workspace, key, &status, &position));
  if (position.has_value()) {
    status.position = "version " + std::to_string(*position);
  }
  ASSAY_ASSIGN_OR_RETURN(status.lag,
                         versions_with_rows(workspace, source_key, position.value_or(-1)));
  return status;
}

/// Version of its source table up to which a view is online; nothing: none of it is.
Result<std::optional<OnlinePosition>> online_position(Workspace& workspace,
                                                      const std::string& name,
                                                      const std::string& source_key,
                                                      online::OnlineStore& store) {
  ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(name));
  const Result<std::optional<online::AppliedTo>> applied = store.applied_to(*view);
  if (applied.code() == Code::kFailedPrecondition) {
    return std::optional<OnlinePosition>();  // of an earlier definition: all is to be done again
  }
  ASSAY_RETURN_IF_ERROR(applied.status());
  if (!applied->has_value()) {
    return std::optional<OnlinePosition>();
  }
  const OnlinePosition at = OnlinePosition::decode((*applied)->position);
  return at.table_number == table_number(source_key) ? std::optional(at) : std::nullopt;
}

/// Versions that a view has not taken; the one that it fills up from is such a one.
Result<int64_t> lag_of_view(Workspace& workspace,
                            const std::string& source_key,
                            const std::optional<OnlinePosition>& at) {
  ASSAY_ASSIGN_OR_RETURN(const int64_t versions,
                         versions_with_rows(workspace, source_key, at ? at->version : -1));
  return versions + (at && at->pieces_left > 0 ? 1 : 0);
}

Result<StageStatus> online_status(Workspace& workspace,
                                  const std::string& name,
                                  const std::string& source_key) {
  StageStatus status = stage_status("online", name);
  Result<online::OnlineStore*> store = workspace.online(true);
  std::optional<OnlinePosition> at;
  if (store.code() != Code::kNotFound) {
    ASSAY_RETURN_IF_ERROR(store.status());
    ASSAY_ASSIGN_OR_RETURN(at, online_position(workspace, name, source_key, **store));
  }
  if (at.has_value()) {
    status.position =
        "version " + std::to_string(at->version) +
        (at->reads > 0 ? " and " + std::to_string(at->reads) + " reads before the lake" : "");
    if (at->pieces_left > 0) {
      status.position += ", " + std::to_string(at->pieces_left) + " of " +
                         std::to_string(int64_t{1} << at->pieces_log2) + " pieces left";
    }
  }
  ASSAY_ASSIGN_OR_RETURN(status.lag, lag_of_view(workspace, source_key, at));
  return status;
}

}  // namespace

Result<std::vector<StageStatus>> project_status(Workspace& workspace) {
  const catalog::Project& project = workspace.project();
  std::vector<StageStatus> stages;
  const auto add = [&](Result<StageStatus> status) -> Status {
    ASSAY_RETURN_IF_ERROR(status.status());
    stages.push_back(*std::move(status));
    return {};
  };
  for (const auto& [name, definition] : project.bronze) {
    ASSAY_RETURN_IF_ERROR(add(bronze_status(workspace, name)));
  }
  for (const std::string& name : silver_order(project)) {
    ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.silver_table_key(name));
    ASSAY_ASSIGN_OR_RETURN(const std::string source_key,
                           workspace.bronze_table_key(project.silver.at(name).from));
    ASSAY_RETURN_IF_ERROR(add(table_status(workspace, "silver", name, key, source_key)));
  }
  for (const auto& [name, definition] : project.views) {
    if (!project.has_lake) {
      break;  // no steps are written
    }
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(name));
    ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.steps_table_key(*view));
    ASSAY_ASSIGN_OR_RETURN(const std::string source_key,
                           workspace.source_table_key(definition.from));
    ASSAY_RETURN_IF_ERROR(add(table_status(workspace, "gold", name, key, source_key)));
  }
  for (const auto& [name, definition] : project.views) {
    ASSAY_ASSIGN_OR_RETURN(const std::string source_key,
                           workspace.source_table_key(definition.from));
    ASSAY_RETURN_IF_ERROR(add(online_status(workspace, name, source_key)));
  }
  return stages;
}

Result<std::optional<lake::Version>> oldest_position(Workspace& workspace, const std::string& key) {
  const catalog::Project& project = workspace.project();
  std::optional<lake::Version> oldest;
  const auto take = [&](std::optional<lake::Version> version) {
    if (version.has_value()) {
      oldest = std::min(oldest.value_or(*version), *version);
    }
  };
  const auto take_table = [&](const std::string& reader) -> Status {
    ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, table_if_any(workspace, reader));
    if (table != nullptr) {
      ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
      take(snapshot->txn(workspace.app_id(reader)));
    }
    return {};
  };
  for (const auto& [name, definition] : project.silver) {
    ASSAY_ASSIGN_OR_RETURN(const std::string source, workspace.bronze_table_key(definition.from));
    if (source == key) {
      ASSAY_ASSIGN_OR_RETURN(const std::string reader, workspace.silver_table_key(name));
      ASSAY_RETURN_IF_ERROR(take_table(reader));
    }
  }
  for (const auto& [name, definition] : project.views) {
    ASSAY_ASSIGN_OR_RETURN(const std::string source, workspace.source_table_key(definition.from));
    if (source != key) {
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(name));
    ASSAY_ASSIGN_OR_RETURN(const std::string reader, workspace.steps_table_key(*view));
    ASSAY_RETURN_IF_ERROR(take_table(reader));
    const Result<online::OnlineStore*> store = workspace.online(true);
    if (store.code() != Code::kNotFound) {
      ASSAY_RETURN_IF_ERROR(store.status());
      ASSAY_ASSIGN_OR_RETURN(const auto at, online_position(workspace, name, source, **store));
      take(at.has_value() ? std::optional(at->version) : std::nullopt);
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<lake::Version> published,
                         published_versions(workspace, key));
  for (const lake::Version version : published) {
    take(version);
  }
  return oldest;
}

Result<std::vector<lake::Version>> published_versions(Workspace& workspace,
                                                      const std::string& key) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<PublishedState> states, published_states(workspace));
  std::vector<lake::Version> versions;
  for (const PublishedState& state : states) {
    if (const auto version = state.tables.find(key); version != state.tables.end()) {
      versions.push_back(version->second);
    }
  }
  return versions;
}

Result<std::optional<int64_t>> topic_lag(Workspace& workspace,
                                         const std::string& bronze,
                                         Duration wait) {
  const catalog::SourceDef& source =
      workspace.project().sources.at(workspace.project().bronze.at(bronze).source);
  SourceLedger ledger(workspace.catalog());
  ingest::KafkaParts parts(ledger, source.name);
  ASSAY_RETURN_IF_ERROR(parts.load());
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.bronze_table_key(bronze));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * table, table_if_any(workspace, key));
  ingest::PartsDone done;
  if (table != nullptr) {
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table->snapshot());
    for (const ingest::KafkaPart& part : parts.all()) {
      const auto position = snapshot->txn(part_app_id(workspace.app_id(key), part.ordinal));
      if (position.has_value()) {
        done.positions[part.ordinal] = *position;
      }
    }
  }
  std::map<ingest::TopicPartition, int64_t> next;
  for (const ingest::KafkaPart& part : parts.all()) {
    if (std::count(source.kafka->topics.begin(), source.kafka->topics.end(), part.partition.topic) >
        0) {
      next[part.partition] = ingest::begin_reading(parts.all(), part.partition, done).offset;
    }
  }
  ingest::KafkaClientOptions options;
  options.brokers = source.kafka->brokers;
  options.settings = source.kafka->options;
  options.timeout = wait;
  const std::unique_ptr<Log> quiet = null_log();  // that there is no answer is the answer
  const auto consumer = ingest::KafkaConsumer::open(*quiet, options);
  if (!consumer.ok() || next.empty()) {
    return std::optional<int64_t>();
  }
  std::vector<ingest::TopicPartition> asked;
  for (const auto& [partition, offset] : next) {
    asked.push_back(partition);
  }
  const Result<std::vector<int64_t>> ends = (*consumer)->ends(asked, wait);
  if (!ends.ok()) {
    return std::optional<int64_t>();
  }
  int64_t lag = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    lag += std::max<int64_t>(0, (*ends)[i] - next.at(asked[i]));
  }
  return std::optional(lag);
}

Result<ViewPlace> view_place(Workspace& workspace, const std::string& name) {
  ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(name));
  ASSAY_ASSIGN_OR_RETURN(const std::string source_key,
                         workspace.source_table_key(workspace.project().views.at(name).from));
  ASSAY_ASSIGN_OR_RETURN(const std::string steps_key, workspace.steps_table_key(*view));
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace.online(true));
  ASSAY_ASSIGN_OR_RETURN(const std::optional<OnlinePosition> at,
                         online_position(workspace, name, source_key, *store));
  ASSAY_ASSIGN_OR_RETURN(lake::DeltaTable * steps, table_if_any(workspace, steps_key));
  ViewPlace place;
  if (!at.has_value() || steps == nullptr) {
    return place;
  }
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, steps->snapshot());
  place.position = at->encode();
  place.steps = snapshot->txn(workspace.app_id(steps_key)).value_or(-1);
  place.reads_ahead = at->reads;
  const auto [first, last] = std::minmax<int64_t>(place.steps, at->version);
  ASSAY_ASSIGN_OR_RETURN(const int64_t behind_first,
                         versions_with_rows(workspace, source_key, first));
  ASSAY_ASSIGN_OR_RETURN(const int64_t behind_last,
                         versions_with_rows(workspace, source_key, last));
  place.is_level = at->reads == 0 && at->pieces_left == 0 && behind_first == behind_last;
  return place;
}

Result<int64_t> online_lag(Workspace& workspace,
                           const std::string& view,
                           online::OnlineStore& store) {
  ASSAY_ASSIGN_OR_RETURN(const std::string source_key,
                         workspace.source_table_key(workspace.project().views.at(view).from));
  ASSAY_ASSIGN_OR_RETURN(const std::optional<OnlinePosition> at,
                         online_position(workspace, view, source_key, store));
  return lag_of_view(workspace, source_key, at);
}

}  // namespace assay::flow
