#include "lake/delta_table.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/fail_point.h"
#include "lake/change_feed.h"
#include "lake/checkpoint.h"
#include "lake/commit_rules.h"
#include "lake/commit_times.h"
#include "lake/manifest.h"
#include "lake/parquet_files.h"
#include "lake/pruning.h"
#include "lake/query_files.h"
#include "lake/relation.h"
#include "lake/retention.h"
#include "lake/schema_json.h"
#include "lake/snapshot.h"
#include "lake/sql_access.h"
#include "lake/table_properties.h"

// A commit is one put-if-absent of the next version's log file. Who loses the race reads what the
// winner did, checks its own request against that, and tries the version after. What was checked is
// all that a request depends on: its txns, the files it removes, the schema it widens. Added files
// depend on nothing.
//
// When the outcome of the put is unknown, the version's file is read back: commitInfo.txnId tells
// whose it is.

namespace assay::lake {
namespace {

constexpr int kAttemptsMax = 1'000;
constexpr int64_t kIntervalsPerCheckpointMax = 10;
constexpr Duration kCheckpointPause{kMicrosPerSecond};

/// Whole partitions were dropped: what was added to them is gone, whatever files hold it by now.
void leave_out_dropped(const LogEntry& retention, std::vector<DeltaTable::AddedFile>& added) {
  std::set<PartitionValues> dropped;
  for (const RemoveAction& remove : retention.removes) {
    dropped.insert(remove.partition_values);
  }
  std::erase_if(added, [&](const DeltaTable::AddedFile& each) {
    return dropped.count(each.file.partition_values) != 0;
  });
}

/// The root of a table may hold what all readers take, and no "name=value" that some take for a
/// partition.
Status validate_table_key(const std::string& key) {
  ASSAY_RETURN_IF_ERROR(store::validate_key(key));
  for (const char c : key) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-' || c == '/';
    if (!good) {
      return {Code::kInvalidArgument,
              "a table's name may hold only letters, digits and . _ - /: `" + key + "`"};
    }
  }
  return {};
}

class Table : public DeltaTable {
 public:
  Table(World& world, store::ObjectStore& store, data::SqlEngine& sql, std::string key)
      : world_(world), store_(store), sql_(sql), reading_(store, sql), key_(std::move(key)) {}

  Status load() {
    ASSAY_RETURN_IF_ERROR(reading_.allow());
    ASSAY_ASSIGN_OR_RETURN(state_, load_state(store_, sql_, key_, std::nullopt));
    return {};
  }

  Status create(const TableSpec& spec);
  Status widen_to(const TableSpec& spec);

  [[nodiscard]] const std::string& key() const override { return key_; }
  Result<std::shared_ptr<const Snapshot>> snapshot(std::optional<Version> version) override;
  Result<std::vector<DataFile>> write_files(
      const data::Batch& rows, const std::map<std::string, std::string>& tags) override;
  Result<std::vector<DataFile>> write_query(const QueryRows& rows) override;
  Result<std::vector<DataFile>> write_stream(data::BatchReader& rows,
                                             const std::map<std::string, std::string>& tags,
                                             const PartitionValues& partition) override;
  Result<Version> commit(const CommitRequest& request) override;
  Result<std::string> relation(const Snapshot& snapshot, const std::string& where) override;
  Result<std::optional<std::string>> relation_in_order(const Snapshot& snapshot,
                                                       const std::string& where) override;
  Result<std::optional<std::vector<LocalFile>>> files_in_order(const Snapshot& snapshot,
                                                               const std::string& where) override;
  Result<std::string> relation_of(const Snapshot& snapshot,
                                  const std::vector<DataFile>& files) override;
  Result<std::vector<AddedFile>> added_between(Version after, Version last) override;
  Result<std::vector<FileChange>> changes_between(Version after, Version last) override;
  Result<std::string> relation_of_changes(const Snapshot& snapshot,
                                          const std::vector<FileChange>& changes) override;
  Result<Version> version_at(EventTime time) override;
  Result<std::vector<HistoryEntry>> history() override;
  Status checkpoint() override;

 private:
  enum class Outcome { kLanded, kLost };

  Status refresh();
  Status advance(Version version, const LogEntry& entry);
  Status check_against_newest(const CommitRequest& request, bool raced);
  Result<Outcome> put_entry(Version version, const std::string& bytes, const std::string& txn_id);
  Result<Outcome> look_up(Version version, const std::string& txn_id, const Status& failure);
  void manifest_if_wanted();
  bool is_checkpoint_due();
  void checkpoint_if_due();

