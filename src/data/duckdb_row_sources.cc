#include "data/duckdb_row_sources.h"

#include <algorithm>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include <duckdb.h>

#include "data/duckdb_vectors.h"

// One table function, assay_rows(number), for all sources of a database. DuckDB calls
//
//   bind        which columns there are
//   begin       once a scan: which of them it wants
//   begin_part  once a thread
//   give        on that thread, again and again: fill a chunk; an empty one is the end

namespace assay::data {

struct DuckdbRowSources::Shared {
  std::mutex mutex;
  bool is_registered = false;
  int64_t next = 0;
  std::map<int64_t, std::shared_ptr<SqlRowSource>> sources;
  std::optional<Status> failure;

  std::shared_ptr<SqlRowSource> find(int64_t number) {
    const std::lock_guard lock(mutex);
    const auto found = sources.find(number);
    return found == sources.end() ? nullptr : found->second;
  }

  void fail(const Status& status) {
    const std::lock_guard lock(mutex);
    if (!failure) {
      failure = status;
    }
  }
};

namespace {

using Shared = DuckdbRowSources::Shared;

constexpr char kFunction[] = "assay_rows";

/// What DuckDB keeps for us, and gives back to be destroyed.
template <typename T>
void destroy(void* kept) {
  const std::unique_ptr<T> owned(static_cast<T*>(kept));
}
template <typename T>
void* keep(T value) {
  return std::make_unique<T>(std::move(value)).release();
}

struct Scan {
  std::shared_ptr<SqlRowSource> source;
  SqlRowSource::Scan readers;
  std::vector<int> places;  // of DuckDB's columns in our batches; -1: one that is never looked at
};

struct Part {
  std::unique_ptr<BatchReader> reader;
  Batch rows;
  int64_t next = 0;  // of `rows`
};

/// DuckDB's frames are below: what is thrown here ends here.
template <typename Info, typename Work>
void guarded(Info info, void (*set_error)(Info, const char*), Work work) {
  try {
    work();
  } catch (const std::exception& thrown) {
    set_error(info, thrown.what());
  }
}

void add_columns(duckdb_bind_info info) {
  const auto& shared = *static_cast<std::shared_ptr<Shared>*>(duckdb_bind_get_extra_info(info));
  duckdb_value number = duckdb_bind_get_parameter(info, 0);
  std::shared_ptr<SqlRowSource> source = shared->find(duckdb_get_int64(number));
  duckdb_destroy_value(&number);
  if (source == nullptr) {
    duckdb_bind_set_error(info, "these rows are not there any more");
    return;
  }
  for (const Field& field : source->schema()->fields()) {
    const LogicalType type = logical_type_of(field.type);
    duckdb_bind_add_result_column(info, field.name.c_str(), type.get());
  }
  duckdb_bind_set_cardinality(
      info, static_cast<idx_t>(std::max<int64_t>(source->rows(), 0)), false);
  duckdb_bind_set_bind_data(info, keep(std::move(source)), destroy<std::shared_ptr<SqlRowSource>>);
}

void bind(duckdb_bind_info info) {
  guarded(info, duckdb_bind_set_error, [&] { add_columns(info); });
}

void begin_scan(duckdb_init_info info) {
  Scan scan;
  scan.source = *static_cast<std::shared_ptr<SqlRowSource>*>(duckdb_init_get_bind_data(info));
  const auto columns = static_cast<idx_t>(scan.source->schema()->size());
  std::set<int> wanted;
  for (idx_t i = 0; i < duckdb_init_get_column_count(info); ++i) {
    const idx_t column = duckdb_init_get_column_index(info, i);
    // Beyond the columns: a row's number, where only their count matters.
    scan.places.push_back(column < columns ? static_cast<int>(column) : -1);
    if (column < columns) {
      wanted.insert(static_cast<int>(column));
    }
  }
  for (int& place : scan.places) {
    const auto rank = std::distance(wanted.begin(), wanted.lower_bound(place));
    place = place < 0 ? -1 : static_cast<int>(rank);
  }
  scan.readers = scan.source->scan({wanted.begin(), wanted.end()});
  duckdb_init_set_max_threads(info,
                              static_cast<idx_t>(std::max<int64_t>(scan.source->readers_max(), 1)));
  duckdb_init_set_init_data(info, keep(std::move(scan)), destroy<Scan>);
}

void begin(duckdb_init_info info) {
  guarded(info, duckdb_init_set_error, [&] { begin_scan(info); });
}

void begin_part(duckdb_init_info info) {
  guarded(info, duckdb_init_set_error, [&] {
    duckdb_init_set_init_data(info, keep(Part{}), destroy<Part>);
  });
}

/// Make `part` have rows that were not given yet; false at the end.
Result<bool> read(const Scan& scan, Part& part) {
  if (part.reader == nullptr) {
    part.reader = scan.readers();
  }
  while (part.next == part.rows.rows()) {  // a batch may be of no rows
    ASSAY_ASSIGN_OR_RETURN(std::optional<Batch> rows, part.reader->next());
    if (!rows) {
      return false;
    }
    part.rows = *std::move(rows);
    part.next = 0;
  }
  return true;
}

void fill(const Scan& scan, Part& part, duckdb_data_chunk chunk) {
  const int64_t end =
      std::min(part.next + static_cast<int64_t>(duckdb_vector_size()), part.rows.rows());
  for (std::size_t i = 0; i < scan.places.size(); ++i) {
    const duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, i);
    if (scan.places[i] >= 0) {
      fill_vector(part.rows.column(scan.places[i]), part.next, end, vector);
    }
  }
  duckdb_data_chunk_set_size(chunk, static_cast<idx_t>(end - part.next));
  part.next = end;
}

void give(duckdb_function_info info, duckdb_data_chunk chunk) {
  const auto& shared = *static_cast<std::shared_ptr<Shared>*>(duckdb_function_get_extra_info(info));
  const auto& scan = *static_cast<Scan*>(duckdb_function_get_init_data(info));
  auto& part = *static_cast<Part*>(duckdb_function_get_local_init_data(info));
  Status failure;
  try {
    const Result<bool> more = read(scan, part);
    if (more.ok() && *more) {
      return fill(scan, part, chunk);
    }
    failure = more.status();
  } catch (const std::exception& thrown) {  // no memory, or no thread
    failure = {Code::kResourceExhausted, std::string("rows cannot be read: ") + thrown.what()};
  }
  duckdb_data_chunk_set_size(chunk, 0);
  if (!failure.ok()) {
    shared->fail(failure);
    duckdb_function_set_error(info, failure.message().c_str());
  }
}

struct DestroyFunction {
  void operator()(_duckdb_table_function* function) const {
    duckdb_destroy_table_function(&function);
  }
};

Status register_function(duckdb_connection connection, const std::shared_ptr<Shared>& shared) {
  const std::unique_ptr<_duckdb_table_function, DestroyFunction> function(
      duckdb_create_table_function());
  duckdb_table_function_set_name(function.get(), kFunction);
  const LogicalType number = logical_type_of(Type::kInt64);
  duckdb_table_function_add_parameter(function.get(), number.get());
  duckdb_table_function_set_extra_info(
      function.get(), keep(shared), destroy<std::shared_ptr<Shared>>);
  duckdb_table_function_set_bind(function.get(), bind);
  duckdb_table_function_set_init(function.get(), begin);
  duckdb_table_function_set_local_init(function.get(), begin_part);
  duckdb_table_function_set_function(function.get(), give);
  duckdb_table_function_supports_projection_pushdown(function.get(), true);
  return duckdb_register_table_function(connection, function.get()) == DuckDBError
             ? Status(Code::kInternal, "DuckDB does not take a table function")
             : Status();
}

}  // namespace

DuckdbRowSources::DuckdbRowSources() : shared_(std::make_shared<Shared>()) {}
DuckdbRowSources::~DuckdbRowSources() = default;

Result<std::string> DuckdbRowSources::add(_duckdb_connection* connection,
                                          std::shared_ptr<SqlRowSource> source) {
  const std::lock_guard lock(shared_->mutex);
  if (!shared_->is_registered) {
    ASSAY_RETURN_IF_ERROR(register_function(connection, shared_));
    shared_->is_registered = true;
  }
  shared_->sources[shared_->next] = std::move(source);
  return std::string(kFunction) + "(" + std::to_string(shared_->next++) + ")";
}

void DuckdbRowSources::drop_all() {
  const std::lock_guard lock(shared_->mutex);
  shared_->sources.clear();
}

std::optional<Status> DuckdbRowSources::take_failure() {
  const std::lock_guard lock(shared_->mutex);
  return std::exchange(shared_->failure, std::nullopt);
}

}  // namespace assay::data
