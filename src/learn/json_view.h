#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace assay::learn {

/// One value inside a JSON text that was checked once; nothing is copied until it is asked for.
///
/// Made for models: a text of many megabytes whose arrays of numbers must be read as the nearest
/// float, not by way of double. Each getter gives nothing when the value is of another kind.
/// Threads immutable. The text is the caller's and must outlive every view of it.
class JsonView {
 public:
  using Members = std::vector<std::pair<std::string, JsonView>>;

  /// Check the whole text: one value of at most 64 levels.
  ///
  /// Errors  kCorrupt: not JSON, with the byte where it stops being so. NaN, Infinity and -Infinity
  /// are
  ///         taken as numbers, as XGBoost writes them.
  static Result<JsonView> parse(std::string_view text);
  static Result<JsonView> parse(std::string&& text) = delete;

  [[nodiscard]] std::optional<Members> members() const;
  [[nodiscard]] std::optional<std::vector<JsonView>> items() const;
  [[nodiscard]] std::optional<std::string> text() const;
  [[nodiscard]] std::optional<double> number() const;
  [[nodiscard]] std::optional<float> number32() const;
  /// A number without fraction or exponent, in range.
  [[nodiscard]] std::optional<int64_t> integer() const;
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] bool is_null() const { return raw_ == "null"; }
  /// The member of that name (the first, when there are several).
  [[nodiscard]] std::optional<JsonView> find(std::string_view name) const;
  /// The bytes of the value.
  [[nodiscard]] std::string_view raw() const { return raw_; }

 private:
  explicit JsonView(std::string_view raw) : raw_(raw) {}
  std::string_view raw_;
};

}  // namespace assay::learn
