// Any text: its names lie inside it, in order, each before its clause.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "lake/plan_filters.h"
#include "lake/sql_names.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::size_t at = 0;
  for (const assay::lake::SqlName& name : assay::lake::names_in_sql(text)) {
    ASSAY_CHECK(name.begin >= at && name.begin < name.end && name.end <= text.size());
    ASSAY_CHECK(!name.parts.empty());
    at = name.end;
    if (name.travel) {
      ASSAY_CHECK(name.travel->begin >= at && name.travel->end <= text.size());
      ASSAY_CHECK(name.travel->version.has_value() != name.travel->time.has_value());
      at = name.travel->end;
    }
    static_cast<void>(assay::lake::position_in_sql(text, name.begin));
  }
  for (const std::string& filter : assay::lake::split_filters(text, {"a", "b c"})) {
    ASSAY_CHECK(!assay::lake::split_or(filter).empty());
  }
  return 0;
}
