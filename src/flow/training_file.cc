// A training set in three passes, none of which holds a table:
//   1. Keys and times of the labels are put in order (data::AsofIndex); keys and times of each
//      view's steps are swept past them. That gives each label the number of its step: its place
//      in StepRows, the same in both passes over them (step_answers.cc).
//   2. The steps are read again, with the columns that are asked for. Rows that answer a label are
//      put aside by blocks of labels, in a scratch file when they do not fit (AnswerPieces).
//   3. The labels are read again, block by block; each block takes its answers and is written. All
//      threads do so side by side.
// More labels than memory holds are taken in rounds of passes 1 and 2.

#include "flow/training_file.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/memory.h"
#include "data/asof_index.h"
#include "data/gather.h"
#include "data/parquet.h"
#include "data/partition.h"
#include "data/piece_writer.h"
#include "flow/answer_pieces.h"
#include "flow/gold_stage.h"
#include "flow/retention.h"
#include "flow/step_answers.h"
#include "flow/step_rows.h"
#include "gold/service_values.h"
#include "gold/view_layout.h"

namespace assay::flow {
namespace {

using data::FeatureStatus;

constexpr int64_t kBlock = data::kRowGroupRows;
/// Held for each label of a round: its key, time and number in order, and what it keeps of a view.
constexpr std::size_t kLabelBytes = 64;
constexpr std::size_t kMemoryMin = std::size_t{256} << 20;

std::vector<std::string> names_of(const std::vector<data::Field>& fields) {
  std::vector<std::string> names;
  for (const data::Field& field : fields) {
    names.push_back(field.name);
  }
  return names;
}

Status labels_changed() {
  return {Code::kAborted, "the label files changed while they were read; run it again"};
}

/// The project's folder for files that live while a command runs; made when it is not there.
Result<std::string> scratch_folder(Workspace& workspace) {
  const std::string folder = join_path(join_path(workspace.project().folder, ".assay"), "spill");
  ASSAY_RETURN_IF_ERROR(workspace.world().files.make_directories(folder));
  return folder;
}

/// One view of the service on its way through the passes.
struct ViewWork {
  gold::FeatureViewPtr view;
  std::vector<int> wanted;          // features of the view that the service asks for
  std::vector<data::Field> fields;  // columns of the steps table that they are had from
  std::optional<AnswerPieces> pieces;
  TrainingViewReport report;
};

/// The set, block after block, for the writer.
class TrainingRows : public data::PieceReader {
 public:
  TrainingRows(Workspace& workspace,
               const gold::Service& service,
               const TrainingFileOptions& options,
               LabelFiles labels)
      : workspace_(workspace),
        service_(service),
        options_(options),
        labels_(std::move(labels)),
        memory_(options.memory_bytes_max) {}

  /// Read the labels once; what is wrong with all inputs is found here.
  Status prepare() {
    report_.service = service_.name;
    report_.features = static_cast<int64_t>(service_.features.size());
    report_.fingerprints = workspace_.service_fingerprints(service_);
    for (const gold::FeatureViewPtr& view : service_.views) {
      ViewWork work{view, {}, {}, std::nullopt, {}};
      work.report.view = view->name();
      work.report.fingerprint = workspace_.view_fingerprint(*view);
      works_.push_back(std::move(work));
    }
    const std::vector<std::vector<int>> read = gold::features_read(service_);
    for (std::size_t view = 0; view < works_.size(); ++view) {
      ViewWork& work = works_[view];
      work.wanted = read[view];
      work.fields = work.view->step_columns(work.wanted);
      want_overflows(work);
    }
    const int64_t most = options_.round_labels_max > 0
                             ? options_.round_labels_max
                             : static_cast<int64_t>(memory_ / 10 * 4 / kLabelBytes);
    round_labels_ = std::max(kBlock, most / kBlock * kBlock);
    data::SqlOptions sql;
    sql.threads = options_.set.threads;
    sql.memory_bytes_max = std::max(memory_ / 8, std::size_t{128} << 20);
    ASSAY_ASSIGN_OR_RETURN(label_engine_, data::SqlEngine::open(sql));
    ASSAY_RETURN_IF_ERROR(start_round());
    ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<data::BatchReader> rows,
                           labels_.stream(*label_engine_, {}, 0, -1, kBlock));
    label_rows_ = in_equal_batches(std::move(rows), kBlock);
    ASSAY_ASSIGN_OR_RETURN(const data::Batch none,
                           assemble(data::Batch::empty(labels_.schema()), std::nullopt));
    schema_ = none.schema_ptr();
    return {};
  }

