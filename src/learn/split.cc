#include "learn/split.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace assay::learn {
namespace {

Result<const data::Column*> find_column(const data::Batch& rows, const std::string& name) {
  const data::Column* column = rows.find(name);
  if (column == nullptr) {
    return Status(Code::kNotFound, "no column of this name in the label rows: " + name);
  }
  return column;
}

TimeRange range_of(std::span<const int64_t> times, const std::vector<int64_t>& rows) {
  TimeRange range;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const EventTime time{times[static_cast<std::size_t>(rows[i])]};
    range.first = i == 0 ? time : std::min(range.first, time);
    range.last = i == 0 ? time : std::max(range.last, time);
  }
  return range;
}

}  // namespace

Result<TimeSplit> split_by_time(const data::Batch& rows,
                                const std::string& time_column,
                                const std::string& label,
                                double share) {
  if (!(share > 0 && share <= 1)) {
    return Status(Code::kInvalidArgument,
                  "the share of rows that train must be above 0 and at most 1");
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Column* time, find_column(rows, time_column));
  ASSAY_ASSIGN_OR_RETURN(const data::Column* labels, find_column(rows, label));
  if (time->type() != data::Type::kTimestamp) {
    return Status(Code::kInvalidArgument,
                  "the time of label rows must be a timestamp: " + time_column);
  }
  const auto times = time->values<int64_t>();
  std::vector<int64_t> known;
  std::vector<int64_t> sorted;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    if (time->is_valid(row) && labels->is_valid(row)) {
      known.push_back(row);
      sorted.push_back(times[static_cast<std::size_t>(row)]);
    }
  }
  const auto training =
      static_cast<std::size_t>(std::floor(share * static_cast<double>(known.size())));
  EventTime boundary = EventTime::max();
  if (training < sorted.size()) {
    const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(training);
    std::nth_element(sorted.begin(), at, sorted.end());
    boundary = {*at};
  }
  std::vector<int64_t> train;
  std::vector<int64_t> test;
  for (const int64_t row : known) {
    const bool trains =
        training == known.size() || times[static_cast<std::size_t>(row)] < boundary.micros;
    (trains ? train : test).push_back(row);
  }
  if (train.empty()) {
    return Status(Code::kInvalidArgument,
                  "no row would train: of " + std::to_string(known.size()) +
                      " labelled rows none is older than the first that tests; take a larger share "
                      "or more rows");
  }
  return TimeSplit{.train = rows.take(train),
                   .test = rows.take(test),
                   .train_times = range_of(times, train),
                   .test_times = range_of(times, test),
                   .unlabelled = rows.rows() - static_cast<int64_t>(known.size())};
}

}  // namespace assay::learn
