// Any bytes as a request body: a parsed body is plain data, errors render, values convert or are
// refused; the quick way reads what the general one does.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "serve/error_response.h"
#include "serve/feast_writes.h"
#include "serve/json_request.h"
#include "serve/json_value.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using assay::data::Type;
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const assay::serve::ParsedBody parsed = assay::serve::parse_request_body(json);
  if (!parsed.errors.empty()) {
    ASSAY_CHECK(assay::serve::validation_error(parsed.errors).status == 422);
  }
  const assay::serve::ParsedBody general = assay::serve::parse_any_request_body(json);
  ASSAY_CHECK(general.errors.empty() == parsed.errors.empty());
  ASSAY_CHECK(!parsed.errors.empty() || general.body == parsed.body);
  const auto write = assay::serve::parse_write_body(json, "push_source_name");
  for (const bool incremental : {false, true}) {
    const auto materialize = assay::serve::parse_materialize_body(json, incremental);
    ASSAY_CHECK(!incremental || materialize.body.end_ts.has_value() || !materialize.errors.empty());
  }
  std::vector<assay::serve::JsonColumn> first_rows = write.body.df;
  for (assay::serve::JsonColumn& column : first_rows) {
    column.values.resize(1);
  }
  const std::string lines = assay::serve::to_json_lines(first_rows);
  ASSAY_CHECK(first_rows.empty() == lines.empty());
  for (const assay::serve::JsonColumn& column : parsed.body.entities) {
    for (const assay::serve::JsonValue& value : column.values) {
      for (const Type type : {Type::kBool,
                              Type::kInt32,
                              Type::kInt64,
                              Type::kFloat32,
                              Type::kFloat64,
                              Type::kString,
                              Type::kBytes,
                              Type::kDate,
                              Type::kTimestamp}) {
        const assay::Result<assay::data::Scalar> scalar = assay::serve::to_scalar(value, type);
        if (scalar.ok()) {
          std::string text;
          assay::JsonWriter writer(text);
          assay::serve::write_scalar(writer, *scalar);
          ASSAY_CHECK(!text.empty());
        }
      }
    }
  }
  return 0;
}
