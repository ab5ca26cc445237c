// The online row of a view of event sequences: the events that a window may still hold, and those
// that are not visible yet. A read puts those visible at its instant into a sequence.

#include <algorithm>
#include <optional>

#include "gold/aggregate.h"
#include "gold/event_sequence.h"
#include "gold/latest_view.h"
#include "gold/online_row.h"
#include "gold/sequence_view.h"

namespace assay::gold {
namespace {

/// An online row in parts; events point into its bytes.
struct SequenceRow {
  std::optional<int64_t> dropped_newest;  // newest event time of dropped events
  std::vector<SequenceEvent> events;      // in order
};

/// Event times as distances from the one before, known times from their event time.
void append_events(const ViewLayout& layout,
                   const std::vector<SequenceEvent>& events,
                   std::string* out) {
  append_varint(out, events.size());
  int64_t before = 0;
  for (const SequenceEvent& event : events) {
    append_signed(out, event.event_time - before);
    append_signed(out, event.known_time - event.event_time);
    append_signed(out, event.sequence);
    if (layout.of_changes) {
      append_replaced_time(out, event.replaced_time);
    }
    append_text(out, event.values);
    before = event.event_time;
  }
}

/// A sum that damaged bytes cannot make overflow.
int64_t wrapping_sum(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

bool is_values(const SequencePlan& plan, std::string_view values) {
  RowReader reader(values);
  for (const data::Expression& expression : plan.expressions) {
    if (reader.byte() != 0) {
      (void)read_input(&reader, expression.type());
    }
  }
  return !reader.failed() && reader.at_end();
}

Result<SequenceRow> parse(const ViewLayout& layout,
                          const SequencePlan& plan,
                          std::string_view row) {
  SequenceRow parts;
  if (row.empty()) {
    return parts;
  }
  RowReader reader = open_online_row(row, OnlineRowKind::kSequence);
  const auto time = [&](int64_t micros) {
    if (!is_instant(micros)) {
      reader.fail();
    }
    return micros;
  };
  if (reader.byte() != 0) {
    parts.dropped_newest = time(reader.signed_varint());
  }
  int64_t before = 0;
  for (uint64_t count = reader.varint(); count > 0 && !reader.failed(); --count) {
    SequenceEvent event;
    event.event_time = time(wrapping_sum(before, reader.signed_varint()));
    event.known_time = time(wrapping_sum(event.event_time, reader.signed_varint()));
    event.sequence = reader.signed_varint();
    if (layout.of_changes) {
      event.replaced_time = read_replaced_time(&reader);
    }
    event.values = reader.text();
    if (!is_values(plan, event.values)) {
      reader.fail();
    }
    before = event.event_time;
    parts.events.push_back(event);
  }
  if (reader.failed() || !reader.at_end() ||
      !std::is_sorted(parts.events.begin(), parts.events.end())) {
    return corrupt_online_row(layout.name);
  }
  return parts;
}

}  // namespace

Status SequenceView::update_online_row(const data::Batch& rows,
                                       std::span<const int64_t> selected,
                                       EventTime applied_until,
                                       std::string* row) const {
  const data::Batch mine = rows.take(selected);
  ASSAY_ASSIGN_OR_RETURN(const RowColumns columns, find_row_columns(layout(), mine));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> values, pack_sequence_values(plan_, mine));
  ASSAY_ASSIGN_OR_RETURN(SequenceRow parts, parse(layout(), plan_, *row));
  for (int64_t i = 0; i < mine.rows(); ++i) {
    if (columns.has_times(i)) {
      const auto place = static_cast<std::size_t>(i);
      parts.events.push_back(
          {columns.event_time->values<int64_t>()[place],
           columns.known_time->values<int64_t>()[place],
           columns.sequence->is_valid(i) ? columns.sequence->values<int64_t>()[place] : 0,
           values[place],
           columns.replaced_at(i)});
    }
  }
  std::sort(parts.events.begin(), parts.events.end());

  const int64_t until = clamp_instant(applied_until);
  const int64_t reach = floor_to(until, plan_.slide) - plan_.window_max();
  std::vector<SequenceEvent> kept;
  for (const SequenceEvent& event : parts.events) {
    if (event.replaced_time <= until) {
      continue;
    }
    const bool stays = event.replaced_time == kNeverReplaced;
    if (stays && event.visible_time() <= until && event.event_time < reach) {
      parts.dropped_newest =
          std::max(parts.dropped_newest.value_or(event.event_time), event.event_time);
    } else {
      kept.push_back(event);
    }
  }
  std::string out;
  append_online_row_header(&out, OnlineRowKind::kSequence);
  out.push_back(parts.dropped_newest ? 1 : 0);
  if (parts.dropped_newest) {
    append_signed(&out, *parts.dropped_newest);
  }
  append_events(layout(), kept, &out);
  *row = std::move(out);
  return {};
}

Result<FeatureValues> SequenceView::read_online_row(std::string_view row, EventTime now) const {
  ASSAY_ASSIGN_OR_RETURN(const SequenceRow parts, parse(layout(), plan_, row));
  const int64_t instant = clamp_instant(now);
  EventSequence events(plan_);
  events.clear();
  events.advance(instant);
  std::optional<int64_t> newest = parts.dropped_newest;
  for (const SequenceEvent& event : parts.events) {
    if (event.visible_time() <= instant && instant < event.replaced_time) {
      newest = std::max(newest.value_or(event.event_time), event.event_time);
      events.add(event);
    }
  }
  if (!newest) {
    return make_answer(layout(), std::nullopt, {}, {}, now);
  }
  std::string says;
  events.append_values(&says);
  ASSAY_ASSIGN_OR_RETURN(std::vector<data::Scalar> values, read_row_values(layout(), says));
  return make_answer(layout(), EventTime{*newest}, std::move(values), {}, now);
}

}  // namespace assay::gold
