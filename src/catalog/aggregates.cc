#include "catalog/aggregates.h"

#include <algorithm>
#include <array>

namespace assay::catalog {
namespace {

using enum AggregateInput;

// clang-format off
constexpr std::array kAggregates{
    AggregateInfo{Aggregate::kCount, "count", kRows},
    AggregateInfo{Aggregate::kSum, "sum", kNumbers, AggregateParameter::kNone, true},
    AggregateInfo{Aggregate::kMean, "mean", kNumbers, AggregateParameter::kNone, true},
    AggregateInfo{Aggregate::kMin, "min", kAny},
    AggregateInfo{Aggregate::kMax, "max", kAny},
    AggregateInfo{Aggregate::kVariance, "variance", kNumbers},
    AggregateInfo{Aggregate::kStddev, "stddev", kNumbers},
    AggregateInfo{Aggregate::kSkewness, "skewness", kNumbers},
    AggregateInfo{Aggregate::kFirst, "first", kAny, AggregateParameter::kNone, true},
    AggregateInfo{Aggregate::kLast, "last", kAny, AggregateParameter::kNone, true},
    AggregateInfo{Aggregate::kMode, "mode", kAny},
    AggregateInfo{Aggregate::kDistinct, "distinct", kAny},
    AggregateInfo{Aggregate::kApproxDistinct, "approx_distinct", kAny},
    AggregateInfo{Aggregate::kQuantile, "quantile", kNumbers, AggregateParameter::kQ},
    AggregateInfo{Aggregate::kAny, "any", kBool},
    AggregateInfo{Aggregate::kAll, "all", kBool},
    AggregateInfo{Aggregate::kLastN, "last_n", kAny, AggregateParameter::kK},
    AggregateInfo{Aggregate::kTopK, "top_k", kAny, AggregateParameter::kK},
    AggregateInfo{Aggregate::kTopKCounts, "top_k_counts", kAny, AggregateParameter::kK},
    AggregateInfo{Aggregate::kHistogram, "histogram", kNumbers},
};
// clang-format on

bool takes(AggregateInput input, data::TypeId of) {
  switch (input) {
    case kRows:
      return true;
    case kAny:
      return !data::has_parameters(of) && of != data::TypeId::kTimestampNtz;
    case kNumbers:
      return data::is_numeric(of) || of == data::Type::kBool;
    case kBool:
      return of == data::Type::kBool;
  }
  return false;
}

Status refusal(const AggregateInfo& info, const data::Type& of) {
  const std::string needed = info.input == kBool  ? " needs bool"
                             : info.input == kAny ? " needs numbers, text, bool, dates or times"
                                                  : " needs numbers or bool";
  return {Code::kInvalidArgument,
          std::string(info.name) + needed +
              (info.takes_vectors ? ", or arrays of numbers such as float32[8]," : "") +
              " but `of` is " + data::type_name(of) +
              (of == data::Type::kDecimal ? "; CAST it AS double" : "")};
}

/// Type of an aggregate over arrays of floating-point numbers.
Result<data::Type> vector_type(const AggregateInfo& info, const data::Type& of) {
  if (info.input != kNumbers) {
    return of;
  }
  if (of.array_size() > kVectorSumMax) {
    return Status(Code::kInvalidArgument,
                  std::string(info.name) + " takes arrays of at most " +
                      std::to_string(kVectorSumMax) + " numbers but `of` is " +
                      data::type_name(of));
  }
  return data::Type::array(data::Type::kFloat64, of.array_size());
}

}  // namespace

std::span<const AggregateInfo> aggregates() {
  return kAggregates;
}

const AggregateInfo& aggregate_info(Aggregate aggregate) {
  return kAggregates.at(static_cast<std::size_t>(aggregate));
}

std::optional<Aggregate> aggregate_from_name(std::string_view name) {
  const auto* found = std::find_if(kAggregates.begin(),
                                   kAggregates.end(),
                                   [&](const AggregateInfo& info) { return info.name == name; });
  return found == kAggregates.end() ? std::nullopt : std::optional(found->aggregate);
}

Result<data::Type> aggregate_type(Aggregate aggregate, const data::Type& of) {
  const AggregateInfo& info = aggregate_info(aggregate);
  if (info.takes_vectors && of == data::Type::kArray && data::is_real(of.element())) {
    return vector_type(info, of);
  }
  if (!takes(info.input, of)) {
    return refusal(info, of);
  }
  switch (aggregate) {
    case Aggregate::kCount:
    case Aggregate::kDistinct:
    case Aggregate::kApproxDistinct:
      return data::Type(data::Type::kInt64);
    case Aggregate::kSum:
      return data::Type(data::is_real(of) ? data::Type::kFloat64 : data::Type::kInt64);
    case Aggregate::kMean:
    case Aggregate::kVariance:
    case Aggregate::kStddev:
    case Aggregate::kSkewness:
    case Aggregate::kQuantile:
      return data::Type(data::Type::kFloat64);
    case Aggregate::kMin:
    case Aggregate::kMax:
    case Aggregate::kFirst:
    case Aggregate::kLast:
    case Aggregate::kMode:
      return of;
    case Aggregate::kAny:
    case Aggregate::kAll:
      return data::Type(data::Type::kBool);
    case Aggregate::kLastN:
    case Aggregate::kTopK:
      return data::Type::list(of);
    case Aggregate::kTopKCounts:
      return data::Type::list(data::Type::kInt64);
    case Aggregate::kHistogram:
      return data::Type::list(data::Type::kFloat64);
  }
  return of;
}

}  // namespace assay::catalog
