#include "flow/step_answers.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include "data/gather.h"
#include "data/parquet.h"
#include "data/partition.h"
#include "gold/contract.h"
#include "gold/view_layout.h"

namespace assay::flow {
namespace {

/// What a label's step is, by number.
struct Pair {
  int64_t row;
  uint32_t label;
};

/// Labels with a step, in the order of their steps.
data::Parts<Pair> in_row_order(std::vector<int64_t> rows, int threads) {
  constexpr std::size_t kParts = 4'096;
  const int64_t most = *std::max_element(rows.begin(), rows.end());
  int shift = 0;
  while (most >> shift >= static_cast<int64_t>(kParts)) {
    ++shift;
  }
  data::Parts<Pair> pairs = data::partition<Pair>(
      rows.size(),
      kParts,
      threads,
      [&](std::size_t label) {
        return rows[label] < 0 ? data::kNoPart : static_cast<std::size_t>(rows[label] >> shift);
      },
      [&](std::size_t label) {
        return Pair{rows[label], static_cast<uint32_t>(label)};
      });
  data::on_threads(threads, [&](int thread) {
    const data::IndexRange range = data::share_of(kParts, thread, threads);
    for (std::size_t part = range.begin; part < range.end; ++part) {
      std::sort(pairs.part(part).begin(), pairs.part(part).end(), [](const Pair& a, const Pair& b) {
        return a.row != b.row ? a.row < b.row : a.label < b.label;
      });
    }
  });
  return pairs;
}

/// The first of the pairs whose row is not before `row`.
std::size_t first_at(std::span<const Pair> pairs, int64_t row) {
  return static_cast<std::size_t>(
      std::partition_point(
          pairs.begin(), pairs.end(), [&](const Pair& pair) { return pair.row < row; }) -
      pairs.begin());
}

/// Labels by their blocks, each with its row among those that begin with `first`.
struct BlockOrder {
  std::vector<uint32_t> labels;
  std::vector<int64_t> rows;
};

BlockOrder by_blocks(const AnswerPieces& pieces, std::span<const Pair> pairs, int64_t first) {
  std::vector<std::size_t> positions(static_cast<std::size_t>(pieces.blocks()));
  const auto block_of = [&](const Pair& pair) {
    return static_cast<std::size_t>(pair.label / pieces.block_labels());
  };
  for (const Pair& pair : pairs) {
    ++positions[block_of(pair)];
  }
  std::size_t next = 0;
  for (std::size_t& position : positions) {
    next += std::exchange(position, next);
  }
  BlockOrder order{std::vector<uint32_t>(pairs.size()), std::vector<int64_t>(pairs.size())};
  for (const Pair& pair : pairs) {
    const std::size_t at = positions[block_of(pair)]++;
    order.labels[at] = pair.label;
    order.rows[at] = pair.row - first;
  }
  return order;
}

/// A label, and its step among the rows that are taken together.
struct Taken {
  uint32_t row;
  uint32_t label;
};
static_assert(data::kParquetRowsMax <= std::numeric_limits<uint32_t>::max());

/// Row groups that are taken together: small ones, since each piece that is put has a cost of its
/// own.
class Takings {
 public:
  explicit Takings(std::span<const StepRows::RowGroup> groups) : groups_(groups) {
    int64_t rows = data::kRowGroupRows;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      if (rows + groups_[i].rows > data::kRowGroupRows) {
        begins_.push_back(i);
        rows = 0;
      }
      rows += groups_[i].rows;
      const int64_t end = groups_[i].first_row + groups_[i].rows;
      near_.resize(static_cast<std::size_t>(((end - 1) >> kNearBits) + 1), begins_.size() - 1);
    }
    begins_.push_back(groups_.size());
  }

