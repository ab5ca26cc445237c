// What a question costs over HTTP, in the shape that Feast's servers were measured with: 100,000
// users (or the count given), five views of ten features, in the embedded store.
//
//   small    one user, one view                 1 x 10
//   one      one user, all views                1 x 50; by feature service, and by 50 names
//   hundred  a hundred users, all views         100 x 50
//   predict  one user, 50 features, 200 trees
//
// Each closed loop (8 connections) and open loop at half of that: latencies then count from when a
// question should have been sent. Server and client are one thread each, on a core of their own.
// Peers of the same run answer with the same bytes: a handler that looks nothing up in the same
// HTTP server, a bare epoll loop, and a Redis that is asked for the same values by HMGET. Every
// answer is compared with one that was read by hand before. CPU is of the server's process, the
// system's part included, and so is what a million requests cost; allocations are counted apart.
// What the machine itself does to a thread is measured before each kind of question: no latency of
// an open loop can be less.
//
//   serve_http_bench [ENTITIES [SECONDS [STORE [DOLLARS]]]]
//
// STORE: hashlog (as it is), lmdb, redis (over a unix socket). DOLLARS: the price of an hour of one
// processor; 0.038, which is half of what a c6a.large costs in us-east-1 (0.0765 for two).

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>

#include "echo_server.h"
#include "load_client.h"
#include "machine_stops.h"
#include "online/redis_under_test.h"
#include "serve/feature_server.h"
#include "serve/http_client.h"
#include "served_line.h"
#include "served_process.h"
#include "served_shape.h"

// Not inlined: the compiler would see memory of malloc given to delete, or of new to free.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (assay::bench::Allocations::counting.load(std::memory_order_relaxed)) {
    assay::bench::Allocations::count.fetch_add(1, std::memory_order_relaxed);
    assay::bench::Allocations::bytes.fetch_add(static_cast<int64_t>(size),
                                               std::memory_order_relaxed);
  }
  void* const memory = std::malloc(size);
  ASSAY_CHECK(memory != nullptr);
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}

namespace {

using namespace assay::bench;  // NOLINT(google-build-using-namespace): of this program alone
using assay::serve::Response;

constexpr int kConnections = 8;
constexpr int kRepeats = 3;
constexpr int kBatch = 100;
double dollars_per_core_hour = 0.038;

/// The HTTP server with a handler, which is timed.
class HttpServed : public Served {
 public:
  explicit HttpServed(assay::serve::Handler handler) {
    assay::serve::HttpOptions options;
    options.port = 0;
    options.threads = 1;
    server_ = start_http_server(
                  system_.world(),
                  [this, handler = std::move(handler)](const assay::serve::Request& request) {
                    const double begin = now_micros();
                    std::optional<Response> response = handler(request);
                    micros_ = micros_ + now_micros() - begin;
                    return response;
                  },
                  options)
                  .value();
  }
  [[nodiscard]] uint16_t port() const override { return server_->port(); }
  void add_to(Usage* usage) const override { usage->handler_micros += micros_; }

 protected:
  assay::SystemWorld system_;

