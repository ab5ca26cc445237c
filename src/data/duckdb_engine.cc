#include <algorithm>
#include <atomic>
#include <limits>
#include <optional>
#include <set>
#include <type_traits>
#include <utility>

#include <duckdb.h>

#include "base/ascii.h"
#include "data/arrow.h"
#include "data/duckdb_errors.h"
#include "data/duckdb_row_sources.h"
#include "data/duckdb_vectors.h"
#include "data/sql_engine.h"
#include "data/sql_over_rows.h"
#include "data/sql_row_source.h"

// The adapter of DuckDB's C API; its table function is in duckdb_row_sources.cc.
//
// Results are streamed: DuckDB hands over chunks of 2048 rows, each vector is copied into a
// ColumnBuilder by a loop chosen once per vector. Rows go in by an appender that takes whole
// chunks.

namespace assay::data {
namespace {

/// Text bytes and elements that one column may hold: its offsets are int32.
constexpr std::size_t kExtentMax = std::numeric_limits<int32_t>::max();
/// A streamed batch is cut before one of its columns holds more of them than this, or than a
/// sixteenth of the engine's memory.
constexpr std::size_t kStreamExtentMax = std::size_t{256} << 20;
constexpr std::size_t kStreamExtentMin = std::size_t{16} << 20;

template <auto Destroy>
struct Release {
  template <typename T>
  void operator()(T* handle) const {
    static_cast<void>(Destroy(&handle));
  }
};
template <typename Handle, auto Destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Release<Destroy>>;

using Database = Owned<duckdb_database, duckdb_close>;
using Connection = Owned<duckdb_connection, duckdb_disconnect>;
using Configuration = Owned<duckdb_config, duckdb_destroy_config>;
using Statement = Owned<duckdb_prepared_statement, duckdb_destroy_prepare>;
using Chunk = Owned<duckdb_data_chunk, duckdb_destroy_data_chunk>;
using Appender = Owned<duckdb_appender, duckdb_appender_destroy>;

class QueryResult {
 public:
  QueryResult() = default;
  ~QueryResult() { duckdb_destroy_result(&result_); }
  QueryResult(const QueryResult&) = delete;
  QueryResult& operator=(const QueryResult&) = delete;
  duckdb_result* get() { return &result_; }

 private:
  duckdb_result result_{};
};

// ---- Errors

/// SQL goes to DuckDB as a C string: a NUL byte would cut it silently.
Status check_sql(const std::string& sql) {
  if (sql.find('\0') != std::string::npos) {
    return {Code::kInvalidArgument, "SQL holds a NUL byte, which DuckDB cannot take"};
  }
  return {};
}

// ---- Results

/// What the engine and an open reader share.
struct Session {
  bool keep_timestamp_ntz = false;
  std::size_t stream_extent = kStreamExtentMax;
  DuckdbRowSources row_sources;
  Database database;
  Connection connection;
  bool reading = false;
  std::atomic<bool> interrupted{false};  // interrupt() was called during the statement that runs

  /// The failure of a result. When one thread of a query fails, another may see itself interrupted
  /// first, and DuckDB keeps only that: without interrupt() it is not a wish of the caller.
  Status failure_of(duckdb_result* result) {
    if (std::optional<Status> of_rows = row_sources.take_failure()) {
      return *std::move(of_rows);
    }
    Status status = duckdb_failure(duckdb_result_error(result));
    if (status.code() == Code::kCancelled && !interrupted) {
      return {Code::kInvalidArgument,
              "one part of the statement failed and stopped the others (DuckDB kept no message; "
              "run it with one "
              "thread to see it)"};
    }
    return status;
  }
};

/// How one result column becomes a batch column.
struct ColumnPlan {
  VectorType source;
  bool as_json = false;
};

class DuckdbReader : public BatchReader {
 public:
  DuckdbReader(std::shared_ptr<Session> session,
               std::unique_ptr<QueryResult> result,
               int64_t rows_max)
      : session_(std::move(session)), result_(std::move(result)), rows_max_(rows_max) {
    session_->reading = true;
  }
  ~DuckdbReader() override {
    chunk_.reset();
    result_.reset();
    session_->reading = false;
  }

