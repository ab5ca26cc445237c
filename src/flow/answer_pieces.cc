#include "flow/answer_pieces.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <span>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "gold/row_value.h"

namespace assay::flow {
namespace {

template <typename T>
void append_raw(const T& value, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// Takes bytes off the front.
bool take_raw(std::string_view& bytes, void* out, std::size_t size) {
  if (bytes.size() < size) {
    return false;
  }
  std::memcpy(out, bytes.data(), size);
  bytes.remove_prefix(size);
  return true;
}

Status broken() {
  return {Code::kCorrupt, "a scratch file does not hold what was written to it"};
}

template <typename Value>
Status fixed_from_bytes(std::string_view& bytes,
                        const std::vector<uint8_t>& is_null,
                        data::ColumnBuilder& out) {
  std::vector<Value> values(is_null.size());
  if (!take_raw(bytes, values.data(), values.size() * sizeof(Value))) {
    return broken();
  }
  out.append_block(values.data(), is_null.data(), static_cast<int64_t>(values.size()));
  return {};
}

Status texts_from_bytes(std::string_view& bytes,
                        const std::vector<uint8_t>& is_null,
                        data::ColumnBuilder& out) {
  for (const uint8_t null : is_null) {
    uint32_t size = 0;
    if (!take_raw(bytes, &size, sizeof(size)) || bytes.size() < size) {
      return broken();
    }
    if (null != 0) {
      out.append_null();
    } else {
      out.append_text(bytes.substr(0, size));
    }
    bytes.remove_prefix(size);
  }
  return {};
}

Status nested_from_bytes(std::string_view& bytes,
                         const std::vector<uint8_t>& is_null,
                         data::ColumnBuilder& out) {
  for (const uint8_t null : is_null) {
    uint32_t size = 0;
    if (!take_raw(bytes, &size, sizeof(size)) || bytes.size() < size) {
      return broken();
    }
    gold::RowReader reader(bytes.substr(0, size));
    if (null != 0) {
      out.append_null();
    } else {
      const data::Scalar value = gold::read_row_value(&reader, out.type());
      if (reader.failed()) {
        return broken();
      }
      out.append_scalar(value);
    }
    if (!reader.at_end()) {
      return broken();
    }
    bytes.remove_prefix(size);
  }
  return {};
}

/// Makes columns of a block's labels, one after the other, of rows that come in any order.
class Placing {
 public:
  Placing(int64_t first, std::span<const int64_t> row_of_label)
      : first_(static_cast<std::size_t>(first)),
        labels_(row_of_label.size()),
        is_absent_(row_of_label.size()) {
    for (std::size_t i = 0; i < labels_; ++i) {
      is_absent_[i] = row_of_label[i] < 0 ? 1 : 0;
    }
  }

  void begin(const data::Type& type) {
    builder_ = data::ColumnBuilder(type);
    width_ = static_cast<std::size_t>(data::value_width(type));
    if (width_ == 0) {
      place_.assign(labels_, -1);
      return;
    }
    if (values_.size() != labels_ * width_) {  // else zeros of absent ones stand there yet
      values_.assign(labels_ * width_, 0);
    }
    is_null_ = is_absent_;
  }

  /// The rows of `column` from `begin` on are those of the labels.
  void put(std::span<const uint32_t> labels, const data::Column& column, std::size_t begin) {
    if (width_ == 0) {
      for (std::size_t i = 0; i < labels.size(); ++i) {
        place_[labels[i] - first_] = builder_.size() + static_cast<int64_t>(i);
      }
      builder_.append_range(
          column, static_cast<int64_t>(begin), static_cast<int64_t>(begin + labels.size()));
      return;
    }
    const uint8_t* from = column.value_buffer().data() + begin * width_;
    switch (width_) {
      case sizeof(int64_t):
        put_values(labels, from, std::integral_constant<std::size_t, sizeof(int64_t)>{});
        break;
      case sizeof(int32_t):
        put_values(labels, from, std::integral_constant<std::size_t, sizeof(int32_t)>{});
        break;
      default:
        put_values(labels, from, width_);
    }
    for (std::size_t i = 0; column.null_count() != 0 && i < labels.size(); ++i) {
      is_null_[labels[i] - first_] = column.is_null(static_cast<int64_t>(begin + i)) ? 1 : 0;
    }
  }

  data::ColumnPtr finish() {
    const auto rows = static_cast<int64_t>(labels_);
    switch (width_) {
      case 0:
        return data::take(*builder_.finish(), place_);
      case sizeof(int64_t):
        builder_.append_block(
            reinterpret_cast<const int64_t*>(values_.data()), is_null_.data(), rows);
        break;
      case sizeof(int32_t):
        builder_.append_block(
            reinterpret_cast<const int32_t*>(values_.data()), is_null_.data(), rows);
        break;
      case sizeof(data::Int128):
        builder_.append_block(
            reinterpret_cast<const data::Int128*>(values_.data()), is_null_.data(), rows);
        break;
      case sizeof(int16_t):
        builder_.append_block(
            reinterpret_cast<const int16_t*>(values_.data()), is_null_.data(), rows);
        break;
      default:
        builder_.append_block(values_.data(), is_null_.data(), rows);
    }
    return builder_.finish();
  }

 private:
  template <typename Width>
  void put_values(std::span<const uint32_t> labels, const uint8_t* from, Width width) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      std::memcpy(values_.data() + (labels[i] - first_) * width, from + i * width, width);
    }
  }

