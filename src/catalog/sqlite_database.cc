// The adapter of SQLite.

#include "catalog/sqlite_database.h"

#include <cerrno>
#include <utility>

#include <sqlite3.h>

#include "base/system_error.h"

namespace assay::catalog {
namespace {

constexpr int kBusyMs = 10'000;
constexpr int kRetryMs = 20;

Code code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Code::kCorrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
      return Code::kUnavailable;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return Code::kResourceExhausted;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return Code::kPermissionDenied;
    case SQLITE_CONSTRAINT:
      return Code::kAlreadyExists;
    default:
      return Code::kInternal;
  }
}

class OpenDatabase : public SqliteDatabase {
 public:
  OpenDatabase(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  ~OpenDatabase() override { sqlite3_close(handle_); }
  OpenDatabase(const OpenDatabase&) = delete;
  OpenDatabase& operator=(const OpenDatabase&) = delete;

  Status prepare_file();
  Result<std::vector<SqlRow>> query(const std::string& sql, const SqlRow& values) override;
  Status execute(const std::string& sql) override;
  Status transaction(const std::function<Status()>& work) override;

 private:
  Status failure(int result) const;
  [[nodiscard]] int last_errno(int of_system) const;
  [[nodiscard]] std::vector<int> noted_errors() const;
  void note_errors();
  Status bind(sqlite3_stmt* statement, const SqlRow& values) const;

  sqlite3* handle_;
  const std::string path_;
  std::vector<int> noted_before_;  // the present statement
};

Status OpenDatabase::failure(int result) const {
  const int of_system = errno;
  const Code code = code_of(result);
  const std::string what = std::string("sqlite: ") + sqlite3_errmsg(handle_) + ":";
  if ((result & 0xff) == SQLITE_IOERR) {
    const int error = last_errno(of_system);
    const bool is_full = code_of_errno(error) == Code::kResourceExhausted;
    return {is_full ? Code::kResourceExhausted : code,
            error == 0 ? what + " " + path_ : system_failure(what, path_, error).message()};
  }
  if (code == Code::kUnavailable) {
    return {code, "another process holds the database; try again when it is done: " + path_};
  }
  return {code, what + " " + path_};
}

/// What SQLite has noted of the last failure: of the journal, of the file, of a statement; 0 for
/// nothing. None is ever taken back, and that of a statement is none of its commit.
std::vector<int> OpenDatabase::noted_errors() const {
  std::vector<int> noted;
  for (const int which : {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER}) {
    sqlite3_file* file = nullptr;
    int error = 0;
    if (sqlite3_file_control(handle_, "main", which, &file) == SQLITE_OK && file != nullptr &&
        file->pMethods != nullptr) {
      file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
    }
    noted.push_back(error);
  }
  noted.push_back(sqlite3_system_errno(handle_));
  return noted;
}

/// A statement begins.
void OpenDatabase::note_errors() {
  noted_before_ = noted_errors();
  errno = 0;
}

/// Why input or output of this statement failed, which SQLITE_IOERR does not say: the disk may be
/// full. What was noted before it may be of an older failure; what the system said last may be of
/// what SQLite did behind the failure. 0: unknown.
int OpenDatabase::last_errno(int of_system) const {
  if (sqlite3_extended_errcode(handle_) == SQLITE_IOERR_SHMSIZE) {
    return ENOSPC;  // the one reason why a byte cannot be written behind a file's end
  }
  const std::vector<int> noted = noted_errors();
  for (std::size_t i = 0; i < noted.size(); ++i) {
    if (noted[i] != 0 && (i >= noted_before_.size() || noted[i] != noted_before_[i])) {
      return noted[i];
    }
  }
  return of_system;
}

/// Switch to WAL. SQLite does not wait for other processes here, so we do, within the same bound.
Status OpenDatabase::prepare_file() {
  sqlite3_busy_timeout(handle_, kBusyMs);
  for (int waited_ms = 0;; waited_ms += kRetryMs) {
    Status status = execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
    if (status.code() != Code::kUnavailable || waited_ms >= kBusyMs) {
      return status;
    }
    sqlite3_sleep(kRetryMs);
  }
}

Status OpenDatabase::bind(sqlite3_stmt* statement, const SqlRow& values) const {
  int index = 0;
  for (const SqlValue& value : values) {
    ++index;
    int result = SQLITE_OK;
    if (const auto* number = std::get_if<int64_t>(&value)) {
      result = sqlite3_bind_int64(statement, index, *number);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      result = sqlite3_bind_text64(
          statement, index, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    } else if (const auto* blob = std::get_if<SqlBlob>(&value)) {
      result = sqlite3_bind_blob64(
          statement, index, blob->bytes.data(), blob->bytes.size(), SQLITE_STATIC);
    } else {
      result = sqlite3_bind_null(statement, index);
    }
    if (result != SQLITE_OK) {
      return failure(result);
    }
  }
  return {};
}

SqlRow read_row(sqlite3_stmt* statement) {
  SqlRow row;
  for (int i = 0; i < sqlite3_column_count(statement); ++i) {
    switch (sqlite3_column_type(statement, i)) {
      case SQLITE_NULL:
        row.emplace_back();
        break;
      case SQLITE_INTEGER:
        row.emplace_back(int64_t{sqlite3_column_int64(statement, i)});
        break;
      default: {
        const bool is_blob = sqlite3_column_type(statement, i) == SQLITE_BLOB;
        const auto* bytes = static_cast<const char*>(
            is_blob ? sqlite3_column_blob(statement, i)
                    : static_cast<const void*>(sqlite3_column_text(statement, i)));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, i));
        std::string text = bytes == nullptr ? std::string() : std::string(bytes, size);
        if (is_blob) {
          row.emplace_back(SqlBlob{std::move(text)});
        } else {
          row.emplace_back(std::move(text));
        }
      }
    }
  }
  return row;
}

Result<std::vector<SqlRow>> OpenDatabase::query(const std::string& sql, const SqlRow& values) {
  note_errors();
  sqlite3_stmt* raw = nullptr;
  int result = sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &raw, nullptr);
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(raw, sqlite3_finalize);
  if (result != SQLITE_OK) {
    return failure(result);
  }
  ASSAY_RETURN_IF_ERROR(bind(raw, values));
  std::vector<SqlRow> rows;
  while ((result = sqlite3_step(raw)) == SQLITE_ROW) {
    rows.push_back(read_row(raw));
  }
  if (result != SQLITE_DONE) {
    return failure(result);
  }
  return rows;
}

Status OpenDatabase::execute(const std::string& sql) {
  note_errors();
  const int result = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? Status() : failure(result);
}

Status OpenDatabase::transaction(const std::function<Status()>& work) {
  ASSAY_RETURN_IF_ERROR(execute("BEGIN IMMEDIATE"));
  Status status = work();
  if (status.ok()) {
    status = execute("COMMIT");
  }
  if (!status.ok() && sqlite3_get_autocommit(handle_) == 0) {
    const Status undone = execute("ROLLBACK");
    if (!undone.ok()) {
      return undone.with_context("undo after: " + status.message());
    }
  }
  return status;
}

}  // namespace

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(),
                      &handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                      nullptr);
  auto database = std::make_unique<OpenDatabase>(handle, path);
  if (result != SQLITE_OK) {
    return Status(code_of(result),
                  "the file cannot be opened; does its folder exist, may it be written? " + path);
  }
  ASSAY_RETURN_IF_ERROR(database->prepare_file());
  return std::unique_ptr<SqliteDatabase>(std::move(database));
}

}  // namespace assay::catalog