  /// Decide once how each column is copied.
  Status plan(SqlUnknownTypes unknown_types) {
    std::vector<Field> fields;
    std::set<std::string> names;
    for (idx_t i = 0; i < duckdb_column_count(result_->get()); ++i) {
      const char* name = duckdb_column_name(result_->get(), i);
      const LogicalType logical(duckdb_column_logical_type(result_->get(), i));
      VectorType source = vector_type_of(logical.get(), session_->keep_timestamp_ntz);
      const bool as_json = !source.known && unknown_types == SqlUnknownTypes::kAsText;
      if (!source.known && !as_json) {
        return refuse_duckdb_type(name, source.duckdb_type);
      }
      if (!names.insert(lower_ascii(name)).second) {
        return {Code::kInvalidArgument,
                "two result columns have one name; give one of them another with AS: " +
                    std::string(name)};
      }
      fields.push_back(
          {.name = name, .type = as_json ? Type(Type::kString) : source.type, .nullable = true});
      plans_.push_back({.source = std::move(source), .as_json = as_json});
    }
    schema_ = make_schema(std::move(fields));
    start_batch();
    return {};
  }

  [[nodiscard]] const SchemaPtr& schema() const override { return schema_; }

  Result<std::optional<Batch>> next() override { return next_batch(session_->stream_extent); }

  /// All rows in one batch.
  Result<Batch> read_all() {
    rows_max_ = std::numeric_limits<int64_t>::max();
    ASSAY_ASSIGN_OR_RETURN(std::optional<Batch> batch, next_batch(kExtentMax));
    ASSAY_ASSIGN_OR_RETURN(const bool more, fetch());
    if (more) {
      return Status(Code::kResourceExhausted,
                    "the result holds more than 2 GiB of text or elements in one column; read it "
                    "as a stream");
    }
    return batch ? *std::move(batch) : Batch::empty(schema_);
  }

 private:
  void start_batch() {
    builder_.emplace(schema_);
    for (int i = 0; i < schema_->size() && rows_ > 0; ++i) {
      builder_->column(i).reserve(rows_);  // about as many as the batch before had
    }
    rows_ = 0;
    extents_.assign(plans_.size(), 0);
    chunk_extents_.resize(plans_.size());
  }

  /// Make chunk_ the next chunk; false at the end.
  Result<bool> fetch() {
    while (chunk_ == nullptr && !ended_) {
      chunk_.reset(duckdb_fetch_chunk(*result_->get()));
      if (chunk_ == nullptr) {
        if (duckdb_result_error(result_->get()) != nullptr) {
          return session_->failure_of(result_->get());
        }
        ended_ = true;  // DuckDB takes another fetch after the last one for a mistake
        return false;
      }
      if (duckdb_data_chunk_get_size(chunk_.get()) == 0) {
        chunk_.reset();
      } else {
        measure_chunk();
      }
    }
    return !ended_;
  }

  void measure_chunk() {
    const idx_t size = duckdb_data_chunk_get_size(chunk_.get());
    for (std::size_t i = 0; i < plans_.size(); ++i) {
      const duckdb_vector vector = duckdb_data_chunk_get_vector(chunk_.get(), i);
      chunk_extents_[i] = vector_extent(plans_[i].source, vector, size);
    }
  }

  /// Rows until rows_max_ is reached, or a column's text and elements would pass `extent_max`.
  Result<std::optional<Batch>> next_batch(std::size_t extent_max) {
    while (rows_ < rows_max_) {
      ASSAY_ASSIGN_OR_RETURN(const bool more, fetch());
      if (!more || (!has_room(extent_max) && rows_ > 0)) {
        break;
      }
      if (!has_room(kExtentMax)) {
        return Status(
            Code::kResourceExhausted,
            "2048 rows hold more than 2 GiB of text or elements in one column; select less of it");
      }
      ASSAY_RETURN_IF_ERROR(append_chunk());
    }
    if (rows_ == 0) {
      return std::optional<Batch>();
    }
    Batch batch = plans_.empty() ? Batch(schema_, {}, rows_) : builder_->finish();
    start_batch();
    return std::optional<Batch>(std::move(batch));
  }

  [[nodiscard]] bool has_room(std::size_t extent_max) const {
    for (std::size_t i = 0; i < plans_.size(); ++i) {
      if (extents_[i] + chunk_extents_[i] > extent_max) {
        return false;
      }
    }
    return true;
  }

