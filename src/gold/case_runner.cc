#include "gold/case_runner.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include "base/random.h"
#include "catalog/aggregates.h"
#include "catalog/slide.h"
#include "data/entity_key.h"
#include "gold/training_set.h"
#include "gold/view_fixture.h"

namespace assay::gold {
namespace {

using catalog::FeatureDef;

constexpr char kDay[] = "2001-01-01T";

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::size_t begin = line.find_first_not_of(' ');
  while (begin != std::string_view::npos) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    words.emplace_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(' ', end);
  }
  return words;
}

std::string join(const std::vector<std::string>& words, std::size_t begin, std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < end; ++i) {
    text += (i == begin ? "" : " ") + words[i];
  }
  return text;
}

Result<int64_t> read_time(const std::string& word) {
  const bool whole = word.find('-') != std::string::npos;
  ASSAY_ASSIGN_OR_RETURN(const EventTime time, parse_time(whole ? word : kDay + word));
  return time.micros;
}

/// What a case says, read but not run.
struct Case {
  catalog::EntityDef entity;
  catalog::FeatureViewDef view;
  std::vector<std::string> change_key;  // empty: no table of changes
  std::vector<data::Field> table;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> questions_header;
  std::vector<std::vector<std::string>> questions;
};

Status read_windows(const std::vector<std::string>& words, std::size_t first, FeatureDef* feature) {
  for (std::size_t i = first; i < words.size(); ++i) {
    ASSAY_ASSIGN_OR_RETURN(const Duration window, parse_duration(words[i]));
    feature->over.push_back(window);
  }
  return {};
}

Result<FeatureDef> read_ratio(FeatureDef feature, const std::vector<std::string>& words) {
  if (words.size() < 7 || words[5] != "over") {
    return Status(Code::kInvalidArgument, "feature NAME ratio ABOVE BELOW over WINDOWS");
  }
  feature.kind = FeatureDef::Kind::kRatio;
  feature.above = words[3];
  feature.below = words[4];
  ASSAY_RETURN_IF_ERROR(read_windows(words, 6, &feature));
  return feature;
}

/// `session count`, `session first EXPR`, `changes EXPR over ...`, `lag K EXPR over ...`, ...
std::optional<FeatureDef> read_sequence(const std::vector<std::string>& words) {
  using catalog::SequenceValue;
  static const std::map<std::string, SequenceValue> kSessions = {
      {"count", SequenceValue::kSessionCount},
      {"events", SequenceValue::kSessionEvents},
      {"duration", SequenceValue::kSessionDuration},
      {"mean_events", SequenceValue::kSessionMeanEvents},
      {"open", SequenceValue::kSessionOpen},
      {"start", SequenceValue::kSessionStart},
      {"first", SequenceValue::kSessionFirst},
      {"last", SequenceValue::kSessionLast}};
  static const std::map<std::string, SequenceValue> kChanges = {
      {"changes", SequenceValue::kChanges},
      {"previous", SequenceValue::kPrevious},
      {"changed_at", SequenceValue::kChangedAt},
      {"lag", SequenceValue::kLag}};
  FeatureDef feature;
  feature.kind = FeatureDef::Kind::kSequence;
  feature.name = words[1];
  if (words[2] == "session" && words.size() > 3 && kSessions.count(words[3]) > 0) {
    feature.sequence = kSessions.at(words[3]);
    feature.of = join(words, 4, words.size());
    return feature;
  }
  if (kChanges.count(words[2]) == 0) {
    return std::nullopt;
  }
  feature.sequence = kChanges.at(words[2]);
  std::size_t first = 3;
  if (words[2] == "lag" && words.size() > 3) {
    feature.k = std::atoll(words[first++].c_str());
  }
  const auto over_at =
      static_cast<std::size_t>(std::find(words.begin(), words.end(), "over") - words.begin());
  feature.of = join(words, first, over_at);
  for (std::size_t i = over_at + 1; i < words.size(); ++i) {
    feature.over.push_back(parse_duration(words[i]).value());
  }
  return feature;
}

