// Steps of latest values: an entity's rows in order of the instant they become visible; a step
// wherever the newest of those seen so far is another one and says something else. When rows of the
// entity are replaced, those seen wait in a heap, newest on top: the top leaves when it is
// replaced.

#include <algorithm>
#include <bit>
#include <utility>

#include "gold/aggregate.h"
#include "gold/entity_rows.h"
#include "gold/latest_view.h"

namespace assay::gold {
namespace {

/// Times and values of the source rows, as the threads share them.
struct LatestInputs : StepInputs {
  std::vector<data::ColumnPtr> features;

  /// False when the seed says that there is no answer.
  [[nodiscard]] bool seed_answers(int64_t seed) const {
    return seed >= 0 && seed_event_time->is_valid(seed);
  }
  [[nodiscard]] int64_t seed_time(int64_t seed) const {
    return seed_event_time->values<int64_t>()[static_cast<std::size_t>(seed)];
  }
};

/// Steps as columns: the source row of each gives event time and values; -1: there is no answer.
struct LatestSteps {
  std::vector<int64_t> key;
  std::vector<int64_t> known_time;
  std::vector<int64_t> row;
};

bool same_answer(const data::Column& a, int64_t a_row, const data::Column& b, int64_t b_row) {
  if (a.is_null(a_row) || b.is_null(b_row)) {
    return a.is_null(a_row) && b.is_null(b_row);
  }
  if (data::has_parameters(a.type())) {
    return data::same_value(a, a_row, b, b_row);
  }
  const InputValue x = input_value(a, a_row);
  const InputValue y = input_value(b, b_row);
  return x.integer == y.integer && x.text == y.text &&
         std::bit_cast<uint64_t>(x.real) == std::bit_cast<uint64_t>(y.real);
}

/// True when row `a` is newer than row `b`.
bool is_newer(const LatestInputs& inputs, int64_t a, int64_t b) {
  if (inputs.event_time[a] != inputs.event_time[b]) {
    return inputs.event_time[a] > inputs.event_time[b];
  }
  if (inputs.known_time[a] != inputs.known_time[b]) {
    return inputs.known_time[a] > inputs.known_time[b];
  }
  if (inputs.sequence[a] != inputs.sequence[b]) {
    return inputs.sequence[a] > inputs.sequence[b];
  }
  std::string a_values;
  std::string b_values;
  append_row_values(inputs.features, a, &a_values);
  append_row_values(inputs.features, b, &b_values);
  return a_values > b_values;
}

/// Writes the steps of one entity after the other.
class LatestKernel {
 public:
  LatestKernel(const LatestInputs& inputs, EventTime begin, EventTime end, LatestSteps* out)
      : inputs_(inputs), begin_(begin.micros), end_(end.micros), out_(out) {}

  void run(const EntityRows& all, const EntityRows::Entity& entity) {
    const auto place = [](std::size_t i) { return static_cast<std::ptrdiff_t>(i); };
    rows_.assign(all.row_numbers.begin() + place(entity.begin),
                 all.row_numbers.begin() + place(entity.end));
    std::sort(rows_.begin(), rows_.end(), [&](int64_t a, int64_t b) {
      return inputs_.visible_time(a) < inputs_.visible_time(b);
    });
    newest_ = -1;
    written_ = -1;
    answers_ = inputs_.seed_answers(entity.seed);
    if (is_replaced_in_range()) {
      run_with_replaced(entity);
      return;
    }
    for (std::size_t i = 0; i < rows_.size();) {
      const int64_t instant = std::max(inputs_.visible_time(rows_[i]), begin_);
      if (instant >= end_) {
        return;
      }
      for (; i < rows_.size() && inputs_.visible_time(rows_[i]) <= instant; ++i) {
        see(rows_[i], entity.seed);
      }
      if (newest_ >= 0) {
        write_if_changed(entity, instant);
      }
    }
  }

 private:
  [[nodiscard]] bool is_replaced_in_range() const {
    return std::any_of(rows_.begin(), rows_.end(), [&](int64_t row) {
      const int64_t replaced = inputs_.columns.replaced_at(row);
      return replaced >= begin_ && replaced < end_;
    });
  }

  /// The rows hold all that is not replaced before `begin`: the seed only says what was answered.
  void run_with_replaced(const EntityRows::Entity& entity) {
    const auto older = [&](int64_t a, int64_t b) { return is_newer(inputs_, b, a); };
    std::vector<int64_t> standing;
    std::size_t next = 0;
    int64_t instant = begin_;
    while (instant < end_) {
      for (; next < rows_.size() && inputs_.visible_time(rows_[next]) <= instant; ++next) {
        standing.push_back(rows_[next]);
        std::push_heap(standing.begin(), standing.end(), older);
      }
      while (!standing.empty() && inputs_.columns.replaced_at(standing.front()) <= instant) {
        std::pop_heap(standing.begin(), standing.end(), older);
        standing.pop_back();
      }
      newest_ = standing.empty() ? -1 : standing.front();
      write_if_changed(entity, instant);
      instant = end_;
      if (next < rows_.size()) {
        instant = std::min(instant, inputs_.visible_time(rows_[next]));
      }
      if (newest_ >= 0) {
        instant = std::min(instant, inputs_.columns.replaced_at(newest_));
      }
    }
  }

