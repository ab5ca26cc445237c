#include "serve/proxy.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "base/json_writer.h"
#include "serve/answer_tag.h"
#include "serve/endpoints.h"
#include "serve/error_response.h"
#include "serve/feature_response.h"
#include "serve/feature_server.h"
#include "serve/held_bytes.h"
#include "serve/proxy_routes.h"
#include "serve/question_parts.h"
#include "serve/repeated_call.h"
#include "serve/slow_requests.h"

namespace assay::serve {
namespace {

constexpr std::array<std::string_view, 8> kOfConnections = {"connection",
                                                            "keep-alive",
                                                            "proxy-connection",
                                                            "te",
                                                            "trailer",
                                                            "transfer-encoding",
                                                            "upgrade",
                                                            "content-length"};

bool is_of_connection(std::string_view header) {
  return std::find(kOfConnections.begin(), kOfConnections.end(), header) != kOfConnections.end();
}

Endpoint endpoint_asked(const Request& request) {
  const std::string_view target = request.target;
  return endpoint_of(target.substr(0, target.find('?')));
}

Response unavailable(const std::string& why) {
  Response response = failure_response(Status(Code::kUnavailable, why));
  response.headers.emplace_back("retry-after", "1");
  return response;
}

/// A request as it goes to a server. `is_part`: only some of its rows do, so that its answer is no
/// whole one that a client may have already.
std::string wire_bytes(const Request& request,
                       const std::string& host,
                       std::string_view body,
                       bool is_part) {
  std::string bytes = request.method + " " + request.target + " HTTP/1.1\r\nhost: " + host + "\r\n";
  for (const auto& [name, value] : request.headers) {
    if (!is_of_connection(name) && name != "host" && name != "expect" &&
        !(is_part && name == "if-none-match")) {
      bytes.append(name).append(": ").append(value).append("\r\n");
    }
  }
  if (!body.empty() || request.method == "POST") {
    bytes.append("content-length: ").append(std::to_string(body.size())).append("\r\n");
  }
  return bytes.append("\r\n").append(body);
}

/// An answer without what was said of the connection that it came over.
Response without_hops(Response answer) {
  std::erase_if(answer.headers, [](const auto& header) {
    return is_of_connection(header.first) || header.first == "date" || header.first == "server";
  });
  return answer;
}

/// The earliest instant that a header of the answers says; nothing when one does not say it.
std::optional<EventTime> earliest(std::span<const Response> answers, std::string_view header) {
  std::optional<EventTime> least;
  for (const Response& answer : answers) {
    const auto found = std::find_if(answer.headers.begin(),
                                    answer.headers.end(),
                                    [&](const auto& one) { return one.first == header; });
    EventTime time;
    if (found == answer.headers.end() || !try_parse_time(found->second, &time)) {
      return std::nullopt;
    }
    least = std::min(least.value_or(time), time);
  }
  return least;
}

constexpr char kMayBeDone[] = "; what was asked may have been done";
/// Of a request's body: as it came, in parts, and as it is sent.
constexpr std::size_t kBodyCopies = 3;
/// Of its answers: requests are many times as many as connections to servers.
constexpr std::size_t kUncountedOfRequest = 4 << 10;

class Relayed;

class RunningProxy final : public Proxy {
 public:
  RunningProxy(World& world, ProxyOptions options);
  ~RunningProxy() override {
    look_.reset();
    askers_.clear();
  }

  Response handle(const Request& request) override;
  std::optional<Response> relay(Request request, Answered done) override;
  void drain() override { is_draining_ = true; }
  void end_within(Duration time) override {
    for (const std::unique_ptr<HttpAsker>& asker : askers_) {
      asker->end_within(time);
    }
  }
  /// Ask every server whether it is ready, and wait for all of them.
  void look_at_all();

 private:
  friend class Relayed;

  static std::vector<std::string> names_of(const std::vector<ServerAddress>& servers) {
    std::vector<std::string> names;
    for (const ServerAddress& server : servers) {
      names.push_back(server.host + ":" + std::to_string(server.port));
    }
    return names;
  }
  void look(const std::function<void()>& done);

