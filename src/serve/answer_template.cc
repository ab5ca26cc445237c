// Answers are written by pointer into memory of answers before, feature by feature, from words as
// they were read. What stands behind the values (statuses and times) is the same for all features
// of a view as long as each row has one status; then it is copied from where it was written first.

#include "serve/answer_template.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

#include "base/json_writer.h"
#include "base/shortest_decimal.h"
#include "serve/body_text.h"
#include "serve/feature_response.h"
#include "serve/json_value.h"

namespace assay::serve {
namespace {

constexpr std::string_view kEpoch = "\"1970-01-01T00:00:00Z\"";

char* put(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

}  // namespace

/// One answer.
class AnswerTemplate::Writing {
 public:
  Writing(const FlatAnswer& answer, BodyText& out)
      : answer_(answer), rows_(answer.rows), out_(out), tails_(tails_of_thread()) {
    tails_.assign(answer.views.size(), {});
  }

  void keys(const RequestColumn& column) {
    begin();
    for (std::size_t row = 0; row < column.values.size(); ++row) {
      scratch_.assign(row == 0 ? "" : ",");
      JsonWriter value(scratch_);
      write_scalar(value, column.values[row]);
      out_.append(scratch_);
    }
    repeated("],\"statuses\":[", status_text(data::FeatureStatus::kPresent));
    repeated("],\"event_timestamps\":[", kEpoch);
    out_.append("]}");
  }

  void feature(const Feature& feature) {
    begin();
    const uint64_t* const words = answer_.values.words(0);
    if (data::is_real(feature.type)) {
      numbers(feature, [words](std::size_t at, char* out) {
        const auto value = std::bit_cast<double>(words[at]);
        return std::isfinite(value) ? write_json_number(out, value) : put(out, "null");
      });
    } else if (data::is_integer(feature.type)) {
      numbers(feature, [words](std::size_t at, char* out) {
        return words[at] < kSmallNumbersEnd
                   ? write_small_number(out, static_cast<uint32_t>(words[at]))
                   : std::to_chars(out, out + kJsonNumberBytesMax, static_cast<int64_t>(words[at]))
                         .ptr;
      });
    } else {
      others(feature);
    }
    statuses_and_times(feature);
  }

 private:
  /// What stands behind the values of a view, once it was written.
  struct Tail {
    std::size_t begin = 0;
    std::size_t times = 0;
    std::size_t end = 0;   // 0: it was not
    bool is_same = false;  // for each feature
  };
  static std::vector<Tail>& tails_of_thread() {
    thread_local std::vector<Tail> tails;
    return tails;
  }

  void begin() {
    out_.append(is_next_ ? R"(,{"values":[)" : R"({"values":[)");
    is_next_ = true;
  }
  void repeated(std::string_view head, std::string_view text) {
    out_.append(head);
    char* end = out_.room(static_cast<std::size_t>(rows_) * (text.size() + 1));
    for (int64_t row = 0; row < rows_; ++row) {
      if (row != 0) {
        *end++ = ',';
      }
      end = put(end, text);
    }
    out_.end(end);
  }

  template <typename Write>
  void numbers(const Feature& feature, const Write& write) {
    char* end = out_.room(static_cast<std::size_t>(rows_) * (kJsonNumberBytesMax + 1));
    answer_.each_value(feature.view, feature.index, [&](std::size_t at, bool present) {
      end = present ? write(at, end) : put(end, "null");
      *end++ = ',';
    });
    out_.end(rows_ == 0 ? end : end - 1);
  }
  void others(const Feature& feature) {
    for (int64_t row = 0; row < rows_; ++row) {
      const std::size_t at = answer_.at(feature.view, feature.index, row);
      scratch_.assign(row == 0 ? "" : ",");
      if (answer_.values.status(at) == data::FeatureStatus::kPresent &&
          feature.type == data::Type::kString) {
        append_json_string(scratch_, answer_.values.text(at));
      } else {
        JsonWriter value(scratch_);
        write_scalar(value, answer_.values.scalar(at, feature.type));
      }
      out_.append(scratch_);
    }
  }

