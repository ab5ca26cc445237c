#include "data/arrow_ipc.h"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "data/arrow.h"

// A stream is a row of messages: the schema, then batches, then the end.
//
//   ff ff ff ff | int32 size | metadata (a FlatBuffer of `size` bytes, a multiple of 8) | body
//
// The body of a batch is its buffers, each at a multiple of 8, in the order of the columns, parents
// before children: validity bits (none when nothing is null), offsets, values. The metadata says
// where each begins. FlatBuffers are written from front to back here: a table with room for its
// references, then what they refer to, which lies behind them as it must.
//
// Source: Apache Arrow, format/Message.fbs and Schema.fbs (field numbers and enumerators below);
//         FlatBuffers, "FlatBuffer Internals".

namespace assay::data {
namespace {

enum class Header : uint8_t { kSchema = 1, kRecordBatch = 3 };
constexpr int kVersion5 = 4;

enum class Kind : uint8_t {
  kInt = 2,
  kFloatingPoint = 3,
  kBinary = 4,
  kUtf8 = 5,
  kBool = 6,
  kDecimal = 7,
  kDate = 8,
  kTimestamp = 10,
  kList = 12,
  kStruct = 13,
  kFixedSizeList = 16,
  kMap = 17,
  kLargeBinary = 19,
  kLargeUtf8 = 20,
  kLargeList = 21,
};

/// What a format text of the C data interface says.
struct Layout {
  Kind kind = Kind::kInt;
  int width = 0;         // bytes of a value, or of an offset; 0: bits, or no buffer of its own
  bool offsets = false;  // offsets, and values behind them unless the column has children
  int64_t numbers[2] = {0, 0};
  std::string_view zone;
};

/// One field of a FlatBuffers table: absent, a number of `size` bytes, or a reference to be set.
struct TableField {
  int size = 0;
  int64_t number = 0;
};
constexpr TableField kAbsent{};
constexpr TableField kReference{4, 0};

class FlatBuffer {
 public:
  FlatBuffer() { append(0, 4); }

  /// Write a table; gives where each field lies.
  std::vector<std::size_t> table(const std::vector<TableField>& fields) {
    std::vector<std::size_t> places;
    std::size_t size = 4;
    for (const TableField& field : fields) {
      const auto bytes = static_cast<std::size_t>(field.size);
      size = field.size == 0 ? size : (size + bytes - 1) / bytes * bytes;
      places.push_back(field.size == 0 ? 0 : size);
      size += bytes;
    }
    align(2);
    const std::size_t directory = bytes_.size();
    append(static_cast<int64_t>(4 + 2 * fields.size()), 2);
    append(static_cast<int64_t>(size), 2);
    for (const std::size_t place : places) {
      append(static_cast<int64_t>(place), 2);
    }
    align(8);
    table_ = bytes_.size();
    bytes_.resize(table_ + size);
    set(table_, static_cast<int64_t>(table_ - directory), 4);
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].size != 0) {
        places[i] += table_;
        set(places[i], fields[i].number, fields[i].size);
      }
    }
    return places;
  }

  /// Let the reference at `place` mean the table that was written last, or what comes next.
  void refer_to_table(std::size_t place) { set(place, static_cast<int64_t>(table_ - place), 4); }
  void refer_here(std::size_t place) { set(place, static_cast<int64_t>(bytes_.size() - place), 4); }

  void text(std::size_t place, std::string_view text) {
    align(4);
    refer_here(place);
    append(static_cast<int64_t>(text.size()), 4);
    bytes_ += text;
    bytes_ += '\0';
  }

  /// A vector of references, to be set; gives where each lies.
  std::vector<std::size_t> references(std::size_t place, std::size_t count) {
    align(4);
    refer_here(place);
    append(static_cast<int64_t>(count), 4);
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < count; ++i) {
      places.push_back(bytes_.size());
      append(0, 4);
    }
    return places;
  }

  /// A vector of structs of two int64.
  void pairs(std::size_t place, const std::vector<std::pair<int64_t, int64_t>>& pairs) {
    align(4);
    if (bytes_.size() % 8 == 0) {
      append(0, 4);  // so that the first pair, behind the count, lies at a multiple of 8
    }
    refer_here(place);
    append(static_cast<int64_t>(pairs.size()), 4);
    for (const auto& [first, second] : pairs) {
      append(first, 8);
      append(second, 8);
    }
  }

  /// The bytes, padded to a multiple of 8.
  std::string finish() {
    align(8);
    return std::move(bytes_);
  }

 private:
  void align(std::size_t to) { bytes_.resize((bytes_.size() + to - 1) / to * to); }
  void append(int64_t number, int size) {
    bytes_.resize(bytes_.size() + static_cast<std::size_t>(size));
    set(bytes_.size() - static_cast<std::size_t>(size), number, size);
  }
  void set(std::size_t place, int64_t number, int size) {
    std::memcpy(bytes_.data() + place, &number, static_cast<std::size_t>(size));  // little endian
  }

  std::string bytes_;
  std::size_t table_ = 0;
};

