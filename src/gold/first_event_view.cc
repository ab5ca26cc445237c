// The first event: a minimum that only ever falls. So its last step, or two times online, stand for
// all events before.

#include "gold/first_event_view.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "gold/entity_rows.h"
#include "gold/online_row.h"

namespace assay::gold {
namespace {

/// Times of the first and the newest of some events.
struct Span {
  int64_t first = 0;
  int64_t newest = 0;
  bool operator==(const Span&) const = default;
};

void take_event(int64_t event_time, std::optional<Span>* span) {
  if (!*span) {
    *span = Span{event_time, event_time};
    return;
  }
  (*span)->first = std::min((*span)->first, event_time);
  (*span)->newest = std::max((*span)->newest, event_time);
}

struct FirstSteps {
  std::vector<int64_t> key;
  std::vector<int64_t> known_time;
  std::vector<int64_t> first;
  std::vector<int64_t> newest;
};

/// What the seed says of an entity: its first event is the view's only feature.
std::optional<Span> seed_of(const StepInputs& inputs, int64_t row) {
  if (row < 0 || inputs.seed_features[0]->is_null(row)) {
    return std::nullopt;
  }
  const auto at = static_cast<std::size_t>(row);
  return Span{inputs.seed_features[0]->values<int64_t>()[at],
              inputs.seed_event_time->values<int64_t>()[at]};
}

void write_steps(const StepInputs& inputs,
                 const EntityRows::Entity& entity,
                 EventTime begin,
                 EventTime end,
                 FirstSteps* out) {
  const EntityRows& all = inputs.entities;
  std::vector<int64_t> rows(all.row_numbers.begin() + static_cast<std::ptrdiff_t>(entity.begin),
                            all.row_numbers.begin() + static_cast<std::ptrdiff_t>(entity.end));
  std::sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) {
    return inputs.visible_time(a) < inputs.visible_time(b);
  });
  const std::optional<Span> seed = seed_of(inputs, entity.seed);
  std::optional<Span> span = seed;
  for (std::size_t i = 0; i < rows.size();) {
    const int64_t instant = std::max(inputs.visible_time(rows[i]), begin.micros);
    if (instant >= end.micros) {
      return;
    }
    const std::optional<Span> before = span;
    for (; i < rows.size() && inputs.visible_time(rows[i]) <= instant; ++i) {
      if (!seed || inputs.visible_time(rows[i]) >= begin.micros) {  // the seed has the others
        take_event(inputs.event_time[rows[i]], &span);
      }
    }
    if (span != before) {
      out->key.push_back(entity.key);
      out->known_time.push_back(instant);
      out->first.push_back(span->first);
      out->newest.push_back(span->newest);
    }
  }
}

data::ColumnPtr timestamps(const std::vector<int64_t>& micros) {
  data::ColumnBuilder builder(data::Type::kTimestamp);
  builder.append_block(micros.data(), static_cast<int64_t>(micros.size()));
  return builder.finish();
}

/// An event that was not visible when it was applied.
struct Waiting {
  int64_t event_time = 0;
  int64_t known_time = 0;
  auto operator<=>(const Waiting&) const = default;
  [[nodiscard]] int64_t visible_time() const { return std::max(event_time, known_time); }
};

struct FirstRow {
  std::optional<Span> span;
  std::vector<Waiting> waiting;
};

Result<FirstRow> parse(const ViewLayout& layout, std::string_view row) {
  FirstRow parts;
  if (row.empty()) {
    return parts;
  }
  RowReader reader = open_online_row(row, OnlineRowKind::kFirstEvent);
  if (reader.byte() != 0) {
    const int64_t first = reader.signed_varint();
    const int64_t newest = reader.signed_varint();
    parts.span = Span{first, newest};
    if (!is_instant(first) || !is_instant(newest)) {
      reader.fail();
    }
  }
  for (uint64_t count = reader.varint(); count > 0 && !reader.failed(); --count) {
    const int64_t event_time = reader.signed_varint();
    const int64_t known_time = reader.signed_varint();
    parts.waiting.push_back({event_time, known_time});
    if (!is_instant(event_time) || !is_instant(known_time)) {
      reader.fail();
    }
  }
  if (reader.failed() || !reader.at_end()) {
    return corrupt_online_row(layout.name);
  }
  return parts;
}

}  // namespace