  [[nodiscard]] const data::SchemaPtr& schema() const override { return schema_; }

  Result<std::optional<Piece>> next() override {
    ASSAY_ASSIGN_OR_RETURN(std::optional<data::Batch> labels, label_rows_->next());
    if (!labels) {
      return std::optional<Piece>();
    }
    if (report_.rows >= round_begin_ + round_labels_) {
      round_begin_ += round_labels_;
      ++report_.rounds;
      const std::unique_lock alone(pieces_in_use_);
      ASSAY_RETURN_IF_ERROR(start_round());
    }
    const int64_t block = (report_.rows - round_begin_) / kBlock;
    report_.rows += labels->rows();
    auto in_use = std::make_shared<std::shared_lock<std::shared_mutex>>(pieces_in_use_);
    return std::optional<Piece>([this, labels = *std::move(labels), block, in_use] {
      Result<data::Batch> set = assemble(labels, block);
      in_use->unlock();
      return set;
    });
  }

  /// As many blocks side by side as an eighth of the memory holds, made and encoded.
  [[nodiscard]] int writing_threads() const {
    const auto width = static_cast<std::size_t>(std::max(1, schema_->size())) * 16;
    const std::size_t at_once = memory_ / 8 / (width * static_cast<std::size_t>(kBlock) * 2);
    return std::clamp(
        static_cast<int>(std::min<std::size_t>(at_once, 64)), 1, options_.set.threads);
  }

  TrainingFileReport take_report() {
    for (ViewWork& work : works_) {
      report_.views.push_back(work.report);
      report_.spilled_bytes += work.pieces ? work.pieces->spilled_bytes() : 0;
    }
    return std::move(report_);
  }

 private:
  /// Behind the columns wanted the overflow columns of the features that have one.
  static void want_overflows(ViewWork& work) {
    const data::Schema& steps = *work.view->steps_schema();
    for (const int feature : work.wanted) {
      const data::Field& field = work.view->features()[static_cast<std::size_t>(feature)];
      if (const std::optional<int> index = steps.find(gold::overflow_column(field.name))) {
        work.fields.push_back(steps.field(*index));
      }
    }
  }
  // ---- Pass 1 and 2

  Status start_round() {
    std::map<std::vector<std::string>, data::AsofIndex> indexes;
    ASSAY_RETURN_IF_ERROR(index_labels(indexes));
    int64_t duplicates = 0;
    for (auto& [names, index] : indexes) {
      index.seal();
      duplicates = std::max(duplicates, index.duplicate_labels());
    }
    report_.rows_with_key_and_time_of_another += duplicates;
    for (ViewWork& work : works_) {
      report_.spilled_bytes += work.pieces ? work.pieces->spilled_bytes() : 0;
      work.pieces.reset();
    }
    for (std::size_t i = 0; i < works_.size(); ++i) {
      ViewWork& work = works_[i];
      const bool computed = service_.has_computed_keys(static_cast<int>(i));
      const Status done = computed ? answer_by_computed_keys(i)
                                   : answer(work, indexes.at(names_of(work.view->keys())));
      if (!done.ok()) {
        return done.with_context("feature view `" + work.view->name() + "`");
      }
    }
    return {};
  }

  Status answer_by_computed_keys(std::size_t view) {
    ASSAY_ASSIGN_OR_RETURN(const data::AsofIndex index, index_computed_keys(view));
    return answer(works_[view], index);
  }