int64_t number_in(std::string_view text, std::size_t which) {
  for (; which > 0 && text.find(',') != std::string_view::npos; --which) {
    text.remove_prefix(text.find(',') + 1);
  }
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::optional<Layout> numeric_layout(std::string_view format) {
  static constexpr std::string_view kSigned = "csil";
  static constexpr std::string_view kUnsigned = "CSIL";
  for (std::size_t i = 0; i < 4 && format.size() == 1; ++i) {
    if (format[0] == kSigned[i] || format[0] == kUnsigned[i]) {
      return Layout{Kind::kInt, 1 << i, false, {8 << i, format[0] == kSigned[i] ? 1 : 0}, {}};
    }
  }
  if (format == "f" || format == "g") {
    return Layout{
        Kind::kFloatingPoint, format == "f" ? 4 : 8, false, {format == "f" ? 1 : 2, 0}, {}};
  }
  if (format.substr(0, 2) == "d:") {
    return Layout{Kind::kDecimal,
                  16,
                  false,
                  {number_in(format.substr(2), 0), number_in(format.substr(2), 1)},
                  {}};
  }
  return std::nullopt;
}

std::optional<Layout> layout_of(std::string_view format) {
  static constexpr std::pair<std::string_view, Layout> kPlain[] = {
      {"b", {Kind::kBool, 0, false, {0, 0}, {}}},
      {"u", {Kind::kUtf8, 4, true, {0, 0}, {}}},
      {"z", {Kind::kBinary, 4, true, {0, 0}, {}}},
      {"U", {Kind::kLargeUtf8, 8, true, {0, 0}, {}}},
      {"Z", {Kind::kLargeBinary, 8, true, {0, 0}, {}}},
      {"tdD", {Kind::kDate, 4, false, {0, 0}, {}}},
      {"+l", {Kind::kList, 4, true, {0, 0}, {}}},
      {"+L", {Kind::kLargeList, 8, true, {0, 0}, {}}},
      {"+m", {Kind::kMap, 4, true, {0, 0}, {}}},
      {"+s", {Kind::kStruct, 0, false, {0, 0}, {}}},
  };
  for (const auto& [name, layout] : kPlain) {
    if (format == name) {
      return layout;
    }
  }
  if (format.substr(0, 3) == "+w:") {
    return Layout{Kind::kFixedSizeList, 0, false, {number_in(format.substr(3), 0), 0}, {}};
  }
  static constexpr std::string_view kUnits = "smun";
  if (format.size() >= 4 && format.substr(0, 2) == "ts" && format[3] == ':') {
    const std::size_t unit = kUnits.find(format[2]);
    return Layout{Kind::kTimestamp, 8, false, {static_cast<int64_t>(unit), 0}, format.substr(4)};
  }
  return numeric_layout(format);
}

/// The table of a type, which the reference at `place` is to mean.
void write_type(FlatBuffer& out, const Layout& layout, std::size_t place) {
  std::vector<TableField> fields;
  switch (layout.kind) {
    case Kind::kInt:  // bitWidth, is_signed
      fields = {TableField{4, layout.numbers[0]}, TableField{1, layout.numbers[1]}};
      break;
    case Kind::kFloatingPoint:  // precision
    case Kind::kDate:           // unit: DAY is 0, and not the default
      fields = {TableField{2, layout.numbers[0]}};
      break;
    case Kind::kDecimal:  // precision, scale
      fields = {TableField{4, layout.numbers[0]}, TableField{4, layout.numbers[1]}};
      break;
    case Kind::kTimestamp:  // unit, timezone
      fields = {TableField{2, layout.numbers[0]}, layout.zone.empty() ? kAbsent : kReference};
      break;
    case Kind::kFixedSizeList:  // listSize
      fields = {TableField{4, layout.numbers[0]}};
      break;
    default:
      break;
  }
  const std::vector<std::size_t> places = out.table(fields);
  out.refer_to_table(place);
  if (!layout.zone.empty()) {
    out.text(places[1], layout.zone);
  }
}

Status write_field(FlatBuffer& out, const ArrowSchema& field, std::size_t place) {
  const std::optional<Layout> layout = layout_of(field.format);
  if (!layout) {
    return {Code::kUnimplemented,
            "Arrow output knows no type of format `" + std::string(field.format) + "`, column " +
                (field.name == nullptr ? "" : field.name)};
  }
  const bool nullable = (field.flags & 2) != 0;
  // name, nullable, type_type, type, dictionary, children
  const std::vector<std::size_t> places = out.table({kReference,
                                                     {1, nullable ? 1 : 0},
                                                     {1, static_cast<int64_t>(layout->kind)},
                                                     kReference,
                                                     kAbsent,
                                                     kReference});
  out.refer_to_table(place);
  out.text(places[0], field.name == nullptr ? "" : field.name);
  write_type(out, *layout, places[3]);
  const std::vector<std::size_t> children =
      out.references(places[5], static_cast<std::size_t>(field.n_children));
  for (std::size_t i = 0; i < children.size(); ++i) {
    ASSAY_RETURN_IF_ERROR(write_field(out, *field.children[i], children[i]));
  }
  return {};
}

/// A message's table up to its header, whose place it gives.
std::size_t begin_message(FlatBuffer& out, Header header, int64_t body_bytes) {
  // version, header_type, header, bodyLength
  const std::vector<std::size_t> places =
      out.table({{2, kVersion5}, {1, static_cast<int64_t>(header)}, kReference, {8, body_bytes}});
  out.refer_to_table(0);
  return places[2];
}

std::string framed(FlatBuffer& out, std::string_view body) {
  const std::string metadata = out.finish();
  std::string message(8, '\xff');
  const auto size = static_cast<int32_t>(metadata.size());
  std::memcpy(message.data() + 4, &size, 4);
  message += metadata;
  message += body;
  return message;
}

/// The buffers of a batch, one behind the other.
class Body {
 public:
  Status add(const ArrowSchema& field, const ArrowArray& array) {
    ASSAY_CHECK(array.offset == 0);
    const std::optional<Layout> layout = layout_of(field.format);
    if (!layout) {
      return {Code::kUnimplemented, "Arrow output of format " + std::string(field.format)};
    }
    nodes_.emplace_back(array.length, array.null_count);
    add_buffer(array.null_count == 0 ? nullptr : array.buffers[0], (array.length + 7) / 8);
    if (layout->offsets) {
      add_buffer(array.buffers[1], (array.length + 1) * layout->width);
      if (array.n_children == 0) {
        add_buffer(array.buffers[2], text_bytes(array, layout->width));
      }
    } else if (layout->kind == Kind::kBool) {
      add_buffer(array.buffers[1], (array.length + 7) / 8);
    } else if (layout->width > 0) {
      add_buffer(array.buffers[1], array.length * layout->width);
    }
    for (int64_t i = 0; i < array.n_children; ++i) {
      ASSAY_RETURN_IF_ERROR(add(*field.children[i], *array.children[i]));
    }
    return {};
  }

  [[nodiscard]] const std::vector<std::pair<int64_t, int64_t>>& nodes() const { return nodes_; }
  [[nodiscard]] const std::vector<std::pair<int64_t, int64_t>>& buffers() const { return buffers_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  static int64_t text_bytes(const ArrowArray& array, int width) {
    if (array.length == 0 || array.buffers[1] == nullptr) {
      return 0;
    }
    return width == 4 ? static_cast<const int32_t*>(array.buffers[1])[array.length]
                      : static_cast<const int64_t*>(array.buffers[1])[array.length];
  }

  void add_buffer(const void* data, int64_t size) {
    const int64_t present = data == nullptr ? 0 : size;
    buffers_.emplace_back(static_cast<int64_t>(bytes_.size()), present);
    if (present > 0) {
      bytes_.append(static_cast<const char*>(data), static_cast<std::size_t>(present));
    }
    bytes_.resize((bytes_.size() + 7) / 8 * 8);
  }

  std::vector<std::pair<int64_t, int64_t>> nodes_;
  std::vector<std::pair<int64_t, int64_t>> buffers_;
  std::string bytes_;
};

/// A batch by the C data interface, released at the end.
struct Exported {
  explicit Exported(const Batch& batch) { export_batch(batch, &schema, &array); }
  ~Exported() {
    schema.release(&schema);
    array.release(&array);
  }
  Exported(const Exported&) = delete;
  Exported& operator=(const Exported&) = delete;

  ArrowSchema schema{};
  ArrowArray array{};
};

}  // namespace

Result<std::string> arrow_ipc_schema(const SchemaPtr& schema) {
  const Exported exported(Batch::empty(schema));
  FlatBuffer out;
  const std::size_t header = begin_message(out, Header::kSchema, 0);
  // endianness: little is the default, fields
  const std::vector<std::size_t> places = out.table({kAbsent, kReference});
  out.refer_to_table(header);
  const std::vector<std::size_t> fields =
      out.references(places[1], static_cast<std::size_t>(exported.schema.n_children));
  for (std::size_t i = 0; i < fields.size(); ++i) {
    ASSAY_RETURN_IF_ERROR(write_field(out, *exported.schema.children[i], fields[i]));
  }
  return framed(out, "");
}

Result<std::string> arrow_ipc_batch(const Batch& batch) {
  const Exported exported(batch);
  Body body;
  for (int64_t i = 0; i < exported.schema.n_children; ++i) {
    ASSAY_RETURN_IF_ERROR(body.add(*exported.schema.children[i], *exported.array.children[i]));
  }
  FlatBuffer out;
  const std::size_t header =
      begin_message(out, Header::kRecordBatch, static_cast<int64_t>(body.bytes().size()));
  // length, nodes, buffers
  const std::vector<std::size_t> places = out.table({{8, batch.rows()}, kReference, kReference});
  out.refer_to_table(header);
  out.pairs(places[1], body.nodes());
  out.pairs(places[2], body.buffers());
  return framed(out, body.bytes());
}

std::string arrow_ipc_end() {
  return {'\xff', '\xff', '\xff', '\xff', '\0', '\0', '\0', '\0'};
}

}  // namespace assay::data
