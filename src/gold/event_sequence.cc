#include "gold/event_sequence.h"

#include <algorithm>

#include "base/time.h"
#include "catalog/feature_schema.h"
#include "gold/aggregate.h"

namespace assay::gold {
namespace {

using catalog::SequenceValue;

void append_null(std::string* out) {
  out->push_back(0);
}

void append_integer(std::string* out, data::TypeId type, int64_t integer) {
  out->push_back(1);
  InputValue value;
  value.integer = integer;
  append_input(out, type, value);
}

void append_real(std::string* out, double real) {
  out->push_back(1);
  InputValue value;
  value.real = real;
  append_input(out, data::Type::kFloat64, value);
}

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

}  // namespace

EventSequence::EventSequence(const SequencePlan& plan)
    : plan_(plan),
      first_(plan.windows.size()),
      changes_(plan.outputs.size()),
      run_first_(plan.expressions.size()) {}

void EventSequence::clear() {
  now_ = kFirstInstant.micros;
  events_.clear();
  rebuild();
}

int64_t EventSequence::window_begin(std::size_t window) const {
  return floor_to(now_, plan_.slide) - plan_.windows[window];
}

/// Bytes of one expression's value, its null flag included.
std::string_view EventSequence::value(std::size_t event, int expression) const {
  const std::string_view values = events_[event].values;
  RowReader reader(values);
  std::size_t begin = 0;
  for (int i = 0;; ++i) {
    begin = values.size() - static_cast<std::size_t>(reader.remaining());
    if (reader.byte() != 0) {
      (void)read_input(&reader, plan_.expressions[at(i)].type());
    }
    if (i == expression || reader.failed()) {
      break;
    }
  }
  return values.substr(begin, values.size() - static_cast<std::size_t>(reader.remaining()) - begin);
}

/// True when an event's value is another than that of the event before it.
bool EventSequence::differ(std::size_t event, int expression) const {
  return value(event, expression) != value(event - 1, expression);
}

void EventSequence::advance(int64_t now) {
  now_ = now;
  for (std::size_t w = 0; w < first_.size(); ++w) {
    const int64_t begin = window_begin(w);
    const std::size_t before = first_[w];
    while (first_[w] < events_.size() && events_[first_[w]].event_time < begin) {
      leave(w);
    }
    const bool cut = plan_.session_max > 0 && static_cast<int>(w) == plan_.session_window;
    if (cut && before != first_[w]) {
      rebuild_sessions();
    }
  }
  forget();
}

/// The first event of a window leaves it.
void EventSequence::leave(std::size_t window) {
  const std::size_t next = first_[window] + 1;
  for (std::size_t i = 0; i < plan_.outputs.size(); ++i) {
    const SequenceOutput& output = plan_.outputs[i];
    if (output.value == SequenceValue::kChanges && at(output.window) == window &&
        next < events_.size() && differ(next, output.of)) {
      --changes_[i];
    }
  }
  if (static_cast<int>(window) == plan_.session_window && plan_.session_max == 0) {
    Session& session = sessions_.front();
    if (--session.events == 0) {
      sessions_.pop_front();
    } else {
      session.first = events_[next].event_time;
    }
  }
  first_[window] = next;
}

/// Drop the events that are in no window any more.
void EventSequence::forget() {
  std::size_t dropped = *std::min_element(first_.begin(), first_.end());
  for (std::size_t& first : first_) {
    first -= dropped;
  }
  for (std::size_t& first : run_first_) {
    first -= std::min(first, dropped);
  }
  for (; dropped > 0; --dropped) {
    events_.pop_front();
  }
}

void EventSequence::add(const SequenceEvent& event) {
  const std::size_t longest = static_cast<std::size_t>(
      std::max_element(plan_.windows.begin(), plan_.windows.end()) - plan_.windows.begin());
  if (event.event_time < window_begin(longest)) {
    return;
  }
  if (events_.empty() || events_.back() <= event) {
    events_.push_back(event);
    take_in_order(events_.size() - 1);
    return;
  }
  events_.insert(std::upper_bound(events_.begin(), events_.end(), event), event);
  rebuild();
}

void EventSequence::remove(const SequenceEvent& event) {
  const auto place = std::lower_bound(events_.begin(), events_.end(), event);
  if (place != events_.end() && *place == event) {  // else it has left every window
    events_.erase(place);
    rebuild();
  }
}

/// Count in the last event, when all before it are.
void EventSequence::take_in_order(std::size_t event) {
  const int64_t event_time = events_[event].event_time;
  std::vector<bool> inside(first_.size());
  for (std::size_t w = 0; w < first_.size(); ++w) {
    inside[w] = event_time >= window_begin(w);
    if (!inside[w]) {
      first_[w] = event + 1;
    }
  }
  for (std::size_t i = 0; i < run_first_.size(); ++i) {
    if (event == 0 || differ(event, static_cast<int>(i))) {
      run_first_[i] = event;
    }
  }
  for (std::size_t i = 0; i < plan_.outputs.size(); ++i) {
    const SequenceOutput& output = plan_.outputs[i];
    if (output.value == SequenceValue::kChanges && event > first_[at(output.window)] &&
        run_first_[at(output.of)] == event) {
      ++changes_[i];
    }
  }
  if (plan_.session_window >= 0 && inside[at(plan_.session_window)]) {
    extend_sessions(event_time);
  }
}

void EventSequence::extend_sessions(int64_t event_time) {
  const bool joins =
      !sessions_.empty() && event_time - sessions_.back().last < plan_.gap &&
      (plan_.session_max == 0 || event_time - sessions_.back().first < plan_.session_max);
  if (!joins) {
    sessions_.push_back({event_time, event_time, 1});
    return;
  }
  sessions_.back().last = event_time;
  ++sessions_.back().events;
}

void EventSequence::rebuild() {
  std::fill(first_.begin(), first_.end(), std::size_t{0});
  std::fill(changes_.begin(), changes_.end(), int64_t{0});
  std::fill(run_first_.begin(), run_first_.end(), std::size_t{0});
  sessions_.clear();
  for (std::size_t event = 0; event < events_.size(); ++event) {
    take_in_order(event);
  }
}

void EventSequence::rebuild_sessions() {
  sessions_.clear();
  for (std::size_t i = first_[at(plan_.session_window)]; i < events_.size(); ++i) {
    extend_sessions(events_[i].event_time);
  }
}

/// When the newest session closes.
int64_t EventSequence::session_end() const {
  const Session& session = sessions_.back();
  const int64_t end = session.last + plan_.gap;
  return plan_.session_max == 0 ? end : std::min(end, session.first + plan_.session_max);
}

int64_t EventSequence::next_change() const {
  int64_t next = EventTime::max().micros;
  if (!sessions_.empty() && session_end() > now_) {
    next = session_end();
  }
  for (std::size_t w = 0; w < first_.size(); ++w) {
    if (first_[w] < events_.size()) {
      const int64_t slide_end = floor_to(events_[first_[w]].event_time, plan_.slide) + plan_.slide;
      next = std::min(next, slide_end + plan_.windows[w]);
    }
  }
  return next;
}

void EventSequence::append_values(std::string* out) const {
  for (std::size_t i = 0; i < plan_.outputs.size(); ++i) {
    const SequenceOutput& output = plan_.outputs[i];
    if (catalog::is_of_session(output.value)) {
      append_session(output, out);
    } else {
      append_change(output, i, out);
    }
  }
}

void EventSequence::append_session(const SequenceOutput& output, std::string* out) const {
  const bool any = !sessions_.empty();
  const bool open = any && now_ < session_end();
  const Session session = any ? sessions_.back() : Session{};
  const auto seconds = [](int64_t micros) { return static_cast<double>(micros) / 1e6; };
  switch (output.value) {
    case SequenceValue::kSessionCount:
      return append_integer(out, output.type, static_cast<int64_t>(sessions_.size()));
    case SequenceValue::kSessionEvents:
      return append_integer(out, output.type, open ? session.events : 0);
    case SequenceValue::kSessionOpen:
      return append_integer(out, output.type, open ? 1 : 0);
    case SequenceValue::kSessionStart:
      return open ? append_integer(out, output.type, session.first) : append_null(out);
    case SequenceValue::kSessionDuration:
      return any ? append_real(out, seconds(session.last - session.first)) : append_null(out);
    case SequenceValue::kSessionMeanEvents: {
      const std::size_t events = events_.size() - first_[at(plan_.session_window)];
      return any ? append_real(out,
                               static_cast<double>(events) / static_cast<double>(sessions_.size()))
                 : append_null(out);
    }
    case SequenceValue::kSessionFirst:
    case SequenceValue::kSessionLast: {
      const bool first = output.value == SequenceValue::kSessionFirst;
      const std::size_t back = first ? static_cast<std::size_t>(session.events) : 1;
      return open ? void(out->append(value(events_.size() - back, output.of))) : append_null(out);
    }
    default:
      return append_null(out);
  }
}

void EventSequence::append_change(const SequenceOutput& output,
                                  std::size_t index,
                                  std::string* out) const {
  const std::size_t first = first_[at(output.window)];
  if (output.value == SequenceValue::kChanges) {
    return append_integer(out, output.type, changes_[index]);
  }
  if (output.value == SequenceValue::kLag) {
    const auto wanted = static_cast<std::size_t>(output.lag);
    const bool found = events_.size() - first > wanted;
    return found ? void(out->append(value(events_.size() - 1 - wanted, output.of)))
                 : append_null(out);
  }
  const std::size_t run = run_first_[at(output.of)];
  if (first >= events_.size() || run <= first) {
    return append_null(out);  // it did not change within the window
  }
  if (output.value == SequenceValue::kPrevious) {
    out->append(value(run - 1, output.of));
    return;
  }
  append_integer(out, output.type, events_[run].event_time);  // kChangedAt
}

}  // namespace assay::gold
