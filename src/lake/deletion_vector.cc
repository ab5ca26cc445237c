#include "lake/deletion_vector.h"

#include <array>
#include <bit>

#include "lake/uri_path.h"

// A deletion vector says which rows of a data file are gone. It lies in a file of its own, at an
// offset, or inside the log as z85 text:
//
//   file    byte 1 (version) | ... at `offset`: size, 4 bytes big endian | data | CRC-32 of data,
//           4 bytes big endian
//   data    magic 1681511377, 4 bytes | count of bitmaps, 8 bytes | bitmap ...      little endian
//   bitmap  high 32 bits of its row numbers, 4 bytes | a Roaring bitmap of the low 32 bits
//
//   Roaring cookie 12346, 4 bytes | count of containers, 4 bytes               without run
//     containers or cookie 12347 + (count - 1) << 16 | one bit a container: is it of runs? then
//     key and cardinality - 1 of each container, 2 + 2 bytes; offsets, 4 bytes each, unless there
//     are runs and fewer than 4 containers; containers: up to 4096 values an array of 2 bytes each,
//     above that 8192 bytes of bits, or count of runs and (first, length - 1) of each, 2 bytes all.

namespace assay::lake {
namespace {

constexpr uint32_t kMagic = 1'681'511'377;
constexpr uint32_t kPreviewMagic = 1'681'511'376;
constexpr uint32_t kCookiePlain = 12'346;
constexpr uint32_t kCookieRuns = 12'347;
constexpr std::size_t kContainersMax = 65'536;
constexpr std::size_t kArrayMax = 4'096;
constexpr std::size_t kBitmapBytes = 8'192;
constexpr std::size_t kUuidChars = 20;  // 16 bytes in z85

Status corrupt(const std::string& what) {
  return {Code::kCorrupt, "bad deletion vector: " + what};
}

uint32_t big_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) {
    value = value << 8 | static_cast<unsigned char>(c);
  }
  return value;
}

uint32_t crc32(std::string_view bytes) {
  static const std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) {
        value = value >> 1 ^ ((value & 1U) != 0 ? 0xEDB88320U : 0U);
      }
      table[i] = value;
    }
    return table;
  }();
  uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes) {
    crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFFU];
  }
  return ~crc;
}

/// Takes little-endian numbers off the front; what is not there reads as zero and is remembered.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  uint64_t number(std::size_t width) {
    const std::string_view bytes = take(width);
    uint64_t value = 0;
    for (std::size_t i = bytes.size(); i > 0; --i) {
      value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
    }
    return value;
  }
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      short_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  [[nodiscard]] bool ran_short() const { return short_; }

 private:
  std::string_view rest_;
  bool short_ = false;
};

/// Decodes the bitmaps of one vector into ascending row numbers, never more than announced.
class RoaringDecoder {
 public:
  RoaringDecoder(std::string_view bytes, int64_t cardinality)
      : reader_(bytes), cardinality_(static_cast<std::size_t>(cardinality)) {}

  Result<std::vector<int64_t>> decode() {
    const uint64_t magic = reader_.number(4);
    if (magic == kPreviewMagic) {
      return Status(Code::kUnimplemented, "a deletion vector of Delta's preview is not supported");
    }
    if (magic != kMagic) {
      return corrupt("it does not begin with its magic number");
    }
    const uint64_t bitmaps = reader_.number(8);
    if (bitmaps > cardinality_ + 1) {
      return corrupt("more bitmaps than deleted rows");
    }
    for (uint64_t i = 0; i < bitmaps; ++i) {
      const uint64_t high = reader_.number(4);
      if (high >= uint64_t{1} << 31) {
        return corrupt("a row number beyond 63 bits");
      }
      high_ = static_cast<int64_t>(high << 32);
      ASSAY_RETURN_IF_ERROR(bitmap());
    }
    if (rows_.size() != cardinality_) {
      return corrupt("it holds " + std::to_string(rows_.size()) + " rows, the log says " +
                     std::to_string(cardinality_));
    }
    return std::move(rows_);
  }

 private:
  struct Container {
    int64_t key;
    std::size_t values;
    bool runs;
  };

