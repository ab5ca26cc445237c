// Synthetic users and clicks. Only integers decide: no logarithm, no library distribution, so that
// one seed gives the same bytes on every machine and compiler.

#include "ingest/generate.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
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

/// Gaps between events are whole microseconds up to this rate, else thousandths of one.
constexpr double kCoarseRateMax = 1'000;
constexpr double kRateMax = 1e8;
constexpr double kSecondsMax = 1e3 * 365 * 86'400;

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
  static constexpr uint32_t kMalformed = UINT32_MAX;
  int64_t at = 0;
  int64_t order = 0;
  uint32_t slot = kMalformed;  // of its text
  bool operator>(const Delivery& other) const {
    return at != other.at ? at > other.at : order > other.order;
  }
};

/// Texts of the lines on their way, without received_ms, in slots that are used again.
class Texts {
 public:
  struct Text {
    std::string line;
    std::string key;
  };
  uint32_t take() {
    if (free_.empty()) {
      texts_.emplace_back();
      return static_cast<uint32_t>(texts_.size() - 1);
    }
    const uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void give_back(uint32_t slot) { free_.push_back(slot); }
  Text& at(uint32_t slot) { return texts_[slot]; }

 private:
  std::deque<Text> texts_;
  std::vector<uint32_t> free_;
};

void append_number(int64_t number, std::string* text) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  text->append(digits.data(), end);
}

class EventStream {
 public:
  EventStream(const EventsOptions& options, Random& random)
      : options_(options), random_(random), items_(options.items) {}

  Status run(const EventSink& sink) {
    // Whole microseconds are too coarse where many events come in each millisecond.
    const int64_t parts = options_.rate > kCoarseRateMax ? 1'000 : 1;  // of a microsecond
    const double parts_a_second = 1e6 * static_cast<double>(parts);
    const auto gap_max = static_cast<uint64_t>(2 * parts_a_second / options_.rate) + 1;
    int64_t now = options_.start.micros;
    int64_t passed = 0;  // parts since the last whole microsecond
    for (int64_t i = 0; i < options_.count; ++i) {
      passed += static_cast<int64_t>(random_.below(gap_max));
      now += passed / parts;
      passed %= parts;
      emit(now, i);
      ASSAY_RETURN_IF_ERROR(deliver_until(now, sink));
    }
    return deliver_until(EventTime::max().micros, sink);
  }

 private:
  void emit(int64_t now, int64_t number) {
    if (chance(options_.malformed_share, random_)) {
      on_the_way_.push({now, order_++, Delivery::kMalformed});
      return;
    }
    const uint32_t slot = texts_.take();
    write_event(now, number, &texts_.at(slot));
    int64_t at = now + static_cast<int64_t>(random_.below(2'000'000));  // up to 2 s on the network
    if (chance(options_.late_share, random_)) {
      at += static_cast<int64_t>(random_.below(30 * 60 * kMicrosPerSecond));
    }
    on_the_way_.push({at, order_++, slot});
    if (chance(options_.duplicate_share, random_)) {
      const uint32_t again = texts_.take();
      texts_.at(again) = texts_.at(slot);
      on_the_way_.push(
          {at + static_cast<int64_t>(random_.below(30 * kMicrosPerSecond)), order_++, again});
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

  void write_event(int64_t now, int64_t number, Texts::Text* text) {
    Session& session = next_session();
    const std::string_view type = pick(kEventTypes, random_);
    if (type == "view" || type == "search") {
      session.item = items_.pick(random_);  // cart and purchase are of what was looked at
    }
    text->key = "u";
    append_number(session.user, &text->key);
    std::string& line = text->line;
    line = "{\"event_id\":\"";
    line += options_.id_prefix;
    append_number(number + 1, &line);
    line += "\",\"user_id\":\"";
    line += text->key;
    line += "\",\"item_id\":";
    append_number(session.item, &line);
    line += ",\"event_type\":\"";
    line += type;
    line += "\",\"price\":";
    append_number(session.item * 37 % 200 + 4, &line);
    line += ".99,\"session_id\":\"s";
    append_number(session.number, &line);
    line += "\",\"ip\":\"10.";
    append_number(session.user % 256, &line);
    line += '.';
    append_number(session.number % 256, &line);
    line += ".7\",\"ts\":";
    append_number(now / 1'000, &line);
    if (--session.events_left == 0) {
      session = open_.back();
      open_.pop_back();
    }
  }

  Status deliver_until(int64_t now, const EventSink& sink) {
    while (!on_the_way_.empty() && on_the_way_.top().at <= now) {
      const Delivery next = on_the_way_.top();
      on_the_way_.pop();
      GeneratedEvent event;
      event.at = {next.at};
      if (next.slot == Delivery::kMalformed) {
        line_ = pick(kMalformed, random_);
      } else {
        const Texts::Text& text = texts_.at(next.slot);
        line_ = text.line;
        line_ += ",\"received_ms\":";
        append_number(next.at / 1'000, &line_);
        line_ += '}';
        event.key = text.key;
      }
      line_ += '\n';
      event.line = line_;
      ASSAY_RETURN_IF_ERROR(sink(event));
      if (next.slot != Delivery::kMalformed) {
        texts_.give_back(next.slot);
      }
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
  Texts texts_;
  std::string line_;
};

constexpr uint64_t kUsualSeed = 1;
constexpr EventTime kUsualStart{1'767'225'600'000'000};  // 2026-01-01

}  // namespace

std::string event_id_prefix(uint64_t seed, EventTime start) {
  if (seed == kUsualSeed && start == kUsualStart) {
    return "e";
  }
  return "e" + hash_text(hash_mix(seed, static_cast<uint64_t>(start.micros))) + "-";
}

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

Status generate_events(const EventsOptions& options, const EventSink& sink) {
  for (const double share :
       {options.duplicate_share, options.late_share, options.malformed_share}) {
    if (!(share >= 0 && share <= 1)) {
      return {Code::kInvalidArgument, "a share lies between 0 and 1"};
    }
  }
  if (options.count < 0 || options.users < 1 || options.items < 1 || !(options.rate > 0)) {
    return {Code::kInvalidArgument, "count, users, items and rate must be positive"};
  }
  if (options.rate > kRateMax || static_cast<double>(options.count) / options.rate > kSecondsMax) {
    return {Code::kInvalidArgument,
            "a rate is at most 100 million events a second, and the last event comes within a "
            "thousand years"};
  }
  const std::unique_ptr<Random> random = seeded_random(options.seed);
  return EventStream(options, *random).run(sink);
}

}  // namespace assay::ingest