  World& world_;
  const ProxyOptions options_;
  ProxyServers servers_;
  Histogram& latency_;
  Counter& split_;
  Counter& refused_;
  Counter& without_room_;
  std::atomic<bool> is_draining_{false};
  std::atomic<int> requests_{0};
  std::atomic<std::size_t> bytes_{0};
  std::atomic<std::size_t> next_{0};
  ByteBudget answer_bytes_;
  std::vector<std::atomic<bool>> is_looked_at_;
  std::vector<std::unique_ptr<HttpAsker>> askers_;
  std::unique_ptr<RepeatedCall> look_;
};

/// A request on its way to servers; all of its answers come on one thread.
class Relayed : public std::enable_shared_from_this<Relayed> {
 public:
  Relayed(RunningProxy& proxy, HttpAsker& asker, std::size_t turn, Request request, Answered done)
      : proxy_(proxy),
        asker_(asker),
        turn_(turn),
        request_(std::move(request)),
        done_(std::move(done)),
        routes_(proxy.servers_.routes()),
        held_(proxy.answer_bytes_, kUncountedOfRequest),
        began_(proxy.world_.clock.monotonic()) {
    ++proxy_.requests_;
    proxy_.bytes_ += kBodyCopies * request_.body.size();
  }
  ~Relayed() {
    --proxy_.requests_;
    proxy_.bytes_ -= kBodyCopies * request_.body.size();
  }
  Relayed(const Relayed&) = delete;
  Relayed& operator=(const Relayed&) = delete;

  void begin() {
    if (routes_->servers.empty()) {
      finish(unavailable("none of the servers behind this proxy can be asked; /ready says why"));
      return;
    }
    const Endpoint endpoint = request_.method == "POST" ? endpoint_asked(request_) : kOther;
    switch (endpoint) {
      case kGetOnlineFeatures:
      case kPredict:
        parts_ = split_question(request_.body, *routes_->shares);
        parts_.empty() ? ask_any(true) : ask_parts();
        break;
      case kMaterialize:
      case kMaterializeIncremental:
        ask_all();
        break;
      case kPush:
      case kWriteToOnlineStore:
        turn_ = 0;  // the order is always the same
        push(0);
        break;
      default:
        ask_any(request_.method == "GET");
        break;
    }
  }

