#include "lake/checkpoint.h"

#include <algorithm>

#include "base/fail_point.h"
#include "base/json_writer.h"
#include "base/scratch_file.h"
#include "lake/table_properties.h"

namespace assay::lake {
namespace {

using data::SqlEngine;

constexpr const char* kLastCheckpoint = "_last_checkpoint";

/// An action's members in the Parquet file, in the order of the columns.
constexpr std::string_view kColumns = R"({
  txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)',
  add: 'STRUCT(path VARCHAR, partitionValues MAP(VARCHAR,VARCHAR), size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags MAP(VARCHAR,VARCHAR))',
  remove: 'STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues MAP(VARCHAR,VARCHAR), size BIGINT)',
  metaData: 'STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options MAP(VARCHAR,VARCHAR)), schemaString VARCHAR, partitionColumns VARCHAR[], configuration MAP(VARCHAR,VARCHAR), createdTime BIGINT)',
  protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER)'})";

/// The reconciled state, one action a line, in the log's own form.
std::string state_lines(const TableState& state, int64_t now_ms) {
  const int64_t kept_ms = deleted_file_retention(state.snapshot.configuration).micros / 1'000;
  std::string out;
  append_action(out, state.protocol);
  append_action(out, state.metadata);
  for (const auto& [app_id, version] : state.snapshot.txns) {
    const auto updated = state.txn_updated_ms.find(app_id);
    append_action(
        out,
        TxnAction{app_id, version, updated == state.txn_updated_ms.end() ? 0 : updated->second});
  }
  for (const auto& [path, tombstone] : state.tombstones) {
    if (tombstone.deletion_ms + kept_ms > now_ms) {
      RemoveAction remove = tombstone;
      remove.data_change = false;
      append_action(out, remove);
    }
  }
  for (const auto& [path, file] : state.snapshot.files) {
    append_action(out, AddAction{file, false});
  }
  return out;
}

/// Removed when it goes out of scope: what only the SQL engine needs to see.
class TemporaryFile {
 public:
  TemporaryFile(World& world, std::string path) : world_(world), path_(std::move(path)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { static_cast<void>(world_.files.remove(path_)); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  World& world_;
  std::string path_;
};

/// Bytes of the longest line, with room to spare: DuckDB takes buffers of a multiple of this at
/// once.
std::size_t line_bytes_max(std::string_view lines) {
  std::size_t longest = std::size_t{1} << 20;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size() - 1);
    longest = std::max(longest, 2 * end);
    lines.remove_prefix(end + 1);
  }
  return longest;
}

Result<std::string> parquet_bytes(World& world,
                                  SqlEngine& sql,
                                  const std::string& folder,
                                  const std::string& lines) {
  ASSAY_ASSIGN_OR_RETURN(ScratchFile json, ScratchFile::open(folder));
  ASSAY_RETURN_IF_ERROR(json.append(lines).status());
  const TemporaryFile parquet(world, join_path(folder, ".tmp." + world.random.uuid() + ".parquet"));
  ASSAY_RETURN_IF_ERROR(sql.execute(
      R"(COPY (SELECT txn, "add", remove, "metaData", protocol FROM read_json()" +
      SqlEngine::literal(json.path()) + ", format='newline_delimited', maximum_object_size=" +
      std::to_string(line_bytes_max(lines)) + ", columns=" + std::string(kColumns) + ")) TO " +
      SqlEngine::literal(parquet.path()) + " (FORMAT parquet, COMPRESSION snappy)"));
  return world.files.read(parquet.path());
}

}  // namespace

Version last_checkpoint_version(store::ObjectStore& store, const std::string& key) {
  return read_checkpoint_hint(store, log_prefix(key)).version;
}

Status write_checkpoint(World& world,
                        store::ObjectStore& store,
                        SqlEngine& sql,
                        const std::string& key,
                        const TableState& state,
                        Hinting hinting) {
  const std::string lines = state_lines(state, world.clock.now().micros / 1'000);
  const std::string folder = store.write_path(key + "/_delta_log");
  ASSAY_RETURN_IF_ERROR(world.files.make_directories(folder));
  ASSAY_ASSIGN_OR_RETURN(const std::string bytes, parquet_bytes(world, sql, folder, lines));
  std::string name = log_prefix(key) + log_file_name(state.snapshot.version);
  name.replace(name.size() - 5, 5, ".checkpoint.parquet");
  fail_point("lake.checkpoint.before_put");
  ASSAY_RETURN_IF_ERROR(store.put(name, bytes));
  fail_point("lake.checkpoint.before_hint");
  const std::string hint = log_prefix(key) + kLastCheckpoint;
  if (hinting == Hinting::kNoHint ||
      last_checkpoint_version(store, key) >= state.snapshot.version) {
    return {};  // another writer is ahead
  }
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.key("version");
  json.integer(state.snapshot.version);
  json.key("size");
  json.integer(std::count(lines.begin(), lines.end(), '\n'));
  json.key("sizeInBytes");
  json.integer(static_cast<int64_t>(bytes.size()));
  json.key("numOfAddFiles");
  json.integer(static_cast<int64_t>(state.snapshot.files.size()));
  json.end_object();
  return store.put(hint, text);
}

}  // namespace assay::lake
