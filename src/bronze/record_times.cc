#include "bronze/record_times.h"

#include <algorithm>
#include <utility>

#include "base/suggest.h"
#include "bronze/contract.h"

namespace assay::bronze {
namespace {

using catalog::KnownTimeDef;
using data::RejectReason;
using data::Type;

bool in_range(int64_t micros) {
  return micros >= kFirstInstant.micros && micros < kEndInstant.micros;
}

bool is_time(Type type) {
  return type == Type::kTimestamp || type == Type::kDate;
}

/// Dates become timestamps at midnight.
data::ColumnPtr as_timestamps(const data::ColumnPtr& column) {
  if (column->type() == Type::kTimestamp) {
    return column;
  }
  data::ColumnBuilder builder(Type::kTimestamp);
  builder.reserve(column->size());
  const auto days = column->values<int32_t>();
  for (int64_t row = 0; row < column->size(); ++row) {
    if (column->is_null(row)) {
      builder.append_null();
    } else {
      builder.append(int64_t{days[static_cast<std::size_t>(row)]} * kMicrosPerDay);
    }
  }
  return builder.finish();
}

data::ColumnPtr plus(const data::Column& times, Duration delay) {
  data::ColumnBuilder builder(Type::kTimestamp);
  builder.reserve(times.size());
  const auto values = times.values<int64_t>();
  for (int64_t row = 0; row < times.size(); ++row) {
    int64_t sum = 0;
    const bool overflows =
        __builtin_add_overflow(values[static_cast<std::size_t>(row)], delay.micros, &sum);
    if (times.is_null(row) || overflows) {
      builder.append_null();
    } else {
      builder.append(sum);
    }
  }
  return builder.finish();
}

data::ColumnPtr known_where_missing(const data::Column& event_time,
                                    const data::Column& known_time,
                                    const std::vector<uint8_t>& tombstones) {
  data::ColumnBuilder builder(Type::kTimestamp);
  builder.reserve(event_time.size());
  for (int64_t row = 0; row < event_time.size(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    const bool missing = event_time.is_null(row) && tombstones[at] != 0;
    const data::Column& from = missing ? known_time : event_time;
    if (from.is_null(row)) {
      builder.append_null();
    } else {
      builder.append(from.values<int64_t>()[at]);
    }
  }
  return builder.finish();
}

}  // namespace

Result<RecordTimes::Origin> RecordTimes::compile_origin(const std::string& text,
                                                        bool is_column,
                                                        std::string_view what,
                                                        const data::Schema& schema) {
  Origin origin;
  Type type = Type::kTimestamp;
  if (const auto index = schema.find(text)) {
    origin.column = text;
    type = schema.field(*index).type;
  } else if (is_column) {
    return Status(
        Code::kInvalidArgument,
        std::string(what) + ": no column `" + text + "`" + did_you_mean(text, schema.names()));
  } else {
    Result<data::Expression> expression = data::Expression::compile(text, schema);
    if (!expression.ok()) {
      return expression.status().with_context(what);
    }
    type = expression->type();
    origin.expression = std::move(expression).value();
  }
  if (!is_time(type)) {
    return Status(Code::kInvalidArgument,
                  std::string(what) + ": `" + text + "` is " + std::string(data::type_name(type)) +
                      ", not a timestamp; declare the column as `timestamp`");
  }
  return origin;
}

Result<RecordTimes> RecordTimes::compile(const catalog::BronzeDef& bronze,
                                         const data::Schema& declared) {
  RecordTimes times;
  times.known_ = bronze.known_time;
  times.future_max_ = bronze.future_max;
  times.has_event_time_ = !bronze.event_time.empty();
  if (times.has_event_time_) {
    ASSAY_ASSIGN_OR_RETURN(times.event_time_,
                           compile_origin(bronze.event_time, false, kEventTime, declared));
  }
  const bool is_column = bronze.known_time.kind == KnownTimeDef::Kind::kColumn;
  if (is_column || bronze.known_time.kind == KnownTimeDef::Kind::kExpr) {
    std::vector<data::Field> fields = declared.fields();
    if (!declared.find(kEventTime)) {
      fields.push_back({kEventTime, Type::kTimestamp, true});
    }
    ASSAY_ASSIGN_OR_RETURN(
        times.known_time_,
        compile_origin(
            bronze.known_time.text, is_column, kKnownTime, data::Schema(std::move(fields))));
    times.records_say_known_time_ = !times.known_time_.expression;
  }
  return times;
}

Result<data::ColumnPtr> RecordTimes::read(const Origin& origin, const data::Batch& rows) {
  if (!origin.expression) {
    const auto index = rows.schema().find(origin.column);
    if (!index) {
      return Status(Code::kInvalidArgument, "no column `" + origin.column + "`");
    }
    return as_timestamps(rows.column_ptr(*index));
  }
  ASSAY_ASSIGN_OR_RETURN(const data::ColumnPtr column, origin.expression->evaluate(rows));
  return as_timestamps(column);
}

Result<RecordTimes::Times> RecordTimes::times(const data::Batch& rows,
                                              EventTime received,
                                              const std::vector<uint8_t>& tombstones) const {
  Times times;
  if (has_event_time_) {
    ASSAY_ASSIGN_OR_RETURN(times.event_time, read(event_time_, rows));
  } else {
    times.event_time = data::constant_column(data::Scalar::timestamp(0), rows.rows());
  }
  if (known_.kind == KnownTimeDef::Kind::kDelay) {
    times.known_time = plus(*times.event_time, known_.delay);
  } else if (known_.kind == KnownTimeDef::Kind::kReceived) {
    times.known_time = data::constant_column(data::Scalar::timestamp(received.micros), rows.rows());
  } else {
    const bool has_column = rows.schema().find(kEventTime).has_value();
    const data::Batch with_time =
        has_column ? rows
                   : rows.with_column({kEventTime, Type::kTimestamp, true}, times.event_time);
    ASSAY_ASSIGN_OR_RETURN(times.known_time, read(known_time_, with_time));
  }
  if (std::find(tombstones.begin(), tombstones.end(), 1) != tombstones.end()) {
    times.event_time = known_where_missing(*times.event_time, *times.known_time, tombstones);
  }
  const auto event = times.event_time->values<int64_t>();
  const auto known = times.known_time->values<int64_t>();
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (times.event_time->is_null(row) || !in_range(event[at])) {
      times.rejects.push_back({row, RejectReason::kBadEventTime, kEventTime});
    } else if (event[at] - received.micros > future_max_.micros) {
      times.rejects.push_back({row, RejectReason::kFutureEventTime, kEventTime});
    } else if (times.known_time->is_null(row) || !in_range(known[at])) {
      times.rejects.push_back({row, RejectReason::kBadEventTime, kKnownTime});
    } else if (records_say_known_time_ && known[at] - received.micros > future_max_.micros) {
      times.rejects.push_back({row, RejectReason::kFutureKnownTime, kKnownTime});
    }
  }
  return times;
}

}  // namespace assay::bronze