  Status append_chunk() {
    const idx_t size = duckdb_data_chunk_get_size(chunk_.get());
    for (std::size_t i = 0; i < plans_.size(); ++i) {
      const duckdb_vector vector = duckdb_data_chunk_get_vector(chunk_.get(), i);
      ColumnBuilder& out = builder_->column(static_cast<int>(i));
      if (plans_[i].as_json) {
        ASSAY_RETURN_IF_ERROR(append_vector_as_json(vector, size, out));
        continue;
      }
      extents_[i] += chunk_extents_[i];
      ASSAY_RETURN_IF_ERROR(append_vector(plans_[i].source, vector, size, out));
    }
    rows_ += static_cast<int64_t>(size);
    chunk_.reset();
    return {};
  }

  std::shared_ptr<Session> session_;
  std::unique_ptr<QueryResult> result_;
  int64_t rows_max_;
  SchemaPtr schema_;
  std::vector<ColumnPlan> plans_;
  std::optional<BatchBuilder> builder_;
  std::vector<std::size_t> extents_;        // per column, of the batch being built
  std::vector<std::size_t> chunk_extents_;  // of chunk_
  int64_t rows_ = 0;
  bool ended_ = false;
  Chunk chunk_;  // fetched, not yet appended
};

// ---- Engine

class DuckdbEngine : public SqlEngine {
 public:
  DuckdbEngine(std::shared_ptr<Session> session, SqlOptions options)
      : session_(std::move(session)), options_(std::move(options)) {}

  [[nodiscard]] const SqlOptions& options() const override { return options_; }

  Status execute(const std::string& sql) override {
    ASSAY_RETURN_IF_ERROR(check_idle());
    ASSAY_RETURN_IF_ERROR(check_sql(sql));
    QueryResult result;
    if (duckdb_query(session_->connection.get(), sql.c_str(), result.get()) == DuckDBError) {
      return session_->failure_of(result.get());
    }
    return {};
  }

  Result<Batch> query(const std::string& sql, SqlUnknownTypes unknown_types) override {
    ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<DuckdbReader> reader,
                           open_reader(sql, 1, unknown_types));
    return reader->read_all();
  }

  Result<std::unique_ptr<BatchReader>> stream(const std::string& sql,
                                              int64_t rows_max,
                                              SqlUnknownTypes unknown_types) override {
    ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<DuckdbReader> reader,
                           open_reader(sql, rows_max, unknown_types));
    return std::unique_ptr<BatchReader>(std::move(reader));
  }

  Status create_table(const std::string& name, const Batch& batch) override {
    std::string columns;
    for (const Field& field : batch.schema().fields()) {
      columns += columns.empty() ? "" : ", ";
      columns += identifier(field.name) + " " + sql_type(field.type);
    }
    ASSAY_RETURN_IF_ERROR(
        execute("CREATE OR REPLACE TEMP TABLE " + identifier(name) + " (" + columns + ")"));
    Status filled = fill_table(name, batch);
    if (!filled.ok()) {
      static_cast<void>(drop_table(name));
    }
    return filled;
  }

  Status drop_table(const std::string& name) override {
    return execute("DROP TABLE IF EXISTS temp." + identifier(name));
  }

  Status execute_over(const std::string& name, BatchReader& rows, const std::string& sql) {
    ASSAY_RETURN_IF_ERROR(check_idle());
    ExportedReader exported(rows);
    if (duckdb_arrow_scan(session_->connection.get(),
                          name.c_str(),
                          reinterpret_cast<duckdb_arrow_stream>(exported.stream())) ==
        DuckDBError) {
      return {Code::kInternal, "DuckDB does not take the rows of " + name};
    }
    Status done = execute(sql);
    Status dropped = execute("DROP VIEW IF EXISTS " + identifier(name));
    if (!exported.status().ok()) {
      return exported.status();
    }
    return done.ok() ? dropped : done;
  }

  Result<std::string> add_row_source(std::shared_ptr<SqlRowSource> source) {
    ASSAY_RETURN_IF_ERROR(check_idle());
    return session_->row_sources.add(session_->connection.get(), std::move(source));
  }
  void drop_row_sources() { session_->row_sources.drop_all(); }