Result<FeatureDef> read_feature(const std::vector<std::string>& words) {
  FeatureDef feature;
  if (words.size() < 3) {
    return Status(Code::kInvalidArgument, "feature NAME KIND ...");
  }
  feature.name = words[1];
  if (words[2] == "latest") {
    feature.kind = FeatureDef::Kind::kLatest;
    feature.column = words.size() > 3 ? words[3] : "";
    return feature;
  }
  if (const std::optional<FeatureDef> sequence = read_sequence(words)) {
    return *sequence;
  }
  if (words[2] == "since" && words.size() == 4) {
    feature.kind = FeatureDef::Kind::kSince;
    feature.column = words[3];
    return feature;
  }
  if (words[2] == "expr") {
    feature.kind = FeatureDef::Kind::kExpr;
    feature.expression = join(words, 3, words.size());
    return feature;
  }
  if (words[2] == "ratio") {
    return read_ratio(std::move(feature), words);
  }
  const std::size_t bracket = std::min(words[2].find('('), words[2].size());
  const auto aggregate = catalog::aggregate_from_name(words[2].substr(0, bracket));
  const auto over = std::find(words.begin(), words.end(), "over");
  if (!aggregate || over == words.end()) {
    return Status(Code::kInvalidArgument,
                  "feature NAME AGGREGATE[(PARAMETER)] [OF] [where ...] over WINDOWS");
  }
  const auto over_at = static_cast<std::size_t>(over - words.begin());
  const auto where_at =
      static_cast<std::size_t>(std::find(words.begin(), over, "where") - words.begin());
  feature.kind = FeatureDef::Kind::kWindow;
  feature.aggregate = *aggregate;
  if (bracket < words[2].size()) {
    const std::string text = words[2].substr(bracket + 1, words[2].size() - bracket - 2);
    ASSAY_ASSIGN_OR_RETURN(const data::Scalar q, data::parse_scalar(text, data::Type::kFloat64));
    feature.q = std::get<double>(q.value);
    feature.k = static_cast<int64_t>(feature.q);
  }
  feature.of = join(words, 3, where_at);
  feature.where = where_at < over_at ? join(words, where_at + 1, over_at) : "";
  ASSAY_RETURN_IF_ERROR(read_windows(words, over_at + 1, &feature));
  return feature;
}

Result<std::vector<data::Field>> read_table_header(const std::vector<std::string>& words) {
  std::vector<data::Field> fields;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::size_t colon = words[i].find(':');
    if (colon == std::string::npos) {
      fields.push_back({words[i], data::Type::kTimestamp, false});
      continue;
    }
    const std::optional<data::Type> type = data::type_from_name(words[i].substr(colon + 1));
    if (!type) {
      return Status(Code::kInvalidArgument, "no type: " + words[i]);
    }
    fields.push_back({words[i].substr(0, colon), *type, true});
  }
  return fields;
}

Status read_line(const std::string& line,
                 std::vector<std::string>* key_names,
                 Case* one,
                 std::vector<std::vector<std::string>>** open) {
  const std::vector<std::string> words = words_of(line);
  if (line.front() == ' ') {
    if (*open == nullptr) {
      return {Code::kInvalidArgument, "a row before table or expect"};
    }
    (*open)->push_back(words);
    return {};
  }
  *open = nullptr;
  if (words[0] == "key") {
    key_names->assign(words.begin() + 1, words.end());
  } else if (words[0] == "changes" && words.size() > 1) {
    one->change_key.assign(words.begin() + 1, words.end());
  } else if (words[0] == "slide" && words.size() == 2) {
    if (words[1] == catalog::kContinuous) {
      one->view.slide = catalog::kContinuousSlide;
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(one->view.slide, parse_duration(words[1]));
  } else if (words[0] == "ttl" && words.size() == 2) {
    ASSAY_ASSIGN_OR_RETURN(one->view.ttl, parse_duration(words[1]));
  } else if (words[0] == "session" && words.size() >= 3) {
    catalog::SessionDef session;
    ASSAY_ASSIGN_OR_RETURN(session.gap, parse_duration(words[1]));
    ASSAY_ASSIGN_OR_RETURN(session.over, parse_duration(words[2]));
    if (words.size() == 4) {
      ASSAY_ASSIGN_OR_RETURN(session.max, parse_duration(words[3]));
    }
    one->view.session = session;
  } else if (words[0] == "feature") {
    ASSAY_ASSIGN_OR_RETURN(FeatureDef feature, read_feature(words));
    one->view.features.push_back(std::move(feature));
  } else if (words[0] == "table") {
    ASSAY_ASSIGN_OR_RETURN(one->table, read_table_header(words));
    *open = &one->rows;
  } else if (words[0] == "expect") {
    one->questions_header.assign(words.begin() + 1, words.end());
    *open = &one->questions;
  } else {
    return {Code::kInvalidArgument, "unknown word " + words[0]};
  }
  return {};
}

Result<Case> read_case(std::string_view text) {
  Case one;
  one.view.name = "case";
  one.view.from = "table";
  one.entity.name = "entity";
  std::vector<std::string> key_names;
  std::vector<std::vector<std::string>>* open = nullptr;
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, std::min(end, text.find('#'))));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    line.erase(line.find_last_not_of(" \t") + 1);
    if (!line.empty()) {
      ASSAY_RETURN_IF_ERROR(
          read_line(line, &key_names, &one, &open).with_context("line " + std::to_string(number)));
    }
  }
  for (const std::string& name : key_names) {
    for (const data::Field& field : one.table) {
      if (field.name == name) {
        one.entity.keys.push_back({name, field.type, false});
      }
    }
  }
  return one;
}

