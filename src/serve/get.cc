#include "serve/get.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "data/repeated_keys.h"
#include "gold/service_values.h"
#include "serve/watched_view.h"

namespace assay::serve {
namespace {

using data::FeatureStatus;

/// The column of a declared field, with as many values of its type as there are rows.
Result<const RequestColumn*> require_column(const RequestRows& rows, const data::Field& field) {
  const RequestColumn* column = rows.find(field.name);
  if (column == nullptr) {
    return Status(Code::kInvalidArgument, "no values are given for " + field.name);
  }
  const bool fits =
      std::all_of(column->values.begin(), column->values.end(), [&](const data::Scalar& value) {
        // Types without parameters, as keys mostly have, are their ids.
        return value.is_null() ||
               (value.type.id() == field.type.id() &&
                (!data::has_parameters(field.type.id()) || value.type == field.type));
      });
  if (static_cast<int64_t>(column->values.size()) != rows.rows || !fits) {
    return Status(Code::kInvalidArgument,
                  "one value of type " + std::string(type_name(field.type)) +
                      " is needed for each row of " + field.name);
  }
  return column;
}

/// Fills an answer view by view.
class Reading {
 public:
  Reading(const gold::Service& service,
          const ViewReads& reads,
          const RequestRows& rows,
          EventTime now)
      : service_(service),
        reads_(reads),
        rows_(rows),
        answer_(static_cast<int>(service.features.size()), rows.rows) {
    answer_.now = now;
  }

  Result<FeatureAnswer> run() {
    ASSAY_ASSIGN_OR_RETURN(
        const gold::ServiceReading reading,
        gold::read_service(
            service_,
            rows_.rows,
            answer_.now,
            [&](const data::Field& key) -> Result<const std::vector<data::Scalar>*> {
              ASSAY_ASSIGN_OR_RETURN(const RequestColumn* column, require_column(rows_, key));
              return &column->values;
            },
            [&](const gold::FeatureView& view,
                std::span<const data::EntityKey> keys) -> Result<std::vector<gold::FeatureValues>> {
              ASSAY_RETURN_IF_ERROR(note_applied(view));  // before reading: a promise, not a hope
              return reads_.read(view, keys);
            }));
    for (std::size_t view = 0; view < service_.views.size(); ++view) {
      const gold::ViewReading& found = reading.views[view];
      fill_view(static_cast<int>(view), found.answers, found.answer_of);
    }
    fill_derived(reading.derived);
    for (std::size_t view = 0; view < service_.on_demand.size(); ++view) {
      ASSAY_RETURN_IF_ERROR(reads_.goes_on ? reads_.goes_on() : Status());
      ASSAY_RETURN_IF_ERROR(evaluate(static_cast<int>(view)));
    }
    return std::move(answer_);
  }

 private:
  Status note_applied(const gold::FeatureView& view);
  void fill_view(int index,
                 const std::vector<gold::FeatureValues>& answers,
                 std::span<const int64_t> answer_of);
  void fill_derived(const std::vector<std::vector<data::ColumnPtr>>& derived);
  void set_computed(std::size_t feature, int64_t row, data::Scalar value);
  Status evaluate(int index);
  Result<data::Batch> gather(const gold::OnDemandView& view) const;

