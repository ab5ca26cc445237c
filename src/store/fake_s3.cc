#include "store/fake_s3.h"

#include <algorithm>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ascii.h"
#include "store/sigv4.h"

namespace assay::store {
namespace {

std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out.push_back(static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// One request off the connection; nothing at its end.
std::optional<FakeRequest> read_request(int socket, std::string& buffer) {
  const auto more = [&] {
    char bytes[65'536];
    const ssize_t size = ::recv(socket, bytes, sizeof bytes, 0);
    if (size > 0) {
      buffer.append(bytes, static_cast<std::size_t>(size));
    }
    return size > 0;
  };
  std::size_t head = buffer.find("\r\n\r\n");
  while (head == std::string::npos) {
    if (!more()) {
      return std::nullopt;
    }
    head = buffer.find("\r\n\r\n");
  }
  FakeRequest request;
  const std::string line = buffer.substr(0, buffer.find("\r\n"));
  request.method = line.substr(0, line.find(' '));
  const std::size_t target = request.method.size() + 1;
  std::string url = line.substr(target, line.rfind(' ') - target);
  const std::size_t question = url.find('?');
  std::string query = question == std::string::npos ? "" : url.substr(question + 1);
  request.path = decode(url.substr(0, question));
  while (!query.empty()) {
    const std::string pair = query.substr(0, query.find('&'));
    query.erase(0, pair.size() + 1);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    request.query.emplace_back(decode(pair.substr(0, equals)),
                               decode(pair.substr(std::min(equals + 1, pair.size()))));
  }
  for (std::size_t at = line.size() + 2; at < head;) {
    const std::size_t end = buffer.find("\r\n", at);
    const std::string header = buffer.substr(at, end - at);
    const std::size_t colon = header.find(':');
    const std::string name = lower_ascii(header.substr(0, colon));
    const std::size_t value = header.find_first_not_of(' ', colon + 1);
    request.headers[name] = value == std::string::npos ? "" : header.substr(value);
    at = end + 2;
  }
  const std::string length = request.header("content-length");
  const std::size_t size = length.empty() ? 0 : std::stoul(length);
  buffer.erase(0, head + 4);
  while (buffer.size() < size) {
    if (!more()) {
      return std::nullopt;
    }
  }
  request.body = buffer.substr(0, size);
  buffer.erase(0, size);
  return request;
}

std::string target_of(const FakeRequest& request) {
  return request.path + (request.query.empty() ? "" : "?" + canonical_query(request.query));
}

}  // namespace

std::optional<std::string> FakeRequest::parameter(const std::string& name) const {
  for (const auto& [known, value] : query) {
    if (known == name) {
      return value;
    }
  }
  return std::nullopt;
}

std::string FakeRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

// ---- Connections
// ------------------------------------------------------------------------------------

FakeS3::FakeS3() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSAY_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  ASSAY_CHECK(::listen(listener_, 128) == 0);
  ASSAY_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { accept_all(); });
}

FakeS3::~FakeS3() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    for (const auto& [socket, open] : sockets_) {
      ::shutdown(socket, SHUT_RDWR);
    }
  }
  acceptor_.join();
  connections_.clear();
  ::close(listener_);
}

void FakeS3::accept_all() {
  while (true) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (socket < 0 || stopping_) {
      return;
    }
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockets_[socket] = true;
    // A thread that has ended keeps its stack until it is joined.
    connections_.remove_if([](const Connection& connection) { return connection.is_over; });
    Connection& connection = connections_.emplace_back();
    connection.thread =
        std::jthread([this, socket, is_over = &connection.is_over] { serve(socket, is_over); });
  }
}

void FakeS3::serve(int socket, bool* is_over) {
  std::string buffer;
  while (const std::optional<FakeRequest> request = read_request(socket, buffer)) {
    Misdeed misdeed = Misdeed::kRefuse;
    std::optional<FakeAnswer> reply = answer(*request, &misdeed);
    if (!reply) {
      if (misdeed == Misdeed::kHangAfter) {
        char byte = 0;
        static_cast<void>(::recv(socket, &byte, 1, 0));  // until the client has had enough
      }
      break;
    }
    std::string body = std::move(reply->body);
    std::string length = std::to_string(body.size());
    if (request->method == "HEAD") {
      length = reply->headers.count("content-length") != 0 ? reply->headers["content-length"] : "0";
      body.clear();
    }
    reply->headers.erase("content-length");
    std::string head = "HTTP/1.1 " + std::to_string(reply->status) +
                       " X\r\ncontent-length: " + length + "\r\ndate: " + http_date(0) + "\r\n";
    for (const auto& [name, value] : reply->headers) {
      head += name + ": " + value + "\r\n";
    }
    if (misdeed == Misdeed::kTruncate) {
      send_all(socket, head + "\r\n" + body.substr(0, body.size() / 2));
      break;
    }
    if (!send_all(socket, head + "\r\n" + body)) {
      break;
    }
  }
  const std::lock_guard lock(mutex_);
  sockets_.erase(socket);
  ::shutdown(socket, SHUT_RDWR);
  ::close(socket);
  *is_over = true;
}