  static std::shared_ptr<const Snapshot> shared_snapshot(const std::shared_ptr<TableState>& state) {
    return {state, &state->snapshot};
  }

  World& world_;
  store::ObjectStore& store_;
  data::SqlEngine& sql_;
  SqlReading reading_;
  std::string key_;
  std::shared_ptr<TableState> state_;  // the newest known; copied before a change if others hold it
  std::shared_ptr<TableState> travelled_;    // the last one asked for by version
  std::optional<Duration> checkpointed_at_;  // by this object
};

Status Table::create(const TableSpec& spec) {
  ASSAY_RETURN_IF_ERROR(validate_table_schema(*spec.schema, spec.partition_columns));
  for (const auto& [name, value] : spec.properties) {
    ASSAY_RETURN_IF_ERROR(validate_property(name, value));
  }
  const LogEntry entry = creation_entry(world_, spec);
  ASSAY_RETURN_IF_ERROR(put_entry(0, entry_bytes(entry), entry.info->txn_id).status());
  return load();  // ours, or that of whoever was quicker
}

Status Table::widen_to(const TableSpec& spec) {
  const Snapshot& now = state_->snapshot;
  if (now.partition_columns != spec.partition_columns) {
    return {Code::kFailedPrecondition,
            "table is partitioned by " + json_list(now.partition_columns) + ", not by " +
                json_list(spec.partition_columns)};
  }
  if (*now.schema == *spec.schema) {
    return {};
  }
  CommitRequest request;
  request.operation = "ADD COLUMNS";
  request.schema = spec.schema;
  return commit(request).status();
}

Result<std::shared_ptr<const Snapshot>> Table::snapshot(std::optional<Version> version) {
  if (version && *version == state_->snapshot.version) {
    return shared_snapshot(state_);
  }
  ASSAY_RETURN_IF_ERROR(refresh());
  if (!version || *version == state_->snapshot.version) {
    return shared_snapshot(state_);
  }
  if (travelled_ == nullptr || travelled_->snapshot.version != *version) {
    ASSAY_RETURN_IF_ERROR(reading_.allow());
    ASSAY_ASSIGN_OR_RETURN(travelled_, load_state(store_, sql_, key_, version));
  }
  return shared_snapshot(travelled_);
}

/// Apply what was committed since the last look; one failed read when nothing was.
Status Table::refresh() {
  while (true) {
    const Version next = state_->snapshot.version + 1;
    const Result<LogEntry> entry = read_entry(store_, key_, next);
    if (entry.code() == Code::kNotFound) {
      return {};
    }
    ASSAY_RETURN_IF_ERROR(entry.status());
    ASSAY_RETURN_IF_ERROR(advance(next, *entry));
  }
}

Status Table::advance(Version version, const LogEntry& entry) {
  if (state_.use_count() > 1) {
    state_ = std::make_shared<TableState>(*state_);
  }
  return apply_entry(*state_, version, entry)
      .with_context("log entry " + log_prefix(key_) + log_file_name(version));
}

Result<std::vector<DataFile>> Table::write_files(const data::Batch& rows,
                                                 const std::map<std::string, std::string>& tags) {
  const Snapshot& now = state_->snapshot;
  for (const std::string& name : now.partition_columns) {
    if (rows.find(name) == nullptr) {
      return Status(Code::kInvalidArgument,
                    "rows for table " + key_ + " lack partition column `" + name + "`");
    }
  }
  for (const data::Field& field : now.schema->fields()) {
    const std::optional<int> index = rows.schema().find(field.name);
    if (index && rows.schema().field(*index).type != field.type) {
      return Status(Code::kInvalidArgument,
                    "rows for table " + key_ + " have column `" + field.name + "` as " +
                        std::string(data::type_name(rows.schema().field(*index).type)) + ", not " +
                        std::string(data::type_name(field.type)));
    }
    const bool has_null = !index || rows.column(*index).null_count() != 0;
    if (!field.nullable && has_null && rows.rows() > 0) {
      return Status(Code::kInvalidArgument,
                    "rows for table " + key_ + " have nulls in column `" + field.name +
                        "`, which is declared not null");
    }
  }
  const ParquetTarget target{world_, store_, sql_, key_, now.partition_columns};
  Result<std::vector<DataFile>> files = write_parquet_files(target, rows, tags);
  if (!files.ok()) {
    return files.status().with_context("write rows of table " + key_);
  }
  return files;
}

Result<std::vector<DataFile>> Table::write_query(const QueryRows& rows) {
  const Snapshot& now = state_->snapshot;
  const ParquetTarget target{world_, store_, sql_, key_, now.partition_columns};
  Result<std::vector<DataFile>> files = write_query_files(target, *now.schema, rows);
  if (!files.ok()) {
    return files.status().with_context("write rows of table " + key_);
  }
  return files;
}

Result<std::vector<DataFile>> Table::write_stream(data::BatchReader& rows,
                                                  const std::map<std::string, std::string>& tags,
                                                  const PartitionValues& partition) {
  const Snapshot& now = state_->snapshot;
  const ParquetTarget target{world_, store_, sql_, key_, now.partition_columns};
  Result<std::vector<DataFile>> files = write_streamed_files(target, rows, tags, partition);
  if (!files.ok()) {
    return files.status().with_context("write rows of table " + key_);
  }
  return files;
}

Result<Version> Table::commit(const CommitRequest& request) {
  const std::string txn_id = world_.random.uuid();
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const Version before = state_->snapshot.version;
    ASSAY_RETURN_IF_ERROR(check_against_newest(request, attempt > 0));
    if (attempt > 0 && state_->snapshot.version == before) {
      return Status(Code::kInternal,
                    "the log of table " + key_ + " holds something that is no file: " +
                        log_prefix(key_) + log_file_name(before + 1));
    }
    const LogEntry entry = entry_of(world_, *state_, request, txn_id);
    const Version version = state_->snapshot.version + 1;
    fail_point("lake.commit.before_put");
    ASSAY_ASSIGN_OR_RETURN(const Outcome outcome, put_entry(version, entry_bytes(entry), txn_id));
    fail_point("lake.commit.after_put");
    if (outcome == Outcome::kLanded) {
      ASSAY_RETURN_IF_ERROR(advance(version, entry));
      manifest_if_wanted();
      checkpoint_if_due();
      return version;
    }
    world_.metrics
        .counter("assay_lake_lost_races_total", "Commits tried again after another one was quicker")
        .add();
  }
  return Status(Code::kAborted,
                "table " + key_ + " is written to by too many at once; gave up after " +
                    std::to_string(kAttemptsMax) + " lost races");
}

