#pragma once

#include <string>
#include <string_view>

#include "bronze/decode.h"
#include "catalog/definitions.h"
#include "ingest/record.h"
#include "privacy/key.h"
#include "privacy/scrub.h"

namespace assay::bronze {

/// What of a refused record may be stored.
///
/// A table without personal data keeps the record as it came (Parquet rows as JSON). A table with
/// personal data keeps only what bronze itself would have stored: a JSON object of the declared
/// columns, by the names of their fields, with "[redacted]" for values that are scrubbed or do not
/// read as their column's type, and nothing of undeclared members. A record that cannot be read at
/// all leaves its length and an HMAC of its bytes, so that equal ones can be found:
/// {"redacted":{"bytes":120,"hmac":"9f..."}}. Threads immutable. Source
/// docs/decisions/0020-privacy-before-storage.md
class PayloadRedactor {
 public:
  PayloadRedactor(const catalog::BronzeDef& bronze,
                  const privacy::ScrubPlan& plan,
                  const privacy::PrivacyKey* key,
                  const DecoderOptions& reading);

  /// Payload for record `record` of the batch.
  [[nodiscard]] std::string payload(const ingest::RecordBatch& records, int64_t record) const;

 private:
  [[nodiscard]] std::string readable_part(const ingest::RecordBatch& records, int64_t record) const;
  [[nodiscard]] std::string summary(std::string_view bytes) const;
  [[nodiscard]] bool is_raw_column(std::string_view name) const;

  catalog::BronzeDef bronze_;
  privacy::ScrubPlan plan_;
  const privacy::PrivacyKey* key_;
  DecoderOptions reading_;
};

}  // namespace assay::bronze
