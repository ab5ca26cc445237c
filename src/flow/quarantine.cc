#include "flow/quarantine.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "base/suggest.h"
#include "data/utf8.h"
#include "flow/bronze_writer.h"
#include "flow/quarantine_records.h"
#include "flow/side_table.h"

namespace assay::flow {
namespace {

using data::Type;

constexpr char kSuffix[] = "_quarantine";

/// "bronze/orders" to the key of its quarantine table.
Result<std::string> quarantine_key(Workspace& workspace, const std::string& table) {
  const std::size_t slash = table.find('/');
  const std::string layer = slash == std::string::npos ? "bronze" : table.substr(0, slash);
  const std::string name = slash == std::string::npos ? table : table.substr(slash + 1);
  std::vector<std::string> names;
  for (const auto& [known, definition] : workspace.project().bronze) {
    names.push_back("bronze/" + known);
  }
  for (const auto& [known, definition] : workspace.project().silver) {
    names.push_back("silver/" + known);
  }
  if (std::count(names.begin(), names.end(), layer + "/" + name) == 0) {
    return Status(
        Code::kNotFound,
        "no table `" + layer + "/" + name + "`" + did_you_mean(layer + "/" + name, names));
  }
  ASSAY_ASSIGN_OR_RETURN(
      const std::string key,
      layer == "bronze" ? workspace.bronze_table_key(name) : workspace.silver_table_key(name));
  return key + kSuffix;
}

/// The newest rows of a table after FROM; "" when the table does not exist: nothing was refused.
Result<std::string> relation_of(Workspace& workspace, const std::string& key) {
  Result<lake::DeltaTable*> table = workspace.table(key);
  if (!table.ok()) {
    return table.code() == Code::kNotFound ? Result<std::string>(std::string())
                                           : Result<std::string>(table.status());
  }
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, (*table)->snapshot());
  return (*table)->relation(*snapshot);
}

std::string quoted(const std::string& text) {
  std::string sql = "'";
  for (const char c : text) {
    sql += c == '\'' ? "''" : std::string(1, c);
  }
  return sql + "'";
}

std::string shown(std::string_view bytes, int64_t bytes_max) {
  const std::size_t count =
      bytes_max == 0 ? bytes.size() : std::min(bytes.size(), static_cast<std::size_t>(bytes_max));
  const char* rest = count < bytes.size() ? "..." : "";
  if (data::is_utf8(bytes)) {
    std::size_t end = count;
    while (end > 0 && end < bytes.size() && (static_cast<uint8_t>(bytes[end]) & 0xc0) == 0x80) {
      --end;  // not within a character
    }
    return std::string(bytes.substr(0, end)) + rest;
  }
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "hex:";
  for (const char c : bytes.substr(0, count)) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return text + rest;
}

}  // namespace

Result<data::Batch> list_quarantine(Workspace& workspace) {
  std::vector<std::string> keys;
  for (const auto& [name, definition] : workspace.project().bronze) {
    ASSAY_ASSIGN_OR_RETURN(keys.emplace_back(), workspace.bronze_table_key(name));
  }
  for (const auto& [name, definition] : workspace.project().silver) {
    ASSAY_ASSIGN_OR_RETURN(keys.emplace_back(), workspace.silver_table_key(name));
  }
  std::vector<data::Batch> found;
  const data::SchemaPtr schema = data::make_schema({{"table", Type::kString, false},
                                                    {"reason", Type::kString, false},
                                                    {"column", Type::kString, false},
                                                    {"records", Type::kInt64, false},
                                                    {"oldest", Type::kTimestamp, false},
                                                    {"newest", Type::kTimestamp, false}});
  for (const std::string& key : keys) {
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, relation_of(workspace, key + kSuffix));
    if (relation.empty()) {
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(
        const data::Batch rows,
        workspace.sql().query("SELECT " + quoted(key) +
                              " AS \"table\", reason, \"column\", count(*) AS records, "
                              "min(known_time) AS oldest, max(known_time) AS newest FROM " +
                              relation +
                              " GROUP BY ALL ORDER BY records DESC, reason, \"column\""));
    if (rows.rows() > 0) {
      std::vector<data::ColumnPtr> columns;
      for (int i = 0; i < rows.column_count(); ++i) {
        columns.push_back(rows.column_ptr(i));
      }
      found.emplace_back(schema, std::move(columns), rows.rows());
    }
  }
  return data::concat(schema, found);
}