 private:
  std::atomic<double> micros_ = 0;  // only one thread serves
  std::unique_ptr<assay::serve::HttpServer> server_;
};

std::unique_ptr<Served> serve_features(const Line& line) {
  auto kept = std::make_shared<FeaturesOf>(line);
  return std::make_unique<HttpServed>(
      [kept](const assay::serve::Request& request) { return kept->features.handle(request); });
}

/// One kind of question.
struct Shape {
  std::string name;
  std::string path = "/get-online-features";
  std::string asks;  // what is in the body beside the entities
  int users = 1;
  int features = kFeatures;
  std::vector<Question> questions{};
};

std::vector<int64_t> users_of(const Line& line, const Shape& shape, int64_t question) {
  std::vector<int64_t> users;
  for (int64_t i = 0; i < shape.users; ++i) {
    users.push_back((question * 7919 + i * 611'953) % line.entities);
  }
  return users;
}

bool holds_score(const Line& line, std::string_view body, int64_t user) {
  std::vector<float> inputs;
  for (int f = 0; f < kFeatures; ++f) {
    inputs.push_back(static_cast<float>(feature_value(user, f)));
  }
  constexpr std::string_view kScore = "\"score\":";
  const std::size_t at = body.find(kScore);
  return at != std::string_view::npos &&
         std::strtof(body.data() + at + kScore.size(), nullptr) == line.scorer->score(inputs);
}

/// Ask each question once, read its answer by hand, and keep it.
void fill_questions(const Line& line, uint16_t port, Shape* shape) {
  assay::serve::HttpClient client(port);
  const int64_t count = shape->users == 1 ? 2000 : 40;
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<int64_t> users = users_of(line, *shape, i);
    std::string body = "{\"entities\":{\"user_id\":[";
    for (const int64_t user : users) {
      body += (body.back() == '[' ? "" : ",") + std::to_string(user);
    }
    body += "]}," + shape->asks + "}";
    const std::string bytes = assay::serve::HttpClient::request("POST", shape->path, body);
    ASSAY_CHECK(client.send(bytes));
    const auto answer = client.receive();
    ASSAY_CHECK(answer.has_value() && answer->status == 200);
    ASSAY_CHECK(shape->path == "/predict" ? holds_score(line, answer->body, users[0])
                                          : holds_features(answer->body, users, shape->features));
    shape->questions.push_back({bytes, answer->body});
  }
}

struct Measured {
  LoadResult closed;
  LoadResult open;
  double cpu_micros = 0;  // a request
  double handler_micros = 0;
  double allocations = 0;
  double bytes = 0;
};

Measured measure(ServedProcess* server, const std::vector<Question>& questions, double seconds) {
  LoadClient client(
      [port = server->port()] { return connect_tcp(port); }, kConnections, http_size, questions);
  client.closed(seconds / 10);  // warm
  Measured measured;
  const Usage before = server->usage();
  measured.closed = client.closed(seconds);
  const Usage after = server->usage();
  const auto count = static_cast<double>(measured.closed.count);
  measured.cpu_micros = (after.cpu_micros - before.cpu_micros) / count;
  measured.handler_micros = (after.handler_micros - before.handler_micros) / count;
  measured.open = client.open(measured.closed.per_second / 2, seconds);
  const Usage begin = server->usage(true);
  const LoadResult counted = client.closed(seconds / 10);
  const Usage end = server->usage();
  measured.allocations =
      static_cast<double>(end.allocations - begin.allocations) / static_cast<double>(counted.count);
  measured.bytes =
      static_cast<double>(end.bytes - begin.bytes) / static_cast<double>(counted.count);
  return measured;
}

void print(const char* who, const Measured& measured) {
  std::printf(
      "  %-12s %8.0f req/s, p50 %.0f p99 %.0f us | at half of it p50 %.0f p99 %.0f p99.9 %.0f us | "
      "CPU %.1f us, handler %.1f us, %.5f USD a million | %.0f allocations, %.0f bytes\n",
      who,
      measured.closed.per_second,
      measured.closed.p50,
      measured.closed.p99,
      measured.open.p50,
      measured.open.p99,
      measured.open.p999,
      measured.cpu_micros,
      measured.handler_micros,
      measured.cpu_micros * dollars_per_core_hour / 3600,
      measured.allocations,
      measured.bytes);
  std::fflush(stdout);
}

/// Peers answer the questions of one shape with one answer of it.
std::vector<Question> with_one_answer(const std::vector<Question>& questions) {
  std::vector<Question> same = questions;
  for (Question& question : same) {
    question.answer = questions.front().answer;
  }
  return same;
}

struct Ratios {
  std::vector<double> values;
  void print(const char* what) {
    std::sort(values.begin(), values.end());
    std::printf("  %s %.2f (spread %.2f to %.2f)\n",
                what,
                values[values.size() / 2],
                values.front(),
                values.back());
  }
};

void run(const Shape& shape, ServedProcess* ours, double seconds) {
  const std::string answer = shape.questions.front().answer;
  ServedProcess same([&] {
    return std::make_unique<HttpServed>([&](const assay::serve::Request&) {
      return Response{200, "application/json", answer, {}};
    });
  });
  const std::string head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: " +
                           std::to_string(answer.size()) + "\r\n\r\n";
  ServedProcess bare([&] { return std::make_unique<EchoServer>(head + answer); });
  const std::vector<Question> fixed = with_one_answer(shape.questions);
  std::printf("%s: %zu bytes asked, %zu answered\n",
              shape.name.c_str(),
              shape.questions.front().bytes.size(),
              answer.size());
  Ratios of_same, of_bare, cpu_of_same;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const Measured a = measure(ours, shape.questions, seconds);
    const Measured b = measure(&same, fixed, seconds);
    const Measured c = measure(&bare, fixed, seconds);
    print("assay", a);
    print("same, bare", b);
    print("epoll loop", c);
    of_same.values.push_back(a.closed.per_second / b.closed.per_second);
    of_bare.values.push_back(a.closed.per_second / c.closed.per_second);
    cpu_of_same.values.push_back(b.cpu_micros / a.cpu_micros);
  }
  of_same.print("share of the same server's requests/s that looks nothing up");
  cpu_of_same.print("the same by CPU");
  of_bare.print("share of a bare epoll loop's");
}

/// The same values in Redis: a hash for each user and view, with ten values and a time as Feast
/// writes them, of 9 and 12 bytes.
class Redis {
 public:
  explicit Redis(int64_t entities) : path_(server_.url().substr(std::strlen("redis+unix://"))) {
    constexpr int64_t kUsersPerQuestion = 20;
    std::vector<Question> load;
    for (int64_t begin = 0; begin < entities; begin += kUsersPerQuestion) {
      Question question;
      for (int64_t user = begin; user < std::min(entities, begin + kUsersPerQuestion); ++user) {
        for (int view = 0; view < kViews; ++view) {
          append(user, view, true, &question);
        }
      }
      load.push_back(std::move(question));
    }
    LoadClient client(connect(), 1, known_size, load);
    client.once();
  }
  LoadResult ask(const Line& line, const Shape& shape, double seconds) {
    std::vector<Question> questions(shape.questions.size());
    for (std::size_t i = 0; i < questions.size(); ++i) {
      for (const int64_t user : users_of(line, shape, static_cast<int64_t>(i))) {
        for (int view = 0; view < shape.features / kViewFeatures; ++view) {
          append(user, view, false, &questions[i]);
        }
      }
    }
    LoadClient client(connect(), kConnections, known_size, questions);
    client.closed(seconds / 10);
    return client.closed(seconds);
  }