  void see(int64_t row, int64_t seed) {
    if (inputs_.columns.replaced_at(row) < begin_) {
      return;
    }
    if (inputs_.seed_answers(seed)) {
      // The seed is the newest of the rows visible before `begin`. A row seen later with the same
      // event time became known later, so it wins.
      const int64_t seed_time = inputs_.seed_time(seed);
      const bool before = inputs_.visible_time(row) < begin_;
      if (before || inputs_.event_time[row] < seed_time) {
        return;
      }
    }
    if (newest_ < 0 || is_newer(inputs_, row, newest_)) {
      newest_ = row;
    }
  }

  void write_if_changed(const EntityRows::Entity& entity, int64_t instant) {
    if (newest_ < 0 ? !answers_ : newest_ == written_) {
      return;
    }
    bool same = false;
    if (newest_ < 0 || !answers_) {
      same = false;
    } else if (written_ >= 0) {
      same = inputs_.event_time[newest_] == inputs_.event_time[written_] &&
             same_values(inputs_.features, newest_, inputs_.features, written_);
    } else {
      same = inputs_.event_time[newest_] == inputs_.seed_time(entity.seed) &&
             same_values(inputs_.features, newest_, inputs_.seed_features, entity.seed);
    }
    written_ = newest_;
    answers_ = newest_ >= 0;
    if (!same) {
      out_->key.push_back(entity.key);
      out_->known_time.push_back(instant);
      out_->row.push_back(newest_);
    }
  }

  const LatestInputs& inputs_;
  const int64_t begin_;
  const int64_t end_;
  LatestSteps* out_;
  std::vector<int64_t> rows_;
  int64_t newest_ = -1;
  int64_t written_ = -1;  // the row whose answer stands; -1: the seed's, or none
  bool answers_ = false;  // there is an answer that stands
};

}  // namespace

bool same_values(const std::vector<data::ColumnPtr>& a,
                 int64_t a_row,
                 const std::vector<data::ColumnPtr>& b,
                 int64_t b_row) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!same_answer(*a[i], a_row, *b[i], b_row)) {
      return false;
    }
  }
  return true;
}

Result<std::vector<data::ColumnPtr>> LatestView::find_columns(const data::Batch& rows) const {
  std::vector<data::Field> wanted = layout().raw->fields();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    wanted[i].name = columns_[i];
  }
  return columns_as(wanted, rows);
}

Result<data::Batch> LatestView::steps(const data::Batch& rows,
                                      const data::Batch& seed,
                                      EventTime begin,
                                      EventTime end,
                                      int threads) const {
  ASSAY_ASSIGN_OR_RETURN(StepInputs found, step_inputs(layout(), rows, seed));
  LatestInputs inputs{std::move(found), {}};
  ASSAY_ASSIGN_OR_RETURN(inputs.features, find_columns(rows));
  const EntityRows& entities = inputs.entities;

  std::vector<LatestSteps> chunks(chunk_count_max(threads));
  for_entity_ranges(entities, threads, [&](std::size_t first, std::size_t last, std::size_t chunk) {
    LatestKernel kernel(inputs, begin, end, &chunks[chunk]);
    for (std::size_t i = first; i < last; ++i) {
      kernel.run(entities, entities.entities[i]);
    }
  });

  LatestSteps all;
  for (const LatestSteps& chunk : chunks) {
    all.key.insert(all.key.end(), chunk.key.begin(), chunk.key.end());
    all.known_time.insert(all.known_time.end(), chunk.known_time.begin(), chunk.known_time.end());
    all.row.insert(all.row.end(), chunk.row.begin(), chunk.row.end());
  }
  const auto count = static_cast<int64_t>(all.row.size());
  std::vector<data::ColumnPtr> keys;
  for (const data::ColumnPtr& column : entities.keys) {
    keys.push_back(data::take(*column, all.key));
  }
  std::vector<data::ColumnPtr> raw;
  for (const data::ColumnPtr& column : inputs.features) {
    raw.push_back(data::take(*column, all.row));
  }
  data::ColumnBuilder known_time(data::Type::kTimestamp);
  known_time.append_block(all.known_time.data(), count);
  return make_steps(layout(),
                    keys,
                    data::take(*inputs.columns.event_time, all.row),
                    known_time.finish(),
                    data::Batch(layout().raw, std::move(raw), count),
                    {});
}

}  // namespace assay::gold
