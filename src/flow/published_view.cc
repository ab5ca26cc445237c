// A feature view's values as records:
//
//   key    {"user_id":"u1"}
//   value  {"entity":{"user_id":"u1"},"features":{"clicks_1h":3},
//           "event_time":"2026-01-01T10:00:00Z","known_time":"...","expires_at":"..."}

#include <algorithm>

#include "base/hash.h"
#include "base/json_writer.h"
#include "flow/changed_steps.h"
#include "flow/published_changes.h"
#include "quality/quarantine.h"

namespace assay::flow {
namespace {

void write_keys(const data::Batch& rows,
                const std::vector<data::Field>& keys,
                int64_t row,
                JsonWriter* json) {
  json->begin_object();
  for (const data::Field& key : keys) {
    json->key(key.name);
    quality::write_json_value(*rows.find(key.name), row, json);
  }
  json->end_object();
}

class StepsReader : public ChangeReader {
 public:
  StepsReader(gold::FeatureViewPtr view, EventTime as_of, std::unique_ptr<data::BatchReader> rows)
      : view_(std::move(view)), as_of_(as_of), rows_(std::move(rows)) {}

  Result<std::vector<PublishedRecord>> next(int64_t records_max) override {
    std::vector<PublishedRecord> records;
    while (static_cast<int64_t>(records.size()) < records_max) {
      if (begin_ == batch_.rows()) {
        ASSAY_ASSIGN_OR_RETURN(std::optional<data::Batch> batch, rows_->next());
        if (!batch.has_value()) {
          break;
        }
        batch_ = *std::move(batch);
        begin_ = 0;
        ASSAY_RETURN_IF_ERROR(answer());
      }
      for (; begin_ < batch_.rows() && static_cast<int64_t>(records.size()) < records_max;
           ++begin_) {
        records.push_back(record(begin_));
      }
    }
    return records;
  }

 private:
  /// The features of the batch's rows at the state's instant.
  Status answer() {
    std::vector<int64_t> rows;
    data::BatchBuilder now(data::make_schema({{"now", data::Type::kTimestamp, false}}));
    for (int64_t row = 0; row < batch_.rows(); ++row) {
      rows.push_back(row);
      now.column(0).append(as_of_.micros);
    }
    ASSAY_ASSIGN_OR_RETURN(
        features_,
        view_->answers(batch_, rows, now.finish().column_ptr(0), gold::all_features(*view_), 1));
    return {};
  }

  PublishedRecord record(int64_t row) const {
    PublishedRecord record;
    record.key = key_json(batch_, view_->keys(), row);
    if (batch_.find(kIsGone)->scalar(row) == data::Scalar::boolean(true)) {
      return record;
    }
    JsonWriter json(record.value.emplace());
    json.begin_object();
    json.key("entity");
    write_keys(batch_, view_->keys(), row, &json);
    json.key("features");
    json.begin_object();
    for (std::size_t i = 0; i < features_.size(); ++i) {
      json.key(view_->features()[i].name);
      quality::write_json_value(*features_[i], row, &json);
    }
    json.end_object();
    for (const char* time : {gold::kEventTime, gold::kKnownTime}) {
      json.key(time);
      json.string(
          format_time({batch_.find(time)->values<int64_t>()[static_cast<std::size_t>(row)]}));
    }
    if (view_->ttl().has_value()) {
      const int64_t event_time =
          batch_.find(gold::kEventTime)->values<int64_t>()[static_cast<std::size_t>(row)];
      json.key("expires_at");
      json.string(format_time({event_time + view_->ttl()->micros}));
    }
    json.end_object();
    return record;
  }

  gold::FeatureViewPtr view_;
  EventTime as_of_;
  std::unique_ptr<data::BatchReader> rows_;
  data::Batch batch_ = data::Batch::empty(data::make_schema({}));
  int64_t begin_ = 0;
  std::vector<data::ColumnPtr> features_;
};

class PublishedView : public PublishedValues {
 public:
  PublishedView(Workspace& workspace, gold::FeatureViewPtr view)
      : workspace_(workspace), view_(std::move(view)) {}

  [[nodiscard]] const std::string& name() const override { return view_->name(); }

  Result<std::optional<PublishedState>> present() override {
    ASSAY_ASSIGN_OR_RETURN(const auto table, whole_steps_table(workspace_, *view_));
    if (!table) {
      return std::optional<PublishedState>();
    }
    PublishedState state;
    state.tables[table->first] = table->second;
    ASSAY_ASSIGN_OR_RETURN(state.files, published_files(workspace_, state.tables));
    ASSAY_ASSIGN_OR_RETURN(state.as_of, workspace_.serving_now());
    return std::optional(std::move(state));
  }

