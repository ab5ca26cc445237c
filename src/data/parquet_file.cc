#include "data/parquet_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "data/thrift_compact.h"
#include "data/utf8.h"

// The footer is a struct FileMetaData in Thrift's compact protocol; its field numbers, and those of
// the structs in it, stand in parquet.thrift. Behind it come its size in four bytes and "PAR1".

namespace assay::data {
namespace {

using Element = ThriftWriter::Element;

// Numbers of the format.
constexpr int32_t kOptional = 1;
constexpr int32_t kZstd = 6;
constexpr int32_t kPlain = 0;
constexpr int32_t kRunLengths = 3;
constexpr int32_t kDictionaryNumbers = 8;
constexpr int32_t kDataPage = 0;
constexpr int32_t kDictionaryPage = 2;

/// `type` as readers of the format's first versions know it, and as later ones do.
void add_logical_type(ThriftWriter& out, const Type& type) {
  const auto converted = [&](int32_t number) { out.i32(6, number); };
  const auto logical = [&](int number, auto add_members) {
    out.begin_struct(10);
    out.begin_struct(number);
    add_members();
    out.end_struct();
    out.end_struct();
  };
  const auto integer = [&](int8_t bits, int32_t number) {
    converted(number);
    logical(10, [&] {
      out.byte(1, bits);
      out.boolean(2, true);  // signed
    });
  };
  const auto timestamp = [&](bool in_utc) {
    logical(8, [&] {
      out.boolean(1, in_utc);
      out.begin_struct(2);
      out.begin_struct(2);  // microseconds
      out.end_struct();
      out.end_struct();
    });
  };
  switch (type) {
    case Type::kString:
      converted(0);
      return logical(1, [] {});
    case Type::kDate:
      converted(6);
      return logical(6, [] {});
    case Type::kInt8:
      return integer(8, 15);
    case Type::kInt16:
      return integer(16, 16);
    case Type::kTimestamp:
      converted(10);
      return timestamp(true);
    case Type::kTimestampNtz:
      return timestamp(false);  // the old form says that it is in UTC
    case Type::kDecimal:
      converted(5);
      out.i32(7, type.scale());
      out.i32(8, type.precision());
      return logical(5, [&] {
        out.i32(1, type.scale());
        out.i32(2, type.precision());
      });
    default:
      return;
  }
}

void add_schema(ThriftWriter& out, const Schema& schema) {
  out.i32(1, 1);  // version of the format
  out.begin_list(2, Element::kStruct, schema.fields().size() + 1);
  out.begin_element();
  out.binary(4, "schema");
  out.i32(5, schema.size());
  out.end_struct();
  for (const Field& field : schema.fields()) {
    const ParquetStorage storage = parquet_storage_of(field.type);
    out.begin_element();
    out.i32(1, static_cast<int32_t>(storage));
    if (storage == ParquetStorage::kFixed) {
      out.i32(2, sizeof(Int128));
    }
    out.i32(3, kOptional);
    out.binary(4, field.name);
    add_logical_type(out, field.type);
    out.end_struct();
  }
}

/// A bound as the footer has it.
struct StoredBound {
  std::string bytes;
  bool is_exact = true;
};

/// A text behind all that begin with this one, made by counting its last byte up; "" when there is
/// none. UTF-8 stays UTF-8: letters whose last byte is as large as it can be are left out.
std::string behind_all(std::string text, bool is_utf8) {
  while (!text.empty()) {
    const auto last = static_cast<unsigned char>(text.back());
    if (!is_utf8 && last != 0xFF) {
      text.back() = static_cast<char>(last + 1);
      return text;
    }
    if (is_utf8 && last != 0x7F && last != 0xBF) {
      text.back() = static_cast<char>(last + 1);
      return text;
    }
    while (is_utf8 && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) {
      text.pop_back();
    }
    text.pop_back();
  }
  return text;
}

/// At most kParquetBoundBytes; empty where a long text has no short bound.
StoredBound text_bound(const std::string& text, bool is_utf8, bool is_min) {
  if (text.size() <= kParquetBoundBytes) {
    return {text, true};
  }
  std::size_t size = kParquetBoundBytes;
  while (is_utf8 && size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) {
    --size;
  }
  std::string begin = text.substr(0, size);
  if (is_utf8 && !is_min && !data::is_utf8(begin)) {
    return {"", false};  // what comes behind letters that are none, no two readers agree on
  }
  return {is_min ? std::move(begin) : behind_all(std::move(begin), is_utf8), false};
}

template <typename Number>
StoredBound number_bound(Number number) {
  return {std::string(reinterpret_cast<const char*>(&number), sizeof number)};
}

template <typename Real>
StoredBound real_bound(double value, bool is_min) {
  // Readers that tell the zeros apart must find both.
  const double bound = value == 0 ? (is_min ? -0.0 : 0.0) : value;
  return number_bound(static_cast<Real>(bound));
}

StoredBound decimal_bound(Int128 units, ParquetStorage storage) {
  switch (storage) {
    case ParquetStorage::kInt32:
      return number_bound(static_cast<int32_t>(units));
    case ParquetStorage::kInt64:
      return number_bound(static_cast<int64_t>(units));
    default:
      return {big_endian(units)};
  }
}

StoredBound stored_bound(const Scalar& bound, bool is_min) {
  switch (bound.type) {
    case Type::kBool:
      return number_bound(static_cast<uint8_t>(std::get<bool>(bound.value) ? 1 : 0));
    case Type::kFloat32:
      return real_bound<float>(std::get<double>(bound.value), is_min);
    case Type::kFloat64:
      return real_bound<double>(std::get<double>(bound.value), is_min);
    case Type::kString:
    case Type::kBytes:
      return text_bound(std::get<std::string>(bound.value), bound.type == Type::kString, is_min);
    case Type::kDecimal:
      return decimal_bound(std::get<Int128>(bound.value), parquet_storage_of(bound.type));
    default: {
      const int64_t value = std::get<int64_t>(bound.value);
      return parquet_storage_of(bound.type) == ParquetStorage::kInt32
                 ? number_bound(static_cast<int32_t>(value))
                 : number_bound(value);
    }
  }
}

/// Readers do not agree on how NaN compares: a column with one has no bounds.
void add_statistics(ThriftWriter& out, const ColumnBounds& bounds) {
  out.begin_struct(12);
  out.i64(3, bounds.null_count);
  if (bounds.min && bounds.max && !bounds.has_nan) {
    const StoredBound max = stored_bound(*bounds.max, false);
    const StoredBound min = stored_bound(*bounds.min, true);
    const bool has_max = max.is_exact || !max.bytes.empty();
    if (has_max) {
      out.binary(5, max.bytes);
      out.binary(6, min.bytes);
      out.boolean(7, max.is_exact);
      out.boolean(8, min.is_exact);
    }
  }
  out.end_struct();
}

void add_page_counts(ThriftWriter& out, const ParquetChunk& chunk, bool has_dictionary) {
  const auto add = [&](int32_t page, int32_t encoding, int32_t count) {
    out.begin_element();
    out.i32(1, page);
    out.i32(2, encoding);
    out.i32(3, count);
    out.end_struct();
  };
  out.begin_list(13, Element::kStruct, has_dictionary ? 2 : 1);
  if (has_dictionary) {
    add(kDictionaryPage, kPlain, 1);
  }
  add(kDataPage, has_dictionary ? kDictionaryNumbers : kPlain, chunk.data_pages);
}

/// `begin` is where the row group lies in the file.
void add_chunk(ThriftWriter& out,
               const Field& field,
               const ParquetChunk& chunk,
               int64_t rows,
               std::size_t begin) {
  const bool has_dictionary = chunk.first_data_page > chunk.begin;
  out.begin_element();
  out.i64(2, 0);  // nothing stands outside the footer
  out.begin_struct(3);
  out.i32(1, static_cast<int32_t>(parquet_storage_of(field.type)));
  out.begin_list(2, Element::kI32, has_dictionary ? 3 : 2);
  out.i32_element(kPlain);
  out.i32_element(kRunLengths);
  if (has_dictionary) {
    out.i32_element(kDictionaryNumbers);
  }
  out.begin_list(3, Element::kBinary, 1);
  out.binary_element(field.name);
  out.i32(4, kZstd);
  out.i64(5, rows);
  out.i64(6, static_cast<int64_t>(chunk.raw_bytes));
  out.i64(7, static_cast<int64_t>(chunk.end - chunk.begin));
  out.i64(9, static_cast<int64_t>(begin + chunk.first_data_page));
  if (has_dictionary) {
    out.i64(11, static_cast<int64_t>(begin + chunk.begin));
  }
  add_statistics(out, chunk.bounds);
  add_page_counts(out, chunk, has_dictionary);
  out.end_struct();
  out.end_struct();
}

}  // namespace

bool is_flat(const Schema& schema) {
  return std::none_of(schema.fields().begin(), schema.fields().end(), [](const Field& field) {
    return is_nested(field.type);
  });
}

std::string parquet_footer_begin(const Schema& schema) {
  std::string bytes;
  ThriftWriter out(bytes);
  add_schema(out, schema);
  return bytes;
}

Result<ParquetRowGroup> ParquetEncoder::encode(std::span<const Batch> batches) {
  ASSAY_CHECK(!batches.empty());
  ParquetRowGroup group;
  std::size_t held = 0;
  for (const Batch& batch : batches) {
    group.rows += batch.rows();
    held += batch.bytes();
  }
  group.bytes.reserve(std::min(bytes_ + bytes_ / 8, held));
  std::vector<const Column*> pieces;
  for (int column = 0; column < batches.front().column_count(); ++column) {
    pieces.clear();
    for (const Batch& batch : batches) {
      pieces.push_back(&batch.column(column));
    }
    Result<ParquetChunk> chunk = chunks_.append(pieces, group.bytes);
    if (!chunk.ok()) {
      return chunk.status().with_context("column `" + batches.front().schema().field(column).name +
                                         "`");
    }
    group.chunks.push_back(*std::move(chunk));
  }
  bytes_ = group.bytes.size();
  return group;
}

ParquetFile::ParquetFile(SchemaPtr schema, std::string created_by)
    : schema_(std::move(schema)),
      created_by_(std::move(created_by)),
      bounds_(schema_->fields().size()) {}

void ParquetFile::add(const ParquetRowGroup& group) {
  ASSAY_CHECK(group.chunks.size() == bounds_.size());
  std::size_t raw_bytes = 0;
  for (const ParquetChunk& chunk : group.chunks) {
    raw_bytes += chunk.raw_bytes;
  }
  ThriftWriter out(groups_);
  out.begin_list(1, Element::kStruct, group.chunks.size());
  for (std::size_t column = 0; column < group.chunks.size(); ++column) {
    const Field& field = schema_->fields()[column];
    add_chunk(out, field, group.chunks[column], group.rows, bytes_);
    bounds_[column].add(group.chunks[column].bounds);
  }
  out.i64(2, static_cast<int64_t>(raw_bytes));
  out.i64(3, group.rows);
  out.i64(5, static_cast<int64_t>(bytes_));
  out.i64(6, static_cast<int64_t>(group.bytes.size()));
  out.end_struct();
  ++group_count_;
  rows_ += group.rows;
  bytes_ += group.bytes.size();
}

std::string ParquetFile::end() const {
  std::string bytes;
  ThriftWriter out(bytes);
  add_schema(out, *schema_);
  out.i64(3, rows_);
  out.begin_list(4, Element::kStruct, group_count_);
  bytes += groups_;
  out.binary(6, created_by_);
  out.begin_list(7, Element::kStruct, schema_->fields().size());
  for (int i = 0; i < schema_->size(); ++i) {
    out.begin_element();
    out.begin_struct(1);  // bounds are ordered as the type is
    out.end_struct();
    out.end_struct();
  }
  out.end_struct();
  const auto size = static_cast<uint32_t>(bytes.size());
  bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
  bytes += kBegin;
  return bytes;
}

}  // namespace assay::data
