#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gold/contract.h"
#include "gold/service.h"

// Values that a service computes from others: features of derived views, and keys of lookups. They
// are stored nowhere. Training sets and serving bring what the views answer, and come here for the
// rest; so both have it from one function.

namespace assay::gold {

/// Which features of each view of a service something reads: the service's own outputs, derived
/// features and computed keys. Ascending.
std::vector<std::vector<int>> features_read(const Service& service);

/// The views, ascending, whose answers the keys of a view are computed from; not those that in turn
/// the keys of these come from.
std::vector<int> views_behind_keys(const Service& service, int view);

/// The values of some rows, column by column, computed when they are first asked for.
///
/// Threads one thread at a time. The service must outlive it.
class ServiceValues {
 public:
  /// The column of a key that rows are asked with.
  using Asked = std::function<Result<data::ColumnPtr>(const std::string& name)>;

  /// `now`: the instant of each row's question.
  ServiceValues(const Service& service, data::ColumnPtr now, Asked asked);

  /// What a view answers, by feature; nullptr for those that nothing reads.
  void set_view(int view, std::vector<data::ColumnPtr> features);
  /// One value a row.
  ///
  /// Errors  kInternal: of a view that was not set; those of expressions and of Asked.
  Result<data::ColumnPtr> column(const ValueSource& source);
  /// Columns of a view's keys, whose views before it are set.
  Result<std::vector<data::ColumnPtr>> keys(int view);

 private:
  const Service& service_;
  data::ColumnPtr now_;
  Asked asked_;
  std::vector<std::vector<data::ColumnPtr>> views_;
  std::vector<std::vector<data::ColumnPtr>> derived_;
};

/// What one view answers to some rows.
struct ViewReading {
  std::vector<FeatureValues> answers;
  std::vector<int64_t> answer_of;  // per row, into answers; -1: a key is null
};

/// What a service's views answer to some rows, and the features derived from that.
struct ServiceReading {
  std::vector<ViewReading> views;
  std::vector<std::vector<data::ColumnPtr>>
      derived;  // per node, by feature; nullptr where it is no output
};

/// Reads entities of one view of the service.
using ViewReader = std::function<Result<std::vector<FeatureValues>>(
    const FeatureView& view, std::span<const data::EntityKey> keys)>;
/// The values of a key that rows are asked with, one a row.
using AskedScalars =
    std::function<Result<const std::vector<data::Scalar>*>(const data::Field& key)>;

/// Read every view of a service for rows at one instant, each behind those that its keys come from.
/// On-demand views are not part of it.
Result<ServiceReading> read_service(const Service& service,
                                    int64_t rows,
                                    EventTime now,
                                    const AskedScalars& asked,
                                    const ViewReader& read);

}  // namespace assay::gold
