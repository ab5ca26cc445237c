// Steps of a view of event sequences: an entity's rows in the order in which they become visible,
// put into its sequence; a step wherever a row, the end of a session or a row that leaves its
// window makes the sequence say something else.

#include <algorithm>
#include <optional>
#include <utility>

#include "gold/entity_rows.h"
#include "gold/event_sequence.h"
#include "gold/latest_view.h"
#include "gold/sequence_view.h"
#include "gold/standing_rows.h"

namespace assay::gold {
namespace {

/// What the threads share.
struct SequenceInputs : StepInputs {
  std::vector<std::string> values;  // of the rows
};

/// Steps of one thread; values in the form of append_row_values, "" when there is no answer.
struct SequenceSteps {
  std::vector<int64_t> key;
  std::vector<std::optional<int64_t>> event_time;
  std::vector<int64_t> known_time;
  std::vector<std::string> values;
};

/// Writes the steps of one entity after the other.
class SequenceKernel {
 public:
  SequenceKernel(const SequencePlan& plan,
                 const SequenceInputs& inputs,
                 EventTime begin,
                 EventTime end,
                 SequenceSteps* out)
      : inputs_(inputs),
        begin_(std::max(begin, kFirstInstant).micros),
        end_(end.micros),
        out_(out),
        events_(plan) {}

  void run(const EntityRows& all, const EntityRows::Entity& entity) {
    start(all, entity);
    std::size_t next = 0;
    int64_t instant = begin_;
    for (;;) {
      if (instant >= end_) {
        return;
      }
      events_.advance(instant);
      const std::size_t before = next;
      while (next < rows_.size() && rows_[next].visible_time() <= instant) {
        ++next;
      }
      take(before, next);
      take_back(instant);
      write_if_changed(entity.key, instant);
      const int64_t row_time =
          next < rows_.size() ? rows_[next].visible_time() : EventTime::max().micros;
      instant = std::min({row_time, events_.next_change(), standing_.next_replaced()});
      if (instant == EventTime::max().micros) {
        return;
      }
    }
  }

 private:
  void start(const EntityRows& all, const EntityRows::Entity& entity) {
    rows_.clear();
    has_replaced_ = false;
    standing_.clear();
    for (std::size_t i = entity.begin; i < entity.end; ++i) {
      const auto row = static_cast<std::size_t>(all.row_numbers[i]);
      const int64_t replaced = inputs_.columns.replaced_at(all.row_numbers[i]);
      if (replaced < begin_) {
        continue;
      }
      rows_.push_back({inputs_.event_time[row],
                       inputs_.known_time[row],
                       inputs_.sequence[row],
                       inputs_.values[row],
                       replaced});
      has_replaced_ = has_replaced_ || replaced < end_;
    }
    std::sort(rows_.begin(), rows_.end(), [](const SequenceEvent& a, const SequenceEvent& b) {
      return a.visible_time() < b.visible_time();
    });
    events_.clear();
    newest_.reset();
    said_.clear();
    said_time_.reset();
    if (entity.seed >= 0 && inputs_.seed_event_time->is_valid(entity.seed)) {
      said_time_ =
          inputs_.seed_event_time->values<int64_t>()[static_cast<std::size_t>(entity.seed)];
      append_row_values(inputs_.seed_features, entity.seed, &said_);
      // With rows that are replaced, these are all there are: they say which is the newest.
      newest_ = has_replaced_ ? std::nullopt : said_time_;
    }
  }

  /// Take back what is replaced by now, and find the newest event that stands.
  void take_back(int64_t instant) {
    if (!has_replaced_) {
      return;
    }
    while (const std::optional<uint32_t> place = standing_.pop_replaced(instant)) {
      events_.remove(rows_[*place]);
    }
    newest_ = standing_.newest(instant);
  }

  /// Take rows that become visible together, oldest first: most are in order then.
  void take(std::size_t begin, std::size_t end) {
    const auto place = [&](std::size_t i) {
      return rows_.begin() + static_cast<std::ptrdiff_t>(i);
    };
    std::sort(place(begin), place(end));
    for (std::size_t i = begin; i < end; ++i) {
      newest_ = std::max(newest_.value_or(rows_[i].event_time), rows_[i].event_time);
      events_.add(rows_[i]);
      if (has_replaced_) {
        standing_.add(rows_[i].event_time, rows_[i].replaced_time, static_cast<uint32_t>(i));
      }
    }
  }

  void write_if_changed(int64_t key, int64_t instant) {
    says_.clear();
    if (newest_) {
      events_.append_values(&says_);
    }
    if (said_time_ == newest_ && says_ == said_) {
      return;
    }
    said_ = says_;
    said_time_ = newest_;
    out_->key.push_back(key);
    out_->event_time.push_back(newest_);
    out_->known_time.push_back(instant);
    out_->values.push_back(says_);
  }

  const SequenceInputs& inputs_;
  const int64_t begin_;
  const int64_t end_;
  SequenceSteps* out_;
  EventSequence events_;
  std::vector<SequenceEvent> rows_;
  bool has_replaced_ = false;         // some are replaced within the range
  StandingRows standing_;             // used then
  std::optional<int64_t> newest_;     // newest visible event
  std::optional<int64_t> said_time_;  // of the answer that stands; nothing: there is none
  std::string said_;
  std::string says_;
};

}  // namespace

Result<data::Batch> SequenceView::steps(const data::Batch& rows,
                                        const data::Batch& seed,
                                        EventTime begin,
                                        EventTime end,
                                        int threads) const {
  ASSAY_ASSIGN_OR_RETURN(StepInputs found, step_inputs(layout(), rows, seed));
  SequenceInputs inputs{std::move(found), {}};
  ASSAY_ASSIGN_OR_RETURN(inputs.values, pack_sequence_values(plan_, rows));
  const EntityRows& entities = inputs.entities;

  std::vector<SequenceSteps> chunks(chunk_count_max(threads));
  for_entity_ranges(entities, threads, [&](std::size_t first, std::size_t last, std::size_t chunk) {
    SequenceKernel kernel(plan_, inputs, begin, end, &chunks[chunk]);
    for (std::size_t i = first; i < last; ++i) {
      kernel.run(entities, entities.entities[i]);
    }
  });

  data::BatchBuilder raw(layout().raw);
  data::ColumnBuilder event_time(data::Type::kTimestamp);
  data::ColumnBuilder known_time(data::Type::kTimestamp);
  std::vector<int64_t> key_rows;
  for (const SequenceSteps& chunk : chunks) {
    const auto count = static_cast<int64_t>(chunk.key.size());
    key_rows.insert(key_rows.end(), chunk.key.begin(), chunk.key.end());
    known_time.append_block(chunk.known_time.data(), count);
    for (std::size_t step = 0; step < chunk.values.size(); ++step) {
      if (!chunk.event_time[step]) {
        event_time.append_null();
        for (int i = 0; i < layout().raw->size(); ++i) {
          raw.column(i).append_null();
        }
        continue;
      }
      event_time.append(*chunk.event_time[step]);
      ASSAY_ASSIGN_OR_RETURN(const std::vector<data::Scalar> row,
                             read_row_values(layout(), chunk.values[step]));
      for (std::size_t i = 0; i < row.size(); ++i) {
        raw.column(static_cast<int>(i)).append_scalar(row[i]);
      }
    }
  }
  std::vector<data::ColumnPtr> keys;
  for (const data::ColumnPtr& column : entities.keys) {
    keys.push_back(data::take(*column, key_rows));
  }
  return make_steps(layout(), keys, event_time.finish(), known_time.finish(), raw.finish(), {});
}

}  // namespace assay::gold
