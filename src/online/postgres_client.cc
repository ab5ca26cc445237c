// The only file that speaks libpq.

#include "online/postgres_client.h"

#include <cerrno>
#include <map>

#include <libpq-fe.h>
#include <poll.h>

namespace assay::online {
namespace {

constexpr uint32_t kBytea = 17;
constexpr uint32_t kInt8 = 20;
constexpr uint32_t kText = 25;
constexpr uint32_t kByteaArray = 1001;
constexpr int kBinary = 1;

/// Big-endian, as the protocol has all numbers.
void append_int32(uint32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift));
  }
}

void append_int64(int64_t value, std::string* out) {
  append_int32(static_cast<uint32_t>(static_cast<uint64_t>(value) >> 32), out);
  append_int32(static_cast<uint32_t>(value), out);
}

/// An error of the server as one of our codes, by the class of its SQLSTATE.
Code code_of(std::string_view state) {
  const std::string_view kind = state.substr(0, 2);
  if (state == "42P01" || state == "3F000") {
    return Code::kNotFound;
  }
  if (kind == "28" || state == "42501") {
    return Code::kPermissionDenied;
  }
  if (kind == "53" || state == "54000") {
    return state == "53300" ? Code::kUnavailable : Code::kResourceExhausted;
  }
  if (kind == "40" && state != "40003") {  // which says that it is not known
    return Code::kAborted;
  }
  if (kind == "08" || kind == "57" || kind == "40" || state == "55P03") {
    return Code::kUnavailable;  // the same may be tried again
  }
  if (state == "25006") {
    return Code::kFailedPrecondition;
  }
  return Code::kInternal;
}

/// The first line of what libpq says.
std::string first_line(const char* text) {
  const std::string_view all = text == nullptr ? "" : text;
  return std::string(all.substr(0, all.find('\n')));
}

using OwnedResult = std::unique_ptr<PGresult, decltype(&PQclear)>;

}  // namespace

PostgresValue PostgresValue::integer(int64_t value) {
  PostgresValue made{kInt8, {}};
  append_int64(value, &made.binary);
  return made;
}

PostgresValue PostgresValue::text(std::string_view value) {
  return {kText, std::string(value)};
}

PostgresValue PostgresValue::bytes(std::string_view value) {
  return {kBytea, std::string(value)};
}

PostgresValue PostgresValue::list(const std::vector<std::string>& values) {
  PostgresValue made{kByteaArray, {}};
  std::size_t size = 5 * sizeof(uint32_t);
  for (const std::string& value : values) {
    size += sizeof(uint32_t) + value.size();
  }
  made.binary.reserve(size);
  append_int32(values.empty() ? 0 : 1, &made.binary);  // dimensions
  append_int32(0, &made.binary);                       // no nulls
  append_int32(kBytea, &made.binary);
  if (!values.empty()) {
    append_int32(static_cast<uint32_t>(values.size()), &made.binary);
    append_int32(1, &made.binary);  // where it begins to count
  }
  for (const std::string& value : values) {
    append_int32(static_cast<uint32_t>(value.size()), &made.binary);
    made.binary.append(value);
  }
  return made;
}

int64_t PostgresRows::integer(std::size_t row, std::size_t column) const {
  uint64_t value = 0;
  for (const char byte : rows[row][column].value_or("")) {
    value = value << 8 | static_cast<uint8_t>(byte);
  }
  return static_cast<int64_t>(value);
}

struct PostgresConnection::Impl {
  PGconn* connection = nullptr;
  std::map<const char*, std::string> prepared;  // by statement, a literal
  ~Impl() { PQfinish(connection); }
  bool broken = false;

  [[nodiscard]] std::string place() const {
    const char* const host = connection == nullptr ? nullptr : PQhost(connection);
    return ": PostgreSQL at " + std::string(host == nullptr ? "" : host);
  }
  /// The last result of what was sent; nullptr when the server says nothing for too long. libpq
  /// itself would wait for ever.
  PGresult* answer() {
    constexpr int kSilenceMax = 10'000;  // milliseconds
    PGresult* last = nullptr;
    while (true) {
      const int unsent = PQflush(connection);
      if (unsent < 0 || (unsent == 0 && PQisBusy(connection) == 0)) {
        PGresult* const next = PQgetResult(connection);
        if (next == nullptr) {
          return last;
        }
        PQclear(last);
        last = next;
        continue;
      }
      pollfd socket{
          PQsocket(connection), static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN), 0};
      const int ready = ::poll(&socket, 1, kSilenceMax);
      if (ready == 0 || (ready < 0 && errno != EINTR) || PQconsumeInput(connection) == 0) {
        PQclear(last);
        broken = true;
        return nullptr;
      }
    }
  }
  /// An error without a SQLSTATE is libpq's own: the connection is of no use then, even
  /// where libpq finds out about it only later.
  Status failure(const PGresult* result) {
    const char* const state =
        result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char* const says =
        result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const Code code = state == nullptr ? Code::kUnavailable : code_of(state);
    broken = broken || state == nullptr || PQstatus(connection) != CONNECTION_OK ||
             std::string_view(state).substr(0, 2) == "57";
    return {
        broken ? Code::kUnavailable : code,
        (says != nullptr ? std::string(says) : first_line(PQerrorMessage(connection))) + place()};
  }
};

