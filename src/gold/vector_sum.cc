// Bytes of sums: 0 and one count, when all elements have the same, or 1 and the count of each
// element; then, of each element that has a count, its exact sum.

#include "gold/vector_sum.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "gold/aggregate.h"

namespace assay::gold {
namespace {

/// Calls `take(index, value)` for each element that is not null; false when the bytes are no array.
template <typename Take>
bool for_each_element(std::string_view bytes, data::TypeId element, std::size_t size, Take take) {
  RowReader reader(bytes);
  if (reader.byte() == 0) {
    const std::size_t width = element == data::TypeId::kFloat32 ? sizeof(float) : sizeof(double);
    const std::string_view values = reader.take(size * width);
    for (std::size_t i = 0; i < size && !reader.failed(); ++i) {
      if (element == data::TypeId::kFloat32) {
        float value = 0;
        std::memcpy(&value, values.data() + i * width, width);
        take(i, static_cast<double>(value));
      } else {
        double value = 0;
        std::memcpy(&value, values.data() + i * width, width);
        take(i, value);
      }
    }
  } else {
    for (std::size_t i = 0; i < size && !reader.failed(); ++i) {
      if (reader.byte() != 0) {
        const InputValue value = read_input(&reader, element);
        if (!reader.failed()) {
          take(i, value.real);
        }
      }
    }
  }
  return !reader.failed() && reader.at_end();
}

template <typename T>
void append_one_nan(std::string* out, const T* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const T value = values[i] == values[i] ? values[i] : std::numeric_limits<T>::quiet_NaN();
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out->append(bytes, sizeof(T));
  }
}

void append_vector(std::string* out, const data::Column& column, int64_t row) {
  const data::ElementRange range = column.elements(row);
  const data::Column& elements = column.child(0);
  bool nulls = false;
  for (int64_t i = range.begin; i < range.end; ++i) {
    nulls = nulls || elements.is_null(i);
  }
  out->push_back(nulls ? 1 : 0);
  if (!nulls && elements.type() == data::TypeId::kFloat32) {
    append_one_nan(out, elements.values<float>().data() + range.begin, range.size());
  } else if (!nulls) {
    append_one_nan(out, elements.values<double>().data() + range.begin, range.size());
  }
  for (int64_t i = range.begin; nulls && i < range.end; ++i) {
    out->push_back(elements.is_null(i) ? 0 : 1);
    if (elements.is_valid(i)) {
      const double value = input_value(elements, i).real;
      append_one_nan(out, &value, 1);
    }
  }
}

}  // namespace

bool is_vector(const data::Type& type) {
  return type == data::TypeId::kArray && data::is_real(type.element());
}

data::ColumnPtr vector_bytes(const data::Column& column) {
  data::ColumnBuilder builder(data::TypeId::kBytes);
  std::string bytes;
  for (int64_t row = 0; row < column.size(); ++row) {
    if (column.is_null(row)) {
      builder.append_null();
      continue;
    }
    bytes.clear();
    append_vector(&bytes, column, row);
    builder.append_text(bytes);
  }
  return builder.finish();
}

bool is_vector_bytes(std::string_view bytes, const data::Type& type) {
  return for_each_element(
      bytes, type.element(), static_cast<std::size_t>(type.array_size()), [](std::size_t, double) {
      });
}

VectorSum::VectorSum(data::TypeId element, int64_t size)
    : element_(element),
      sums_(static_cast<std::size_t>(size)),
      counts_(static_cast<std::size_t>(size)) {}

void VectorSum::change(std::string_view array, bool subtract) {
  is_clear_ = false;
  for_each_element(array, element_, sums_.size(), [&](std::size_t i, double value) {
    if (subtract) {
      sums_[i].subtract(value);
      --counts_[i];
    } else {
      sums_[i].add(value);
      ++counts_[i];
    }
  });
}

void VectorSum::clear() {
  if (is_clear_) {
    return;
  }
  is_clear_ = true;
  std::fill(counts_.begin(), counts_.end(), 0);
  for (ExactSum& sum : sums_) {
    sum.clear();
  }
}

template <typename CellOf>
void VectorSum::append(CellOf cell_of, std::string* out) const {
  const bool nulls = std::count(counts_.begin(), counts_.end(), 0) != 0;
  out->push_back(nulls ? 1 : 0);
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const Cell cell = cell_of(sums_[i], counts_[i]);
    if (nulls) {
      out->push_back(cell.is_null ? 0 : 1);
    }
    if (!cell.is_null) {
      append_fixed64(out, cell.bits);
    }
  }
}

void VectorSum::append_sums(std::string* out) const {
  append([](const ExactSum& sum, int64_t count) { return sum_cell(sum, count); }, out);
}

void VectorSum::append_means(std::string* out) const {
  append([](const ExactSum& sum, int64_t count) { return mean_cell(sum, count); }, out);
}

void VectorSum::encode(std::string* out) const {
  const bool differ =
      std::adjacent_find(counts_.begin(), counts_.end(), std::not_equal_to<>()) != counts_.end();
  out->push_back(differ ? 1 : 0);
  for (std::size_t i = 0; i < (differ ? counts_.size() : 1); ++i) {
    append_varint(out, static_cast<uint64_t>(counts_[i]));
  }
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    if (counts_[i] != 0) {
      sums_[i].encode(out);
    }
  }
}

void VectorSum::merge_encoded(RowReader* reader) {
  is_clear_ = false;
  const bool differ = reader->byte() != 0;
  std::vector<int64_t> counts(counts_.size());
  for (std::size_t i = 0; i < counts.size() && !reader->failed(); ++i) {
    counts[i] = differ || i == 0 ? read_count(reader) : counts[0];
  }
  for (std::size_t i = 0; i < counts.size() && !reader->failed(); ++i) {
    if (counts[i] != 0) {
      sums_[i].merge(ExactSum::decode(reader));
      counts_[i] += counts[i];
    }
  }
}

}  // namespace assay::gold
