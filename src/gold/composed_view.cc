#include "gold/composed_view.h"

#include <memory>

#include "gold/online_row.h"

namespace assay::gold {
namespace {

/// What a part says of an entity that has events while it sees none of them: it is told of one
/// event, as old as an event can be, and asked when nothing reaches that any more.
Result<data::Batch> values_over_nothing(const FeatureView& part, const data::Schema& source) {
  std::vector<data::Field> fields;
  for (const std::string& name : part.source_columns()) {
    fields.push_back(source.field(*source.find(name)));
    fields.back().nullable = true;
  }
  data::BatchBuilder builder(data::make_schema(fields));
  for (std::size_t i = 0; i < fields.size(); ++i) {
    data::ColumnBuilder& column = builder.column(static_cast<int>(i));
    if (fields[i].name == kEventTime || fields[i].name == kKnownTime) {
      column.append(kFirstInstant.micros);
    } else {
      column.append_null();
    }
  }
  const EventTime later{kFirstInstant.micros + part.window_max().micros + 2 * part.slide().micros};
  const int64_t only_row[] = {0};
  std::string row;
  ASSAY_RETURN_IF_ERROR(part.update_online_row(builder.finish(), only_row, later, &row));
  ASSAY_ASSIGN_OR_RETURN(const FeatureValues read, part.read_online_row(row, later));
  std::vector<data::Field> columns = part.features();
  const std::vector<data::Field> overflows = overflow_fields(part);
  columns.insert(columns.end(), overflows.begin(), overflows.end());
  data::BatchBuilder values(data::make_schema(columns));
  for (std::size_t i = 0; i < read.values.size(); ++i) {
    values.column(static_cast<int>(i)).append_scalar(read.values[i]);
  }
  for (std::size_t i = read.values.size(); i < columns.size(); ++i) {
    values.column(static_cast<int>(i)).append(uint8_t{0});
  }
  return values.finish();
}

}  // namespace

Result<FeatureViewPtr> ComposedView::make(ViewLayout layout,
                                          std::vector<FeatureViewPtr> parts,
                                          const data::Schema& source) {
  std::vector<Part> made;
  for (FeatureViewPtr& view : parts) {
    Part part;
    ASSAY_ASSIGN_OR_RETURN(part.over_nothing, values_over_nothing(*view, source));
    part.columns = part.over_nothing.schema().fields();
    for (const data::Field& field : view->features()) {
      part.raw.push_back(static_cast<std::size_t>(*layout.raw->find(field.name)));
    }
    part.view = std::move(view);
    made.push_back(std::move(part));
  }
  return FeatureViewPtr(std::make_shared<ComposedView>(std::move(layout), std::move(made)));
}

}  // namespace assay::gold