 private:
  /// Ask the servers of `among` one after the other, until one answers.
  void ask(std::span<const std::size_t> among,
           std::size_t tried,
           std::string_view body,
           bool is_part,
           bool may_repeat,
           std::function<void(Response)> take) {
    const std::size_t server = among[(turn_ + tried) % among.size()];
    WireQuestion question;
    question.bytes = wire_bytes(request_, proxy_.servers_.name(server), body, is_part);
    question.is_head = request_.method == "HEAD";
    question.may_repeat = may_repeat;
    const bool is_slow = FeatureServer::is_slow(request_);
    question.lane = is_slow ? AskLane::kSlow : AskLane::kOrdinary;
    question.answer_max = is_slow ? proxy_.options_.slow_answer_max : proxy_.options_.answer_max;
    asker_.ask(server,
               std::move(question),
               [self = shared_from_this(),
                among,
                tried,
                body,
                is_part,
                may_repeat,
                is_slow,
                server,
                take = std::move(take)](Result<Response> answer) mutable {
                 self->count(server, answer.code());
                 self->came_of_it_ = answer.code();
                 const bool is_without_room = answer.ok() ? !self->has_room(answer->body.size())
                                                          : answer.code() == Code::kOutOfRange;
                 if (is_without_room) {
                   take(self->no_room(may_repeat));
                   return;
                 }
                 if (answer.ok()) {
                   take(*std::move(answer));
                   return;
                 }
                 const bool is_late = answer.code() == Code::kDeadlineExceeded && is_slow;
                 if (!is_late && answer.code() != Code::kResourceExhausted) {
                   self->proxy_.servers_.is_away(server, answer.status().message());
                 }
                 const bool is_unsent = answer.code() == Code::kUnavailable ||
                                        answer.code() == Code::kResourceExhausted;
                 if ((may_repeat || answer.code() == Code::kUnavailable) && !is_late &&
                     tried + 1 < among.size()) {
                   self->ask(among, tried + 1, body, is_part, may_repeat, std::move(take));
                 } else {
                   const bool is_unknown = !may_repeat && !is_unsent;
                   take(unavailable(answer.status().message() + (is_unknown ? kMayBeDone : "")));
                 }
               });
  }
  /// For so many bytes more of answers, until this one is answered.
  bool has_room(std::size_t bytes) {
    kept_ += bytes;
    return held_.hold(kept_);
  }
  Response no_room(bool may_repeat) {
    proxy_.without_room_.add();
    return unavailable(
        std::string("there is no room for the servers' answers among others; ask again, or for "
                    "less") +
        (may_repeat ? "" : kMayBeDone));
  }
  void ask_any(bool may_repeat) {
    ask(routes_->servers, 0, request_.body, false, may_repeat, [this](Response answer) {
      finish(without_hops(std::move(answer)));
    });
  }
  /// To the first server that takes pushes and can be reached.
  void push(std::size_t server) {
    ask(std::span(routes_->servers).subspan(server, 1),
        0,
        request_.body,
        false,
        false,
        [this, server](Response answer) {
          const bool is_next = answer.status == 501 || came_of_it_ == Code::kUnavailable;
          if (is_next && server + 1 < routes_->servers.size()) {
            push(server + 1);
          } else {
            finish(without_hops(std::move(answer)));
          }
        });
  }
  /// Every server the same, also those of one share: each may have a store of its own.
  void ask_all() {
    const std::string why = proxy_.servers_.why_not_all();
    if (!why.empty() || routes_->servers.size() != proxy_.options_.servers.size()) {
      finish(unavailable(why.empty() ? "a server has just come back; ask again" : why));
      return;
    }
    answers_.resize(routes_->servers.size());
    missing_ = answers_.size();
    for (std::size_t i = 0; i < routes_->servers.size(); ++i) {
      ask(std::span(routes_->servers).subspan(i, 1),
          0,
          request_.body,
          false,
          true,
          [this, i](Response answer) {
            answers_[i] = std::move(answer);
            if (--missing_ == 0) {
              finish(without_hops(std::move(answers_[worst_answer()])));
            }
          });
    }
  }
  /// All parts at once.
  void ask_parts() {
    for (const QuestionPart& part : parts_) {
      if (routes_->of_shares[part.share].empty()) {
        finish(unavailable(proxy_.servers_.why_none(routes_->shares->list.names[part.share])));
        return;
      }
    }
    const bool is_whole = parts_.size() == 1;
    if (!is_whole) {
      proxy_.split_.add();
    }
    answers_.resize(parts_.size());
    missing_ = parts_.size();
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      ask(routes_->of_shares[parts_[i].share],
          0,
          is_whole ? request_.body : parts_[i].body,
          !is_whole,
          true,
          [this, i](Response answer) {
            answers_[i] = std::move(answer);
            if (--missing_ == 0) {
              take_answers();
            }
          });
    }
  }
  /// What is wrong with the question goes before what is wrong with a server.
  [[nodiscard]] std::size_t worst_answer() const {
    const auto worse = [](const Response& a, const Response& b) {
      const auto rank = [](int status) { return status < 300 ? 2 : status < 500 ? 0 : 1; };
      return rank(a.status) < rank(b.status);
    };
    return static_cast<std::size_t>(std::min_element(answers_.begin(), answers_.end(), worse) -
                                    answers_.begin());
  }
  void take_answers() {
    const std::size_t worst = worst_answer();
    const int status = answers_[worst].status;
    const bool is_fine = status < 300;
    if (parts_.size() == 1 || (!is_fine && status != 422)) {
      finish(without_hops(std::move(answers_[worst])));
    } else if (!is_fine) {
      ask_whole(worst);
    } else {
      finish(merged());
    }
  }
  /// What is wrong with the rows of a part is said of the question's: its numbers of rows are
  /// others. A server looks at all of them before it reads any.
  void ask_whole(std::size_t part) {
    ask(routes_->of_shares[parts_[part].share],
        0,
        request_.body,
        true,
        true,
        [this, part](Response answer) {
          const bool is_wrong = answer.status >= 400 && answer.status < 500;
          finish(without_hops(std::move(is_wrong ? answer : answers_[part])));
        });
  }
  Response merged() {
    std::vector<std::string_view> bodies;
    for (const Response& answer : answers_) {
      bodies.push_back(answer.body);
    }
    if (!has_room(kept_)) {  // once more, put together
      return no_room(true);
    }
    Result<std::string> body = merge_answers(parts_, bodies);
    const std::optional<EventTime> as_of = earliest(answers_, "x-assay-as-of");
    if (!body.ok()) {
      return unavailable(body.status().message());
    }
    Response response = answered(
        *std::move(body), as_of.value_or(EventTime{}), earliest(answers_, "x-assay-known-until"));
    if (!as_of.has_value()) {
      response.marks = {};
    }
    add_tag(request_, &response);
    return response;
  }
  void count(std::size_t server, Code code) {
    proxy_.world_.metrics
        .counter("assay_serve_proxy_asked_total",
                 "Requests to servers behind the proxy, by what came of them.",
                 {{"server", proxy_.servers_.name(server)},
                  {"result", code == Code::kOk ? "answered" : std::string(code_name(code))}})
        .add();
  }
  void finish(Response response) {
    proxy_.world_.metrics
        .counter("assay_serve_proxy_requests_total",
                 "Requests relayed by endpoint and status.",
                 {{"endpoint", std::string(endpoint_name(endpoint_asked(request_)))},
                  {"status", std::to_string(response.status)}})
        .add();
    proxy_.latency_.observe(
        static_cast<double>(proxy_.world_.clock.monotonic().micros - began_.micros) * 1e-6);
    done_(std::move(response));
  }

