#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/reject.h"
#include "ingest/record.h"

namespace assay::bronze {

/// Records in Confluent's wire format, as the JSON that they stand for.
struct UnwrappedRecords {
  std::vector<std::string> texts;
  std::vector<std::size_t> places;  // of each text: where its record stood
  std::vector<bool> was_text;       // per text: the record was JSON before
  data::Rejects rejects;            // by place
};

/// Whether some records of the batch are not text but name their schemas.
bool names_schemas(const ingest::RecordBatch& records);

/// Read records by the schemas that they name. Records of Debezium and JSON, and with `json_schema`
/// where no registry was asked, may be plain JSON and stay as they are.
///
/// Errors  none for bad records: kMalformed (not in wire format, or not written with its schema),
///         kUnknownSchema (the registry has none of that number).
UnwrappedRecords unwrap(const ingest::RecordBatch& records,
                        std::span<const std::string_view> texts);

}  // namespace assay::bronze