Result<data::Batch> show_quarantine(Workspace& workspace, const QuarantineFilter& filter) {
  ASSAY_ASSIGN_OR_RETURN(const std::string key, quarantine_key(workspace, filter.table));
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, relation_of(workspace, key));
  data::BatchBuilder builder(data::make_schema({{"file", Type::kString, false},
                                                {"line", Type::kInt64, true},
                                                {"position", Type::kInt64, false},
                                                {"reason", Type::kString, false},
                                                {"column", Type::kString, false},
                                                {"received", Type::kTimestamp, false},
                                                {"bytes", Type::kInt64, false},
                                                {"payload", Type::kString, false}}));
  if (relation.empty()) {
    return builder.finish();
  }
  const std::string where = filter.reason.empty() ? "" : " WHERE reason = " + quoted(filter.reason);
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch rows,
      workspace.sql().query("SELECT file, line, position, reason, \"column\", known_time, payload "
                            "FROM " +
                            relation + where + " ORDER BY known_time DESC, position DESC LIMIT " +
                            std::to_string(filter.rows_max)));
  for (int64_t row = 0; row < rows.rows(); ++row) {
    for (int i = 0; i < 6; ++i) {
      builder.column(i).append_from(rows.column(i), row);
    }
    const std::string_view payload = rows.column(6).text(row);
    builder.column(6).append(static_cast<int64_t>(payload.size()));
    builder.column(7).append_text(shown(payload, filter.payload_max));
  }
  return builder.finish();
}

namespace {

/// A replay of one quarantine table into the present bronze table.
class Replay {
 public:
  Replay(Workspace& workspace, const ReplayOptions& options, BronzeWriter& writer, std::string key)
      : workspace_(workspace), options_(options), writer_(writer), key_(std::move(key)) {}

  /// `is_own`: the table's own quarantine, not that of an earlier definition.
  Status run(bool is_own, ReplayReport* report) {
    Result<lake::DeltaTable*> table = workspace_.table(key_);
    if (!table.ok()) {
      return table.code() == Code::kNotFound ? Status() : table.status();
    }
    table_ = *table;
    int64_t after = INT64_MIN;
    for (;;) {
      ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, next(after));
      if (rows.rows() == 0) {
        return {};
      }
      if (options_.stop != nullptr && *options_.stop) {
        report->stopped = true;
        return {};
      }
      after = rows.find("position")->values<int64_t>().back();
      const Status status = replay(rows, is_own, report);
      if (status.code() == Code::kCancelled) {
        report->stopped = true;
        return {};
      }
      ASSAY_RETURN_IF_ERROR(status);
      options_.say("replayed up to position " + std::to_string(after) + " of " + key_ + ": " +
                   std::to_string(report->rows.out) + " rows back, " +
                   std::to_string(report->rows.quarantined) + " refused again");
    }
  }

 private:
  /// The next refused records by position.
  Result<data::Batch> next(int64_t after) {
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, table_->relation(*snapshot));
    const bool has_meta = snapshot->schema->find("meta").has_value();
    const std::string from =
        " FROM " + relation + " WHERE position > " + std::to_string(after) +
        " AND source = " + quoted(writer_.definition().source) +
        (options_.reason.empty() ? "" : " AND reason = " + quoted(options_.reason));
    const std::string limit = " ORDER BY position LIMIT " + std::to_string(options_.batch_rows);
    ASSAY_ASSIGN_OR_RETURN(
        const data::Batch sizes,
        workspace_.sql().query("SELECT position, octet_length(payload) AS bytes" + from + limit));
    const auto positions = sizes.column(0).values<int64_t>();
    const auto bytes = sizes.column(1).values<int64_t>();
    std::size_t count = 0;
    for (int64_t total = 0; count < positions.size(); ++count) {
      total += bytes[count];
      if (count > 0 && total > options_.batch_bytes) {
        break;
      }
    }
    const int64_t last = count == 0 ? after : positions[count - 1];
    return workspace_.sql().query("SELECT " + quarantine_columns(has_meta) + ", reason" + from +
                                  " AND position <= " + std::to_string(last) + limit);
  }

  Status replay(const data::Batch& rows, bool is_own, ReplayReport* report) {
    const auto positions = rows.find("position")->values<int64_t>();
    ASSAY_ASSIGN_OR_RETURN(const std::set<int64_t> present, writer_.present(positions));
    std::set<int64_t> done;
    std::vector<int64_t> again;
    for (int64_t row = 0; row < rows.rows(); ++row) {
      const int64_t position = positions[static_cast<std::size_t>(row)];
      ASSAY_ASSIGN_OR_RETURN(const bool is_read, writer_.has_read(position));
      if (present.count(position) > 0) {
        done.insert(position);
        ++report->already_there;
      } else if (!is_read) {
        ++report->not_read_yet;
      } else if (rows.find("reason")->text(row) == "too_large") {
        ++report->without_bytes;
      } else {
        again.push_back(row);
      }
    }
    if (!again.empty()) {
      ASSAY_RETURN_IF_ERROR(commit(rows.take(again), is_own, &done, report));
    }
    return remove(done);
  }

  /// The records through bronze, and what is accepted into the table.
  Status commit(const data::Batch& rows,
                bool is_own,
                std::set<int64_t>* done,
                ReplayReport* report) {
    const catalog::SourceDef& source = workspace_.project().sources.at(writer_.definition().source);
    ASSAY_ASSIGN_OR_RETURN(const std::vector<ingest::RecordBatch> batches,
                           quarantined_records(workspace_, source, options_.stop, rows));
    report->without_file += rows.rows();
    for (const ingest::RecordBatch& batch : batches) {
      report->without_file -= batch.size();
      ASSAY_ASSIGN_OR_RETURN(const bronze::BronzeOutput output, writer_.replay(batch, is_own));
      done->insert(batch.positions.begin(), batch.positions.end());
      for (int64_t row = 0; row < output.quarantine.rows(); ++row) {
        const auto at = static_cast<std::size_t>(row);
        done->erase(output.quarantine.find("position")->values<int64_t>()[at]);
        ++report->refused_again[std::string(output.quarantine.find("reason")->text(row))];
      }
      report->rows += output.account;
    }
    return {};
  }

  Status remove(const std::set<int64_t>& positions) {
    return positions.empty() ? Status()
                             : remove_rows_at(workspace_, *table_, "position", positions);
  }

  Workspace& workspace_;
  const ReplayOptions& options_;
  BronzeWriter& writer_;
  std::string key_;
  lake::DeltaTable* table_ = nullptr;
};