  std::size_t first_;  // label of the block
  std::size_t labels_;
  std::vector<uint8_t> is_absent_;  // per label, 1: no row was put
  data::ColumnBuilder builder_{data::Type::kBool};
  std::size_t width_ = 0;        // of a value; 0: they differ in width
  std::vector<uint8_t> values_;  // per label
  std::vector<uint8_t> is_null_;
  std::vector<int64_t> place_;  // per label, in the builder; -1: none
};

}  // namespace

// Column after column: a byte per row, 1 where it is null; then values, or sizes and texts, or
// sizes and nested values as online rows hold them.
void append_rows_as_bytes(const std::vector<data::ColumnPtr>& columns,
                          int64_t begin,
                          int64_t end,
                          std::string& bytes) {
  for (const data::ColumnPtr& column : columns) {
    for (int64_t row = begin; row < end; ++row) {
      bytes.push_back(column->is_null(row) ? '\1' : '\0');
    }
    const auto width = static_cast<std::size_t>(data::value_width(column->type()));
    if (width != 0) {
      bytes.append(reinterpret_cast<const char*>(column->value_buffer().data()) +
                       static_cast<std::size_t>(begin) * width,
                   static_cast<std::size_t>(end - begin) * width);
      continue;
    }
    std::string nested;
    for (int64_t row = begin; row < end; ++row) {
      nested.clear();
      if (data::is_nested(column->type()) && column->is_valid(row)) {
        gold::append_row_value(&nested, *column, row);
      }
      const std::string_view text = data::is_text(column->type()) ? column->text(row) : nested;
      append_raw(static_cast<uint32_t>(text.size()), bytes);
      bytes.append(text);
    }
  }
}

Status rows_from_bytes(std::string_view bytes,
                       const data::Schema& schema,
                       int64_t rows,
                       data::BatchBuilder& out) {
  for (int i = 0; i < static_cast<int>(schema.fields().size()); ++i) {
    data::ColumnBuilder& column = out.column(i);
    std::vector<uint8_t> is_null(static_cast<std::size_t>(rows));
    if (!take_raw(bytes, is_null.data(), is_null.size())) {
      return broken();
    }
    switch (data::value_width(column.type())) {
      case sizeof(int64_t):
        ASSAY_RETURN_IF_ERROR(fixed_from_bytes<int64_t>(bytes, is_null, column));
        break;
      case sizeof(int32_t):
        ASSAY_RETURN_IF_ERROR(fixed_from_bytes<int32_t>(bytes, is_null, column));
        break;
      case sizeof(data::Int128):
        ASSAY_RETURN_IF_ERROR(fixed_from_bytes<data::Int128>(bytes, is_null, column));
        break;
      case sizeof(int16_t):
        ASSAY_RETURN_IF_ERROR(fixed_from_bytes<int16_t>(bytes, is_null, column));
        break;
      case sizeof(uint8_t):
        ASSAY_RETURN_IF_ERROR(fixed_from_bytes<uint8_t>(bytes, is_null, column));
        break;
      default:
        ASSAY_RETURN_IF_ERROR(data::is_nested(column.type())
                                  ? nested_from_bytes(bytes, is_null, column)
                                  : texts_from_bytes(bytes, is_null, column));
    }
  }
  return bytes.empty() ? Status() : broken();
}

AnswerPieces::AnswerPieces(data::SchemaPtr schema,
                           int64_t labels,
                           int64_t block_labels,
                           std::string scratch_folder,
                           std::size_t memory_bytes_max)
    : schema_(std::move(schema)),
      labels_(labels),
      block_labels_(block_labels),
      blocks_((labels + block_labels - 1) / block_labels),
      scratch_folder_(std::move(scratch_folder)),
      memory_bytes_max_(memory_bytes_max) {}

