#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "catalog/definitions.h"
#include "data/batch.h"
#include "data/expression.h"
#include "data/reject.h"

namespace assay::bronze {

/// Event time and known time of a bronze table's rows, as its definition says them.
///
/// Threads immutable.
class RecordTimes {
 public:
  /// `declared`: the declared columns. A known time written as an expression may also use
  /// event_time.
  ///
  /// Errors  kInvalidArgument: unknown column, an expression that does not compile, or neither a
  ///         timestamp nor a date.
  static Result<RecordTimes> compile(const catalog::BronzeDef& bronze,
                                     const data::Schema& declared);

  /// Times of every row of a batch and which rows have none.
  struct Times {
    data::ColumnPtr event_time;  // kTimestamp; whatever under a refused row
    data::ColumnPtr known_time;
    data::Rejects rejects;  // ascending
  };

  /// Nulls   a time that is null, or outside years 0001 to 9999, refuses the row with
  /// kBadEventTime;
  ///         the reject names "event_time" or "known_time".
  /// Time    an event time beyond `received` + future_max refuses it with kFutureEventTime, a known
  ///         time with kFutureKnownTime. A known time may be before the event time (it was
  ///         announced). One that the definition makes of the event time alone, by a delay or an
  ///         expression, may be after `received`: it was declared so.
  /// `tombstones`: 1 for rows that take their known time for a missing event time; may be empty.
  [[nodiscard]] Result<Times> times(const data::Batch& rows,
                                    EventTime received,
                                    const std::vector<uint8_t>& tombstones = {}) const;

 private:
  /// A column, an expression, or (neither) a constant.
  struct Origin {
    std::string column;
    std::optional<data::Expression> expression;
  };
  static Result<Origin> compile_origin(const std::string& text,
                                       bool is_column,
                                       std::string_view what,
                                       const data::Schema& schema);
  static Result<data::ColumnPtr> read(const Origin& origin, const data::Batch& rows);

  Origin event_time_;
  bool has_event_time_ = false;
  Origin known_time_;
  catalog::KnownTimeDef known_;
  bool records_say_known_time_ = false;
  Duration future_max_;
};

}  // namespace assay::bronze
