// The message of an answer, in memory of answers before. A vector of numbers is written by pointer
// to where it stays. Its length is known only then: as many bytes are left for it as its bound
// would take, which is nearly always what it takes.

#include "serve/grpc_features.h"

#include <array>
#include <cstring>
#include <vector>

#include "data/feast_value.h"
#include "data/protobuf.h"
#include "serve/body_text.h"

namespace assay::serve {
namespace {

using data::ProtoWriter;
using Wire = data::ProtoField::Wire;

constexpr char tag_of(int field, Wire wire) {
  return static_cast<char>(field << 3 | static_cast<int>(wire));
}
constexpr int kVectorField = 2;  // of the response
constexpr char kValueTag = tag_of(1, Wire::kBytes);
constexpr char kStatusesTag = tag_of(2, Wire::kBytes);
constexpr char kTimeTag = tag_of(3, Wire::kBytes);
constexpr char kPresentStatus = 1;

std::size_t varint_bytes(std::size_t value) {
  std::size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) {
    ++bytes;
  }
  return bytes;
}

void append_field(int field, std::string_view bytes, BodyText* message) {
  char* const head = message->room(1 + data::kVarintBytesMax);
  *head = tag_of(field, Wire::kBytes);
  message->end(data::write_varint(head + 1, bytes.size()));
  message->append(bytes);
}

/// Writes one FeatureVector after the other.
class Vectors {
 public:
  Vectors(int64_t rows, BodyText& message)
      : rows_(static_cast<std::size_t>(rows)), message_(message) {}

  /// One whose Values have few bytes. `write_values` writes them, `status_of` says what stands
  /// behind them; `times` as they stand in the message.
  template <typename WriteValues, typename WriteStatuses>
  void numbers(const WriteValues& write_values,
               const WriteStatuses& write_statuses,
               std::string_view times) {
    constexpr std::size_t kNumberBytesMax = 3 + data::kVarintBytesMax;
    constexpr std::size_t kHeadBytesMax = 1 + data::kVarintBytesMax;
    const std::size_t bound =
        rows_ * kNumberBytesMax + (rows_ == 0 ? 0 : kHeadBytesMax + rows_) + times.size();
    char* const head = message_.room(kHeadBytesMax + bound);
    const std::size_t left = varint_bytes(bound);
    char* const begin = head + 1 + left;
    char* end = write_values(begin);
    if (rows_ != 0) {
      *end++ = kStatusesTag;
      end = data::write_varint(end, rows_);
      end = write_statuses(end);
    }
    std::memcpy(end, times.data(), times.size());
    end += times.size();
    const auto size = static_cast<std::size_t>(end - begin);
    const std::size_t taken = varint_bytes(size);
    if (taken != left) {
      std::memmove(head + 1 + taken, begin, size);
    }
    *head = tag_of(kVectorField, Wire::kBytes);
    data::write_varint(head + 1, size);
    message_.end(head + 1 + taken + size);
  }

  /// One of any Values.
  template <typename ValueOf, typename StatusOf>
  void values(const ValueOf& value, const StatusOf& status, std::string_view times) {
    vector_.clear();
    statuses_.clear();
    ProtoWriter writer(vector_);
    for (int64_t row = 0; row < static_cast<int64_t>(rows_); ++row) {
      writer.bytes(1, value(row));
      statuses_ += static_cast<char>(field_status(status(row)));  // a varint of one byte
    }
    if (rows_ > 0) {
      writer.bytes(2, statuses_);
    }
    vector_.append(times);
    append_field(kVectorField, vector_, &message_);
  }

  /// Times of rows as they stand in a vector. `time_of`: microseconds.
  template <typename TimeOf>
  std::string times(const TimeOf& time_of) const {
    std::string times(rows_ * (2 + data::kProtoSecondsBytesMax), '\0');
    char* end = times.data();
    for (int64_t row = 0; row < static_cast<int64_t>(rows_); ++row) {
      *end++ = kTimeTag;
      char* const size = end++;
      end = data::write_proto_seconds(end, time_of(row));
      *size = static_cast<char>(end - size - 1);
    }
    times.resize(static_cast<std::size_t>(end - times.data()));
    return times;
  }

  [[nodiscard]] std::size_t rows() const { return rows_; }

 private:
  const std::size_t rows_;
  BodyText& message_;
  std::string vector_;
  std::string statuses_;
};

/// A Value of a number that is there.
char* write_real(char* out, char tag, uint64_t bits) {
  const std::array<char, 4> head = {kValueTag, 1 + sizeof(bits), tag, 0};
  std::memcpy(out, head.data(), head.size());  // the last one is written over
  std::memcpy(out + 3, &bits, sizeof(bits));   // little-endian, as the machine
  return out + 3 + sizeof(bits);
}
char* write_integer(char* out, char tag, uint64_t value) {
  char* const end = data::write_varint(out + 3, value);
  out[0] = kValueTag;
  out[1] = static_cast<char>(end - out - 2);
  out[2] = tag;
  return end;
}
char* write_nothing(char* out) {
  *out++ = kValueTag;
  *out++ = 0;
  return out;
}

/// Writes vectors of values as they were read. The times of a view's features are the same, and
/// made once.
class FlatVectors {
 public:
  FlatVectors(const FlatAnswer& answer, Vectors& vectors)
      : answer_(answer), vectors_(vectors), times_(answer.views.size()) {}