  /// The labels by keys that other views answered, for the same labels.
  Result<data::AsofIndex> index_computed_keys(std::size_t view) {
    std::vector<data::Type> types;
    for (const data::Field& key : works_[view].view->keys()) {
      types.push_back(key.type);
    }
    data::AsofIndex index(std::move(types), options_.set.threads);
    const std::vector<int> behind = gold::views_behind_keys(service_, static_cast<int>(view));
    std::vector<std::string> columns = names_of(service_.entity_keys);
    columns.push_back(options_.set.time_column);
    ASSAY_ASSIGN_OR_RETURN(
        std::unique_ptr<data::BatchReader> labels,
        labels_.stream(
            workspace_.sql(), columns, round_begin_, round_begin_ + round_labels_, kBlock));
    const std::unique_ptr<data::BatchReader> blocks = in_equal_batches(std::move(labels), kBlock);
    for (int64_t block = 0;; ++block) {
      ASSAY_ASSIGN_OR_RETURN(const std::optional<data::Batch> some, blocks->next());
      if (!some) {
        break;
      }
      gold::ServiceValues values = gold::values_of_labels(service_, *some, options_.set);
      for (const int other : behind) {
        ViewWork& work = works_[static_cast<std::size_t>(other)];
        ASSAY_ASSIGN_OR_RETURN(AnswerPieces::Block taken, take(work, *some, block));
        Counts not_counted;  // they are when the set is made
        std::vector<uint8_t> matched(static_cast<std::size_t>(some->rows()));
        ASSAY_ASSIGN_OR_RETURN(gold::ViewAnswers answers,
                               answers_of(work, *some, taken, not_counted, matched));
        values.set_view(other, std::move(answers.columns));
      }
      ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> keys,
                             values.keys(static_cast<int>(view)));
      ASSAY_RETURN_IF_ERROR(
          index.add({data::pointers(keys), some->find(options_.set.time_column)}));
    }
    index.seal();
    return index;
  }

  Status index_labels(std::map<std::vector<std::string>, data::AsofIndex>& indexes) {
    std::vector<std::string> columns = names_of(service_.entity_keys);
    columns.push_back(options_.set.time_column);
    for (std::size_t i = 0; i < works_.size(); ++i) {
      const ViewWork& work = works_[i];
      if (service_.has_computed_keys(static_cast<int>(i))) {
        continue;
      }
      std::vector<data::Type> types;
      for (const data::Field& key : work.view->keys()) {
        types.push_back(key.type);
      }
      indexes.try_emplace(names_of(work.view->keys()), std::move(types), options_.set.threads);
    }
    first_ = EventTime::max();
    last_ = EventTime::min();
    round_rows_ = 0;
    ASSAY_ASSIGN_OR_RETURN(
        const std::unique_ptr<data::BatchReader> rows,
        labels_.stream(
            workspace_.sql(), columns, round_begin_, round_begin_ + round_labels_, kBlock * 8));
    for (;;) {
      Result<std::optional<data::Batch>> some = rows->next();
      if (!some.ok()) {
        return of_label_file(some.status()).with_context("read labels");
      }
      if (!some->has_value()) {
        return {};
      }
      const data::Batch& labels = **some;
      const data::Column& time = *labels.find(options_.set.time_column);
      count_oddities(labels, time);
      for (auto& [names, index] : indexes) {
        std::vector<const data::Column*> keys;
        for (const std::string& name : names) {
          keys.push_back(labels.find(name));
        }
        ASSAY_RETURN_IF_ERROR(index.add({keys, &time}));
      }
      round_rows_ += labels.rows();
    }
  }

  /// Nulls and times to come. The batch has keys and time only.
  void count_oddities(const data::Batch& labels, const data::Column& time) {
    const EventTime now = workspace_.world().clock.now();
    std::vector<uint8_t> with_null(static_cast<std::size_t>(labels.rows()));
    for (int i = 0; i < labels.column_count(); ++i) {
      const data::Column& column = labels.column(i);
      for (int64_t row = 0; column.null_count() != 0 && row < labels.rows(); ++row) {
        with_null[static_cast<std::size_t>(row)] |= static_cast<uint8_t>(column.is_null(row));
      }
    }
    report_.rows_with_null_key_or_time += std::count(with_null.begin(), with_null.end(), 1);
    for (int64_t row = 0; row < labels.rows(); ++row) {
      if (time.is_valid(row)) {
        const EventTime at{time.values<int64_t>()[static_cast<std::size_t>(row)]};
        first_ = std::min(first_, at);
        last_ = std::max(last_, at);
        report_.rows_in_the_future += at > now ? 1 : 0;
      }
    }
  }

  Status answer(ViewWork& work, const data::AsofIndex& index) {
    ASSAY_RETURN_IF_ERROR(require_answers_from(workspace_, *work.view, first_));
    ASSAY_ASSIGN_OR_RETURN(StepsRelation steps, steps_relation(workspace_, *work.view, last_));
    work.report.table = steps.key;
    work.report.version = steps.version;
    ASSAY_ASSIGN_OR_RETURN(
        StepRows rows,
        StepRows::open(workspace_, std::move(steps), options_.set.threads, memory_ / 8));
    const int64_t steps_before = work.report.steps;
    Status done = answer_from(work, rows, index);
    if (done.code() == Code::kCorrupt && !rows.row_groups().empty()) {
      workspace_.world().log.warn("steps_left_to_sql_engine",
                                  {{"view", work.report.view}, {"reason", done.to_string()}});
      rows.leave_to_sql_engine();  // which may read what is no row group of ours after all
      done = answer_from(work, rows, index).ok() ? Status() : std::move(done);
    }
    const bool any = work.report.steps > steps_before;
    work.report.by_sql_engine |= any && rows.row_groups().empty();
    return done;
  }