// ---- Script
// -----------------------------------------------------------------------------------------

static S3Options options_of(const std::string& endpoint,
                            const std::string& spool_folder,
                            const S3Credentials& good) {
  S3Options options;
  options.bucket = FakeS3::kBucket;
  options.endpoint = endpoint;
  options.region = "us-east-1";
  options.spool_folder = spool_folder;
  options.environment = [good](const std::string& name) -> std::optional<std::string> {
    if (name == "AWS_ACCESS_KEY_ID") {
      return good.access_key;
    }
    if (name == "AWS_SECRET_ACCESS_KEY") {
      return good.secret_key;
    }
    return name == "AWS_SESSION_TOKEN" ? std::optional(good.session_token) : std::nullopt;
  };
  options.pause = [](Duration) {};
  options.check_conditional_put = false;
  return options;
}

S3Options FakeS3::options(const std::string& spool_folder) {
  return options_of(endpoint(), spool_folder, good_);
}

S3Options FakeS3::options_at(const std::string& endpoint, const std::string& spool_folder) {
  return options_of(endpoint, spool_folder, {kAccessKey, kSecretKey, "", EventTime::max()});
}

void FakeS3::add_fault(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(fault);
}

void FakeS3::clear_faults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

std::size_t FakeS3::faults_left() {
  const std::lock_guard lock(mutex_);
  return faults_.size();
}

std::vector<std::string> FakeS3::requests() {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void FakeS3::forget_requests() {
  const std::lock_guard lock(mutex_);
  requests_.clear();
}

std::map<std::string, std::string> FakeS3::objects() {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> bytes;
  for (const auto& [key, object] : objects_) {
    bytes[key] = object.bytes;
  }
  return bytes;
}

void FakeS3::set_object(const std::string& key, const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  objects_[key] = {bytes, "", ++written_};
}

void FakeS3::remove_bucket() {
  const std::lock_guard lock(mutex_);
  bucket_there_ = false;
}

void FakeS3::set_credentials(const S3Credentials& credentials) {
  const std::lock_guard lock(mutex_);
  expired_ = good_.access_key;
  good_ = credentials;
}

void FakeS3::set_page_size(int objects) {
  const std::lock_guard lock(mutex_);
  page_size_ = objects;
}

void FakeS3::set_condition(Condition condition) {
  const std::lock_guard lock(mutex_);
  condition_ = condition;
}

void FakeS3::set_other(std::function<std::optional<FakeAnswer>(const FakeRequest&)> other) {
  const std::lock_guard lock(mutex_);
  other_ = std::move(other);
}

std::optional<Fault> FakeS3::take_fault(const FakeRequest& request) {
  const std::string target = target_of(request);
  for (auto at = faults_.begin(); at != faults_.end(); ++at) {
    if (at->method == request.method && target.find(at->part) != std::string::npos) {
      const Fault fault = *at;
      if (--at->times == 0) {
        faults_.erase(at);
      }
      return fault;
    }
  }
  return std::nullopt;
}

/// Nothing: close the connection.
std::optional<FakeAnswer> FakeS3::answer(const FakeRequest& request, Misdeed* misdeed) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(request.method + " " + target_of(request));
  const std::optional<Fault> fault = take_fault(request);
  if (!fault) {
    return act(request);
  }
  *misdeed = fault->misdeed;
  switch (fault->misdeed) {
    case Misdeed::kRefuse:
      return error(fault->status, fault->code, "as the script says");
    case Misdeed::kErrorAfter200:
      return error(200, fault->code);
    case Misdeed::kDropBefore:
      return std::nullopt;
    case Misdeed::kDropAfter:
    case Misdeed::kHangAfter:
      static_cast<void>(act(request));
      return std::nullopt;
    case Misdeed::kLoseRaceFirst:
      objects_[request.path.substr(std::strlen(kBucket) + 2)] = {"theirs", "", ++written_};
      return act(request);
    case Misdeed::kHideNewest: {
      const auto last = std::prev(objects_.end());
      const auto hidden = *last;
      objects_.erase(last);
      FakeAnswer stale = act(request);
      objects_.insert(hidden);
      return stale;
    }
    default:
      break;
  }
  FakeAnswer reply = act(request);
  if (fault->misdeed == Misdeed::kShorten) {
    reply.body.resize(reply.body.size() / 2);
  } else if (fault->misdeed == Misdeed::kFlipByte && !reply.body.empty()) {
    reply.body[0] = static_cast<char>(reply.body[0] ^ 1);
  } else if (fault->misdeed == Misdeed::kWrongRange) {
    reply.headers["content-range"] = "bytes 1-1/2";
  }
  return reply;
}

}  // namespace assay::store
