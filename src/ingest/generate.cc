// Synthetic users and clicks. Only integers decide: no logarithm, no library distribution, so that
// one seed gives the same bytes on every machine and compiler.

#include "ingest/generate.h"

#include <algorithm>
#include <array>
#include <queue>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "base/random.h"

namespace assay::ingest {
namespace {

struct Weighted {
  std::string_view value;
  uint64_t weight;
};

template <std::size_t kSize>
std::string_view pick(const std::array<Weighted, kSize>& choices, Random& random) {
  uint64_t total = 0;
  for (const Weighted& choice : choices) {
    total += choice.weight;
  }
  uint64_t drawn = random.below(total);
  for (const Weighted& choice : choices) {
    if (drawn < choice.weight) {
      return choice.value;
    }
    drawn -= choice.weight;
  }
  return choices.back().value;
}

constexpr std::array kCountries{Weighted{"US", 40},
                                Weighted{"DE", 15},
                                Weighted{"BR", 12},
                                Weighted{"IN", 20},
                                Weighted{"JP", 8},
                                Weighted{"FR", 5}};
constexpr std::array kTiers{Weighted{"free", 70}, Weighted{"plus", 22}, Weighted{"pro", 8}};
constexpr std::array kEventTypes{
    Weighted{"view", 70}, Weighted{"search", 15}, Weighted{"cart", 10}, Weighted{"purchase", 5}};
constexpr std::array kMalformed{
    Weighted{R"({"event_id": "e)", 1},
    Weighted{"not json at all", 1},
    Weighted{R"({"event_id": 17, "user_id": null, "ts": "yesterday"})", 1}};

/// True with a chance of `share`, to a millionth.
bool chance(double share, Random& random) {
  return random.below(1'000'000) < static_cast<uint64_t>(share * 1e6);
}

/// Items by popularity: item k with a weight of 1 / k.
class ZipfItems {
 public:
  explicit ZipfItems(int64_t count) {
    uint64_t total = 0;
    for (int64_t item = 1; item <= count; ++item) {
      total += 1'000'000'000U / static_cast<uint64_t>(item);
      ends_.push_back(total);
    }
  }
  int64_t pick(Random& random) const {
    const uint64_t drawn = random.below(ends_.back());
    return std::upper_bound(ends_.begin(), ends_.end(), drawn) - ends_.begin() + 1;
  }

 private:
  std::vector<uint64_t> ends_;
};

struct Session {
  int64_t user = 0;
  int64_t number = 0;
  int64_t item = 0;
  int64_t events_left = 0;
};

/// A line on its way: delivered at `at`, `order` breaks ties.
struct Delivery {
  int64_t at = 0;
  int64_t order = 0;
  std::string text;  // without received_ms; empty: malformed
  bool operator>(const Delivery& other) const {
    return at != other.at ? at > other.at : order > other.order;
  }
};

class EventStream {
 public:
  EventStream(const EventsOptions& options, Random& random)
      : options_(options), random_(random), items_(options.items) {}

  Status run(const LineSink& sink) {
    const auto gap_max = static_cast<uint64_t>(2e6 / options_.rate) + 1;
    int64_t now = options_.start.micros;
    for (int64_t i = 0; i < options_.count; ++i) {
      now += static_cast<int64_t>(random_.below(gap_max));
      emit(now, i);
      ASSAY_RETURN_IF_ERROR(deliver_until(now, sink));
    }
    return deliver_until(EventTime::max().micros, sink);
  }

 private:
  void emit(int64_t now, int64_t number) {
    if (chance(options_.malformed_share, random_)) {
      on_the_way_.push({now, order_++, ""});
      return;
    }
    const std::string text = event_text(now, number);
    int64_t at = now + static_cast<int64_t>(random_.below(2'000'000));  // up to 2 s on the network
    if (chance(options_.late_share, random_)) {
      at += static_cast<int64_t>(random_.below(30 * 60 * kMicrosPerSecond));
    }
    on_the_way_.push({at, order_++, text});
    if (chance(options_.duplicate_share, random_)) {
      on_the_way_.push(
          {at + static_cast<int64_t>(random_.below(30 * kMicrosPerSecond)), order_++, text});
    }
  }

