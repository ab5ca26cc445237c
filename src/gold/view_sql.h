#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/sql_engine.h"
#include "gold/random_definition.h"

// For tests: SQL written from a definition, for the embedded engine: the second opinion.

namespace assay::gold {

/// What SQL answers at one instant. A value is missing where SQL has no exact way to say it: sums
/// of doubles of any size, and the estimates of approx_distinct.
struct SqlAnswer {
  std::optional<int64_t> event_time;
  std::vector<std::optional<data::Scalar>> values;
};

/// Questions to one view, over a table `events` of the tests' rows.
class ViewSql {
 public:
  ViewSql(const RandomDefinition& made, const FeatureView& view);
  /// One answer per instant, in order.
  [[nodiscard]] Result<std::vector<SqlAnswer>> ask(data::SqlEngine& engine,
                                                   const TestKey& key) const;

 private:
  /// A common table expression and how the answer reads it.
  struct Output {
    std::string name;
    std::string table;  // "SELECT id, ... AS v ... GROUP BY id"; "" when it is computed
    std::string value;  // over `o.v`, or over other outputs
    bool known = true;
    bool cut = false;  // SQL has it whole, we the highest bits of it: no other output reads it
  };

  void add(const catalog::FeatureDef& feature);
  void add_window(const catalog::FeatureDef& feature, const std::string& name, Duration length);
  void add_latest(const std::string& name, const std::string& value);
  void add_session(const catalog::FeatureDef& feature);
  void add_changes(const catalog::FeatureDef& feature, const std::string& name, Duration length);
  void add_computed(const catalog::FeatureDef& feature,
                    const std::string& name,
                    std::size_t output);
  [[nodiscard]] std::string session_tables() const;
  [[nodiscard]] std::string query(const TestKey& key) const;
  [[nodiscard]] bool is_known(const std::string& output) const;
  [[nodiscard]] const RandomExpression& expression(const std::string& text) const;

  const RandomDefinition& made_;
  const FeatureView& view_;
  std::vector<Output> outputs_;
  std::vector<const catalog::FeatureDef*> features_;  // of each output
};

}  // namespace assay::gold