/// Runs one case.
class CaseRun {
 public:
  explicit CaseRun(Case one, uint64_t seed) : case_(std::move(one)), random_(seeded_random(seed)) {}

  Result<std::vector<std::string>> run() {
    ASSAY_RETURN_IF_ERROR(read_rows());
    ASSAY_ASSIGN_OR_RETURN(view_, FeatureView::compile(case_.view, case_.entity, rows_.schema()));
    catalog::ServiceDef service;
    service.name = "case";
    service.items = {{"case", {}, {}}};
    ASSAY_ASSIGN_OR_RETURN(service_, compile_service(service, {{"case", view_}}, {}));
    ASSAY_RETURN_IF_ERROR(read_questions());

    ASSAY_ASSIGN_OR_RETURN(const data::Batch whole,
                           steps(rows_, data::Batch(), EventTime::min(), 1));
    ASSAY_RETURN_IF_ERROR(ask_offline("straight", whole));
    const data::Batch mixed = rows_.take(random_order());
    ASSAY_ASSIGN_OR_RETURN(const data::Batch parallel,
                           steps(mixed, data::Batch(), EventTime::min(), 4));
    if (exact_text(parallel) != exact_text(whole)) {
      differences_.push_back("in pieces: steps depend on row order or threads");
    }
    for (int64_t i = 0; i < questions_.rows(); ++i) {
      ASSAY_RETURN_IF_ERROR(ask_online(mixed, i));
    }
    ASSAY_ASSIGN_OR_RETURN(const data::Batch restored, restored_steps());
    if (exact_text(restored) != exact_text(whole)) {
      differences_.push_back("restored: steps differ\n" + exact_text(restored) + "from\n" +
                             exact_text(whole));
    }
    ASSAY_RETURN_IF_ERROR(ask_offline("restored", restored));
    return differences_;
  }

 private:
  static Result<data::Scalar> read_value(const std::string& word, data::Type type) {
    if (word == "null") {
      return data::Scalar::null(type);
    }
    if (type == data::Type::kTimestamp) {
      ASSAY_ASSIGN_OR_RETURN(const int64_t micros, read_time(word));
      return data::Scalar::timestamp(micros);
    }
    return data::parse_scalar(word, type);
  }

  Status read_rows() {
    std::vector<data::Field> fields = case_.table;
    std::size_t event_time = fields.size();
    bool has_known_time = false;
    for (std::size_t i = 0; i < case_.table.size(); ++i) {
      event_time = case_.table[i].name == kEventTime ? i : event_time;
      has_known_time = has_known_time || case_.table[i].name == kKnownTime;
    }
    if (!has_known_time) {
      fields.push_back({kKnownTime, data::Type::kTimestamp, false});
    }
    fields.push_back({"sequence", data::Type::kInt64, false});
    data::BatchBuilder builder(data::make_schema(fields));
    for (const std::vector<std::string>& row : case_.rows) {
      if (row.size() != case_.table.size() || event_time == case_.table.size()) {
        return {Code::kInvalidArgument,
                "a row does not fit its table: " + join(row, 0, row.size())};
      }
      int column = 0;
      for (; column < static_cast<int>(row.size()); ++column) {
        const auto at = static_cast<std::size_t>(column);
        ASSAY_ASSIGN_OR_RETURN(const data::Scalar value, read_value(row[at], fields[at].type));
        builder.column(column).append_scalar(value);
      }
      if (!has_known_time) {
        ASSAY_ASSIGN_OR_RETURN(const int64_t micros, read_time(row[event_time]));
        builder.column(column++).append(micros);
      }
      builder.column(column).append(builder.column(column).size());
    }
    rows_ = builder.finish();
    return case_.change_key.empty() ? Status() : read_versions();
  }