  /// Of which keys and times are held. The more there are, the less often labels are gone through.
  [[nodiscard]] int64_t steps_at_once() const {
    constexpr int64_t kFew = 500'000;
    constexpr int64_t kMany = 4'000'000;
    return std::clamp<int64_t>(
        std::min(round_rows_, static_cast<int64_t>(memory_ / 512)), kFew, kMany);
  }

  Status answer_from(ViewWork& work, const StepRows& rows, const data::AsofIndex& index) {
    std::vector<data::Field> fields = work.fields;
    fields.push_back({kStepTime, data::Type::kTimestamp, true});
    ASSAY_ASSIGN_OR_RETURN(const std::string scratch, scratch_folder(workspace_));
    work.pieces.emplace(
        data::make_schema(fields), round_rows_, kBlock, scratch, memory_ / 4 / works_.size());
    ASSAY_ASSIGN_OR_RETURN(StepsOfLabels found,
                           find_steps(rows, work.view->keys(), index, last_, steps_at_once()));
    std::vector<StepColumn> columns;
    for (const data::Field& field : work.fields) {
      columns.push_back({field.name, field.name});
    }
    columns.push_back({gold::kEventTime, kStepTime});
    ASSAY_RETURN_IF_ERROR(
        put_steps_aside(rows, std::move(found.step), columns, fields, *work.pieces));
    work.report.steps += found.steps;
    return {};
  }

  // ---- Pass 3

  /// The set of some labels; without a block there are none, and only the schema counts. Several
  /// threads.
  Result<data::Batch> assemble(const data::Batch& labels, std::optional<int64_t> block) {
    std::vector<gold::ViewAnswers> answers;
    std::vector<uint8_t> matched(static_cast<std::size_t>(labels.rows()));
    std::vector<Counts> counts(works_.size());
    for (std::size_t i = 0; i < works_.size(); ++i) {
      ASSAY_ASSIGN_OR_RETURN(AnswerPieces::Block taken, take(works_[i], labels, block));
      ASSAY_ASSIGN_OR_RETURN(gold::ViewAnswers found,
                             answers_of(works_[i], labels, taken, counts[i], matched));
      answers.push_back(std::move(found));
    }
    {
      const std::lock_guard lock(report_mutex_);
      report_.rows_without_match += std::count(matched.begin(), matched.end(), 0);
      for (std::size_t i = 0; i < works_.size(); ++i) {
        works_[i].report.present += counts[i].present;
        works_[i].report.expired += counts[i].expired;
        works_[i].report.not_found += counts[i].not_found;
      }
    }
    return gold::assemble_training_set(service_, labels, answers, options_.set);
  }

  /// The step rows of one block of labels.
  Result<AnswerPieces::Block> take(const ViewWork& work,
                                   const data::Batch& labels,
                                   std::optional<int64_t> block) const {
    AnswerPieces::Block taken;
    if (!block) {
      std::vector<data::Field> fields = work.fields;
      fields.push_back({kStepTime, data::Type::kTimestamp, true});
      taken.rows = data::Batch::empty(data::make_schema(std::move(fields)));
      return taken;
    }
    if (*block >= work.pieces->blocks()) {
      return labels_changed();
    }
    ASSAY_ASSIGN_OR_RETURN(taken, work.pieces->take(*block));
    if (static_cast<int64_t>(taken.row_of_label.size()) != labels.rows()) {
      return labels_changed();
    }
    return taken;
  }

  /// Labels of a block by what became of them.
  struct Counts {
    int64_t present = 0;
    int64_t expired = 0;
    int64_t not_found = 0;
  };

