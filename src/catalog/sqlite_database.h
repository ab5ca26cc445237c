#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/status.h"

namespace assay::catalog {

/// Bytes that are not text.
struct SqlBlob {
  std::string bytes;
  bool operator==(const SqlBlob&) const = default;
};

/// What a statement is given and gives: null, integer, text or bytes.
using SqlValue = std::variant<std::monostate, int64_t, std::string, SqlBlob>;
using SqlRow = std::vector<SqlValue>;

/// A SQLite file in WAL mode, every commit synced.
///
/// Errors  kCorrupt: damaged, or no SQLite file; kUnavailable: locked for longer than 10 s, or
///         input and output fail; kAlreadyExists: a key is taken; kResourceExhausted: disk full;
///         kPermissionDenied: cannot be opened or written. Every message names the path.
/// Threads one thread at a time; several processes may share the file.
class SqliteDatabase {
 public:
  /// Open the file, or make an empty one.
  static Result<std::unique_ptr<SqliteDatabase>> open(const std::string& path);
  virtual ~SqliteDatabase() = default;

  /// Run one statement with values for its ?s, and give all its rows.
  virtual Result<std::vector<SqlRow>> query(const std::string& sql, const SqlRow& values = {}) = 0;
  /// Run statements, separated by semicolons, without values and rows.
  virtual Status execute(const std::string& sql) = 0;
  /// Run `work` in one write transaction: committed when it succeeds, undone when it fails.
  virtual Status transaction(const std::function<Status()>& work) = 0;
};

}  // namespace assay::catalog
