// Steps of a composed view: per entity, the steps of its parts merged along known_time. Wherever a
// part steps, the row holds what each part says at that instant; a row that says what the row
// before says is left out. A part without an answer says what it says of nothing; when no part has
// one any more, neither has the view.
//
//   windows     ----w1---------------w2----------w3--->
//   latest      ------------l1-------l2--------------->
//   composed    --(w1,-)--(w1,l1)--(w2,l2)----(w3,l2)->

#include <algorithm>
#include <numeric>
#include <utility>

#include "gold/composed_view.h"
#include "gold/latest_view.h"

namespace assay::gold {
namespace {

/// Steps of one part with what the merge may take besides: rows of the seed and, last, the values
/// over nothing.
struct PartRows {
  std::vector<data::ColumnPtr> columns;
  data::Batch steps;
  const data::Column* event_time = nullptr;
  const int64_t* known_time = nullptr;
  int64_t seed_begin = 0;
  int64_t nothing = 0;
};

/// Before every event: no row has this time.
constexpr int64_t kNoEvent = EventTime::min().micros;

int64_t event_time_of(const data::Column& event_time, int64_t row) {
  return event_time.is_null(row) ? kNoEvent
                                 : event_time.values<int64_t>()[static_cast<std::size_t>(row)];
}

struct Range {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Steps and seeds of all parts by entity.
struct Entities {
  std::vector<data::ColumnPtr> keys;  // of the parts' steps one after the other, then of the seed
  std::vector<std::size_t> order;     // entities by their key bytes
  std::vector<std::vector<Range>> ranges;  // per part and entity: its steps
  std::vector<int64_t> seed;               // per entity: row of the seed, or -1
  std::vector<int64_t> key_row;            // per entity: a row of `keys`
};

Result<data::Batch> key_batch(const ViewLayout& layout, const data::Batch& batch) {
  ASSAY_ASSIGN_OR_RETURN(std::vector<data::ColumnPtr> keys, columns_as(layout.keys, batch));
  return data::Batch(data::make_schema(layout.keys), std::move(keys), batch.rows());
}

Result<Entities> find_entities(const ViewLayout& layout,
                               const std::vector<PartRows>& parts,
                               const data::Batch& seed) {
  std::vector<data::Batch> key_batches;
  for (const PartRows& part : parts) {
    ASSAY_ASSIGN_OR_RETURN(data::Batch keys, key_batch(layout, part.steps));
    key_batches.push_back(std::move(keys));
  }
  if (seed.rows() > 0) {
    ASSAY_ASSIGN_OR_RETURN(data::Batch keys, key_batch(layout, seed));
    key_batches.push_back(std::move(keys));
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch all,
                         data::concat(data::make_schema(layout.keys), key_batches));
  Entities found;
  std::vector<const data::Column*> columns;
  for (int i = 0; i < all.column_count(); ++i) {
    found.keys.push_back(all.column_ptr(i));
    columns.push_back(&all.column(i));
  }
  int64_t rows = 0;  // not of `all`: without key columns it has none
  for (const data::Batch& keys : key_batches) {
    rows += keys.rows();
  }
  const data::EntityIndex index = data::index_entities(columns, rows);
  found.order.resize(index.keys.size());
  std::iota(found.order.begin(), found.order.end(), std::size_t{0});
  std::sort(found.order.begin(), found.order.end(), [&](std::size_t a, std::size_t b) {
    return index.keys[a] < index.keys[b];
  });
  found.seed.assign(index.keys.size(), -1);
  found.key_row.assign(index.keys.size(), -1);
  int64_t offset = 0;
  const auto id_of = [&](int64_t row) {
    return static_cast<std::size_t>(index.ids[static_cast<std::size_t>(offset + row)]);
  };
  for (const PartRows& part : parts) {
    std::vector<Range>& ranges = found.ranges.emplace_back(index.keys.size());
    for (int64_t row = 0; row < part.steps.rows(); ++row) {
      Range& range = ranges[id_of(row)];
      range = range.end == 0 ? Range{row, row + 1} : Range{range.begin, row + 1};
      found.key_row[id_of(row)] = offset + row;
    }
    offset += part.steps.rows();
  }
  for (int64_t row = 0; row < seed.rows(); ++row) {
    if (index.ids[static_cast<std::size_t>(offset + row)] >= 0) {
      found.seed[id_of(row)] = row;
    }
  }
  return found;
}

/// Merged steps as row numbers.
struct Merged {
  std::vector<int64_t> key;  // of Entities::keys
  std::vector<int64_t> event_time;
  std::vector<int64_t> known_time;
  std::vector<std::vector<int64_t>> rows;  // per part: of PartRows::columns
};

/// Merges the steps of one entity after the other.
class Merge {
 public:
  Merge(const std::vector<PartRows>& parts, const Entities& entities, const data::Column* seed_time)
      : parts_(parts),
        entities_(entities),
        seed_time_(seed_time),
        current_(parts.size()),
        newest_(parts.size()) {
    out_.rows.resize(parts.size());
  }