/// Check a request against the state it is going to be put on. The first attempt goes by what is
/// known, without a look at the log: if that is not the newest, the put loses. Only a refusal must
/// not rest on old knowledge.
Status Table::check_against_newest(const CommitRequest& request, bool raced) {
  const auto check = [&]() -> Status {
    ASSAY_RETURN_IF_ERROR(validate_writable(*state_).with_context("table " + key_));
    return validate_request(key_, *state_, request, raced);
  };
  if (!raced && check().ok()) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(refresh());
  return check();
}

Result<Table::Outcome> Table::put_entry(Version version,
                                        const std::string& bytes,
                                        const std::string& txn_id) {
  const std::string name = log_prefix(key_) + log_file_name(version);
  const Status put = store_.put_if_absent(name, bytes);
  if (put.ok()) {
    return Outcome::kLanded;
  }
  switch (put.code()) {
    case Code::kInvalidArgument:
    case Code::kPermissionDenied:
    case Code::kFailedPrecondition:
      return put.with_context("commit to table " + key_);
    default:
      return look_up(version, txn_id, put);
  }
}

/// Whose is the version's file, after a put that failed or lost?
Result<Table::Outcome> Table::look_up(Version version,
                                      const std::string& txn_id,
                                      const Status& failure) {
  const std::string context = "commit version " + std::to_string(version) + " of table " + key_;
  const Result<LogEntry> entry = read_entry(store_, key_, version);
  if (entry.ok() && entry->info && entry->info->txn_id == txn_id) {
    // It landed; make sure that it stays.
    const Status kept = store_.adopt(log_prefix(key_) + log_file_name(version));
    return kept.ok() ? Result<Outcome>(Outcome::kLanded)
                     : Status(Code::kCommitUnknown, context + ": " + kept.message());
  }
  if (entry.ok()) {
    return Outcome::kLost;
  }
  if (failure.code() == Code::kAlreadyExists) {
    return entry.status().with_context(context);
  }
  if (entry.code() == Code::kNotFound && failure.code() != Code::kCommitUnknown) {
    return failure.with_context(context);
  }
  return Status(Code::kCommitUnknown, context + ": " + failure.message());
}

