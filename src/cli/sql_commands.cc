#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/whole_file.h"
#include "cli/commands.h"
#include "data/arrow_ipc.h"
#include "data/parquet.h"
#include "flow/online_stage.h"
#include "lake/sql_query.h"

namespace assay::cli {
namespace {

constexpr int64_t kRowsPerBatch = 65'536;

const Positional kQuery{"QUERY", "the statement, in quotes", true};

/// Names of the lake's tables. A plain name means the table of the current definition:
/// lake.silver.x is silver/x_v2 when that is what x is made as now; what stood there before is
/// lake.silver.x_v1.
Result<std::vector<lake::SqlTable>> current_names(flow::Workspace& workspace) {
  ASSAY_ASSIGN_OR_RETURN(std::vector<lake::SqlTable> tables, lake::sql_tables(workspace.store()));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> current, workspace.current_tables());
  const auto find = [&](const std::string& key) {
    return std::find_if(tables.begin(), tables.end(), [&](const lake::SqlTable& table) {
      return table.key == key;
    });
  };
  for (const std::string& key : current) {
    if (find(key) == tables.end() || flow::table_number(key) == 1) {
      continue;
    }
    const std::string plain_key = key.substr(0, key.rfind("_v"));
    lake::SqlTable plain = *find(key);
    plain.name = plain.name.substr(0, plain.name.rfind("_v"));
    if (const auto first = find(plain_key); first != tables.end()) {
      first->name += "_v1";
    }
    tables.push_back(std::move(plain));
  }
  return tables;
}

/// Interrupts the SQL engine when the user asks to stop, for as long as this lives.
class StopsWithUser {
 public:
  explicit StopsWithUser(data::SqlEngine& sql) : sql_(sql) {
    catch_stop_signals();
    watcher_ = std::jthread([this](const std::stop_token& ended) { watch(ended); });
  }

 private:
  void watch(const std::stop_token& ended) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!ended.stop_requested()) {
      wake_.wait_for(lock, ended, std::chrono::milliseconds(50), [] { return false; });
      if (stop_requested()) {
        sql_.interrupt();  // again and again: between two statements there is nothing to interrupt
      }
    }
  }

  data::SqlEngine& sql_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread watcher_;
};

/// "512MiB", "2GB", "1000000" in bytes.
Result<int64_t> parse_bytes(const std::string& text) {
  static constexpr std::pair<std::string_view, int64_t> kUnits[] = {{"", 1},
                                                                    {"B", 1},
                                                                    {"KB", 1'000},
                                                                    {"MB", 1'000'000},
                                                                    {"GB", 1'000'000'000},
                                                                    {"KiB", int64_t{1} << 10},
                                                                    {"MiB", int64_t{1} << 20},
                                                                    {"GiB", int64_t{1} << 30}};
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const std::string_view unit(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
  for (const auto& [name, factor] : kUnits) {
    if (parsed.ec == std::errc() && number > 0 && number < (int64_t{1} << 50) / factor &&
        unit == name) {
      return number * factor;
    }
  }
  return Status(Code::kInvalidArgument,
                "--memory is `" + text + "`; write a size such as 512MiB or 2GB");
}

constexpr int64_t kMemoryBytesMin = int64_t{1} << 20;

Status set_limits(const Arguments& arguments, data::SqlEngine& sql) {
  if (arguments.has("memory")) {
    ASSAY_ASSIGN_OR_RETURN(const int64_t bytes, parse_bytes(arguments.get("memory")));
    if (bytes < kMemoryBytesMin) {
      return {Code::kInvalidArgument,
              "--memory is `" + arguments.get("memory") +
                  "`, too little for any statement; write a size such as 512MiB or 2GB"};
    }
    ASSAY_RETURN_IF_ERROR(sql.execute("SET memory_limit = '" + std::to_string(bytes) + "B'"));
  }
  if (arguments.has("spill")) {
    ASSAY_RETURN_IF_ERROR(
        sql.execute("SET temp_directory = " + data::SqlEngine::literal(arguments.get("spill"))));
  }
  if (arguments.has("threads")) {
    ASSAY_ASSIGN_OR_RETURN(const int64_t threads, arguments.integer("threads", 1));
    ASSAY_RETURN_IF_ERROR(sql.execute("SET threads = " + std::to_string(threads)));
  }
  return {};
}

Result<lake::PlannedSql> plan(Invocation& invocation, flow::Workspace& workspace) {
  ASSAY_RETURN_IF_ERROR(set_limits(invocation.arguments, workspace.sql()));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<lake::SqlTable> names, current_names(workspace));
  ASSAY_ASSIGN_OR_RETURN(lake::PlannedSql planned,
                         lake::plan_sql(invocation.world,
                                        workspace.store(),
                                        workspace.sql(),
                                        names,
                                        invocation.arguments.get("QUERY")));
  for (const std::string& warning : planned.warnings) {
    invocation.output.say(warning);
  }
  return planned;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() > end.size() && text.substr(text.size() - end.size()) == end;
}

/// COPY's options for a file by its suffix; "" for another one.
std::string copy_options(std::string_view path) {
  if (ends_with(path, ".parquet")) {
    return "FORMAT parquet, COMPRESSION zstd";
  }
  if (ends_with(path, ".csv")) {
    return "FORMAT csv, HEADER";
  }
  return ends_with(path, ".json") ? "FORMAT json, ARRAY true" : "";
}

/// Run the statement into a file, by the engine alone: memory is bounded, rows may be many.
Result<int64_t> copy_to(data::SqlEngine& sql,
                        const std::string& statement,
                        const std::string& path,
                        std::string options) {
  std::string rows = statement.substr(0, statement.find_last_not_of("; \t\r\n") + 1);
  if (options.starts_with("FORMAT parquet")) {
    ASSAY_ASSIGN_OR_RETURN(
        const data::Batch none,
        sql.query("SELECT * FROM (\n" + rows + "\n) LIMIT 0", data::SqlUnknownTypes::kAsText));
    options += data::zero_sign_option(none.schema());
    const std::string columns = data::stored_columns(none.schema());
    if (columns != "*") {
      rows = "SELECT " + columns + " FROM (\n" + rows + "\n)";
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch counted,
                         sql.query("COPY (\n" + rows + "\n) TO " + data::SqlEngine::literal(path) +
                                   " (" + options + ")"));
  return counted.column(0).values<int64_t>()[0];
}

Status write_to_file(Invocation& invocation, data::SqlEngine& sql, const std::string& statement) {
  const std::string& path = invocation.arguments.get("to");
  const std::string options = copy_options(path);
  if (options.empty()) {
    return {Code::kInvalidArgument, path + ": the file's name must end in .parquet, .csv or .json"};
  }
  ASSAY_ASSIGN_OR_RETURN(const int64_t rows, copy_to(sql, statement, follow_links(path), options));
  invocation.output.say(std::to_string(rows) + " rows written to " + path);
  return {};
}

Status write_arrow(Output& output, data::BatchReader& reader) {
  ASSAY_ASSIGN_OR_RETURN(const std::string schema, data::arrow_ipc_schema(reader.schema()));
  output.raw(schema);
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<data::Batch> batch, reader.next());
    if (!batch) {
      output.raw(data::arrow_ipc_end());
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string message, data::arrow_ipc_batch(*batch));
    output.raw(message);
  }
}

Status answer_query(Invocation& invocation, data::SqlEngine& sql, const lake::PlannedSql& planned) {
  if (invocation.arguments.has("to")) {
    return write_to_file(invocation, sql, planned.text);
  }
  if (invocation.output.format() == OutputFormat::kParquet) {
    return copy_to(sql, planned.text, "/dev/stdout", copy_options("rows.parquet")).status();
  }
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<data::BatchReader> rows,
                         sql.stream(planned.text, kRowsPerBatch, data::SqlUnknownTypes::kAsText));
  return invocation.output.format() == OutputFormat::kArrow ? write_arrow(invocation.output, *rows)
                                                            : invocation.output.rows(*rows);
}