  void run(std::size_t entity) {
    const int64_t seed = entities_.seed[entity];
    std::vector<Range> left;
    int64_t newest = seed >= 0 ? event_time_of(*seed_time_, seed) : kNoEvent;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      left.push_back(entities_.ranges[p][entity]);
      current_[p] = newest != kNoEvent ? parts_[p].seed_begin + seed : parts_[p].nothing;
      newest_[p] = newest;
    }
    for (;;) {
      const int64_t known = next_known(left);
      if (known == EventTime::max().micros) {
        return;
      }
      bool changed = false;
      for (std::size_t p = 0; p < parts_.size(); ++p) {
        const PartRows& part = parts_[p];
        if (left[p].begin == left[p].end || part.known_time[left[p].begin] != known) {
          continue;
        }
        const int64_t row = left[p].begin++;
        newest_[p] = event_time_of(*part.event_time, row);
        const int64_t says = newest_[p] == kNoEvent ? part.nothing : row;
        changed = changed || !same_values(part.columns, says, part.columns, current_[p]);
        current_[p] = says;
      }
      const int64_t before = newest;
      newest = *std::max_element(newest_.begin(), newest_.end());
      if (changed || newest != before) {
        write(entities_.key_row[entity], newest, known);
      }
    }
  }

  Merged take() { return std::move(out_); }

 private:
  [[nodiscard]] int64_t next_known(const std::vector<Range>& left) const {
    int64_t known = EventTime::max().micros;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      if (left[p].begin != left[p].end) {
        known = std::min(known, parts_[p].known_time[left[p].begin]);
      }
    }
    return known;
  }

  void write(int64_t key, int64_t event_time, int64_t known_time) {
    out_.key.push_back(key);
    out_.event_time.push_back(event_time);
    out_.known_time.push_back(known_time);
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      out_.rows[p].push_back(current_[p]);
    }
  }

  const std::vector<PartRows>& parts_;
  const Entities& entities_;
  const data::Column* seed_time_;
  std::vector<int64_t> current_;
  std::vector<int64_t> newest_;  // per part: its newest event, or kNoEvent
  Merged out_;
};

const int64_t* times_of(const data::Batch& batch, const char* name) {
  const data::Column* column = batch.find(name);
  return column == nullptr ? nullptr : column->values<int64_t>().data();
}

data::ColumnPtr timestamps(const std::vector<int64_t>& micros) {
  data::ColumnBuilder builder(data::Type::kTimestamp);
  builder.reserve(static_cast<int64_t>(micros.size()));
  for (const int64_t time : micros) {
    if (time == kNoEvent) {
      builder.append_null();
    } else {
      builder.append(time);
    }
  }
  return builder.finish();
}

Result<PartRows> rows_of_part(data::Batch steps,
                              const data::Batch& seed,
                              const data::Batch& over_nothing) {
  PartRows part;
  part.steps = std::move(steps);
  part.event_time = part.steps.find(kEventTime);
  part.known_time = times_of(part.steps, kKnownTime);
  part.seed_begin = part.steps.rows();
  part.nothing = part.steps.rows() + seed.rows();
  std::vector<data::Batch> batches;
  const data::Batch* sources[] = {&part.steps, &seed, &over_nothing};
  for (const data::Batch* source : sources) {
    if (source->rows() > 0) {
      ASSAY_ASSIGN_OR_RETURN(std::vector<data::ColumnPtr> columns,
                             columns_as(over_nothing.schema().fields(), *source));
      batches.emplace_back(over_nothing.schema_ptr(), std::move(columns), source->rows());
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch all, data::concat(over_nothing.schema_ptr(), batches));
  for (int i = 0; i < all.column_count(); ++i) {
    part.columns.push_back(all.column_ptr(i));
  }
  return part;
}

}  // namespace

Result<data::Batch> ComposedView::steps(const data::Batch& rows,
                                        const data::Batch& seed,
                                        EventTime begin,
                                        EventTime end,
                                        int threads) const {
  std::vector<PartRows> parts;
  for (const Part& part : parts_) {
    // The seed has the newest event of all parts. A part that would have had an older one makes
    // steps too few, where only its own event time moved: they say nothing new here.
    ASSAY_ASSIGN_OR_RETURN(data::Batch part_steps,
                           part.view->steps(rows, seed, begin, end, threads));
    ASSAY_ASSIGN_OR_RETURN(PartRows one,
                           rows_of_part(std::move(part_steps), seed, part.over_nothing));
    parts.push_back(std::move(one));
  }
  ASSAY_ASSIGN_OR_RETURN(const Entities entities, find_entities(layout(), parts, seed));
  Merge merge(parts, entities, seed.find(kEventTime));
  for (const std::size_t entity : entities.order) {
    merge.run(entity);
  }
  const Merged merged = merge.take();
  std::vector<data::ColumnPtr> keys;
  for (const data::ColumnPtr& column : entities.keys) {
    keys.push_back(data::take(*column, merged.key));
  }
  std::vector<data::ColumnPtr> raw(static_cast<std::size_t>(layout().raw->size()));
  std::vector<data::ColumnPtr> overflows;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    for (std::size_t k = 0; k < parts_[p].columns.size(); ++k) {
      data::ColumnPtr column = data::take(*parts[p].columns[k], merged.rows[p]);
      if (k < parts_[p].raw.size()) {
        raw[parts_[p].raw[k]] = std::move(column);
      } else {
        overflows.push_back(std::move(column));
      }
    }
  }
  const auto count = static_cast<int64_t>(merged.key.size());
  return make_steps(layout(),
                    keys,
                    timestamps(merged.event_time),
                    timestamps(merged.known_time),
                    data::Batch(layout().raw, std::move(raw), count),
                    overflows);
}

}  // namespace assay::gold