  Session& next_session() {
    constexpr std::size_t kOpenMax = 200;
    if (open_.empty() || (open_.size() < kOpenMax && random_.below(8) == 0)) {
      Session session;
      session.user = 1 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(options_.users)));
      session.number = ++sessions_;
      session.item = items_.pick(random_);
      session.events_left = 1 + static_cast<int64_t>(random_.below(16));
      open_.push_back(session);
      return open_.back();
    }
    return open_[random_.below(open_.size())];
  }

  std::string event_text(int64_t now, int64_t number) {
    Session& session = next_session();
    const std::string_view type = pick(kEventTypes, random_);
    if (type == "view" || type == "search") {
      session.item = items_.pick(random_);  // cart and purchase are of what was looked at
    }
    std::string text;
    JsonWriter json(text);
    json.begin_object();
    json.key("event_id");
    json.string("e" + std::to_string(number + 1));
    json.key("user_id");
    json.string("u" + std::to_string(session.user));
    json.key("item_id");
    json.integer(session.item);
    json.key("event_type");
    json.string(type);
    json.key("price");
    json.number(static_cast<double>(session.item * 37 % 200 * 100 + 499) / 100);
    json.key("session_id");
    json.string("s" + std::to_string(session.number));
    json.key("ip");
    json.string("10." + std::to_string(session.user % 256) + "." +
                std::to_string(session.number % 256) + ".7");
    json.key("ts");
    json.integer(now / 1'000);
    if (--session.events_left == 0) {
      session = open_.back();
      open_.pop_back();
    }
    return text;
  }

  Status deliver_until(int64_t now, const LineSink& sink) {
    while (!on_the_way_.empty() && on_the_way_.top().at <= now) {
      const Delivery& next = on_the_way_.top();
      std::string line =
          next.text.empty()
              ? std::string(pick(kMalformed, random_))
              : next.text + ",\"received_ms\":" + std::to_string(next.at / 1'000) + "}";
      line += '\n';
      on_the_way_.pop();
      ASSAY_RETURN_IF_ERROR(sink(line));
    }
    return {};
  }

  const EventsOptions& options_;
  Random& random_;
  ZipfItems items_;
  std::vector<Session> open_;
  int64_t sessions_ = 0;
  int64_t order_ = 0;
  std::priority_queue<Delivery, std::vector<Delivery>, std::greater<>> on_the_way_;
};

}  // namespace

Status generate_users(const UsersOptions& options, const LineSink& sink) {
  if (options.count < 0) {
    return {Code::kInvalidArgument, "the number of users cannot be negative"};
  }
  const std::unique_ptr<Random> random = seeded_random(options.seed);
  for (int64_t user = 1; user <= options.count; ++user) {
    const std::string id = "u" + std::to_string(user);
    std::string line;
    JsonWriter json(line);
    json.begin_object();
    json.key("user_id");
    json.string(id);
    json.key("email");
    json.string(id + "@example.com");
    json.key("country");
    json.string(pick(kCountries, *random));
    json.key("tier");
    json.string(pick(kTiers, *random));
    json.key("age");
    // Three draws make the middle of 18 to 78 the likeliest.
    json.integer(18 +
                 static_cast<int64_t>(random->below(21) + random->below(21) + random->below(21)));
    json.key("activity");
    json.number(static_cast<double>(1 + random->below(100)) / 100);
    json.key("signup_time");
    json.string(format_time(
        {options.start.micros - static_cast<int64_t>(random->below(28)) * kMicrosPerDay}));
    json.end_object();
    line += '\n';
    ASSAY_RETURN_IF_ERROR(sink(line));
  }
  return {};
}

Status generate_events(const EventsOptions& options, const LineSink& sink) {
  for (const double share :
       {options.duplicate_share, options.late_share, options.malformed_share}) {
    if (!(share >= 0 && share <= 1)) {
      return {Code::kInvalidArgument, "a share lies between 0 and 1"};
    }
  }
  if (options.count < 0 || options.users < 1 || options.items < 1 || !(options.rate > 0)) {
    return {Code::kInvalidArgument, "count, users, items and rate must be positive"};
  }
  const std::unique_ptr<Random> random = seeded_random(options.seed);
  return EventStream(options, *random).run(sink);
}

}  // namespace assay::ingest