  void interrupt() override {
    session_->interrupted = true;
    duckdb_interrupt(session_->connection.get());
  }

 private:
  [[nodiscard]] Status check_idle() const {
    session_->interrupted = false;
    static_cast<void>(session_->row_sources.take_failure());
    if (session_->reading) {
      return {Code::kFailedPrecondition,
              "an open reader holds this SQL engine; read it to its end and drop it"};
    }
    return {};
  }

  Result<Statement> prepare(const std::string& sql) {
    duckdb_prepared_statement raw = nullptr;
    const duckdb_state state = duckdb_prepare(session_->connection.get(), sql.c_str(), &raw);
    Statement statement(raw);
    if (state == DuckDBError) {
      return duckdb_failure(duckdb_prepare_error(statement.get()));
    }
    return statement;
  }

  /// The statement, or one around it that makes text of the columns that Batch cannot hold.
  Result<Statement> prepare_for_batch(const std::string& sql, SqlUnknownTypes unknown_types) {
    ASSAY_ASSIGN_OR_RETURN(Statement statement, prepare(sql));
    if (duckdb_prepared_statement_type(statement.get()) != DUCKDB_STATEMENT_TYPE_SELECT) {
      return statement;
    }
    bool wrap = false;
    std::string aliases;
    std::string selected;
    for (idx_t i = 0; i < duckdb_prepared_statement_column_count(statement.get()); ++i) {
      const char* raw_name = duckdb_prepared_statement_column_name(statement.get(), i);
      const std::string name = raw_name == nullptr ? "" : raw_name;
      duckdb_free(const_cast<char*>(raw_name));
      const LogicalType logical(duckdb_prepared_statement_column_logical_type(statement.get(), i));
      const VectorType source = vector_type_of(logical.get(), session_->keep_timestamp_ntz);
      const int type = source.duckdb_type;
      const bool known = source.known || type == DUCKDB_TYPE_INVALID;
      if (!known && unknown_types == SqlUnknownTypes::kRefuse) {
        return refuse_duckdb_type(name, type);
      }
      wrap = wrap || !known;
      const std::string alias = "c" + std::to_string(i);
      std::string value = alias;
      if (!known) {
        value = "CAST(" + (is_nested_in_duckdb(type) ? "to_json(" + alias + ")" : alias) +
                " AS VARCHAR)";
      }
      aliases += (i == 0 ? "" : ", ") + alias;
      selected += (i == 0 ? "" : ", ") + value + " AS " + identifier(name);
    }
    if (!wrap) {
      return statement;
    }
    const std::size_t end = sql.find_last_not_of("; \t\r\n");
    return prepare("SELECT " + selected + " FROM (\n" + sql.substr(0, end + 1) + "\n) AS r(" +
                   aliases + ")");
  }

  Result<std::unique_ptr<DuckdbReader>> open_reader(const std::string& sql,
                                                    int64_t rows_max,
                                                    SqlUnknownTypes unknown_types) {
    ASSAY_CHECK(rows_max > 0);
    ASSAY_RETURN_IF_ERROR(check_idle());
    ASSAY_RETURN_IF_ERROR(check_sql(sql));
    ASSAY_ASSIGN_OR_RETURN(const Statement statement, prepare_for_batch(sql, unknown_types));
    auto result = std::make_unique<QueryResult>();
    if (duckdb_execute_prepared_streaming(statement.get(), result->get()) == DuckDBError) {
      return session_->failure_of(result->get());
    }
    auto reader = std::make_unique<DuckdbReader>(session_, std::move(result), rows_max);
    ASSAY_RETURN_IF_ERROR(reader->plan(unknown_types));
    return reader;
  }

  Status fill_table(const std::string& name, const Batch& batch);

  std::shared_ptr<Session> session_;
  SqlOptions options_;
};