  Status bitmap() {
    const uint64_t cookie = reader_.number(4);
    std::size_t count = 0;
    std::string_view run_bits;
    if ((cookie & 0xFFFFU) == kCookieRuns) {
      count = static_cast<std::size_t>(cookie >> 16) + 1;
      run_bits = reader_.take((count + 7) / 8);
    } else if (cookie == kCookiePlain) {
      count = static_cast<std::size_t>(reader_.number(4));
    } else {
      return corrupt("not a Roaring bitmap");
    }
    if (count > kContainersMax || reader_.ran_short()) {
      return corrupt("more containers than a bitmap has, or cut short");
    }
    std::vector<Container> containers;
    for (std::size_t i = 0; i < count; ++i) {
      const auto key = static_cast<int64_t>(reader_.number(2));
      const auto values = static_cast<std::size_t>(reader_.number(2)) + 1;
      const bool runs =
          !run_bits.empty() && (static_cast<unsigned char>(run_bits[i / 8]) >> (i % 8) & 1) != 0;
      containers.push_back({key, values, runs});
    }
    constexpr std::size_t kWithoutOffsets = 4;
    if (run_bits.empty() || count >= kWithoutOffsets) {
      reader_.take(4 * count);  // offsets: containers follow each other anyway
    }
    for (const Container& container : containers) {
      ASSAY_RETURN_IF_ERROR(read(container));
    }
    return {};
  }

  Status read(const Container& container) {
    const std::size_t before = rows_.size();
    base_ = high_ | container.key << 16;
    Status status;
    if (container.runs) {
      status = runs();
    } else if (container.values <= kArrayMax) {
      status = array(container.values);
    } else {
      status = bits();
    }
    ASSAY_RETURN_IF_ERROR(status);
    if (reader_.ran_short()) {
      return corrupt("cut short");
    }
    return rows_.size() - before == container.values ? Status()
                                                     : corrupt("a container of the wrong size");
  }

  Status runs() {
    const uint64_t count = reader_.number(2);
    for (uint64_t i = 0; i < count && !reader_.ran_short(); ++i) {
      const auto first = static_cast<int64_t>(reader_.number(2));
      const auto length = static_cast<int64_t>(reader_.number(2)) + 1;
      if (first + length > 65'536) {
        return corrupt("a run beyond its container");
      }
      for (int64_t value = first; value < first + length; ++value) {
        ASSAY_RETURN_IF_ERROR(append(value));
      }
    }
    return {};
  }

  Status array(std::size_t values) {
    for (std::size_t i = 0; i < values && !reader_.ran_short(); ++i) {
      ASSAY_RETURN_IF_ERROR(append(static_cast<int64_t>(reader_.number(2))));
    }
    return {};
  }

  Status bits() {
    for (std::size_t word = 0; word < kBitmapBytes / 8 && !reader_.ran_short(); ++word) {
      uint64_t set = reader_.number(8);
      while (set != 0) {
        const auto value = static_cast<int64_t>(word * 64) + std::countr_zero(set);
        ASSAY_RETURN_IF_ERROR(append(value));
        set &= set - 1;
      }
    }
    return {};
  }

  Status append(int64_t low) {
    const int64_t row = base_ | low;
    if (!rows_.empty() && row <= rows_.back()) {
      return corrupt("row numbers that do not ascend");
    }
    if (rows_.size() == cardinality_) {
      return corrupt("it holds more rows than the " + std::to_string(cardinality_) +
                     " that the log says");
    }
    rows_.push_back(row);
    return {};
  }

  ByteReader reader_;
  std::size_t cardinality_;
  std::vector<int64_t> rows_;
  int64_t high_ = 0;
  int64_t base_ = 0;
};

