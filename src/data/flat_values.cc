#include "data/flat_values.h"

namespace assay::data {

void FlatValues::shrink(const Size& size) {
  values_ = size.words;
  rows_ = size.rows;
  texts_.resize(size.texts);
  bytes_.resize(size.text_bytes);
  others_.resize(size.others);
}

void FlatValues::grow(std::size_t values) {
  reserve(std::max(values, values_), std::max<std::size_t>(1, rows_));
}

void FlatValues::add_row(std::span<const Scalar> values,
                         std::span<const FeatureStatus> statuses,
                         EventTime time) {
  const std::size_t begin = add_row(values.size(), FeatureStatus::kPresent, time);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].is_null()) {
      set(begin + i, values[i]);
    } else {
      statuses_[begin + i] = statuses[i];
    }
  }
}

void FlatValues::set(std::size_t at, const Scalar& value) {
  if (const auto* real = std::get_if<double>(&value.value)) {
    words_[at] = std::bit_cast<uint64_t>(*real);
  } else if (const auto* integer = std::get_if<int64_t>(&value.value)) {
    words_[at] = static_cast<uint64_t>(*integer);
  } else if (const auto* truth = std::get_if<bool>(&value.value)) {
    words_[at] = *truth ? 1 : 0;
  } else if (const auto* text = std::get_if<std::string>(&value.value)) {
    set_text(at, *text);
  } else {
    words_[at] = others_.size();
    others_.push_back(value);
  }
}

Scalar FlatValues::scalar(std::size_t at, const Type& type) const {
  if (statuses_[at] != FeatureStatus::kPresent) {
    return Scalar::null(type);
  }
  if (is_real(type)) {
    return {type, real(at)};
  }
  if (type == Type::kBool) {
    return {type, integer(at) != 0};
  }
  if (is_text(type)) {
    return {type, std::string(text(at))};
  }
  return is_nested(type) || type == Type::kDecimal ? others_[words_[at]]
                                                   : Scalar{type, integer(at)};
}

}  // namespace assay::data