  Result<std::unique_ptr<ChangeReader>> changes(const PublishedState& before,
                                                const PublishedState& now) override {
    const auto& [key, version] = *now.tables.begin();
    return reader(changed_steps(workspace_,
                                *view_,
                                key,
                                StepsAt{before.tables.at(key), before.as_of},
                                {version, now.as_of}),
                  now);
  }

  Result<std::unique_ptr<ChangeReader>> all(const std::vector<PublishedState>& had,
                                            const PublishedState& now) override {
    const auto& [key, version] = *now.tables.begin();
    std::vector<std::pair<std::string, StepsAt>> earlier;
    for (const PublishedState& state : had) {
      for (const auto& [table, then] : state.tables) {
        earlier.push_back({table, {then, state.as_of}});
      }
    }
    return reader(all_steps(workspace_, *view_, key, earlier, {version, now.as_of}), now);
  }

  Result<std::vector<std::pair<std::string, std::string>>> headers(
      const PublishedState& state) override {
    const auto& [key, version] = *state.tables.begin();
    return std::vector<std::pair<std::string, std::string>>{
        {"assay.view", view_->name()},
        {"assay.table", key},
        {"assay.version", std::to_string(version)},
        {"assay.as_of", format_time(state.as_of)}};
  }

 private:
  Result<std::unique_ptr<ChangeReader>> reader(const Result<std::string>& sql,
                                               const PublishedState& now) {
    ASSAY_RETURN_IF_ERROR(sql.status());
    constexpr int64_t kBatchRows = 10'000;
    ASSAY_ASSIGN_OR_RETURN(auto rows, workspace_.sql().stream(*sql, kBatchRows));
    return std::unique_ptr<ChangeReader>(
        std::make_unique<StepsReader>(view_, now.as_of, std::move(rows)));
  }

  Workspace& workspace_;
  gold::FeatureViewPtr view_;
};

}  // namespace

std::string key_json(const data::Batch& rows, const std::vector<data::Field>& keys, int64_t row) {
  std::string text;
  JsonWriter json(text);
  write_keys(rows, keys, row, &json);
  return text;
}

Result<std::optional<std::pair<std::string, lake::Version>>> whole_steps_table(
    Workspace& workspace, const gold::FeatureView& view) {
  std::optional<std::pair<std::string, lake::Version>> found;
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.steps_table_key(view));
  const Result<lake::DeltaTable*> table = workspace.table(key);
  if (table.code() == Code::kNotFound) {
    return found;
  }
  ASSAY_RETURN_IF_ERROR(table.status());
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, (*table)->snapshot());
  if (snapshot->txn(workspace.app_id(key))) {
    found.emplace(key, snapshot->version);
  }
  return found;
}

Result<int64_t> published_files(Workspace& workspace,
                                const std::map<std::string, int64_t>& tables) {
  uint64_t all = 0;
  for (const auto& [key, version] : tables) {
    const Result<lake::DeltaTable*> table = workspace.table(key);
    if (table.code() == Code::kNotFound) {
      return Status(Code::kOutOfRange, table.status().message());
    }
    ASSAY_RETURN_IF_ERROR(table.status());
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, state_at(workspace, **table, version));
    uint64_t files = hash_bytes(key);
    for (const auto& [path, file] : snapshot->files) {  // names are never used again
      files = hash_mix(files, hash_bytes(path));
      if (file.deletion_vector.has_value()) {
        files = hash_mix(files, hash_bytes(file.deletion_vector->path_or_inline));
      }
    }
    all = hash_mix(all, files);
  }
  return static_cast<int64_t>(all >> 1);  // as JSON has it; not negative
}

Status check_published(Workspace& workspace, const PublishedState& state) {
  ASSAY_ASSIGN_OR_RETURN(const int64_t files, published_files(workspace, state.tables));
  return files == state.files || state.files == 0
             ? Status()
             : Status(Code::kOutOfRange,
                      "it was published from tables of the same names in another lake, or of "
                      "before they were made anew");
}

Result<std::unique_ptr<PublishedValues>> published_view(Workspace& workspace,
                                                        const std::string& view) {
  ASSAY_ASSIGN_OR_RETURN(gold::FeatureViewPtr compiled, workspace.view(view));
  return std::unique_ptr<PublishedValues>(
      std::make_unique<PublishedView>(workspace, std::move(compiled)));
}

}  // namespace assay::flow