Result<data::Batch> FirstEventView::steps(const data::Batch& rows,
                                          const data::Batch& seed,
                                          EventTime begin,
                                          EventTime end,
                                          int threads) const {
  ASSAY_ASSIGN_OR_RETURN(const StepInputs inputs, step_inputs(layout(), rows, seed));
  const EntityRows& entities = inputs.entities;
  std::vector<FirstSteps> chunks(chunk_count_max(threads));
  for_entity_ranges(entities, threads, [&](std::size_t first, std::size_t last, std::size_t chunk) {
    for (std::size_t i = first; i < last; ++i) {
      write_steps(inputs, entities.entities[i], begin, end, &chunks[chunk]);
    }
  });
  FirstSteps all;
  for (const FirstSteps& chunk : chunks) {
    all.key.insert(all.key.end(), chunk.key.begin(), chunk.key.end());
    all.known_time.insert(all.known_time.end(), chunk.known_time.begin(), chunk.known_time.end());
    all.first.insert(all.first.end(), chunk.first.begin(), chunk.first.end());
    all.newest.insert(all.newest.end(), chunk.newest.begin(), chunk.newest.end());
  }
  std::vector<data::ColumnPtr> keys;
  for (const data::ColumnPtr& column : entities.keys) {
    keys.push_back(data::take(*column, all.key));
  }
  const std::vector<data::ColumnPtr> raw(static_cast<std::size_t>(layout().raw->size()),
                                         timestamps(all.first));
  return make_steps(layout(),
                    keys,
                    timestamps(all.newest),
                    timestamps(all.known_time),
                    data::Batch(layout().raw, raw, static_cast<int64_t>(all.key.size())),
                    {});
}

Status FirstEventView::update_online_row(const data::Batch& rows,
                                         std::span<const int64_t> selected,
                                         EventTime applied_until,
                                         std::string* row) const {
  ASSAY_ASSIGN_OR_RETURN(const RowColumns columns, find_row_columns(layout(), rows));
  ASSAY_ASSIGN_OR_RETURN(FirstRow parts, parse(layout(), *row));
  for (const int64_t one : selected) {
    if (columns.has_times(one)) {
      const auto at = static_cast<std::size_t>(one);
      parts.waiting.push_back(
          {columns.event_time->values<int64_t>()[at], columns.known_time->values<int64_t>()[at]});
    }
  }
  const int64_t until = clamp_instant(applied_until);
  std::vector<Waiting> waiting;
  for (const Waiting& event : parts.waiting) {
    if (event.visible_time() <= until) {
      take_event(event.event_time, &parts.span);
    } else {
      waiting.push_back(event);
    }
  }
  std::sort(waiting.begin(), waiting.end());
  waiting.erase(std::unique(waiting.begin(), waiting.end()), waiting.end());
  std::string out;
  append_online_row_header(&out, OnlineRowKind::kFirstEvent);
  out.push_back(parts.span ? 1 : 0);
  if (parts.span) {
    append_signed(&out, parts.span->first);
    append_signed(&out, parts.span->newest);
  }
  append_varint(&out, waiting.size());
  for (const Waiting& event : waiting) {
    append_signed(&out, event.event_time);
    append_signed(&out, event.known_time);
  }
  *row = std::move(out);
  return {};
}

Result<FeatureValues> FirstEventView::read_online_row(std::string_view row, EventTime now) const {
  ASSAY_ASSIGN_OR_RETURN(FirstRow parts, parse(layout(), row));
  for (const Waiting& event : parts.waiting) {
    if (event.visible_time() <= clamp_instant(now)) {
      take_event(event.event_time, &parts.span);
    }
  }
  if (!parts.span) {
    return make_answer(layout(), std::nullopt, {}, {}, now);
  }
  std::vector<data::Scalar> raw(static_cast<std::size_t>(layout().raw->size()),
                                data::Scalar::timestamp(parts.span->first));
  return make_answer(layout(), EventTime{parts.span->newest}, std::move(raw), {}, now);
}

}  // namespace assay::gold