void Table::manifest_if_wanted() {
  if (!wants_manifest(state_->snapshot)) {
    return;
  }
  const Status status = write_manifest(store_, key_, state_->snapshot);
  if (!status.ok()) {
    // The commit stands; the manifest before it is whole, and the next one makes up for it.
    world_.log.warn("manifest_failed", {{"table", key_}, {"reason", status.to_string()}});
  }
}

/// Every so many versions. Where commits follow one another fast and the table does not say how
/// many, they share a checkpoint: it costs as much as many of them.
bool Table::is_checkpoint_due() {
  const std::optional<int64_t> wanted = checkpoint_interval(state_->snapshot.configuration);
  const int64_t interval = wanted.value_or(kCheckpointInterval);
  const Version version = state_->snapshot.version;
  if (version % interval != 0) {
    return false;
  }
  return wanted || !checkpointed_at_ || version % (interval * kIntervalsPerCheckpointMax) == 0 ||
         world_.clock.monotonic().micros - checkpointed_at_->micros >= kCheckpointPause.micros;
}

void Table::checkpoint_if_due() {
  if (!is_checkpoint_due()) {
    return;
  }
  const Status status = checkpoint();
  if (!status.ok()) {
    // The commit stands, and the next checkpoint makes up for this one.
    world_.log.warn("checkpoint_failed", {{"table", key_}, {"reason", status.to_string()}});
  }
}

Status Table::checkpoint() {
  ASSAY_RETURN_IF_ERROR(refresh());
  ASSAY_RETURN_IF_ERROR(validate_writable(*state_).with_context("table " + key_));
  ASSAY_RETURN_IF_ERROR(write_checkpoint(world_, store_, sql_, key_, *state_)
                            .with_context("checkpoint table " + key_));
  checkpointed_at_ = world_.clock.monotonic();
  return {};
}

std::string filtered(const std::string& relation, const std::string& where) {
  return where.empty() ? relation : "(SELECT * FROM " + relation + " WHERE (" + where + "\n))";
}

Result<std::string> Table::relation(const Snapshot& snapshot, const std::string& where) {
  ASSAY_RETURN_IF_ERROR(reading_.allow());
  ASSAY_ASSIGN_OR_RETURN(
      const std::string files,
      files_relation(store_, sql_, key_, snapshot, prune_files(snapshot, where)));
  return filtered(files, where);
}

Result<std::optional<std::string>> Table::relation_in_order(const Snapshot& snapshot,
                                                            const std::string& where) {
  ASSAY_RETURN_IF_ERROR(reading_.allow());
  const std::vector<const DataFile*> pruned = prune_files(snapshot, where);
  if (std::any_of(pruned.begin(), pruned.end(), [](const DataFile* file) {
        return file->deletion_vector.has_value();
      })) {
    return std::optional<std::string>();
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string files,
                         stored_relation(store_, sql_, key_, snapshot, pruned));
  return std::optional(filtered(files, where));
}

Result<std::optional<std::vector<DeltaTable::LocalFile>>> Table::files_in_order(
    const Snapshot& snapshot, const std::string& where) {
  ASSAY_RETURN_IF_ERROR(reading_.allow());
  ASSAY_ASSIGN_OR_RETURN(const std::optional<store::SqlAccess> elsewhere, store_.sql_access());
  if (elsewhere || snapshot.mapping != ColumnMapping::kNone) {
    return std::optional<std::vector<LocalFile>>();
  }
  std::vector<LocalFile> files;
  for (const DataFile* file : prune_files(snapshot, where)) {
    if (file->deletion_vector) {
      return std::optional<std::vector<LocalFile>>();
    }
    files.push_back({store_.read_path(key_ + '/' + file->path), file->size_bytes});
  }
  return std::optional(std::move(files));
}

Result<std::string> Table::relation_of(const Snapshot& snapshot,
                                       const std::vector<DataFile>& files) {
  ASSAY_RETURN_IF_ERROR(reading_.allow());
  std::vector<const DataFile*> pointers;
  pointers.reserve(files.size());
  for (const DataFile& file : files) {
    pointers.push_back(&file);
  }
  return files_relation(store_, sql_, key_, snapshot, pointers);
}