  RunningProxy& proxy_;
  HttpAsker& asker_;
  std::size_t turn_;
  const Request request_;
  const Answered done_;
  const std::shared_ptr<const ProxyRoutes> routes_;
  HeldBytes held_;        // of answers
  std::size_t kept_ = 0;  // their bytes
  const Duration began_;
  std::vector<QuestionPart> parts_;
  std::vector<Response> answers_;  // of the parts, or of all servers
  std::size_t missing_ = 0;        // of them
  Code came_of_it_ = Code::kOk;    // of what was asked last
};

RunningProxy::RunningProxy(World& world, ProxyOptions options)
    : world_(world),
      options_(std::move(options)),
      servers_(world, names_of(options_.servers)),
      latency_(world.metrics.histogram("assay_serve_proxy_request_seconds",
                                       "Time until a relayed request was answered.")),
      split_(world.metrics.counter("assay_serve_proxy_split_total",
                                   "Questions for rows of several shares.")),
      refused_(world.metrics.counter("assay_serve_proxy_refused_total",
                                     "Requests refused since too many were under way.")),
      without_room_(world.metrics.counter("assay_serve_proxy_without_room_total",
                                          "Requests refused since there was no room for answers.")),
      answer_bytes_(options_.answer_bytes_max),
      is_looked_at_(options_.servers.size()) {
  const int cores = static_cast<int>(std::max(1U, std::jthread::hardware_concurrency()));
  const int threads = options_.threads > 0 ? options_.threads : cores;
  for (int i = 0; i < threads; ++i) {
    HttpAsker::Options of_asker;
    of_asker.arriving = &answer_bytes_;
    askers_.push_back(HttpAsker::start(world.clock, options_.servers, of_asker));
  }
}

void RunningProxy::look_at_all() {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t missing = options_.servers.size();
  look([&] {
    const std::lock_guard lock(mutex);
    --missing;
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return missing == 0; });
  lock.unlock();
  look_ = std::make_unique<RepeatedCall>(options_.look_every, [this] { look([] {}); });
}

/// Ask each server that is not being asked.
void RunningProxy::look(const std::function<void()>& done) {
  for (std::size_t server = 0; server < options_.servers.size(); ++server) {
    if (is_looked_at_[server].exchange(true)) {
      continue;
    }
    WireQuestion question;
    question.bytes = "GET /ready HTTP/1.1\r\nhost: " + servers_.name(server) + "\r\n\r\n";
    question.lane = AskLane::kLook;
    question.answer_max = Duration{kMicrosPerSecond};
    askers_.front()->ask(
        server, std::move(question), [this, server, done](const Result<Response>& answer) {
          if (answer.ok()) {
            servers_.has_answered(server, answer->status, answer->body);
          } else {
            servers_.is_away(server, answer.status().message());
          }
          is_looked_at_[server] = false;
          done();
        });
  }
}

Response RunningProxy::handle(const Request& request) {
  const Endpoint endpoint = endpoint_asked(request);
  if (endpoint == kHealth) {
    return {200, "", "", {}};
  }
  if (endpoint == kMetrics) {
    return {200, "text/plain; version=0.0.4; charset=utf-8", world_.metrics.to_text(), {}};
  }
  const bool is_ready = !is_draining_ && !servers_.routes()->servers.empty();
  Response response;
  response.status = is_ready ? 200 : 503;
  JsonWriter writer(response.body);
  writer.begin_object();
  writer.key("ready");
  writer.boolean(is_ready);
  writer.key("servers");
  writer.raw(servers_.as_json());
  writer.end_object();
  return response;
}

std::optional<Response> RunningProxy::relay(Request request, Answered done) {
  if (requests_.load() >= options_.requests_max ||
      bytes_.load() + kBodyCopies * request.body.size() > options_.bytes_max) {
    refused_.add();
    return busy_answer("Proxy is busy; ask again later");
  }
  const std::size_t turn = next_++;
  std::make_shared<Relayed>(
      *this, *askers_[turn % askers_.size()], turn, std::move(request), std::move(done))
      ->begin();
  return std::nullopt;
}

}  // namespace

std::unique_ptr<Proxy> Proxy::start(World& world, ProxyOptions options) {
  auto proxy = std::make_unique<RunningProxy>(world, std::move(options));
  proxy->look_at_all();
  return proxy;
}

bool Proxy::is_own(const Request& request) {
  const Endpoint endpoint = endpoint_asked(request);
  return request.method == "GET" &&
         (endpoint == kHealth || endpoint == kReady || endpoint == kMetrics);
}

}  // namespace assay::serve
