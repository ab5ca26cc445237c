// The only file that speaks libpq.

#include "online/postgres_client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include <libpq-fe.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

namespace assay::online {
namespace {

constexpr uint32_t kBytea = 17;
constexpr uint32_t kInt8 = 20;
constexpr uint32_t kText = 25;
constexpr uint32_t kByteaArray = 1001;
constexpr int kBinary = 1;
constexpr int64_t kMicrosPerMilli = 1000;
constexpr int64_t kPause = kMicrosPerSecond;

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

/// The addresses of a URL's host, when it is a name with more than one; else none.
std::vector<std::string> addresses_of(const std::string& url) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(url.c_str(), nullptr), &PQconninfoFree);
  std::string host;
  for (const PQconninfoOption* option = options.get();
       option != nullptr && option->keyword != nullptr;
       ++option) {
    const std::string_view keyword = option->keyword;
    if (option->val != nullptr && keyword == "hostaddr") {
      return {};
    }
    host = option->val != nullptr && keyword == "host" ? option->val : host;
  }
  if (host.empty() || host.front() == '/' || host.front() == '@') {  // a socket of this machine
    return {};
  }
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &wanted, &found) != 0) {
    return {};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(one->ai_addr,
                      one->ai_addrlen,
                      text.data(),
                      static_cast<socklen_t>(text.size()),
                      nullptr,
                      0,
                      NI_NUMERICHOST) == 0 &&
        std::count(addresses.begin(), addresses.end(), text.data()) == 0) {
      addresses.emplace_back(text.data());
    }
  }
  return addresses.size() > 1 ? addresses : std::vector<std::string>();
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

Result<PostgresAddress> PostgresAddress::parse(const std::string& url) {
  constexpr std::string_view kName = "read_timeout=";
  PostgresAddress address;
  const std::size_t query = std::min(url.find('?'), url.size());
  address.url = url.substr(0, query);
  char separator = '?';
  for (std::size_t at = query; at < url.size();) {
    const std::size_t end = std::min(url.find('&', at + 1), url.size());
    const std::string option = url.substr(at + 1, end - at - 1);
    at = end;
    if (!option.starts_with(kName)) {
      address.url += separator + option;
      separator = '&';
      continue;
    }
    const Result<Duration> time = parse_duration(option.substr(kName.size()));
    if (!time.ok() || time->micros <= 0) {
      return Status(Code::kInvalidArgument, "write a time like read_timeout=100ms, not " + option);
    }
    address.read_timeout.micros = std::min(time->micros, address.timeout.micros);
  }
  return address;
}

struct PostgresConnection::Impl {
  PGconn* connection = nullptr;
  int silence_max = 0;                          // milliseconds
  std::map<const char*, std::string> prepared;  // by statement, a literal
  ~Impl() { PQfinish(connection); }
  bool broken = false;
  bool timed_out = false;

  /// Wait for the server. False: it says nothing for too long, or cannot be heard.
  bool wait(short events) {
    pollfd socket{PQsocket(connection), events, 0};
    int ready = 0;
    do {
      ready = ::poll(&socket, 1, silence_max);
    } while (ready < 0 && errno == EINTR);
    timed_out = timed_out || ready == 0;
    return ready > 0;
  }
  /// libpq by itself would wait for whole seconds, two at least, and is let do so when there are
  /// several hosts: only it knows the way from one to the next. Of a name with several addresses
  /// each is tried: one that says nothing would keep it from the next.
  void connect(const std::string& url) {
    const std::vector<std::string> addresses =
        url.find(',') == std::string::npos ? addresses_of(url) : std::vector<std::string>();
    if (addresses.empty()) {
      connect(url, nullptr);
      return;
    }
    bool one_timed_out = false;
    for (const std::string& address : addresses) {
      PQfinish(connection);
      timed_out = false;
      connect(url, address.c_str());
      if (connection != nullptr && PQstatus(connection) == CONNECTION_OK) {
        return;
      }
      one_timed_out = one_timed_out || timed_out;
    }
    timed_out = one_timed_out;
  }
  /// `hostaddr`: nullptr, or which address of the host.
  void connect(const std::string& url, const char* hostaddr) {
    const std::string seconds = std::to_string(std::max(silence_max / 1000, 2));
    // What stands behind `dbname`, which is the whole URL, is replaced by what the URL says.
    const char* const names[] = {
        "connect_timeout", "tcp_user_timeout", "application_name", "dbname", "hostaddr", nullptr};
    const char* const values[] = {
        seconds.c_str(), "10000", "assay", url.c_str(), hostaddr, nullptr};
    constexpr int kExpandUrl = 1;
    if (url.find(',') != std::string::npos) {
      connection = PQconnectdbParams(names, values, kExpandUrl);
      timed_out =
          connection != nullptr && PQstatus(connection) != CONNECTION_OK &&
          std::string_view(PQerrorMessage(connection)).find("timeout") != std::string_view::npos;
      return;
    }
    connection = PQconnectStartParams(names, values, kExpandUrl);
    if (connection == nullptr || PQstatus(connection) == CONNECTION_BAD) {
      return;
    }
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED &&
           wait(state == PGRES_POLLING_READING ? POLLIN : POLLOUT)) {
      state = PQconnectPoll(connection);
    }
  }
  [[nodiscard]] std::string place() const {
    const char* const host = connection == nullptr ? nullptr : PQhost(connection);
    return ": PostgreSQL at " + std::string(host == nullptr ? "" : host);
  }
  /// The last result of what was sent; nullptr when the server says nothing for too long. libpq
  /// itself would wait for ever.
  PGresult* answer() {
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
      if (!wait(static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN)) ||
          PQconsumeInput(connection) == 0) {
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
    const std::string why = timed_out         ? "it did not answer in time"
                            : says != nullptr ? std::string(says)
                                              : first_line(PQerrorMessage(connection));
    return {broken ? Code::kUnavailable : code, why + place()};
  }
};