  [[nodiscard]] std::size_t size() const { return begins_.size() - 1; }
  [[nodiscard]] std::span<const StepRows::RowGroup> groups(std::size_t taking) const {
    return groups_.subspan(begins_[taking], begins_[taking + 1] - begins_[taking]);
  }
  [[nodiscard]] int64_t first_row(std::size_t taking) const {
    return groups_[begins_[taking]].first_row;
  }
  /// Where a row is.
  [[nodiscard]] std::size_t of(int64_t row) const {
    std::size_t taking = near_[static_cast<std::size_t>(row >> kNearBits)];
    while (taking + 1 < size() && first_row(taking + 1) <= row) {
      ++taking;
    }
    return taking;
  }

 private:
  static constexpr int kNearBits = 16;
  std::span<const StepRows::RowGroup> groups_;
  std::vector<std::size_t> begins_;  // in groups_, and their end
  std::vector<std::size_t> near_;    // the first taking of each 2^kNearBits rows
};

/// Row groups side by side; those that answer nothing are not read.
class GroupCollector {
 public:
  GroupCollector(const StepRows& steps,
                 std::vector<int64_t> step_of_label,
                 const std::vector<StepColumn>& columns,
                 const std::vector<data::Field>& fields,
                 AnswerPieces& pieces)
      : steps_(steps),
        takings_(steps.row_groups()),
        labels_(by_takings(takings_, step_of_label, steps.threads())),
        columns_(columns),
        fields_(fields),
        pieces_(pieces) {}

  Status run() {
    data::on_threads(steps_.reading_threads(columns_), [&](int) {
      data::ParquetGroupReader reader = steps_.make_reader();
      for (std::size_t i = next_++; i < takings_.size() && i < failed_; i = next_++) {
        Status done = collect(i, reader);
        const std::lock_guard lock(mutex_);
        if (!done.ok() && i < failed_) {  // the first failure, whatever threads
          failed_ = i;
          status_ = std::move(done);
        }
      }
    });
    return status_;
  }

 private:
  /// In each part labels ascend.
  static data::Parts<Taken> by_takings(const Takings& takings,
                                       const std::vector<int64_t>& rows,
                                       int threads) {
    return data::partition<Taken>(
        rows.size(),
        takings.size(),
        threads,
        [&](std::size_t label) {
          return rows[label] < 0 ? data::kNoPart : takings.of(rows[label]);
        },
        [&](std::size_t label) {
          const int64_t first = takings.first_row(takings.of(rows[label]));
          return Taken{static_cast<uint32_t>(rows[label] - first), static_cast<uint32_t>(label)};
        });
  }

  Status collect(std::size_t taking, data::ParquetGroupReader& reader) {
    try {
      return collect_groups(taking, reader);
    } catch (const std::bad_alloc&) {
      return {Code::kResourceExhausted, "no memory to take steps"};
    }
  }

  Status collect_groups(std::size_t taking, data::ParquetGroupReader& reader) {
    const std::span<const Taken> wanted = labels_.part(taking);
    if (wanted.empty()) {
      return {};
    }
    std::vector<data::Batch> read;
    for (const StepRows::RowGroup& group : takings_.groups(taking)) {
      ASSAY_ASSIGN_OR_RETURN(data::Batch rows, steps_.read(group, columns_, reader));
      read.push_back(std::move(rows));
    }
    if (read.size() > 1) {
      ASSAY_ASSIGN_OR_RETURN(data::Batch all, data::concat(read.front().schema_ptr(), read));
      read = {std::move(all)};
    }
    ASSAY_ASSIGN_OR_RETURN(const auto typed, gold::columns_as(fields_, read.front()));
    std::vector<uint32_t> labels;
    std::vector<int64_t> rows;
    labels.reserve(wanted.size());
    rows.reserve(wanted.size());
    for (const Taken& one : wanted) {
      labels.push_back(one.label);
      rows.push_back(one.row);
    }
    std::vector<data::ColumnPtr> taken;
    for (const data::ColumnPtr& column : typed) {
      taken.push_back(data::take(*column, rows));
    }
    const std::lock_guard lock(mutex_);
    return pieces_.put(std::move(labels), std::move(taken));
  }