/// Quarantine tables of the definitions that the bronze table `name` had before the present one.
Result<std::vector<std::string>> earlier_tables(Workspace& workspace,
                                                const std::string& name,
                                                const std::string& present) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> all, lake::list_tables(workspace.store()));
  std::set<std::string> of_others;  // bronze tables whose names end in a number
  for (const auto& [other, definition] : workspace.project().bronze) {
    ASSAY_ASSIGN_OR_RETURN(std::string key, quarantine_key(workspace, "bronze/" + other));
    of_others.insert("bronze/" + other + kSuffix);
    of_others.insert(std::move(key));
  }
  of_others.erase("bronze/" + name + kSuffix);
  std::vector<std::string> keys;
  for (const std::string& key : all) {
    const std::string base = "bronze/" + name;
    const std::string first = base + kSuffix;
    const bool is_version =
        key.rfind(base + "_v", 0) == 0 && key.size() > first.size() + 2 &&
        key.compare(key.size() - (sizeof kSuffix - 1), std::string::npos, kSuffix) == 0;
    const std::string number =
        is_version
            ? key.substr(base.size() + 2, key.size() - base.size() - 2 - (sizeof kSuffix - 1))
            : "";
    const bool is_numbered =
        is_version && number.find_first_not_of("0123456789") == std::string::npos;
    if ((key == first || is_numbered) && key != present && of_others.count(key) == 0) {
      keys.push_back(key);
    }
  }
  return keys;
}

}  // namespace

Result<ReplayReport> replay_quarantine(Workspace& workspace, const ReplayOptions& options) {
  if (!workspace.project().has_lake) {
    return Status(Code::kFailedPrecondition,
                  "with `lake: none` records reach views as they are read, and no later; send them "
                  "to their topic once more");
  }
  const bool is_silver = options.table.rfind("silver/", 0) == 0;
  if (is_silver) {
    return Status(
        Code::kInvalidArgument,
        "`" + options.table +
            "` is a silver table: it is made anew from bronze when its definition changes; "
            "only records of bronze tables are replayed");
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string present, quarantine_key(workspace, options.table));
  const std::string name = options.table.substr(options.table.find('/') + 1);
  for (const catalog::ColumnDef& column : workspace.project().bronze.at(name).columns) {
    if (column.scrub != catalog::Scrub::kNone || !column.pii.empty()) {
      return Status(Code::kFailedPrecondition,
                    "bronze/" + name +
                        " holds personal data, so its quarantine keeps no record as it came: there "
                        "is nothing to replay; send the records to their source once more");
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, workspace.lock_for_writing());
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<BronzeWriter> writer,
                         BronzeWriter::open(workspace, name, {}));
  std::vector<std::string> keys = {present};
  if (options.earlier) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> earlier,
                           earlier_tables(workspace, name, present));
    keys.insert(keys.end(), earlier.begin(), earlier.end());
  }
  ReplayReport report;
  for (const std::string& key : keys) {
    if (!report.stopped) {
      ASSAY_RETURN_IF_ERROR(Replay(workspace, options, *writer, key).run(key == present, &report));
    }
  }
  return report;
}

}  // namespace assay::flow