  const gold::Service& service_;
  const ViewReads& reads_;
  const RequestRows& rows_;
  FeatureAnswer answer_;
};

Status Reading::note_applied(const gold::FeatureView& view) {
  if (!reads_.applied) {
    return {};
  }
  ASSAY_ASSIGN_OR_RETURN(const std::optional<online::AppliedTo> applied, reads_.applied(view));
  ASSAY_RETURN_IF_ERROR(check_is_there(view, applied));
  const EventTime until = applied->known_until;
  answer_.known_until = std::min(answer_.known_until.value_or(until), until);
  answer_.applied.push_back(applied);
  return {};
}

void Reading::fill_view(int index,
                        const std::vector<gold::FeatureValues>& answers,
                        std::span<const int64_t> answer_of) {
  for (std::size_t f = 0; f < service_.features.size(); ++f) {
    const gold::ServiceFeature& feature = service_.features[f];
    if (feature.view_index != index) {
      continue;
    }
    const auto at = static_cast<std::size_t>(feature.feature_index);
    for (int64_t row = 0; row < rows_.rows; ++row) {
      const int64_t found = answer_of[static_cast<std::size_t>(row)];
      if (found < 0) {
        answer_.set(static_cast<int>(f),
                    row,
                    data::Scalar::null(feature.type),
                    FeatureStatus::kNotFound,
                    {});
        continue;
      }
      const gold::FeatureValues& values = answers[static_cast<std::size_t>(found)];
      answer_.set(static_cast<int>(f),
                  row,
                  values.values[at],
                  values.statuses[at],
                  values.event_time.value_or(EventTime{}));
    }
  }
}

void Reading::fill_derived(const std::vector<std::vector<data::ColumnPtr>>& derived) {
  for (std::size_t f = 0; f < service_.features.size(); ++f) {
    const gold::ServiceFeature& feature = service_.features[f];
    if (feature.derived_index < 0) {
      continue;
    }
    const data::ColumnPtr& column = derived[static_cast<std::size_t>(feature.derived_index)]
                                           [static_cast<std::size_t>(feature.feature_index)];
    for (int64_t row = 0; row < rows_.rows; ++row) {
      set_computed(f, row, column->scalar(row));
    }
  }
}

/// A value that no view answered is there, or null.
void Reading::set_computed(std::size_t feature, int64_t row, data::Scalar value) {
  const FeatureStatus status =
      value.is_null() ? FeatureStatus::kNullValue : FeatureStatus::kPresent;
  answer_.set(static_cast<int>(feature), row, std::move(value), status, {});
}

/// Request values and features that an on-demand view reads, as the batch that it also gets
/// offline.
Result<data::Batch> Reading::gather(const gold::OnDemandView& view) const {
  std::vector<data::Field> fields;
  std::vector<data::ColumnPtr> columns;
  for (const std::string& name : view.inputs()) {
    const auto request = std::find_if(view.request().begin(),
                                      view.request().end(),
                                      [&](const data::Field& field) { return field.name == name; });
    if (request != view.request().end()) {
      ASSAY_ASSIGN_OR_RETURN(const RequestColumn* column, require_column(rows_, *request));
      data::ColumnBuilder builder(request->type);
      for (const data::Scalar& value : column->values) {
        value.is_null() ? builder.append_null() : builder.append_scalar(value);
      }
      fields.push_back({name, request->type});
      columns.push_back(builder.finish());
      continue;
    }
    const auto feature = std::find_if(
        service_.features.begin(), service_.features.end(), [&](const gold::ServiceFeature& known) {
          return known.name == name;
        });
    if (feature == service_.features.end()) {
      return Status(Code::kInternal,
                    "an on-demand view reads a feature that its service lacks: " + name);
    }
    data::ColumnBuilder builder(feature->type);
    for (int64_t row = 0; row < rows_.rows; ++row) {
      const data::Scalar& value =
          answer_.value(static_cast<int>(feature - service_.features.begin()), row);
      value.is_null() ? builder.append_null() : builder.append_scalar(value);
    }
    fields.push_back({name, feature->type});
    columns.push_back(builder.finish());
  }
  return data::Batch(data::make_schema(std::move(fields)), std::move(columns), rows_.rows);
}

Status Reading::evaluate(int index) {
  const gold::OnDemandView& view = *service_.on_demand[static_cast<std::size_t>(index)];
  ASSAY_ASSIGN_OR_RETURN(const data::Batch inputs, gather(view));
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch outputs,
      view.evaluate(
          inputs, data::constant_column(data::Scalar::timestamp(answer_.now.micros), rows_.rows)));
  for (std::size_t f = 0; f < service_.features.size(); ++f) {
    const gold::ServiceFeature& feature = service_.features[f];
    if (feature.on_demand_index != index) {
      continue;
    }
    for (int64_t row = 0; row < rows_.rows; ++row) {
      set_computed(f, row, outputs.column(feature.feature_index).scalar(row));
    }
  }
  return {};
}

}  // namespace

const RequestColumn* RequestRows::find(std::string_view name) const {
  const auto found = std::find_if(columns.begin(), columns.end(), [&](const RequestColumn& column) {
    return column.name == name;
  });
  return found == columns.end() ? nullptr : &*found;
}

FeatureAnswer::FeatureAnswer(int features, int64_t rows)
    : rows_(rows),
      values_(static_cast<std::size_t>(features * rows)),
      statuses_(values_.size(), FeatureStatus::kNotFound),
      event_times_(values_.size()) {}

ViewReads ViewReads::of(online::OnlineStore& store,
                        EventTime now,
                        const std::function<Status()>& goes_on) {
  ViewReads reads{
      [&store, now](const gold::FeatureView& view, std::span<const data::EntityKey> keys) {
        return store.read(view, keys, now);
      },
      [&store](const gold::FeatureView& view) { return store.known_applied_to(view); },
      goes_on};
  if (goes_on) {
    reads.read = [&store, now, goes_on](const gold::FeatureView& view,
                                        std::span<const data::EntityKey> keys) {
      return store.read(WatchedView(view, goes_on), keys, now);
    };
  }
  return reads;
}

