#include "flow/part_facts.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "flow/part_position.h"

namespace assay::flow {
namespace {

std::string line_clock_app_id(const std::string& app_id) {
  return app_id + "/line_clock";
}

std::string watermark_app_id(const std::string& app_id) {
  return app_id + "/watermark";
}

/// What a version says of parts, under `<prefix><number>`.
std::map<int64_t, int64_t> said_under(const lake::Snapshot& snapshot, const std::string& prefix) {
  std::map<int64_t, int64_t> said;
  for (auto at = snapshot.txns.lower_bound(prefix);
       at != snapshot.txns.end() && at->first.starts_with(prefix);
       ++at) {
    const std::string_view number = std::string_view(at->first).substr(prefix.size());
    int64_t ordinal = 0;
    const auto [rest, error] =
        std::from_chars(number.data(), number.data() + number.size(), ordinal);
    if (error == std::errc() && rest == number.data() + number.size()) {
      said[ordinal] = at->second;
    }
  }
  return said;
}

class Saying {
 public:
  explicit Saying(const lake::Snapshot& snapshot) : snapshot_(snapshot) {}
  void say(const std::string& id, int64_t value) {
    const std::optional<int64_t> held = snapshot_.txn(id);
    if (held != value) {
      updates_.push_back({id, value, held});
    }
  }
  std::vector<lake::TxnUpdate> take() { return std::move(updates_); }

 private:
  const lake::Snapshot& snapshot_;
  std::vector<lake::TxnUpdate> updates_;
};

}  // namespace

silver::PartFacts read_part_facts(const lake::Snapshot& snapshot, const std::string& app_id) {
  silver::PartFacts facts;
  facts.line_clock = {snapshot.txn(line_clock_app_id(app_id)).value_or(0)};
  for (const auto& [ordinal, read_to] : said_under(snapshot, part_read_to_app_id(app_id))) {
    facts.read_to[ordinal] = {read_to};
  }
  return facts;
}

silver::PartFacts merge_part_facts(const silver::PartFacts& before,
                                   const silver::PartFacts& facts) {
  silver::PartFacts merged{std::max(facts.line_clock, before.line_clock), before.read_to};
  for (const auto& [ordinal, time] : facts.read_to) {
    Duration& read_to = merged.read_to[ordinal];
    read_to = std::max(read_to, time);
  }
  return merged;
}

std::vector<lake::TxnUpdate> say_part_facts(const silver::PartFacts& facts,
                                            const lake::Snapshot& snapshot,
                                            const std::string& app_id) {
  const silver::PartFacts merged = merge_part_facts(read_part_facts(snapshot, app_id), facts);
  Saying saying(snapshot);
  saying.say(line_clock_app_id(app_id), merged.line_clock.micros);
  for (const auto& [ordinal, time] : merged.read_to) {
    saying.say(part_read_to_app_id(app_id) + std::to_string(ordinal), time.micros);
  }
  return saying.take();
}

silver::PartTimes read_part_times(const lake::Snapshot& snapshot, const std::string& app_id) {
  silver::PartTimes times;
  for (const auto& [ordinal, heard] : said_under(snapshot, part_heard_app_id(app_id))) {
    times.parts[ordinal].heard = {heard};
    const std::optional<int64_t> newest = snapshot.txn(part_time_app_id(app_id, ordinal));
    if (newest.has_value()) {
      times.parts[ordinal].newest = EventTime{*newest};
    }
  }
  const std::optional<int64_t> low = snapshot.txn(watermark_app_id(app_id));
  if (low.has_value()) {
    times.low = EventTime{*low};
  }
  return times;
}

std::vector<lake::TxnUpdate> say_part_times(const silver::PartTimes& times,
                                            const lake::Snapshot& snapshot,
                                            const std::string& app_id) {
  Saying saying(snapshot);
  for (const auto& [ordinal, part] : times.parts) {
    saying.say(part_heard_app_id(app_id) + std::to_string(ordinal), part.heard.micros);
    if (part.newest.has_value()) {
      saying.say(part_time_app_id(app_id, ordinal), part.newest->micros);
    }
  }
  if (times.low.has_value()) {
    saying.say(watermark_app_id(app_id), times.low->micros);
  }
  return saying.take();
}

void PartWatch::catch_up(Duration line_clock, Duration now) {
  // Since the last answer the next one counts, for whoever moved the clock meanwhile too.
  line_clock_.micros = std::max(line_clock_.micros, line_clock.micros - since_answer(now).micros);
}

void PartWatch::pass_marks(const ingest::PartPositions& positions) {
  for (auto mark = marks_.begin(); mark != marks_.end();) {
    const auto position = positions.find(mark->first);
    if (position != positions.end() && position->second >= mark->second.end) {
      read_to_[mark->first] = mark->second.line_clock;
      mark = marks_.erase(mark);
    } else {
      ++mark;
    }
  }
}

void PartWatch::note_answer(Duration now,
                            const ingest::PartPositions& ends,
                            const ingest::PartPositions& positions) {
  if (answered_.has_value() && now.micros < answered_->micros) {
    return;  // to an older question
  }
  line_clock_.micros += since_answer(now).micros;
  answered_ = now;
  pass_marks(positions);
  ends_ = ends;
  for (const auto& [ordinal, end] : ends) {
    marks_.try_emplace(ordinal, Mark{line_clock_, end});
  }
}

void PartWatch::note_pause(Duration pause) {
  line_clock_.micros += std::clamp(pause.micros, int64_t{0}, kAnswerMax.micros);
}

/// What the next answer will count, at least.
Duration PartWatch::since_answer(Duration now) const {
  return answered_.has_value()
             ? Duration{std::clamp(now.micros - answered_->micros, int64_t{0}, kAnswerMax.micros)}
             : Duration{};
}

/// Rows came now, and were looked for at the last answer: so no part is idle too soon.
silver::PartFacts PartWatch::facts(Duration now,
                                   const ingest::PartPositions& positions,
                                   const std::set<int64_t>& at_end) {
  pass_marks(positions);
  silver::PartFacts facts{{line_clock_.micros + since_answer(now).micros}, {}};
  for (const auto& [ordinal, position] : positions) {
    const auto read = read_to_.find(ordinal);
    // What was fetched may have ended before what a leader has told of.
    const auto told = ends_.find(ordinal);
    const bool has_all =
        at_end.contains(ordinal) && (told == ends_.end() || position >= told->second);
    facts.read_to[ordinal] = has_all                  ? line_clock_
                             : read != read_to_.end() ? read->second
                                                      : Duration{};
  }
  return facts;
}

}  // namespace assay::flow
