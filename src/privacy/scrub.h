#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"
#include "data/batch.h"
#include "privacy/key.h"

// What becomes of personal data before anything is stored. One function per kind, over one value;
// and the plan that applies them to the columns of a bronze table. Source
// docs/decisions/0020-privacy-before-storage.md

namespace assay::privacy {

/// A value the kind could not be applied to: it became null.
struct Unreadable {
  std::string column;
  std::vector<int64_t> rows;
};

struct Scrubbed {
  data::Batch rows;
  std::vector<Unreadable> unreadable;  // one entry per column that has such values
};

/// The text that is hashed for a value: white space around it is dropped; e-mail addresses are put
/// in lower case (ASCII letters only). Equal people then have equal pseudonyms.
std::string canonical_value(std::string_view pii, std::string_view value);

/// The pseudonym of a value: HMAC-SHA-256 of "v1|<pii>|" and its canonical text, 64 hexadecimal
/// digits.
std::string pseudonym(const PrivacyKey& key, std::string_view pii, std::string_view value);

/// Hide all but the ends: "Johnson" is "J***n"; values of up to 2 characters are "***". E-mail
/// keeps the first character and the domain: "ann@example.com" is "a***@example.com". The number of
/// stars tells nothing. Characters are UTF-8 code points.
std::string mask_value(std::string_view pii, std::string_view value);

/// `value` to `digits` decimals, halves away from zero. NaN and infinities stay.
double round_value(double value, int digits);

/// The scrubs of a bronze table, checked against its columns.
///
/// Threads immutable.
class ScrubPlan {
 public:
  /// Errors  kInvalidArgument: hmac, mask or truncate on a column that is not a string; round on
  /// one
  ///         that is not floating point; a key column that is dropped, masked, truncated or
  ///         rounded.
  static Result<ScrubPlan> compile(const catalog::BronzeDef& bronze);

  /// True when any column is declared as personal data or scrubbed: then raw records of this table
  /// are never stored either.
  [[nodiscard]] bool has_personal_data() const { return has_personal_data_; }
  /// Names of the columns whose values are stored as they came.
  [[nodiscard]] bool is_stored_raw(std::string_view column) const;

  /// Scrub the columns that the plan names; others and their order stay, dropped ones are gone.
  ///
  /// Nulls   null stays null. A text that is no IP address becomes null under `truncate`.
  /// Cost    one HMAC per value of a hashed column.
  [[nodiscard]] Scrubbed scrub(const data::Batch& batch, const PrivacyKey& key) const;

 private:
  std::vector<catalog::ColumnDef> columns_;  // those that are scrubbed or declared personal
  bool has_personal_data_ = false;
};

/// ScrubPlan::compile and scrub in one step, for a single batch.
Result<Scrubbed> scrub_batch(const catalog::BronzeDef& bronze,
                             const data::Batch& batch,
                             const PrivacyKey& key);

}  // namespace assay::privacy