Status check_is_there(const gold::FeatureView& view,
                      const std::optional<online::AppliedTo>& applied) {
  return applied.has_value()
             ? Status()
             : Status(Code::kUnavailable,
                      "the online store has nothing of feature view " + view.name() +
                          ", as if it had been emptied; `assay run` fills it");
}

Result<FeatureAnswer> get_features(const gold::Service& service,
                                   const ViewReads& reads,
                                   const RequestRows& rows,
                                   EventTime now) {
  return Reading(service, reads, rows, now).run();
}

Result<FeatureAnswer> get_online_features(const gold::Service& service,
                                          online::OnlineStore& store,
                                          const RequestRows& rows,
                                          EventTime now) {
  return get_features(service, ViewReads::of(store, now), rows, now);
}

namespace {

/// The entities that rows ask for, and which one each row does; without that, one a row.
struct AskedKeys {
  std::vector<data::EntityKey> keys;
  std::vector<uint32_t> key_of;
  std::size_t views_end = 0;  // of the views that are asked with these

  [[nodiscard]] std::size_t bytes() const {
    std::size_t sum = keys.capacity() * sizeof(keys[0]) + key_of.capacity() * sizeof(key_of[0]);
    for (const data::EntityKey& key : keys) {
      sum += key.bytes().capacity();
    }
    return sum;
  }
};

/// What a question needs and the thread's next one needs again.
struct AskingMemory {
  static constexpr std::size_t kWordsMax = 64 << 10;
  static constexpr std::size_t kTextBytesMax = 256 << 10;

  FlatAnswer answer;
  std::vector<AskedKeys> groups;
  std::vector<online::ViewKeys> asked;
};
AskingMemory& asking_memory() {
  thread_local AskingMemory memory;
  return memory;
}

/// The groups of keys of one question, in memory of which the thread keeps kKeptKeyBytesMax, and no
/// keys.
class KeyGroups {
 public:
  KeyGroups() : groups_(std::move(asking_memory().groups)) {}
  ~KeyGroups() {
    std::size_t kept = 0;
    for (AskedKeys& group : groups_) {
      group.keys.clear();
      group.key_of.clear();
      if (group.bytes() > kKeptKeyBytesMax - kept) {
        group = {};
      }
      kept += group.bytes();
    }
    asking_memory().groups = std::move(groups_);
  }
  KeyGroups(const KeyGroups&) = delete;
  KeyGroups& operator=(const KeyGroups&) = delete;

  /// Another one, which is the last then. Those before stay where their keys are.
  AskedKeys& add() {
    if (count_ == groups_.size()) {
      groups_.emplace_back();
    }
    return groups_[count_++];
  }
  [[nodiscard]] AskedKeys& last() { return groups_[count_ - 1]; }
  [[nodiscard]] std::span<const AskedKeys> all() const { return {groups_.data(), count_}; }

 private:
  std::vector<AskedKeys> groups_;
  std::size_t count_ = 0;
};

/// The keys of rows that have several columns of them. False: part of one is null.
Result<bool> add_keys(std::span<const data::Field> fields,
                      const RequestRows& rows,
                      std::vector<data::EntityKey>* keys) {
  std::vector<const RequestColumn*> columns;
  for (const data::Field& key : fields) {
    ASSAY_ASSIGN_OR_RETURN(columns.emplace_back(), require_column(rows, key));
  }
  std::vector<data::Scalar> values(columns.size());
  for (std::size_t row = 0; row < static_cast<std::size_t>(rows.rows); ++row) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      values[i] = columns[i]->values[row];
    }
    std::optional<data::EntityKey> key = data::encode_key(values);
    if (!key.has_value()) {
      return false;
    }
    keys->push_back(*std::move(key));
  }
  return true;
}

/// The entities of a view that rows ask for. False: part of a key is null.
Result<bool> ask_keys(const gold::FeatureView& view, const RequestRows& rows, AskedKeys* asked) {
  asked->keys.reserve(static_cast<std::size_t>(rows.rows));
  if (view.keys().size() != 1) {
    ASSAY_ASSIGN_OR_RETURN(const bool are_whole, add_keys(view.keys(), rows, &asked->keys));
    if (!are_whole) {
      return false;
    }
  } else {
    ASSAY_ASSIGN_OR_RETURN(const RequestColumn* const column, require_column(rows, view.keys()[0]));
    for (const data::Scalar& value : column->values) {
      std::optional<data::EntityKey> key = data::encode_key({&value, 1});
      if (!key.has_value()) {
        return false;
      }
      asked->keys.push_back(*std::move(key));
    }
  }
  if (std::optional<data::RepeatedKeys> repeated = data::take_repeated(&asked->keys)) {
    asked->keys = std::move(repeated->keys);
    asked->key_of = std::move(repeated->key_of);
  }
  return true;
}