  /// Rows are versions of a key: add when each is replaced, and leave out the tombstones.
  Status read_versions() {
    std::vector<const data::Column*> key;
    for (const std::string& name : case_.change_key) {
      key.push_back(rows_.find(name));
      if (key.back() == nullptr) {
        return {Code::kInvalidArgument, "changes: the table has no column " + name};
      }
    }
    const auto known = rows_.find(kKnownTime)->values<int64_t>();
    std::map<std::string, std::vector<std::pair<int64_t, int64_t>>> versions;  // known time, row
    for (int64_t row = 0; row < rows_.rows(); ++row) {
      versions[data::encode_key(key, row).value_or(data::EntityKey()).bytes()].emplace_back(
          known[static_cast<std::size_t>(row)], row);
    }
    std::vector<std::optional<int64_t>> replaced(static_cast<std::size_t>(rows_.rows()));
    for (auto& [bytes, of_key] : versions) {
      std::sort(of_key.begin(), of_key.end());
      for (std::size_t i = 0; i + 1 < of_key.size(); ++i) {
        replaced[static_cast<std::size_t>(of_key[i].second)] = of_key[i + 1].first;
      }
    }
    data::ColumnBuilder column(data::Type::kTimestamp);
    for (const std::optional<int64_t>& time : replaced) {
      column.append_scalar(time ? data::Scalar::timestamp(*time)
                                : data::Scalar::null(data::Type::kTimestamp));
    }
    rows_ = rows_.with_column({kReplacedTime, data::Type::kTimestamp, true}, column.finish());
    std::vector<int64_t> kept;
    const data::Column* deleted = rows_.find("is_deleted");
    for (int64_t row = 0; row < rows_.rows(); ++row) {
      if (deleted == nullptr || deleted->values<uint8_t>()[static_cast<std::size_t>(row)] == 0) {
        kept.push_back(row);
      }
    }
    rows_ = rows_.take(kept);
    return {};
  }

  Status read_questions() {
    const std::size_t key_count = case_.entity.keys.size();
    std::vector<data::Field> fields = case_.entity.keys;
    fields.push_back({"at", data::Type::kTimestamp, false});
    data::BatchBuilder builder(data::make_schema(fields));
    for (const std::vector<std::string>& question : case_.questions) {
      if (question.size() < key_count + 2) {
        return {Code::kInvalidArgument, "expect KEY... AT VALUES..."};
      }
      for (std::size_t i = 0; i <= key_count; ++i) {
        ASSAY_ASSIGN_OR_RETURN(const data::Scalar value, read_value(question[i], fields[i].type));
        builder.column(static_cast<int>(i)).append_scalar(value);
      }
    }
    questions_ = builder.finish();
    return {};
  }

  Result<data::Batch> steps(const data::Batch& rows,
                            const data::Batch& seed,
                            EventTime begin,
                            int threads) const {
    return view_->steps(rows, seed, begin, EventTime::max(), threads);
  }