  void statuses_and_times(const Feature& feature) {
    Tail& tail = tails_[static_cast<std::size_t>(feature.view)];
    if (tail.end != 0 && tail.is_same) {
      out_.repeat(tail.begin, tail.end);
      return;
    }
    const std::size_t begin = out_.size();
    statuses(feature);
    if (tail.end != 0) {
      out_.repeat(tail.times, tail.end);
      return;
    }
    tail.begin = begin;
    tail.times = out_.size();
    tail.is_same = has_one_status(feature.view);
    times(feature.view);
    tail.end = out_.size();
  }
  /// Whether all values of each row have the same status.
  [[nodiscard]] bool has_one_status(int view) const {
    if (answer_.views[static_cast<std::size_t>(view)].is_present) {
      return true;
    }
    const std::size_t width = answer_.views[static_cast<std::size_t>(view)].width;
    for (int64_t row = 0; row < rows_; ++row) {
      const data::FeatureStatus* const first = answer_.values.statuses(answer_.at(view, 0, row));
      if (std::any_of(first, first + width, [first](auto status) { return status != *first; })) {
        return false;
      }
    }
    return true;
  }
  void statuses(const Feature& feature) {
    out_.append(R"(],"statuses":[)");
    char* end = out_.room(static_cast<std::size_t>(rows_) * (kStatusBytesMax + 1));
    for (int64_t row = 0; row < rows_; ++row) {
      if (row != 0) {
        *end++ = ',';
      }
      end = put(end,
                status_text(answer_.values.status(answer_.at(feature.view, feature.index, row))));
    }
    out_.end(end);
  }
  void times(int view) {
    if (const Tail* const same = tail_of_same_times(view)) {
      out_.repeat(same->times, same->end);
      return;
    }
    out_.append(R"(],"event_timestamps":[)");
    char* end = out_.room(static_cast<std::size_t>(rows_) * (kTimeBytesMax + 3) + 2);
    for (int64_t row = 0; row < rows_; ++row) {
      if (row != 0) {
        *end++ = ',';
      }
      *end++ = '"';
      end = write_time(end, answer_.event_time(view, row));
      *end++ = '"';
    }
    out_.end(put(end, "]}"));
  }
  /// Entities often have events of the same instants in all views.
  [[nodiscard]] const Tail* tail_of_same_times(int view) const {
    const std::size_t other = static_cast<std::size_t>(view == 0 ? 1 : view - 1);
    if (other >= tails_.size() || tails_[other].end == 0) {
      return nullptr;
    }
    for (int64_t row = 0; row < rows_; ++row) {
      if (answer_.event_time(view, row) != answer_.event_time(static_cast<int>(other), row)) {
        return nullptr;
      }
    }
    return &tails_[other];
  }

  const FlatAnswer& answer_;
  const int64_t rows_;
  BodyText& out_;
  std::vector<Tail>& tails_;  // as the views
  std::string scratch_;
  bool is_next_ = false;
};

AnswerTemplate::AnswerTemplate(const gold::Service& service, std::span<const std::string> names)
    : views_(view_metadata(service)) {
  JsonWriter writer(names_);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const gold::ServiceFeature& feature = service.features[i];
    features_.push_back({feature.view_index, feature.feature_index, feature.type});
    writer.string(names[i]);
  }
}

std::string AnswerTemplate::render(const TypedRows& typed,
                                   const FlatAnswer& answer,
                                   bool with_view_versions) const {
  BodyText out;
  out.append(R"({"results":[)");
  Writing writing(answer, out);
  for (const std::string& name : typed.entity_names) {
    writing.keys(*typed.rows.find(name));
  }
  for (const Feature& feature : features_) {
    writing.feature(feature);
  }
  out.append(R"(],"metadata":{"feature_names":[)");
  std::string names;
  JsonWriter entities(names);
  for (const std::string& name : typed.entity_names) {
    entities.string(name);
  }
  if (!names.empty() && !names_.empty()) {
    names += ',';
  }
  out.append(names);
  out.append(names_);
  out.append("]");
  if (with_view_versions) {
    out.append(R"(,"feature_view_metadata":)");
    out.append(views_);
  }
  out.append("}}");
  return out.take();
}

}  // namespace assay::serve
