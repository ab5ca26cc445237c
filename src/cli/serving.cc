#include "cli/serving.h"

#include <algorithm>
#include <charconv>

#include "base/file_system.h"
#include "base/process.h"
#include "base/wakeup.h"
#include "base/whole_file.h"
#include "cli/commands.h"
#include "serve/all_at_once.h"
#include "serve/grpc_calls.h"
#include "serve/grpc_push.h"

namespace assay::cli {
Result<Duration> busy_after(const Arguments& arguments) {
  if (!arguments.has("busy-after")) {
    return serve::HttpOptions().turn_max;
  }
  return arguments.duration("busy-after", "100ms or 1s", Duration{1});
}

Result<int> connections_max(const Arguments& arguments) {
  constexpr int kMax = 10'000'000;
  if (!arguments.has("connections")) {
    return serve::HttpOptions().connections_max;
  }
  const std::string& text = arguments.get("connections");
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  return error == std::errc() && end == text.data() + text.size() && count > 0 && count <= kMax
             ? Result<int>(count)
             : Status(Code::kInvalidArgument,
                      "--connections is `" + text + "`; write a number from 1 to 10000000");
}

Result<serve::HttpOptions> parse_address(const std::string& text, const std::string& flag) {
  serve::HttpOptions options;
  const std::size_t colon = text.rfind(':');
  if (colon != std::string::npos) {
    options.host = text.substr(0, colon);
  }
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
  if (error != std::errc() || end != port.data() + port.size() || options.host.empty()) {
    return Status(Code::kInvalidArgument,
                  flag + " is `" + text + "`; write it like 127.0.0.1:6566");
  }
  return options;
}

Flag drain_flag() {
  return {"drain-for",
          "DURATION",
          "when it is to stop, say so by /ready and gRPC's health, and answer for this long as "
          "before (0s)",
          "",
          false,
          false};
}

Result<Duration> drain_time(const Arguments& arguments) {
  constexpr Duration kMax{3600 * kMicrosPerSecond};
  if (!arguments.has("drain-for")) {
    return Duration{0};
  }
  return arguments.duration("drain-for", "10s, at most 1h", {}, kMax);
}

Flag access_flag() {
  return {
      "access",
      "FILE",
      "answer only the callers that this file names (docs/serving.md); read anew when it changes",
      "",
      false,
      false};
}

std::vector<Flag> tls_flags() {
  return {
      {"tls-cert",
       "FILE",
       "speak TLS 1.3: the server's certificate and those above it, in PEM form; read anew when "
       "it changes",
       "",
       false,
       false},
      {"tls-key", "FILE", "the certificate's private key, in PEM form", "", false, false},
      {"tls-client-ca",
       "FILE",
       "take only clients with a certificate of one of these authorities, in PEM form",
       "",
       false,
       false}};
}

Result<std::unique_ptr<serve::TlsFiles>> tls_files(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const serve::TlsPaths paths{
      arguments.get("tls-cert"), arguments.get("tls-key"), arguments.get("tls-client-ca")};
  if (!arguments.has("tls-cert") && !arguments.has("tls-key") && !arguments.has("tls-client-ca")) {
    return std::unique_ptr<serve::TlsFiles>();
  }
  if (paths.certificate.empty() || paths.key.empty() ||
      (arguments.has("tls-client-ca") && paths.client_ca.empty())) {
    return Status(Code::kInvalidArgument, "TLS needs both --tls-cert FILE and --tls-key FILE");
  }
  auto files = std::make_unique<serve::TlsFiles>(invocation.world, paths);
  ASSAY_RETURN_IF_ERROR(files->look());
  return files;
}

Status AccessFile::look() {
  if (!wanted_) {
    return {};
  }
  if (file_.empty()) {
    return {Code::kInvalidArgument, "--access names no file; without it everybody may ask"};
  }
  const Result<std::string> text = world_.files.read(file_);
  const Status taken = text.ok() ? take(*text) : text.status();
  if (!taken.ok() && !good_.empty()) {
    // The keys of the file before it go on being fetched and growing old.
    const Status goes_on = take(good_);
    (void)goes_on;  // without its keys either all is as it was
  } else if (taken.ok()) {
    good_ = *text;
  }
  return taken;
}

/// Let the gate go by a file's text, when it changed or what it names did.
Status AccessFile::take(const std::string& text) {
  std::string names = text;
  std::string address;
  const auto read = [&](const std::string& path) -> Result<std::string> {
    const bool absolute = path.starts_with('/');
    address = FetchedKeys::is_address(path) ? path : "";
    if (current_ != nullptr && current_->take_unknown_key()) {
      keys_.want(path);
    }
    ASSAY_ASSIGN_OR_RETURN(
        std::string found,
        FetchedKeys::is_address(path)
            ? keys_.get(path)
            : world_.files.read(absolute ? path : join_path(parent_path(file_), path)));
    names += found;
    return found;
  };
  Result<std::shared_ptr<const serve::Access>> access = serve::Access::parse(text, read);
  if (!access.ok()) {
    return std::move(access).status().with_context(file_);
  }
  if ((*access)->knows_certificates() && !sees_certificates_) {
    return {Code::kInvalidArgument,
            "callers with a `certificate` are seen only with --tls-client-ca: " + file_};
  }
  const bool was_too_old = is_too_old_;
  access = by_age(*std::move(access), address);
  if (names != known_ || is_too_old_ != was_too_old) {
    for (const std::string& note : (*access)->notes()) {
      world_.log.warn("access_partly_read", {{"file", file_}, {"note", note}});
    }
    known_ = std::move(names);
    current_ = *access;
    gate_.protect(*std::move(access));
    world_.log.info("access_read", {{"file", file_}});
  }
  return {};
}

/// Without tokens, when the keys that sign them were not fetched for too long: one that was
/// withdrawn meanwhile would hold as long as the issuer is kept away.
std::shared_ptr<const serve::Access> AccessFile::by_age(std::shared_ptr<const serve::Access> access,
                                                        const std::string& address) {
  if (address.empty()) {  // keys of a file, or none
    is_too_old_ = false;
    return access;
  }
  const Duration age = keys_.age(address);
  const bool was_too_old = std::exchange(is_too_old_, age > access->keys_for());
  world_.metrics
      .gauge("assay_serve_key_set_age_seconds",
             "Time since the keys of tokens were last fetched from their issuer.")
      .set(static_cast<double>(age.micros / kMicrosPerSecond));
  if (is_too_old_ && !was_too_old) {
    world_.log.error("key_set_too_old",
                     {{"address", address},
                      {"age_s", age.micros / kMicrosPerSecond},
                      {"keys_for", format_duration(access->keys_for())},
                      {"next", "tokens are refused until the key set can be fetched again"}});
  }
  return is_too_old_ ? access->without_tokens() : access;
}

void AccessFile::look_again() {
  const Status status = look();
  if (!status.ok() && status.to_string() != failure_) {
    world_.log.error("access_not_read", {{"reason", status.to_string()}});
  }
  failure_ = status.ok() ? "" : status.to_string();
}

std::vector<Flag> Servers::flags() {
  std::vector<Flag> flags = tls_flags();
  flags.push_back({"grpc",
                   "HOST:PORT",
                   "also answer gRPC there: Feast's ServingService, predictions and pushes",
                   "",
                   false,
                   false});
  flags.push_back(access_flag());
  flags.push_back({"push",
                   "",
                   "take rows by POST /push, and by gRPC, into sources of JSON files; needs --http",
                   "",
                   false,
                   false});
  for (Flag& flag : limit_flags()) {
    flags.push_back(std::move(flag));
  }
  return flags;
}

std::vector<Flag> limit_flags() {
  std::vector<Flag> flags;
  flags.push_back(drain_flag());
  flags.push_back({"busy-after",
                   "DURATION",
                   "answer 503 while what arrives waits longer than this for its turn (1s)",
                   "",
                   false,
                   false});
  flags.push_back(
      {"connections",
       "N",
       "connections at once, by HTTP and by gRPC each; those beyond are refused (10000)",
       "",
       false,
       false});
  flags.push_back({"address-file",
                   "FILE",
                   "write the address here once it listens, and that of gRPC below it",
                   "",
                   false,
                   false});
  return flags;
}

Status Servers::start(int threads) {
  ASSAY_ASSIGN_OR_RETURN(serve::HttpOptions options,
                         parse_address(invocation_.arguments.get("http"), "--http"));
  options.threads = threads;
  ASSAY_ASSIGN_OR_RETURN(options.turn_max, busy_after(invocation_.arguments));
  ASSAY_ASSIGN_OR_RETURN(options.connections_max, connections_max(invocation_.arguments));
  ASSAY_ASSIGN_OR_RETURN(drain_, drain_time(invocation_.arguments));
  raise_file_limit();  // each connection is one
  options.is_slow = features_.slow_of_callers();
  options.is_write = serve::FeatureServer::is_write;
  options.is_large = serve::FeatureServer::is_question;
  options.is_urgent = serve::FeatureServer::is_urgent;
  options.slow.interrupt = [this] { line_.interrupt(); };
  ASSAY_ASSIGN_OR_RETURN(tls_, tls_files(invocation_));
  options.tls = tls_ == nullptr ? serve::TlsSource() : tls_->source();
  ASSAY_RETURN_IF_ERROR(access_.look());
  ASSAY_ASSIGN_OR_RETURN(http_,
                         serve::start_http_server(invocation_.world, features_.handler(), options));
  const std::string http = options.host + ":" + std::to_string(http_->port());
  ASSAY_ASSIGN_OR_RETURN(const std::string grpc, start_grpc(options.tls, threads));
  ASSAY_RETURN_IF_ERROR(write_addresses(invocation_, http, grpc));
  where_ = (tls_ == nullptr ? "http://" : "https://") + http +
           (grpc.empty() ? "" : " and by gRPC on " + grpc);
  watch_ = std::make_unique<serve::RepeatedCall>(Duration{kMicrosPerSecond}, [this] {
    access_.look_again();
    if (tls_ != nullptr) {
      tls_->look_again();
    }
  });
  return {};
}

/// Listen where --grpc says; the address, "" without one.
Result<std::string> Servers::start_grpc(const serve::TlsSource& tls, int threads) {
  if (!invocation_.arguments.has("grpc")) {
    return std::string();
  }
  ASSAY_ASSIGN_OR_RETURN(const serve::HttpOptions address,
                         parse_address(invocation_.arguments.get("grpc"), "--grpc"));
  serve::GrpcOptions options;
  options.host = address.host;
  options.port = address.port;
  options.tls = tls;
  ASSAY_ASSIGN_OR_RETURN(options.turn_max, busy_after(invocation_.arguments));
  ASSAY_ASSIGN_OR_RETURN(options.connections_max, connections_max(invocation_.arguments));
  const auto answer = [this](std::string_view method,
                             std::string_view request,
                             const serve::Credentials& credentials) {
    return serve::answer_grpc_in_time(features_, method, request, credentials, "", {true, {}});
  };
  serve::SlowLimits limits;
  limits.interrupt = [this] { line_.interrupt(); };
  slow_calls_ = std::make_unique<serve::SlowWork>(invocation_.world, limits);
  options.past.slow = slow_calls_.get();
  slow_pushes_ = std::make_unique<serve::SlowWork>(invocation_.world, limits);
  options.past.writes = slow_pushes_.get();
  limits.threads = serve::lane_count(threads);
  large_calls_ = std::make_unique<serve::SlowWork>(invocation_.world, limits);
  options.past.large = large_calls_.get();
  options.past.may_wait = [this](const serve::Credentials& credentials) {
    return features_.gate().who(credentials).status();
  };
  options.past.is_slow = [](std::string_view method) { return method == serve::kPushMethod; };
  options.past.answer = [this](std::string_view method,
                               std::string_view request,
                               const serve::Credentials& credentials,
                               std::string_view as_of,
                               const serve::Pace& pace) -> Result<serve::GrpcReply> {
    return *serve::answer_grpc_in_time(features_, method, request, credentials, as_of, pace);
  };
  ASSAY_ASSIGN_OR_RETURN(grpc_, serve::start_grpc_server(invocation_.world, answer, options));
  return options.host + ":" + std::to_string(grpc_->port());
}

void wait_calling(Clock& clock, Duration wait, const std::function<void()>& each_second) {
  const int64_t end = clock.monotonic().micros + wait.micros;
  Wakeup wakeup;
  for (int64_t left = wait.micros; left > 0; left = end - clock.monotonic().micros) {
    wakeup.wait(Duration{std::min(left, kMicrosPerSecond)});
    if (each_second) {
      each_second();
    }
  }
}

void Servers::stop(const std::function<void()>& each_second) {
  features_.drain();
  if (grpc_ != nullptr) {
    grpc_->tell_health();
  }
  if (watch_ != nullptr) {
    wait_calling(invocation_.world.clock, drain_, each_second);
  }
  watch_.reset();
  const auto stop = [](const auto& part) {
    return [&part] {
      if (part != nullptr) {
        part->stop();
      }
    };
  };
  serve::all_at_once(
      {stop(http_), stop(slow_calls_), stop(slow_pushes_), stop(large_calls_), stop(grpc_)});
}

Status write_addresses(Invocation& invocation, const std::string& http, const std::string& grpc) {
  const std::string& file = invocation.arguments.get("address-file");
  return file.empty() ? Status()
                      : write_whole_file(file, http + "\n" + (grpc.empty() ? "" : grpc + "\n"));
}

StopWait::StopWait() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

bool StopWait::second() {
  const timespec second{1, 0};
  const bool came = sigtimedwait(&signals_, nullptr, &second) >= 0;
  if (came) {
    pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
  }
  return came;
}

serve::RequestRows request_row(const data::Batch& inputs) {
  serve::RequestRows rows;
  rows.rows = 1;
  for (int c = 0; c < inputs.column_count(); ++c) {
    rows.columns.push_back({inputs.schema().field(c).name, {inputs.column(c).scalar(0)}});
  }
  return rows;
}

}  // namespace assay::cli