  std::vector<int64_t> random_order() {
    std::vector<int64_t> order(static_cast<std::size_t>(rows_.rows()));
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = static_cast<int64_t>(i);
      std::swap(order[i], order[random_->below(i + 1)]);
    }
    return order;
  }

  /// Steps up to a random frontier, then from the last step of each entity on.
  Result<data::Batch> restored_steps() {
    EventTime frontier{0};
    if (rows_.rows() > 0) {
      const auto known = rows_.find(kKnownTime)->values<int64_t>();
      frontier = {known[random_->below(known.size())] + static_cast<int64_t>(random_->below(3)) -
                  1 + static_cast<int64_t>(random_->below(2)) * kTestSlide};
    }
    ASSAY_ASSIGN_OR_RETURN(const data::Batch before,
                           view_->steps(rows_, data::Batch(), EventTime::min(), frontier, 1));
    std::map<std::string, int64_t> last;
    for (int64_t row = 0; row < before.rows(); ++row) {
      last[key_of(before, row).bytes()] = row;
    }
    std::vector<int64_t> seed_rows;
    for (const auto& entry : last) {
      seed_rows.push_back(entry.second);
    }
    ASSAY_ASSIGN_OR_RETURN(const data::Batch after,
                           steps(rows_, before.take(seed_rows), frontier, 2));
    const data::Batch parts[] = {before, after};
    ASSAY_ASSIGN_OR_RETURN(const data::Batch joined, data::concat(view_->steps_schema(), parts));
    // In the order of one run: by key, then by time.
    std::vector<int64_t> order(static_cast<std::size_t>(joined.rows()));
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = static_cast<int64_t>(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return key_of(joined, a) < key_of(joined, b);
    });
    return joined.take(order);
  }

  [[nodiscard]] data::EntityKey key_of(const data::Batch& batch, int64_t row) const {
    std::vector<const data::Column*> columns;
    for (const data::Field& key : view_->keys()) {
      columns.push_back(batch.find(key.name));
    }
    return data::encode_key(columns, row).value_or(data::EntityKey());
  }

  /// Compare one answer with the words of its question.
  Status compare(const std::string& way,
                 int64_t question,
                 const std::vector<data::Scalar>& values,
                 const std::vector<std::string>& statuses) {
    const std::vector<std::string>& words = case_.questions[static_cast<std::size_t>(question)];
    const std::size_t first = case_.entity.keys.size() + 1;
    for (std::size_t i = first; i < case_.questions_header.size(); ++i) {
      std::size_t feature = 0;
      while (feature < view_->features().size() &&
             view_->features()[feature].name != case_.questions_header[i]) {
        ++feature;
      }
      if (feature == view_->features().size()) {
        return {Code::kInvalidArgument, "expect: there is no feature " + case_.questions_header[i]};
      }
      const data::Type type = view_->features()[feature].type;
      const std::string& word = words[std::min(i, words.size() - 1)];
      const bool no_answer = word == "NOT_FOUND" || word == "OUTSIDE_MAX_AGE" || word == "OVERFLOW";
      ASSAY_ASSIGN_OR_RETURN(const data::Scalar value, read_value(no_answer ? "null" : word, type));
      const std::string status = no_answer ? word : (word == "null" ? "NULL_VALUE" : "PRESENT");
      const std::string wanted = status + " " + exact_text(value);
      const std::string found = statuses[feature] + " " + exact_text(values[feature]);
      if (wanted != found) {
        differences_.push_back(way + ": " + join(words, 0, first) + " " +
                               case_.questions_header[i] + ": expected " + wanted + ", found " +
                               found);
      }
    }
    return {};
  }

  Status ask_offline(const std::string& way, const data::Batch& steps) {
    TrainingSetOptions options;
    options.time_column = "at";
    options.with_statuses = true;
    const StepsSource source = [&](const FeatureView&, EventTime, EventTime) {
      return Result<data::Batch>(steps);
    };
    ASSAY_ASSIGN_OR_RETURN(const data::Batch set,
                           training_set(*service_, questions_, source, options));
    for (int64_t row = 0; row < set.rows(); ++row) {
      std::vector<data::Scalar> values;
      std::vector<std::string> statuses;
      for (const data::Field& feature : view_->features()) {
        values.push_back(set.find(feature.name)->scalar(row));
        statuses.emplace_back(set.find(feature.name + "__status")->text(row));
      }
      ASSAY_RETURN_IF_ERROR(compare(way, row, values, statuses));
    }
    return {};
  }

  Status ask_online(const data::Batch& mixed, int64_t question) {
    const data::EntityKey key = key_of(questions_, question);
    const int64_t now =
        questions_.find("at")->values<int64_t>()[static_cast<std::size_t>(question)];
    std::vector<int64_t> selected;
    for (int64_t row = 0; row < mixed.rows(); ++row) {
      if (key_of(mixed, row) == key) {
        selected.push_back(row);
      }
    }
    std::string row;
    for (std::size_t begin = 0; begin < selected.size();) {
      const std::size_t count = std::min(1 + random_->below(3), selected.size() - begin);
      const EventTime until{now - static_cast<int64_t>(random_->below(3)) * 50 * kMinute};
      ASSAY_RETURN_IF_ERROR(
          view_->update_online_row(mixed, std::span(selected).subspan(begin, count), until, &row));
      begin += count;
    }
    ASSAY_ASSIGN_OR_RETURN(const FeatureValues read, view_->read_online_row(row, EventTime{now}));
    std::vector<std::string> statuses;
    for (const data::FeatureStatus status : read.statuses) {
      statuses.emplace_back(data::status_name(status));
    }
    return compare("in pieces", question, read.values, statuses);
  }

  Case case_;
  std::unique_ptr<Random> random_;
  data::Batch rows_;
  data::Batch questions_;
  FeatureViewPtr view_;
  std::shared_ptr<const Service> service_;
  std::vector<std::string> differences_;
};

}  // namespace

Result<std::vector<std::string>> run_case(std::string_view text, uint64_t random_seed) {
  ASSAY_ASSIGN_OR_RETURN(Case one, read_case(text));
  return CaseRun(std::move(one), random_seed).run();
}

std::vector<std::string> case_blocks(std::string_view markdown) {
  constexpr std::string_view kFence = "\n```case\n";
  std::vector<std::string> blocks;
  for (std::size_t at = markdown.find(kFence); at != std::string_view::npos;
       at = markdown.find(kFence, at)) {
    at += kFence.size();
    const std::size_t end = std::min(markdown.find("\n```", at), markdown.size());
    blocks.emplace_back(markdown.substr(at, end - at));
    at = end;
  }
  return blocks;
}

}  // namespace assay::gold