 private:
  std::function<int()> connect() {
    return [this] { return connect_unix(path_); };
  }
  static void append_text(std::string_view text, std::string* out) {
    out->append("$").append(std::to_string(text.size())).append("\r\n");
    out->append(text).append("\r\n");
  }
  static void append(int64_t user, int view, bool write, Question* question) {
    std::string& bytes = question->bytes;
    bytes += write ? "*24\r\n" : "*13\r\n";
    append_text(write ? "HSET" : "HMGET", &bytes);
    append_text("view" + std::to_string(view) + ":" + std::to_string(user), &bytes);
    question->answer += write ? ":11\r\n" : "*11\r\n";
    for (int f = 0; f <= kViewFeatures; ++f) {
      std::string value(f < kViewFeatures ? 9 : 12, 'x');
      const double number = feature_value(user, view * kViewFeatures + f % kViewFeatures);
      std::memcpy(value.data() + 1, &number, sizeof(number));
      append_text("f" + std::to_string(f), &bytes);
      append_text(value, write ? &bytes : &question->answer);
    }
  }

  assay::online::RedisUnderTest server_;
  const std::string path_;
};

std::vector<Shape> shapes() {
  std::string names = "\"features\":[";
  for (int f = 0; f < kFeatures; ++f) {
    names += (f == 0 ? "\"view" : ",\"view") + std::to_string(f / kViewFeatures) + ":" +
             feature_name(f) + "\"";
  }
  return {{"small, 1 x 10", "/get-online-features", R"("feature_service":"one")", 1, kViewFeatures},
          {"1 x 50", "/get-online-features", R"("feature_service":"all")", 1},
          {"1 x 50 by names", "/get-online-features", names + "]", 1},
          {"100 x 50", "/get-online-features", R"("feature_service":"all")", kBatch},
          {"1 x 50 and 200 trees", "/predict", R"("model":"buy")", 1}};
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t entities = argc > 1 ? std::atoll(argv[1]) : 100'000;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 3;
  ASSAY_CHECK(entities > 0 && seconds > 0);
  pin_to(1);
  const std::string store = argc > 3 ? argv[3] : "hashlog";
  dollars_per_core_hour = argc > 4 ? std::atof(argv[4]) : dollars_per_core_hour;
  const auto rows = store == "redis" ? std::make_unique<assay::online::RedisUnderTest>() : nullptr;
  const Line line(entities, rows == nullptr ? store : rows->url());
  ServedProcess ours([&] { return serve_features(line); });
  std::vector<Shape> all = shapes();
  for (Shape& shape : all) {
    print_machine_stops("client", 1, "server", 0);
    fill_questions(line, ours.port(), &shape);
    run(shape, &ours, seconds);
  }
  std::printf(
      "as published, another day of this machine's kind: Feast's Python server with Redis 165-378 "
      "req/s of 1 x 50 and 20 of 100 x 50, 5.3 and 45-52 ms of CPU each; its Go server 2477-3960 "
      "and 117-185, 0.34-0.40 and 7.2-7.9 ms\n");
  Redis redis(entities);
  for (const Shape& shape : all) {
    if (shape.path == "/get-online-features") {
      const LoadResult raw = redis.ask(line, shape, seconds);
      std::printf("Redis, HMGET of the same values over a unix socket, %s: %.0f/s, p50 %.0f us\n",
                  shape.name.c_str(),
                  raw.per_second,
                  raw.p50);
    }
  }
  return 0;
}