Status DuckdbEngine::fill_table(const std::string& name, const Batch& batch) {
  duckdb_appender raw = nullptr;
  const duckdb_state made =
      duckdb_appender_create_ext(session_->connection.get(), "temp", "main", name.c_str(), &raw);
  const Appender appender(raw);
  if (made == DuckDBError) {
    return duckdb_failure(duckdb_appender_error(appender.get()));
  }
  std::vector<LogicalType> owned;
  std::vector<duckdb_logical_type> types;
  for (const Field& field : batch.schema().fields()) {
    owned.push_back(logical_type_of(field.type));
    types.push_back(owned.back().get());
  }
  const Chunk chunk(duckdb_create_data_chunk(types.data(), types.size()));
  const auto chunk_rows = static_cast<int64_t>(duckdb_vector_size());
  for (int64_t begin = 0; begin < batch.rows(); begin += chunk_rows) {
    const int64_t end = std::min(begin + chunk_rows, batch.rows());
    duckdb_data_chunk_reset(chunk.get());
    for (int i = 0; i < batch.column_count(); ++i) {
      fill_vector(batch.column(i),
                  begin,
                  end,
                  duckdb_data_chunk_get_vector(chunk.get(), static_cast<idx_t>(i)));
    }
    duckdb_data_chunk_set_size(chunk.get(), static_cast<idx_t>(end - begin));
    if (duckdb_append_data_chunk(appender.get(), chunk.get()) == DuckDBError) {
      return duckdb_failure(duckdb_appender_error(appender.get()));
    }
  }
  if (duckdb_appender_close(appender.get()) == DuckDBError) {
    return duckdb_failure(duckdb_appender_error(appender.get()));
  }
  return {};
}

}  // namespace

// ---- Rows in

Status execute_over(SqlEngine& engine,
                    const std::string& name,
                    BatchReader& rows,
                    const std::string& sql) {
  return static_cast<DuckdbEngine&>(engine).execute_over(name, rows, sql);  // there is no other
}

Result<std::string> add_row_source(SqlEngine& engine, std::shared_ptr<SqlRowSource> source) {
  return static_cast<DuckdbEngine&>(engine).add_row_source(std::move(source));
}

void drop_row_sources(SqlEngine& engine) {
  static_cast<DuckdbEngine&>(engine).drop_row_sources();
}

// ---- Opening

Result<std::unique_ptr<SqlEngine>> SqlEngine::open(const SqlOptions& options) {
  duckdb_config raw_config = nullptr;
  if (duckdb_create_config(&raw_config) == DuckDBError) {
    return Status(Code::kInternal, "DuckDB gave no configuration");
  }
  const Configuration config(raw_config);
  const std::pair<const char*, std::string> settings[] = {
      {"threads", std::to_string(options.threads)},
      {"memory_limit", std::to_string(options.memory_bytes_max) + "B"},
      {"temp_directory", options.temp_directory},
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},
      {"preserve_insertion_order", "true"},
  };
  for (const auto& [name, value] : settings) {
    if (duckdb_set_config(config.get(), name, value.c_str()) == DuckDBError) {
      return Status(Code::kInvalidArgument,
                    "SQL engine refuses setting " + std::string(name) + " = " + value);
    }
  }
  auto session = std::make_shared<Session>();
  session->keep_timestamp_ntz = options.keep_timestamp_ntz;
  session->stream_extent =
      std::clamp(options.memory_bytes_max / 16, kStreamExtentMin, kStreamExtentMax);
  duckdb_database database = nullptr;
  char* error = nullptr;
  if (duckdb_open_ext(nullptr, &database, config.get(), &error) == DuckDBError) {
    Status status = duckdb_failure(error).with_context("open the SQL engine");
    duckdb_free(error);
    return status;
  }
  session->database.reset(database);
  duckdb_connection connection = nullptr;
  if (duckdb_connect(database, &connection) == DuckDBError) {
    return Status(Code::kInternal, "open the SQL engine: no connection");
  }
  session->connection.reset(connection);
  auto engine = std::make_unique<DuckdbEngine>(std::move(session), options);
  // Files of this machine lie in its page cache already; a fifth of a read's processor time. A
  // streamed result buffers a row group or more for each thread, else they wait for each other.
  const std::size_t buffer =
      std::clamp(options.memory_bytes_max / 32, std::size_t{8} << 20, std::size_t{48} << 20);
  ASSAY_RETURN_IF_ERROR(
      engine->execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false; "
                      "SET enable_external_file_cache = false; SET streaming_buffer_size = '" +
                      std::to_string(buffer) + "B'"));
  return std::unique_ptr<SqlEngine>(std::move(engine));
}

}  // namespace assay::data
