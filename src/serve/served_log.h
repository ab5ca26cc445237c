#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "data/batch.h"
#include "gold/service.h"
#include "serve/predict.h"

namespace assay::serve {

struct ServedLogOptions {
  double share = 0;                               // of the entities, 0 to 1
  std::size_t bytes_max = std::size_t{64} << 20;  // of answers that wait to be written
};

/// Answered rows of one service, as gold/served_schema.h has them.
struct ServedBatch {
  std::shared_ptr<const gold::Service> service;
  data::Batch rows;
};

/// Keeps answers of a sample of the entities until someone writes them to a table.
///
/// The sample is made by a hash of the entity's key: of one entity every answer is kept, or none,
/// and every server chooses the same ones. An answer that found the entity in no view is left out:
/// what was asked for is then no stored key, and may be what a scrubbed one was made from. Answers
/// of features asked for by name, not by service, are left out too. When too many wait, further
/// ones are dropped and counted.
///
/// Threads thread-safe; add() never waits for take() to build its batches.
/// Cost    add: one hash a row, a copy of the values of rows in the sample.
class ServedLog {
 public:
  ServedLog(Metrics& metrics, const ServedLogOptions& options);

  void add(const std::shared_ptr<const gold::Service>& service,
           const RequestRows& rows,
           const FeatureAnswer& answer);
  void add(const std::shared_ptr<const gold::Service>& service,
           const RequestRows& rows,
           const FlatAnswer& answer);
  void add(const ServingModel& model, const RequestRows& rows, const Predictions& predictions);
  /// The same when `predictions` are without the features that were scored.
  void add(const ServingModel& model,
           const RequestRows& rows,
           const Predictions& predictions,
           const FlatAnswer& features);
  /// What waits, by service in the order of its first answer; nothing waits then.
  ///
  /// Errors  those of served_schema; what waits is lost then.
  Result<std::vector<ServedBatch>> take();
  /// How many rows wait, and whether they take up half of the room.
  [[nodiscard]] int64_t waiting() const;
  [[nodiscard]] bool is_half_full() const;

 private:
  struct Row {
    std::shared_ptr<const gold::Service> service;
    EventTime as_of;
    std::vector<data::Scalar> keys;  // as service->entity_keys
    std::string model;               // "" for none
    std::string model_version;
    float score = 0;
    std::vector<std::optional<int64_t>> applied;  // as service->views
    std::vector<data::Scalar> values;             // of features that are not on demand
    std::vector<data::FeatureStatus> statuses;
  };

  [[nodiscard]] bool is_sampled(const std::vector<data::Scalar>& keys) const;
  /// The row for the log, if it belongs there. Defined for both kinds of answers, in the .cc file.
  template <typename Answer>
  [[nodiscard]] std::optional<Row> row_of(const std::shared_ptr<const gold::Service>& service,
                                          const RequestRows& rows,
                                          const Answer& answer,
                                          int64_t row) const;
  template <typename Answer>
  void add_rows(const std::shared_ptr<const gold::Service>& service,
                const RequestRows& rows,
                const Answer& answer);
  template <typename Answer>
  void add_scored(const ServingModel& model,
                  const RequestRows& rows,
                  const Predictions& predictions,
                  const Answer& features);
  void put(Row row);

  const ServedLogOptions options_;
  Counter& kept_;
  Counter& dropped_;
  mutable std::mutex mutex_;
  std::vector<Row> rows_;
  std::size_t bytes_ = 0;
};

}  // namespace assay::serve