  void write(const gold::ServiceFeature& feature) {
    const bool is_real = feature.type == data::TypeId::kFloat64;
    const std::string& times = this->times(feature.view_index);
    if (is_real) {
      const char tag = tag_of(data::feast_value_type(feature.type), Wire::kFixed64);
      numbers(
          feature, times, [tag](char* out, uint64_t word) { return write_real(out, tag, word); });
    } else if (data::is_integer(feature.type)) {
      const char tag = tag_of(data::feast_value_type(feature.type), Wire::kVarint);
      numbers(feature, times, [tag](char* out, uint64_t word) {
        return write_integer(out, tag, word);
      });
    } else {
      others(feature, times);
    }
  }

 private:
  template <typename Write>
  void numbers(const gold::ServiceFeature& feature, std::string_view times, const Write& write) {
    const uint64_t* const words = answer_.values.words(0);
    vectors_.numbers(
        [&](char* out) {
          answer_.each_value(feature, [&](std::size_t at, bool present) {
            out = present ? write(out, words[at]) : write_nothing(out);
          });
          return out;
        },
        [&](char* out) {
          if (answer_.views[static_cast<std::size_t>(feature.view_index)].is_present) {
            std::memset(out, kPresentStatus, vectors_.rows());
            return out + vectors_.rows();
          }
          answer_.each_status(feature, [&](data::FeatureStatus status) {
            *out++ = static_cast<char>(field_status(status));  // a varint of one byte
          });
          return out;
        },
        times);
  }
  void others(const gold::ServiceFeature& feature, std::string_view times) {
    vectors_.values(
        [&](int64_t row) {
          const std::size_t at = answer_.at(feature, row);
          return answer_.values.status(at) == data::FeatureStatus::kPresent
                     ? data::to_feast_value(answer_.values.scalar(at, feature.type))
                     : std::string();
        },
        [&](int64_t row) { return answer_.values.status(answer_.at(feature, row)); },
        times);
  }
  const std::string& times(int view) {
    std::string& times = times_[static_cast<std::size_t>(view)];
    if (times.empty()) {
      times = vectors_.times([&](int64_t row) { return answer_.event_time(view, row).micros; });
    }
    return times;
  }

  const FlatAnswer& answer_;
  Vectors& vectors_;
  std::vector<std::string> times_;  // by view; empty: not made yet
};

void write_features(const FeaturesAsked& asked, const FlatAnswer& answer, Vectors& vectors) {
  FlatVectors flat(answer, vectors);
  for (const gold::ServiceFeature& feature : asked.selection->service->features) {
    flat.write(feature);
  }
}

void write_features(const FeaturesAsked& asked, const FeatureAnswer& answer, Vectors& vectors) {
  for (int feature = 0; feature < static_cast<int>(asked.selection->names.size()); ++feature) {
    vectors.values(
        [&](int64_t row) { return data::to_feast_value(answer.value(feature, row)); },
        [&](int64_t row) { return answer.status(feature, row); },
        vectors.times([&](int64_t row) { return answer.event_time(feature, row).micros; }));
  }
}

/// The keys that were asked with, as of the epoch.
void write_keys(const RequestColumn& column, Vectors& vectors) {
  vectors.values(
      [&](int64_t row) {
        return data::to_feast_value(column.values[static_cast<std::size_t>(row)]);
      },
      [&](int64_t row) {
        return column.values[static_cast<std::size_t>(row)].is_null()
                   ? data::FeatureStatus::kNullValue
                   : data::FeatureStatus::kPresent;
      },
      vectors.times([](int64_t) { return 0; }));
}

std::string metadata_message(const FeaturesAsked& asked, bool with_views) {
  std::string names;
  ProtoWriter list(names);
  for (const std::string& name : asked.typed.entity_names) {
    list.bytes(1, name);
  }
  names.append(asked.selection->names_message);
  std::string metadata;
  ProtoWriter writer(metadata);
  writer.bytes(1, names);
  std::string before;
  for (const gold::ServiceFeature& feature : asked.selection->service->features) {
    if (with_views && feature.view != before) {
      std::string view;
      ProtoWriter(view).bytes(1, feature.view);
      writer.bytes(2, view);
      before = feature.view;
    }
  }
  return metadata;
}

}  // namespace

int field_status(data::FeatureStatus status) {
  switch (status) {
    case data::FeatureStatus::kPresent:
      return kPresentStatus;
    case data::FeatureStatus::kNullValue:
      return 2;
    case data::FeatureStatus::kNotFound:
      return 3;
    case data::FeatureStatus::kOutsideMaxAge:
      return 4;
    default:
      return 0;
  }
}

std::string features_response(const FeaturesAsked& asked, bool with_views) {
  BodyText message;
  append_field(1, metadata_message(asked, with_views), &message);
  Vectors vectors(asked.typed.rows.rows, message);
  for (const std::string& name : asked.typed.entity_names) {
    write_keys(*asked.typed.rows.find(name), vectors);
  }
  if (asked.flat.has_value()) {
    write_features(asked, *asked.flat, vectors);
  } else {
    write_features(asked, *asked.answer, vectors);
  }
  return message.take();
}

}  // namespace assay::serve