  const StepRows& steps_;
  const Takings takings_;
  data::Parts<Taken> labels_;
  const std::vector<StepColumn>& columns_;
  const std::vector<data::Field>& fields_;
  AnswerPieces& pieces_;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> failed_{std::numeric_limits<std::size_t>::max()};
  std::mutex mutex_;  // of pieces_ and status_
  Status status_;
};

/// The SQL engine's rows, piece after piece.
Status collect_pieces(const StepRows& steps,
                      std::span<const Pair> pairs,
                      const std::vector<StepColumn>& columns,
                      const std::vector<data::Field>& fields,
                      AnswerPieces& pieces) {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<data::BatchReader> rows,
                         steps.stream(columns, data::kRowGroupRows * 4));
  int64_t first = 0;
  while (!pairs.empty()) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<data::Batch> some, rows->next());
    if (!some) {
      return {Code::kInternal, "steps changed while they were read"};
    }
    const std::size_t count = first_at(pairs, first + some->rows());
    if (count != 0) {
      ASSAY_ASSIGN_OR_RETURN(const auto typed, gold::columns_as(fields, *some));
      const BlockOrder order = by_blocks(pieces, pairs.first(count), first);
      ASSAY_RETURN_IF_ERROR(pieces.put(
          order.labels, data::take_columns(data::pointers(typed), order.rows, steps.threads())));
    }
    pairs = pairs.subspan(count);
    first += some->rows();
  }
  return {};
}

}  // namespace

Result<StepsOfLabels> find_steps(const StepRows& steps,
                                 const std::vector<data::Field>& keys,
                                 const data::AsofIndex& index,
                                 EventTime last,
                                 int64_t rows_at_once) {
  data::AsofSweep sweep(index, steps.threads());
  std::vector<StepColumn> columns;
  for (const data::Field& key : keys) {
    columns.push_back({key.name, key.name});
  }
  columns.push_back({gold::kKnownTime, gold::kKnownTime});
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<data::BatchReader> rows,
                         steps.stream(columns, rows_at_once));
  const std::vector<data::Field> known = {{gold::kKnownTime, data::Type::kTimestamp, true}};
  StepsOfLabels found;
  int64_t first = 0;
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<data::Batch> some, rows->next());
    if (!some) {
      break;
    }
    ASSAY_ASSIGN_OR_RETURN(const auto typed, gold::columns_as(keys, *some));
    ASSAY_ASSIGN_OR_RETURN(const auto times, gold::columns_as(known, *some));
    const auto instants = times[0]->values<int64_t>();
    found.steps += std::count_if(
        instants.begin(), instants.end(), [&](int64_t at) { return at <= last.micros; });
    // A step answers from its known_time on, whatever its event_time: that one only ages it.
    ASSAY_RETURN_IF_ERROR(
        sweep.add({data::pointers(typed), times[0].get(), times[0].get(), nullptr}, first));
    first += some->rows();
  }
  found.step = sweep.finish(std::nullopt).rows;
  return found;
}

Status put_steps_aside(const StepRows& steps,
                       std::vector<int64_t> step_of_label,
                       const std::vector<StepColumn>& columns,
                       const std::vector<data::Field>& fields,
                       AnswerPieces& pieces) {
  if (step_of_label.empty()) {
    return {};
  }
  if (!steps.row_groups().empty()) {
    GroupCollector collector(steps, std::move(step_of_label), columns, fields, pieces);
    return collector.run();  // without the steps of the labels, which are gone now
  }
  const data::Parts<Pair> pairs = in_row_order(std::move(step_of_label), steps.threads());
  const std::span<const Pair> all(pairs.records.data(), pairs.begins.back());
  return collect_pieces(steps, all, columns, fields, pieces);
}

}  // namespace assay::flow
