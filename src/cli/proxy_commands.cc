#include <algorithm>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/wakeup.h"
#include "cli/commands.h"
#include "cli/serving.h"
#include "serve/http_server.h"
#include "serve/proxy.h"
#include "serve/relaying.h"
#include "serve/repeated_call.h"

namespace assay::cli {
namespace {

constexpr Duration kEndMax{3 * kMicrosPerSecond};  // requests under way when it stops

/// The servers that --server names, each once.
Result<std::vector<serve::ServerAddress>> server_addresses(const Arguments& arguments) {
  std::vector<serve::ServerAddress> servers;
  for (std::string text : arguments.all("server")) {
    constexpr std::string_view kScheme = "http://";
    if (text.starts_with(kScheme)) {
      text.erase(0, kScheme.size());
    }
    while (text.ends_with('/')) {
      text.pop_back();
    }
    ASSAY_ASSIGN_OR_RETURN(const serve::HttpOptions address, parse_address(text, "--server"));
    const bool is_twice =
        std::any_of(servers.begin(), servers.end(), [&](const serve::ServerAddress& other) {
          return other.host == address.host && other.port == address.port;
        });
    if (is_twice || address.port == 0) {
      return Status(Code::kInvalidArgument,
                    "--server " + text + (is_twice ? " stands there twice" : " names no port"));
    }
    servers.push_back({address.host, address.port});
  }
  return servers;
}

Status run_proxy(Invocation& invocation) {
  StopWait stop;
  const Arguments& arguments = invocation.arguments;
  serve::ProxyOptions options;
  ASSAY_ASSIGN_OR_RETURN(options.servers, server_addresses(arguments));
  ASSAY_ASSIGN_OR_RETURN(options.answer_max,
                         arguments.duration("timeout", "500ms or 5s", Duration{1}));
  ASSAY_ASSIGN_OR_RETURN(const int64_t threads, arguments.integer("threads", 0));
  options.threads = static_cast<int>(threads);
  ASSAY_ASSIGN_OR_RETURN(serve::HttpOptions http, parse_address(arguments.get("http"), "--http"));
  http.threads = options.threads;
  ASSAY_ASSIGN_OR_RETURN(http.turn_max, busy_after(arguments));
  ASSAY_ASSIGN_OR_RETURN(http.connections_max, connections_max(arguments));
  ASSAY_ASSIGN_OR_RETURN(const Duration drain, drain_time(arguments));
  raise_file_limit();  // each connection is one
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<serve::TlsFiles> tls, tls_files(invocation));
  http.tls = tls == nullptr ? serve::TlsSource() : tls->source();
  const std::size_t count = options.servers.size();
  std::unique_ptr<serve::Proxy> proxy = serve::Proxy::start(invocation.world, std::move(options));
  http.is_urgent = serve::Proxy::is_own;
  http.is_slow = [](const serve::Request& request) { return !serve::Proxy::is_own(request); };
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<serve::HttpServer> server,
                         serve::start_relaying_server(
                             invocation.world,
                             [&](serve::Request request, serve::Answered done) {
                               return proxy->relay(std::move(request), std::move(done));
                             },
                             [&](const serve::Request& request) { return proxy->handle(request); },
                             http));
  const std::string address = http.host + ":" + std::to_string(server->port());
  ASSAY_RETURN_IF_ERROR(write_addresses(invocation, address, ""));
  invocation.output.say("relaying " + std::string(tls == nullptr ? "http://" : "https://") +
                        address + " to " + std::to_string(count) +
                        " servers (stop with Ctrl-C or SIGTERM)");
  const auto look = [&] {
    if (tls != nullptr) {
      tls->look_again();
    }
  };
  while (!stop.second()) {
    look();
  }
  invocation.output.say("stopping: requests under way are finished (again to end at once)");
  proxy->drain();
  {
    const serve::RepeatedCall looks(Duration{kMicrosPerSecond}, look);
    Wakeup().wait(drain);
  }
  proxy->end_within(kEndMax);
  server->stop();
  proxy.reset();  // before the server, whose threads it may still be telling answers
  return {};
}

}  // namespace

std::vector<Command> proxy_commands() {
  std::vector<Command> commands{
      {{"proxy"},
       "one address in front of servers that each have a share of the entities",
       "Which shares there are is what the servers say; each has a project with `share:` "
       "(docs/serving.md).\n"
       "A request for entities of several shares is asked of their servers at the same time, and "
       "answered as one.",
       {},
       {{"http",
         "HOST:PORT",
         "where to listen; port 0 takes a free one",
         "127.0.0.1:6566",
         false,
         false},
        {"server",
         "HOST:PORT",
         "where one of the servers listens; two of one share are asked in turn",
         "",
         true,
         true},
        {"timeout",
         "DURATION",
         "how long a server may take for an answer; 60s for pushes, materializations and "
         "questions with `at`",
         "5s",
         false,
         false},
        {"threads", "N", "threads that answer; 0 is one per core", "0", false, false}},
       run_proxy},
  };
  for (Flag& flag : tls_flags()) {
    commands.back().flags.push_back(std::move(flag));
  }
  for (Flag& flag : limit_flags()) {
    commands.back().flags.push_back(std::move(flag));
  }
  return commands;
}

}  // namespace assay::cli
