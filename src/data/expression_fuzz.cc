#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/check.h"
#include "data/expression.h"

namespace assay::data {
namespace {

constexpr int kRows = 3;  // ordinary values, extreme ones, nulls

Batch three_rows() {
  BatchBuilder builder(make_schema({{"i", Type::kInt64},
                                    {"j", Type::kInt32},
                                    {"f", Type::kFloat64},
                                    {"g", Type::kFloat32},
                                    {"s", Type::kString},
                                    {"t", Type::kTimestamp},
                                    {"d", Type::kDate},
                                    {"b", Type::kBool},
                                    {"r", Type::kBytes}}));
  builder.column(0).append<int64_t>(-7);
  builder.column(1).append<int32_t>(3);
  builder.column(2).append<double>(2.5);
  builder.column(3).append<float>(-0.0F);
  builder.column(4).append_text("a\u00e9 12,b");
  builder.column(5).append<int64_t>(-1);
  builder.column(6).append<int32_t>(19'782);
  builder.column(7).append<uint8_t>(1);
  builder.column(8).append_text("\xff");
  builder.column(0).append<int64_t>(std::numeric_limits<int64_t>::min());
  builder.column(1).append<int32_t>(std::numeric_limits<int32_t>::min());
  builder.column(2).append<double>(std::numeric_limits<double>::quiet_NaN());
  builder.column(3).append<float>(std::numeric_limits<float>::infinity());
  builder.column(4).append_text("\xc3");  // half a character
  builder.column(5).append<int64_t>(std::numeric_limits<int64_t>::min());
  builder.column(6).append<int32_t>(std::numeric_limits<int32_t>::max());
  builder.column(7).append<uint8_t>(0);
  builder.column(8).append_text("");
  for (int i = 0; i < 9; ++i) {
    builder.column(i).append_null();
  }
  return builder.finish();
}

/// Any bytes compile or are refused with a place; what compiles has an answer for every row.
void run(std::string_view text) {
  static const Batch batch = three_rows();
  const Result<Expression> expression = Expression::compile(text, batch.schema());
  if (!expression.ok()) {
    ASSAY_CHECK(expression.code() == Code::kInvalidArgument);
    ASSAY_CHECK(expression.status().message().find(" at column ") != std::string::npos);
    return;
  }
  const Result<ColumnPtr> column = expression->evaluate(batch);
  ASSAY_CHECK(column.ok());
  ASSAY_CHECK((*column)->size() == kRows);
  ASSAY_CHECK((*column)->type() == expression->type());
}

}  // namespace
}  // namespace assay::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  assay::data::run({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