Result<std::vector<DeltaTable::AddedFile>> Table::added_between(Version after, Version last) {
  std::vector<AddedFile> added;
  for (Version version = after + 1; version <= last; ++version) {
    const bool is_known = version <= state_->snapshot.version;
    ASSAY_ASSIGN_OR_RETURN(
        const LogEntry entry,
        is_known ? read_kept_entry(store_, key_, version) : read_entry(store_, key_, version));
    if (is_retention(entry)) {
      leave_out_dropped(entry, added);
    }
    for (const AddAction& add : entry.adds) {
      if (add.data_change) {
        added.push_back({version, add.file});
      }
    }
  }
  return added;
}

Result<std::vector<FileChange>> Table::changes_between(Version after, Version last) {
  ASSAY_RETURN_IF_ERROR(refresh());
  return lake::changes_between(store_, sql_, key_, *state_, after, last);
}

Result<std::string> Table::relation_of_changes(const Snapshot& snapshot,
                                               const std::vector<FileChange>& changes) {
  ASSAY_RETURN_IF_ERROR(reading_.allow());
  return changes_relation(store_, sql_, key_, snapshot, changes);
}

Result<Version> Table::version_at(EventTime time) {
  ASSAY_RETURN_IF_ERROR(refresh());
  ASSAY_ASSIGN_OR_RETURN(CommitTimes times, CommitTimes::list(store_, key_, state_->snapshot));
  return times.version_at(time);
}

Result<std::vector<HistoryEntry>> Table::history() {
  ASSAY_RETURN_IF_ERROR(refresh());
  std::vector<HistoryEntry> entries;
  for (Version version = state_->snapshot.version; version >= 0; --version) {
    const Result<LogEntry> entry = read_entry(store_, key_, version);
    if (entry.code() == Code::kNotFound) {
      break;  // an older part of the log that its owner has cleaned away
    }
    ASSAY_RETURN_IF_ERROR(entry.status());
    HistoryEntry line;
    line.version = version;
    if (entry->info) {
      line.timestamp_ms = entry->info->timestamp_ms;
      line.operation = entry->info->operation;
      line.parameters = entry->info->parameters;
    }
    line.files_added = static_cast<int64_t>(entry->adds.size());
    line.files_removed = static_cast<int64_t>(entry->removes.size());
    for (const AddAction& add : entry->adds) {
      line.rows_added += std::max<int64_t>(add.file.rows, 0);
    }
    entries.push_back(std::move(line));
  }
  std::reverse(entries.begin(), entries.end());
  return entries;
}

Status find_tables(store::ObjectStore& store,
                   const std::string& folder,
                   std::vector<std::string>& keys) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> names, store.list_folders(folder));
  if (!folder.empty() && std::find(names.begin(), names.end(), "_delta_log") != names.end()) {
    keys.push_back(folder);
    return {};
  }
  for (const std::string& name : names) {
    if (!name.starts_with('.') && !name.starts_with('_')) {
      ASSAY_RETURN_IF_ERROR(find_tables(store, folder.empty() ? name : folder + "/" + name, keys));
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<DeltaTable>> DeltaTable::open(World& world,
                                                     store::ObjectStore& store,
                                                     data::SqlEngine& sql,
                                                     const std::string& key) {
  ASSAY_RETURN_IF_ERROR(validate_table_key(key));
  auto table = std::make_unique<Table>(world, store, sql, key);
  ASSAY_RETURN_IF_ERROR(table->load());
  return std::unique_ptr<DeltaTable>(std::move(table));
}

Result<std::unique_ptr<DeltaTable>> DeltaTable::open_or_create(World& world,
                                                               store::ObjectStore& store,
                                                               data::SqlEngine& sql,
                                                               const std::string& key,
                                                               const TableSpec& spec) {
  ASSAY_RETURN_IF_ERROR(validate_table_key(key));
  auto table = std::make_unique<Table>(world, store, sql, key);
  Status loaded = table->load();
  if (loaded.code() == Code::kNotFound) {
    loaded = table->create(spec);
  }
  ASSAY_RETURN_IF_ERROR(loaded);
  ASSAY_RETURN_IF_ERROR(table->widen_to(spec).with_context("open table " + key));
  return std::unique_ptr<DeltaTable>(std::move(table));
}

Result<std::vector<std::string>> list_tables(store::ObjectStore& store) {
  std::vector<std::string> keys;
  ASSAY_RETURN_IF_ERROR(find_tables(store, "", keys));
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace assay::lake