PostgresConnection::PostgresConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PostgresConnection::~PostgresConnection() = default;

bool PostgresConnection::usable() const {
  return !impl_->broken && PQstatus(impl_->connection) == CONNECTION_OK &&
         PQtransactionStatus(impl_->connection) == PQTRANS_IDLE;
}

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::connect(const std::string& url) {
  auto impl = std::make_unique<Impl>();
  // What stands behind `dbname`, which is the whole URL, is replaced by what the URL says.
  const char* const names[] = {
      "connect_timeout", "tcp_user_timeout", "application_name", "dbname", nullptr};
  const char* const values[] = {"10", "10000", "assay", url.c_str(), nullptr};
  constexpr int kExpandUrl = 1;
  impl->connection = PQconnectdbParams(names, values, kExpandUrl);
  if (impl->connection == nullptr || PQstatus(impl->connection) != CONNECTION_OK) {
    const std::string says =
        impl->connection == nullptr ? "no memory" : first_line(PQerrorMessage(impl->connection));
    const bool refused = says.find("authentication") != std::string::npos ||
                         says.find("password") != std::string::npos;
    return Status(refused ? Code::kPermissionDenied : Code::kUnavailable, says);
  }
  PQsetNoticeProcessor(
      impl->connection, [](void*, const char*) {}, nullptr);
  return std::unique_ptr<PostgresConnection>(new PostgresConnection(std::move(impl)));
}

Result<PostgresRows> PostgresConnection::run(const char* statement,
                                             const std::vector<PostgresValue>& values) {
  std::vector<Oid> types;
  std::vector<const char*> bytes;
  std::vector<int> sizes;
  std::vector<int> forms(values.size(), kBinary);
  for (const PostgresValue& value : values) {
    types.push_back(value.type);
    bytes.push_back(value.binary.data());
    sizes.push_back(static_cast<int>(value.binary.size()));
  }
  const int count = static_cast<int>(values.size());
  auto known = impl_->prepared.find(statement);
  if (known == impl_->prepared.end()) {
    const std::string name = "s" + std::to_string(impl_->prepared.size());
    const bool sent =
        PQsendPrepare(impl_->connection, name.c_str(), statement, count, types.data()) == 1;
    const OwnedResult made(sent ? impl_->answer() : nullptr, PQclear);
    if (PQresultStatus(made.get()) != PGRES_COMMAND_OK) {
      return impl_->failure(made.get());
    }
    known = impl_->prepared.emplace(statement, name).first;
  }
  const bool sent = PQsendQueryPrepared(impl_->connection,
                                        known->second.c_str(),
                                        count,
                                        bytes.data(),
                                        sizes.data(),
                                        forms.data(),
                                        kBinary) == 1;
  const OwnedResult result(sent ? impl_->answer() : nullptr, PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    return impl_->failure(result.get());
  }
  PostgresRows answer;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    auto& cells = answer.rows.emplace_back();
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      if (PQgetisnull(result.get(), row, column) != 0) {
        cells.emplace_back();
      } else {
        cells.emplace_back(
            std::string(PQgetvalue(result.get(), row, column),
                        static_cast<std::size_t>(PQgetlength(result.get(), row, column))));
      }
    }
  }
  return answer;
}

Status PostgresConnection::in_transaction(const std::function<Status()>& work) {
  ASSAY_RETURN_IF_ERROR(run("BEGIN ISOLATION LEVEL READ COMMITTED").status());
  const Status done = work();
  if (!done.ok()) {
    (void)run("ROLLBACK");  // when it fails the connection is not used again
    return done;
  }
  const Status committed = run("COMMIT").status();
  return committed.code() == Code::kUnavailable
             ? Status(Code::kCommitUnknown, std::string(committed.message()))
             : committed;
}

Result<std::unique_ptr<PostgresConnection>> PostgresPool::take(bool* kept) {
  {
    const std::lock_guard lock(mutex_);
    *kept = !idle_.empty();
    if (*kept) {
      std::unique_ptr<PostgresConnection> connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  return PostgresConnection::connect(url_);
}

void PostgresPool::give_back(std::unique_ptr<PostgresConnection> connection) {
  const std::lock_guard lock(mutex_);
  if (connection->usable()) {
    idle_.push_back(std::move(connection));
  } else {
    idle_.clear();  // the server went away: the others are broken too
  }
}

Status PostgresPool::try_work(PostgresConnection& connection, const Work& work) {
  Status done = work(connection);
  for (int tries = 1; done.code() == Code::kAborted && tries < kTriesMax; ++tries) {
    done = work(connection);
  }
  return done.code() == Code::kAborted ? Status(Code::kUnavailable, done.message()) : done;
}

Status PostgresPool::read(const Work& work) {
  bool kept = true;
  Status done;
  while (kept) {
    ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<PostgresConnection> connection, take(&kept));
    done = try_work(*connection, work);
    kept = kept && !connection->usable();
    give_back(std::move(connection));
  }
  return done;
}

Status PostgresPool::write(const Work& work) {
  bool kept = false;
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<PostgresConnection> connection, take(&kept));
  Status done = try_work(*connection, work);
  give_back(std::move(connection));
  return done;
}

}  // namespace assay::online