/// Put a row for each of those that asked behind the rows that were read, one for each entity, and
/// let the view have those. Texts stay where they are.
void spread(std::span<const uint32_t> key_of, FlatAnswer::View* view, data::FlatValues* values) {
  const FlatAnswer::View read = *view;
  view->begin = values->size().words;
  view->row = values->size().rows;
  for (const uint32_t key : key_of) {
    const std::size_t from = read.begin + key * read.width;
    const std::size_t to =
        values->add_row(read.width, data::FeatureStatus::kPresent, values->time(read.row + key));
    std::copy_n(values->words(from), read.width, values->words(to));
    std::copy_n(values->statuses(from), read.width, values->statuses(to));
  }
}

}  // namespace

bool is_flat(const gold::Service& service) {
  return service.on_demand.empty() && service.derived.empty() &&
         std::all_of(service.view_keys.begin(), service.view_keys.end(), [](const auto& keys) {
           return keys.empty();
         });
}

Result<std::optional<FlatAnswer>> get_flat_features(const gold::Service& service,
                                                    online::OnlineStore& store,
                                                    const RequestRows& rows,
                                                    EventTime now,
                                                    const std::function<Status()>& goes_on) {
  FlatAnswer answer = std::exchange(asking_memory().answer, {});
  answer.rows = rows.rows;
  answer.now = now;
  answer.views.reserve(service.views.size());
  std::size_t width = 0;
  for (const gold::FeatureViewPtr& view : service.views) {
    width += view->features().size();
  }
  const auto row_count = static_cast<std::size_t>(rows.rows);
  answer.values.reserve(width * row_count, service.views.size() * row_count);
  KeyGroups groups;  // of views that are asked with the same
  std::vector<online::ViewKeys> asked = std::exchange(asking_memory().asked, {});
  std::vector<WatchedView> watched;
  watched.reserve(goes_on ? service.views.size() : 0);
  FlatAnswer::View next;
  for (const gold::FeatureViewPtr& view : service.views) {
    if (asked.empty() || asked.back().view->keys() != view->keys()) {
      ASSAY_ASSIGN_OR_RETURN(const bool are_whole, ask_keys(*view, rows, &groups.add()));
      if (!are_whole) {
        return std::optional<FlatAnswer>();
      }
    }
    AskedKeys& keys = groups.last();
    next.width = view->features().size();
    answer.views.push_back(next);
    keys.views_end = answer.views.size();
    next.begin += keys.keys.size() * next.width;
    next.row += keys.keys.size();
    asked.push_back({goes_on ? &watched.emplace_back(*view, goes_on) : view.get(), keys.keys});
  }
  answer.applied.reserve(asked.size());
  ASSAY_RETURN_IF_ERROR(store.read_flat_views(asked, now, &answer.values, &answer.applied));
  ASSAY_CHECK(answer.values.size().words == next.begin);
  std::size_t view_number = 0;
  for (const AskedKeys& of_views : groups.all()) {
    for (; view_number < of_views.views_end; ++view_number) {
      if (!of_views.key_of.empty()) {
        spread(of_views.key_of, &answer.views[view_number], &answer.values);
      }
    }
  }
  for (FlatAnswer::View& view : answer.views) {
    view.is_present = answer.values.are_present(view.begin, view.width * row_count);
  }
  for (std::size_t view = 0; view < answer.applied.size(); ++view) {
    ASSAY_RETURN_IF_ERROR(check_is_there(*service.views[view], answer.applied[view]));
    const EventTime until = answer.applied[view]->known_until;
    answer.known_until = std::min(answer.known_until.value_or(until), until);
  }
  asked.clear();  // what it names is not there afterwards
  asking_memory().asked = std::move(asked);
  return std::optional(std::move(answer));
}

std::size_t kept_key_bytes() {
  std::size_t bytes = 0;
  for (const AskedKeys& group : asking_memory().groups) {
    bytes += group.bytes();
  }
  return bytes;
}

void keep_memory_of(FlatAnswer&& answer) {
  const data::FlatValues::Size size = answer.values.size();
  if (size.words > AskingMemory::kWordsMax || size.text_bytes > AskingMemory::kTextBytesMax) {
    return;
  }
  answer.values.clear();
  answer.views.clear();
  answer.applied.clear();
  answer.known_until.reset();
  asking_memory().answer = std::move(answer);
}

}  // namespace assay::serve
