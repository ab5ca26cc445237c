#pragma once

#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/fetched_keys.h"
#include "flow/workspace.h"
#include "serve/feature_server.h"
#include "serve/get.h"
#include "serve/grpc_server.h"
#include "serve/http_server.h"
#include "serve/repeated_call.h"
#include "serve/slow_work.h"
#include "serve/tls_files.h"

namespace assay::cli {

/// "127.0.0.1:6566" or "6566", as the flag takes it.
///
/// Errors  kInvalidArgument.
Result<serve::HttpOptions> parse_address(const std::string& text, const std::string& flag);

/// What --busy-after and --connections say.
Result<Duration> busy_after(const Arguments& arguments);
Result<int> connections_max(const Arguments& arguments);

/// Who is let in, as the file that --access names says it by now; everybody without one.
///
/// Threads one thread at a time.
class AccessFile {
 public:
  AccessFile(Invocation& invocation, serve::Gate& gate)
      : world_(invocation.world),
        gate_(gate),
        wanted_(invocation.arguments.has("access")),
        sees_certificates_(!invocation.arguments.get("tls-client-ca").empty()),
        file_(invocation.arguments.get("access")),
        keys_(invocation.world) {}

  /// Read the file and let the gate go by it.
  ///
  /// Errors  those of files, of FetchedKeys and of Access::parse, and callers with certificates
  /// when nobody asks for
  ///         these; the gate goes on by the file as it was, whose keys are fetched and grow old.
  Status look();
  /// The same later on: what is wrong is logged once.
  void look_again();

 private:
  Status take(const std::string& text);
  std::shared_ptr<const serve::Access> by_age(std::shared_ptr<const serve::Access> access,
                                              const std::string& address);

  World& world_;
  serve::Gate& gate_;
  bool wanted_;
  bool sees_certificates_;
  std::string file_;
  FetchedKeys keys_;
  std::shared_ptr<const serve::Access> current_;  // that the gate goes by
  std::string good_;                              // the file when it was last taken
  std::string known_;                             // what the gate goes by
  bool is_too_old_ = false;                       // the keys of tokens in it
  std::string failure_;
};

/// The servers of a process: HTTP, and gRPC beside it when the user wants one; inside of TLS, and
/// for callers, as flags say. Files of both are read anew each second.
class Servers {
 public:
  /// `features` and the `line` that it asks must outlive this object.
  Servers(Invocation& invocation, serve::FeatureServer& features, serve::LineControl& line)
      : invocation_(invocation),
        features_(features),
        line_(line),
        access_(invocation, features.gate()) {}
  ~Servers() { stop(); }
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;

  /// The flags that start() goes by, without --http.
  static std::vector<Flag> flags();
  /// Listen, and write the addresses to the file that --address-file names. `threads` answer HTTP;
  /// 0: one per core.
  Status start(int threads = 0);
  /// "http://127.0.0.1:6566 and by gRPC on 127.0.0.1:6567"
  [[nodiscard]] const std::string& where() const { return where_; }
  /// Say of all that it is not ready, answer as before for as long as --drain-for says, calling
  /// `each_second` meanwhile, then close all listeners at once and finish what is under way.
  void stop(const std::function<void()>& each_second = {});

 private:
  Result<std::string> start_grpc(const serve::TlsSource& tls, int threads);

  Invocation& invocation_;
  serve::FeatureServer& features_;
  serve::LineControl& line_;
  AccessFile access_;
  std::unique_ptr<serve::TlsFiles> tls_;
  std::unique_ptr<serve::HttpServer> http_;
  std::unique_ptr<serve::SlowWork> slow_calls_;
  std::unique_ptr<serve::SlowWork> slow_pushes_;  // by gRPC
  std::unique_ptr<serve::SlowWork> large_calls_;
  std::unique_ptr<serve::GrpcServer> grpc_;
  std::string where_;
  Duration drain_{0};
  std::unique_ptr<serve::RepeatedCall> watch_;  // while all are up
};

/// --drain-for, --busy-after, --connections and --address-file.
std::vector<Flag> limit_flags();
/// Flags of TLS, and the files that they name, read; nullptr without them.
std::vector<Flag> tls_flags();
Result<std::unique_ptr<serve::TlsFiles>> tls_files(Invocation& invocation);
Flag access_flag();
/// The addresses, a line each, into the file that --address-file names.
Status write_addresses(Invocation& invocation, const std::string& http, const std::string& grpc);

/// Wait, and call this each second.
void wait_calling(Clock& clock, Duration wait, const std::function<void()>& each_second);

/// How long the servers answer on once they say that they are stopping: what --drain-for says.
Flag drain_flag();
Result<Duration> drain_time(const Arguments& arguments);

/// Waits for SIGINT or SIGTERM. Made before any thread starts, so that only it takes them.
class StopWait {
 public:
  StopWait();
  /// Wait a second; true when a signal came. The next one ends the process at once.
  bool second();

 private:
  sigset_t signals_{};
};

/// One request row from a batch of one row.
serve::RequestRows request_row(const data::Batch& inputs);

}  // namespace assay::cli
