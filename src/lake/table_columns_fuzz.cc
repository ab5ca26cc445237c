// Any text as a schemaString: refused, or columns whose SQL can be written.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "lake/table_columns.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using assay::lake::ColumnMapping;
  using assay::lake::NameKind;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const ColumnMapping mapping :
       {ColumnMapping::kNone, ColumnMapping::kByName, ColumnMapping::kById}) {
    const auto columns = assay::lake::table_columns_from_json(text, mapping);
    if (!columns.ok()) {
      continue;
    }
    for (const assay::lake::TableColumn& column : *columns) {
      ASSAY_CHECK(!assay::lake::sql_type_of(column.type, NameKind::kLogical).empty());
      ASSAY_CHECK(!assay::lake::renamed_expression(column.type, "c").empty());
    }
    ASSAY_CHECK(assay::lake::batch_schema_of(*columns)->size() <=
                static_cast<int>(columns->size()));
  }
  return 0;
}