PostgresConnection::PostgresConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PostgresConnection::~PostgresConnection() = default;

bool PostgresConnection::usable() const {
  return !impl_->broken && PQstatus(impl_->connection) == CONNECTION_OK &&
         PQtransactionStatus(impl_->connection) == PQTRANS_IDLE;
}

bool PostgresConnection::timed_out() const {
  return impl_->timed_out;
}

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::connect(const std::string& url,
                                                                        Duration timeout) {
  auto impl = std::make_unique<Impl>();
  impl->silence_max = static_cast<int>(std::max<int64_t>(timeout.micros / kMicrosPerMilli, 1));
  impl->connect(url);
  if (impl->timed_out) {
    return Status(Code::kDeadlineExceeded, "it did not answer in time" + impl->place());
  }
  if (impl->connection == nullptr || PQstatus(impl->connection) != CONNECTION_OK) {
    const std::string says =
        impl->connection == nullptr ? "no memory" : first_line(PQerrorMessage(impl->connection));
    const bool refused = says.find("authentication") != std::string::npos ||
                         says.find("password") != std::string::npos;
    return Status(refused ? Code::kPermissionDenied : Code::kUnavailable, says);
  }
  PQsetNoticeProcessor(
      impl->connection, [](void*, const char*) {}, nullptr);
  PQsetnonblocking(impl->connection, 1);  // it would wait for ever to send what is long
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

void PostgresPool::note_silent(PostgresUse use) {
  for (Kept& one : use == PostgresUse::kServing ? std::span(&kept(use), 1) : std::span(kept_)) {
    one.again = clock_.monotonic().micros + kPause;
    one.idle.clear();
  }
}

Result<std::unique_ptr<PostgresConnection>> PostgresPool::take(PostgresUse use, bool* kept) {
  const Status silent(Code::kUnavailable, "PostgreSQL did not answer in time");
  {
    const std::lock_guard lock(mutex_);
    Kept& known = this->kept(use);
    if (clock_.monotonic().micros < known.again) {
      return silent;
    }
    *kept = !known.idle.empty();
    if (*kept) {
      std::unique_ptr<PostgresConnection> connection = std::move(known.idle.back());
      known.idle.pop_back();
      return connection;
    }
  }
  Result<std::unique_ptr<PostgresConnection>> made = PostgresConnection::connect(
      address_.url, use == PostgresUse::kServing ? address_.read_timeout : address_.timeout);
  if (made.code() == Code::kDeadlineExceeded) {
    const std::lock_guard lock(mutex_);
    note_silent(use);
    return silent;
  }
  return made;
}

void PostgresPool::give_back(PostgresUse use, std::unique_ptr<PostgresConnection> connection) {
  const std::lock_guard lock(mutex_);
  if (connection->usable()) {
    kept(use).idle.push_back(std::move(connection));
  } else if (connection->timed_out()) {
    note_silent(use);
  } else {
    for (Kept& one : kept_) {
      one.idle.clear();  // the server went away: the others are broken too
    }
  }
}

Status PostgresPool::try_work(PostgresConnection& connection, const Work& work) {
  Status done = work(connection);
  for (int tries = 1; done.code() == Code::kAborted && tries < kTriesMax; ++tries) {
    done = work(connection);
  }
  return done.code() == Code::kAborted ? Status(Code::kUnavailable, done.message()) : done;
}

Status PostgresPool::read(PostgresUse use, const Work& work) {
  bool kept = true;
  Status done;
  while (kept) {
    ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<PostgresConnection> connection, take(use, &kept));
    done = try_work(*connection, work);
    kept = kept && !connection->usable();
    give_back(use, std::move(connection));
  }
  return done;
}

Status PostgresPool::write(const Work& work) {
  bool kept = false;
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<PostgresConnection> connection,
                         take(PostgresUse::kWork, &kept));
  Status done = try_work(*connection, work);
  give_back(PostgresUse::kWork, std::move(connection));
  return done;
}

}  // namespace assay::online
