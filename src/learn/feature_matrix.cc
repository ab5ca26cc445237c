#include <limits>

#include "learn/scorer.h"
#include "learn/trainer.h"

namespace assay::learn {
namespace {

Result<const data::Column*> find_column(const data::Batch& rows, const std::string& name) {
  const data::Column* column = rows.find(name);
  if (column == nullptr) {
    return Status(Code::kNotFound, "no column of this name in the training rows: " + name);
  }
  if (!is_model_input(column->type())) {
    return Status(Code::kInvalidArgument,
                  "a model reads numbers and booleans; column " + name + " is of type " +
                      std::string(data::type_name(column->type())));
  }
  return column;
}

}  // namespace

Result<std::vector<float>> feature_matrix(const data::Batch& rows,
                                          const std::vector<std::string>& features) {
  const auto width = features.size();
  std::vector<float> matrix(static_cast<std::size_t>(rows.rows()) * width);
  for (std::size_t i = 0; i < width; ++i) {
    ASSAY_ASSIGN_OR_RETURN(const data::Column* column, find_column(rows, features[i]));
    for (int64_t row = 0; row < rows.rows(); ++row) {
      // By way of Scalar, as serving does it, so that both round alike.
      matrix[static_cast<std::size_t>(row) * width + i] = model_input(column->scalar(row));
    }
  }
  return matrix;
}

Result<std::vector<float>> label_values(const data::Batch& rows, const std::string& label) {
  ASSAY_ASSIGN_OR_RETURN(const data::Column* column, find_column(rows, label));
  if (column->null_count() != 0) {
    return Status(Code::kInvalidArgument,
                  "the label is null in " + std::to_string(column->null_count()) +
                      " rows; leave them out: " + label);
  }
  return feature_matrix(rows, {label});
}

}  // namespace assay::learn