  /// What a view answers to one block; labels that have an answer are marked in `matched`.
  Result<gold::ViewAnswers> answers_of(const ViewWork& work,
                                       const data::Batch& labels,
                                       AnswerPieces::Block& taken,
                                       Counts& counts,
                                       std::vector<uint8_t>& matched) const {
    gold::ViewAnswers answers;
    answers.columns.resize(work.view->features().size());
    answers.overflows.resize(work.view->features().size());
    answers.statuses.assign(static_cast<std::size_t>(labels.rows()), FeatureStatus::kNotFound);
    const data::ColumnPtr instants =
        labels.column_ptr(*labels.schema().find(options_.set.time_column));
    const data::Column& time = *instants;
    const data::Column& event = taken.rows.column(taken.rows.column_count() - 1);
    for (std::size_t i = 0; i < answers.statuses.size(); ++i) {
      int64_t& row = taken.row_of_label[i];
      if (row < 0 || event.is_null(row)) {
        row = -1;
        ++counts.not_found;
      } else if (gold::is_too_old(*work.view,
                                  time.values<int64_t>()[i],
                                  event.values<int64_t>()[static_cast<std::size_t>(row)])) {
        row = -1;
        answers.statuses[i] = FeatureStatus::kOutsideMaxAge;
        ++counts.expired;
      } else {
        answers.statuses[i] = FeatureStatus::kPresent;
        ++counts.present;
        matched[i] = 1;
      }
    }
    ASSAY_ASSIGN_OR_RETURN(
        std::vector<data::ColumnPtr> found,
        work.view->answers(taken.rows, taken.row_of_label, instants, work.wanted, 1));
    for (std::size_t i = 0; i < found.size(); ++i) {
      answers.columns[static_cast<std::size_t>(work.wanted[i])] = std::move(found[i]);
    }
    for (const int feature : work.wanted) {
      const std::size_t at = static_cast<std::size_t>(feature);
      const data::Column* overflow =
          taken.rows.find(gold::overflow_column(work.view->features()[at].name));
      if (overflow != nullptr) {
        answers.overflows[at] = data::take(*overflow, taken.row_of_label);
      }
    }
    return answers;
  }

  static constexpr char kStepTime[] = "event_time of the step";  // no YAML name has a blank

  Workspace& workspace_;
  const gold::Service& service_;
  const TrainingFileOptions& options_;
  LabelFiles labels_;
  std::size_t memory_;
  std::vector<ViewWork> works_;
  std::unique_ptr<data::SqlEngine> label_engine_;
  std::unique_ptr<data::BatchReader> label_rows_;
  data::SchemaPtr schema_;
  int64_t round_labels_ = 0;  // of one round, at most
  int64_t round_begin_ = 0;   // the round's first label
  int64_t round_rows_ = 0;    // labels in the round
  EventTime first_ = EventTime::max();
  EventTime last_ = EventTime::min();
  std::shared_mutex pieces_in_use_;  // shared by who assembles a block, alone for a new round
  std::mutex report_mutex_;          // of what is counted in blocks
  TrainingFileReport report_;
};

}  // namespace

Result<TrainingFileReport> write_training_file(Workspace& workspace,
                                               const gold::Service& service,
                                               const TrainingFileOptions& options) {
  if (options.memory_bytes_max < kMemoryMin) {
    return Status(Code::kInvalidArgument, "a training set takes 256 MiB of memory at least");
  }
  Clock& clock = workspace.world().clock;
  const Duration started = clock.monotonic();
  ASSAY_ASSIGN_OR_RETURN(
      LabelFiles labels,
      LabelFiles::open(workspace.world(), workspace.sql(), service, options.set, options.labels));
  TrainingRows rows(workspace, service, options, std::move(labels));
  ASSAY_RETURN_IF_ERROR(workspace.sql().execute(
      "SET memory_limit = '" + std::to_string(options.memory_bytes_max / 4) + "B'"));
  ASSAY_RETURN_IF_ERROR(rows.prepare());
  data::SqlOptions sql;
  sql.threads = options.set.threads;
  sql.memory_bytes_max = std::max(options.memory_bytes_max / 8, std::size_t{128} << 20);
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<data::SqlEngine> writer, data::SqlEngine::open(sql));
  ASSAY_RETURN_IF_ERROR(data::write_pieces(*writer, rows, options.to, rows.writing_threads()));
  TrainingFileReport report = rows.take_report();
  report.seconds = static_cast<double>(clock.monotonic().micros - started.micros) / 1e6;
  report.rows_per_second =
      report.seconds > 0 ? static_cast<double>(report.rows) / report.seconds : 0;
  ASSAY_ASSIGN_OR_RETURN(report.peak_memory_bytes, peak_memory_bytes());
  return report;
}

}  // namespace assay::flow
