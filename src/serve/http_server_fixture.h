#pragma once

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "base/world.h"
#include "serve/http_client.h"
#include "serve/http_server.h"

namespace assay::serve {

/// Answers with what it got.
inline Response echo(const Request& request) {
  Response response;
  response.content_type = "text/plain";
  response.body = request.method + " " + request.target + " " + request.body;
  return response;
}

/// Answers with as many bytes as its path says.
inline Response many(const Request& request) {
  Response response;
  response.content_type = "text/plain";
  response.body.assign(std::stoul(request.target.substr(1)), 'x');
  return response;
}

class HttpServerTest : public testing::Test {
 protected:
  HttpClient& start(Handler handler = echo, HttpOptions options = {}) {
    options.port = 0;
    options.threads = options.threads == 0 ? 2 : options.threads;
    Result<std::unique_ptr<HttpServer>> started =
        start_http_server(world_, std::move(handler), options);
    EXPECT_TRUE(started.ok()) << started.status().to_string();
    server_ = std::move(started).value();
    client_ = std::make_unique<HttpClient>(server_->port());
    return *client_;
  }

  FakeClock clock_{EventTime{784111777 * kMicrosPerSecond}};
  std::unique_ptr<FileSystem> files_ = system_files();
  std::unique_ptr<Random> random_ = seeded_random(1);
  std::unique_ptr<Log> log_ = null_log();
  Metrics metrics_;
  World world_{clock_, *files_, *random_, *log_, metrics_};
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<HttpClient> client_;
};

}  // namespace assay::serve