Status run_sql(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  const StopsWithUser stops(workspace->sql());
  ASSAY_ASSIGN_OR_RETURN(const lake::PlannedSql planned, plan(invocation, *workspace));
  return answer_query(invocation, workspace->sql(), planned);
}

Status run_explain(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open_workspace(invocation));
  ASSAY_ASSIGN_OR_RETURN(const lake::PlannedSql planned, plan(invocation, *workspace));
  data::BatchBuilder rows(data::make_schema({{"table", data::Type::kString, false},
                                             {"version", data::Type::kInt64, false},
                                             {"files", data::Type::kInt64, false},
                                             {"opened", data::Type::kInt64, false},
                                             {"bytes", data::Type::kInt64, false},
                                             {"bytes_opened", data::Type::kInt64, false},
                                             {"why", data::Type::kString, false}}));
  for (const lake::TableUse& use : planned.tables) {
    rows.column(0).append_text(use.name);
    rows.column(1).append(use.version);
    rows.column(2).append(use.files_total);
    rows.column(3).append(use.files_opened);
    rows.column(4).append(use.bytes_total);
    rows.column(5).append(use.bytes_opened);
    rows.column(6).append_text(use.why);
  }
  invocation.output.rows(rows.finish());
  return {};
}

}  // namespace

std::vector<Command> sql_commands() {
  const std::string how =
      "Tables are lake.bronze.NAME, lake.silver.NAME and lake.gold.NAME; files can be joined as "
      "'file.parquet'. An older version is lake.silver.NAME VERSION AS OF 12 or lake.silver.NAME "
      "TIMESTAMP AS OF '2026-01-31 10:00:00'. Only files whose partition and statistics may match "
      "the conditions are opened.";
  return {
      {{"sql"},
       "run SQL over the project's tables",
       how + " --output parquet and arrow write those formats to stdout.",
       {kQuery},
       {{"to", "FILE", "write rows to a .parquet, .csv or .json file", "", false, false},
        {"memory", "SIZE", "memory the statement may take, e.g. 512MiB", "2GiB", false, false},
        {"spill", "DIR", "folder for what does not fit into memory", "", false, false},
        {"threads", "N", "threads of the statement", "", false, false}},
       run_sql},
      {{"lake", "explain"},
       "show which files of each table a statement would open, and why",
       how,
       {kQuery},
       {},
       run_explain},
  };
}

}  // namespace assay::cli