Status AnswerPieces::put(std::vector<uint32_t> labels, std::vector<data::ColumnPtr> columns) {
  Piece piece{std::move(labels), std::move(columns), {}, {}};
  piece.begins.assign(static_cast<std::size_t>(blocks_) + 1, piece.labels.size());
  for (std::size_t i = piece.labels.size(); i-- > 0;) {
    piece.begins[static_cast<std::size_t>(piece.labels[i] / block_labels_)] = i;
  }
  for (std::size_t block = static_cast<std::size_t>(blocks_); block-- > 0;) {
    piece.begins[block] = std::min(piece.begins[block], piece.begins[block + 1]);
  }
  std::size_t bytes = 0;
  for (const data::ColumnPtr& column : piece.columns) {
    bytes += column->bytes();
  }
  if (memory_bytes_ + bytes > memory_bytes_max_) {
    ASSAY_RETURN_IF_ERROR(spill(piece));
  } else {
    memory_bytes_ += bytes;
  }
  pieces_.push_back(std::move(piece));
  return {};
}

Status AnswerPieces::spill(Piece& piece) {
  if (!scratch_) {
    ASSAY_ASSIGN_OR_RETURN(ScratchFile file, ScratchFile::open(scratch_folder_));
    scratch_.emplace(std::move(file));
  }
  std::string bytes;
  for (std::size_t block = 0; block < static_cast<std::size_t>(blocks_); ++block) {
    piece.offsets.push_back(scratch_->size() + static_cast<int64_t>(bytes.size()));
    append_rows_as_bytes(piece.columns,
                         static_cast<int64_t>(piece.begins[block]),
                         static_cast<int64_t>(piece.begins[block + 1]),
                         bytes);
  }
  piece.offsets.push_back(scratch_->size() + static_cast<int64_t>(bytes.size()));
  piece.columns.clear();
  return scratch_->append(bytes).status();
}

Result<std::vector<data::ColumnPtr>> AnswerPieces::read_spilled(const Piece& piece,
                                                                std::size_t block) const {
  const int64_t offset = piece.offsets[block];
  ASSAY_ASSIGN_OR_RETURN(const std::string bytes,
                         scratch_->read(offset, piece.offsets[block + 1] - offset));
  data::BatchBuilder builder(schema_);
  ASSAY_RETURN_IF_ERROR(
      rows_from_bytes(bytes,
                      *schema_,
                      static_cast<int64_t>(piece.begins[block + 1] - piece.begins[block]),
                      builder));
  const data::Batch rows = builder.finish();
  std::vector<data::ColumnPtr> columns;
  for (int i = 0; i < rows.column_count(); ++i) {
    columns.push_back(rows.column_ptr(i));
  }
  return columns;
}

Result<AnswerPieces::Block> AnswerPieces::take(int64_t block) const {
  const auto number = static_cast<std::size_t>(block);
  const int64_t first = block * block_labels_;
  Block taken;
  taken.row_of_label.assign(static_cast<std::size_t>(std::min(block_labels_, labels_ - first)), -1);
  std::vector<Part> parts;
  std::deque<std::vector<data::ColumnPtr>> read;
  for (const Piece& piece : pieces_) {
    const std::size_t begin = piece.begins[number];
    const std::size_t end = piece.begins[number + 1];
    if (begin == end) {
      continue;
    }
    parts.push_back({std::span(piece.labels).subspan(begin, end - begin), &piece.columns, begin});
    for (const uint32_t label : parts.back().labels) {
      taken.row_of_label[label - static_cast<std::size_t>(first)] = label - first;
    }
    if (piece.columns.empty() && !schema_->fields().empty()) {
      ASSAY_ASSIGN_OR_RETURN(read.emplace_back(), read_spilled(piece, number));
      parts.back().columns = &read.back();
      parts.back().begin = 0;
    }
  }
  std::vector<data::ColumnPtr> columns;
  Placing placing(first, taken.row_of_label);
  for (int i = 0; i < schema_->size(); ++i) {
    placing.begin(schema_->field(i).type);
    for (const Part& part : parts) {
      placing.put(part.labels, *(*part.columns)[static_cast<std::size_t>(i)], part.begin);
    }
    columns.push_back(placing.finish());
  }
  taken.rows =
      data::Batch(schema_, std::move(columns), static_cast<int64_t>(taken.row_of_label.size()));
  return taken;
}

}  // namespace assay::flow