/// "d2c639aa-8816-431a-aaf6-d3fe2512ff61" of 16 bytes.
std::string uuid_text(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out += i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

/// Object key of a path that the log gives as an absolute one.
Result<std::string> key_of_absolute(const store::ObjectStore& store,
                                    const std::string& key,
                                    const std::string& uri) {
  ASSAY_ASSIGN_OR_RETURN(const std::string path, decode_log_path(uri));
  const std::string root = store.read_path(key) + "/";
  const std::size_t slashes = path.starts_with("file:") ? path.find_first_not_of('/', 5) : 1;
  const std::string plain =
      slashes == std::string::npos || slashes == 0 ? path : path.substr(slashes - 1);
  if (!plain.starts_with(root)) {
    return Status(
        Code::kUnimplemented,
        "a deletion vector outside the table (a shallow clone?) is not supported: " + uri);
  }
  return key + "/" + plain.substr(root.size());
}

Result<std::string> key_of(const store::ObjectStore& store,
                           const std::string& key,
                           const DeletionVector& vector) {
  if (vector.storage_type == "p") {
    return key_of_absolute(store, key, vector.path_or_inline);
  }
  const std::string& text = vector.path_or_inline;
  if (text.size() < kUuidChars) {
    return corrupt("a name that is too short: " + text);
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string uuid,
                         decode_z85(std::string_view(text).substr(text.size() - kUuidChars)));
  const std::string folder = text.substr(0, text.size() - kUuidChars);
  std::string path = key + "/" + (folder.empty() ? "" : folder + "/") + "deletion_vector_" +
                     uuid_text(uuid) + ".bin";
  const Status valid = store::validate_key(path);
  return valid.ok() ? Result<std::string>(std::move(path)) : corrupt(valid.message());
}

Result<std::string> stored_bytes(store::ObjectStore& store,
                                 const std::string& name,
                                 const DeletionVector& vector) {
  constexpr int64_t kFrame = 8;  // size before, CRC after
  ASSAY_ASSIGN_OR_RETURN(const std::string framed,
                         store.get_range(name, vector.offset, int64_t{vector.size_bytes} + kFrame));
  if (static_cast<int64_t>(framed.size()) != vector.size_bytes + kFrame) {
    return corrupt("cut short");
  }
  if (big_endian(framed) != static_cast<uint32_t>(vector.size_bytes)) {
    return corrupt("its size is not the one in the log");
  }
  std::string data = framed.substr(4, framed.size() - kFrame);
  if (big_endian(std::string_view(framed).substr(framed.size() - 4)) != crc32(data)) {
    return corrupt("its checksum is wrong");
  }
  return data;
}

}  // namespace

std::string deletion_vector_id(const std::optional<DeletionVector>& vector) {
  if (!vector) {
    return "";
  }
  return vector->storage_type + vector->path_or_inline +
         (vector->storage_type == "i" ? "" : "@" + std::to_string(vector->offset));
}

Result<std::string> decode_z85(std::string_view text) {
  constexpr std::string_view kDigits =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
  if (text.size() % 5 != 0) {
    return corrupt("z85 text of an odd length");
  }
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 5) {
    uint64_t value = 0;
    for (const char c : text.substr(i, 5)) {
      const std::size_t digit = kDigits.find(c);
      if (digit == std::string_view::npos) {
        return corrupt("not z85 text");
      }
      value = value * 85 + digit;
    }
    if (value > 0xFFFFFFFFU) {
      return corrupt("not z85 text");
    }
    for (int shift = 24; shift >= 0; shift -= 8) {
      out += static_cast<char>(value >> shift & 0xFFU);
    }
  }
  return out;
}

Result<std::vector<int64_t>> decode_deletion_vector(std::string_view bytes, int64_t cardinality) {
  if (cardinality < 0) {
    return corrupt("a negative cardinality");
  }
  return RoaringDecoder(bytes, cardinality).decode();
}

Result<std::vector<int64_t>> read_deletion_vector(store::ObjectStore& store,
                                                  const std::string& key,
                                                  const DeletionVector& vector) {
  if (vector.cardinality > kDeletedRowsMax) {
    return Status(Code::kUnimplemented,
                  "a deletion vector of more than " + std::to_string(kDeletedRowsMax) +
                      " rows is not supported; rewrite the table's files (OPTIMIZE, or REORG "
                      "TABLE ... APPLY (PURGE)) with the engine that owns it");
  }
  if (vector.storage_type == "i") {
    ASSAY_ASSIGN_OR_RETURN(std::string bytes, decode_z85(vector.path_or_inline));
    if (vector.size_bytes < 0 || static_cast<std::size_t>(vector.size_bytes) > bytes.size()) {
      return corrupt("its size is not the one in the log");
    }
    bytes.resize(static_cast<std::size_t>(vector.size_bytes));
    return decode_deletion_vector(bytes, vector.cardinality);
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string name, key_of(store, key, vector));
  const std::string context = "deletion vector " + name;
  const Result<std::string> bytes = stored_bytes(store, name, vector);
  if (!bytes.ok()) {
    return bytes.status().with_context(context);
  }
  Result<std::vector<int64_t>> rows = decode_deletion_vector(*bytes, vector.cardinality);
  return rows.ok() ? std::move(rows) : rows.status().with_context(context);
}

}  // namespace assay::lake
