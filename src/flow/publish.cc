#include "flow/publish.h"

#include <algorithm>
#include <utility>

#include "base/fail_point.h"

namespace assay::flow {
namespace {

/// Of the metadata of an offset; brokers take 4096 when they are not told otherwise.
constexpr std::size_t kPositionBytesMax = 4'000;
constexpr Duration kRetryFirst{1 * kMicrosPerSecond};
constexpr Duration kRetryMax{30 * kMicrosPerSecond};

/// Whether one state goes on from another: the same tables, scored by the same model.
bool goes_on(const PublishedState& from, const PublishedState& to) {
  return from.model_version == to.model_version &&
         std::equal(from.tables.begin(),
                    from.tables.end(),
                    to.tables.begin(),
                    to.tables.end(),
                    [](const auto& one, const auto& other) { return one.first == other.first; });
}

}  // namespace

bool publishes(const catalog::Project& project) {
  const auto is_published = [](const auto& named) { return named.second.publish.has_value(); };
  return std::any_of(project.views.begin(), project.views.end(), is_published) ||
         std::any_of(project.models.begin(), project.models.end(), is_published);
}

Publisher::Publisher(Workspace& workspace) : workspace_(workspace) {}

Status Publisher::open_topics() {
  if (!topics_.empty()) {
    return {};
  }
  std::vector<Topic> topics;
  const auto add = [&](const catalog::PublishDef& definition,
                       Result<std::unique_ptr<PublishedValues>> values) -> Status {
    ASSAY_RETURN_IF_ERROR(values.status());
    Topic& topic = topics.emplace_back();
    topic.definition = definition;
    topic.values = *std::move(values);
    return {};
  };
  for (const auto& [name, view] : workspace_.project().views) {
    if (view.publish.has_value()) {
      ASSAY_RETURN_IF_ERROR(add(*view.publish, published_view(workspace_, name)));
    }
  }
  for (const auto& [name, model] : workspace_.project().models) {
    if (model.publish.has_value()) {
      ASSAY_RETURN_IF_ERROR(add(*model.publish, published_model(workspace_, name)));
    }
  }
  topics_ = std::move(topics);
  return {};
}

Status Publisher::publish(const RunOptions& options, RunReport* report) {
  ASSAY_RETURN_IF_ERROR(open_topics());
  Clock& clock = workspace_.world().clock;
  for (Topic& topic : topics_) {
    const Duration began = clock.monotonic();
    if (topic.away_since && began.micros < topic.retry_at.micros) {
      continue;
    }
    StageAccount account;
    account.stage = "publish";
    account.name = topic.values->name();
    options.say("publish " + account.name);
    const Status status = publish_topic(&topic, options, &account);
    account.seconds = static_cast<double>(clock.monotonic().micros - began.micros) / 1e6;
    merge_account(std::move(account), report);
    ASSAY_RETURN_IF_ERROR(note(&topic, status, options.is_live));
  }
  return {};
}

/// What becomes of a round: of a line that goes on, what went wrong is tried again later.
Status Publisher::note(Topic* topic, Status status, bool is_live) {
  Gauge& waiting = workspace_.world().metrics.gauge("assay_flow_publishing_waits",
                                                    "1 while a topic cannot be written",
                                                    {{"name", topic->values->name()}});
  const std::string where =
      "publish " + topic->values->name() + " to topic " + topic->definition.topic;
  if (!status.ok()) {
    topic->transactions.reset();
  }
  if (!status.ok() && !is_live) {  // one topic does not end a line that serves
    return std::move(status).with_context(where);
  }
  waiting.set(status.ok() ? 0 : 1);
  const Duration now = workspace_.world().clock.monotonic();
  if (!status.ok()) {
    topic->pause = {topic->away_since ? std::min(2 * topic->pause.micros, kRetryMax.micros)
                                      : kRetryFirst.micros};
    topic->retry_at = {now.micros + topic->pause.micros};
  }
  if (!status.ok() && !topic->away_since) {
    topic->away_since = now;
    workspace_.world().log.error("publishing_waits",
                                 {{"what", where}, {"why", status.to_string()}});
  } else if (status.ok() && topic->away_since) {
    workspace_.world().log.info(
        "publishing_goes_on",
        {{"what", where},
         {"after_seconds", static_cast<double>(now.micros - topic->away_since->micros) / 1e6}});
    topic->away_since.reset();
  }
  return {};
}

Status Publisher::publish_topic(Topic* topic, const RunOptions& options, StageAccount* account) {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<PublishedState> present, topic->values->present());
  if (!present) {
    return {};
  }
  if (topic->transactions == nullptr) {
    ASSAY_RETURN_IF_ERROR(open(topic, options));
  }
  for (bool is_present = false; !is_present;) {
    // A round that was begun is ended first.
    is_present = !topic->at.next;
    PublishedState target = *present;
    if (topic->at.whole) {
      target.as_of = std::max(target.as_of, topic->at.whole->as_of);
    }
    if (topic->at.whole == target) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<ChangeReader> reader, begin_round(topic, &target));
    ASSAY_ASSIGN_OR_RETURN(std::vector<PublishedRecord> records,
                           reader->next(options.publish_records));
    const bool only_time_went_on = topic->at.whole && topic->at.whole->tables == target.tables;
    if (records.empty() && only_time_went_on && !topic->at.next) {
      return {};
    }
    for (bool is_last = false; !is_last;) {
      ASSAY_ASSIGN_OR_RETURN(std::vector<PublishedRecord> following,
                             records.empty() ? Result<std::vector<PublishedRecord>>(records)
                                             : reader->next(options.publish_records));
      is_last = following.empty();
      const auto size = static_cast<int64_t>(records.size());
      const PublishedPosition reached =
          is_last ? PublishedPosition{target, {}, 0}
                  : PublishedPosition{topic->at.whole, target, topic->at.done + size};
      ASSAY_RETURN_IF_ERROR(send(topic, target, records, reached));
      account->rows.in += size;
      account->rows.out += size;
      account->commits += 1;
      records = std::move(following);
      if (!is_last && options.stopping()) {
        return {};  // the next run goes on with this round
      }
    }
  }
  return {};
}

/// The records of the round that is under way, behind those that are there, or else of one to
/// `target`, which becomes the state that the round goes to.
Result<std::unique_ptr<ChangeReader>> Publisher::begin_round(Topic* topic, PublishedState* target) {
  PublishedPosition& at = topic->at;
  const PublishedState present = *target;
  if (at.next && !goes_on(*at.next, present)) {
    at = {};  // of an earlier definition
  }
  if (at.next) {
    *target = *at.next;
  }
  const bool is_change = at.whole && goes_on(*at.whole, *target);
  Result<std::unique_ptr<ChangeReader>> reader =
      topic->values->changes(is_change ? at.whole : std::nullopt, *target);
  if (reader.code() == Code::kOutOfRange) {
    workspace_.world().log.warn(
        "published_anew", {{"name", topic->values->name()}, {"why", reader.status().to_string()}});
    at = {};
    *target = present;
    reader = topic->values->changes(std::nullopt, *target);
  }
  ASSAY_RETURN_IF_ERROR(reader.status());
  for (int64_t left = at.next ? at.done : 0; left > 0;) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<PublishedRecord> there, (*reader)->next(left));
    if (there.empty()) {
      return Status(Code::kInternal, "a round has fewer entities than it had");
    }
    left -= static_cast<int64_t>(there.size());
  }
  return reader;
}

/// Records and position in one transaction.
Status Publisher::send(Topic* topic,
                       const PublishedState& target,
                       const std::vector<PublishedRecord>& records,
                       const PublishedPosition& reached) {
  ASSAY_ASSIGN_OR_RETURN(const auto headers, topic->values->headers(target));
  const std::string text = position_text(reached);
  if (text.size() > kPositionBytesMax) {
    return {Code::kInvalidArgument,
            "it is made from more tables than a position in Kafka can name: " +
                std::to_string(text.size()) + " bytes"};
  }
  ASSAY_RETURN_IF_ERROR(topic->transactions->begin());
  for (const PublishedRecord& record : records) {
    ingest::KafkaRecord sent{record.key, {}, headers};
    if (record.value) {
      sent.value = *record.value;
    }
    ASSAY_RETURN_IF_ERROR(topic->transactions->send(sent));
  }
  fail_point("flow.publish.before_commit");
  ASSAY_RETURN_IF_ERROR(topic->transactions->commit({topic->count + 1, text}));
  fail_point("flow.publish.after_commit");
  topic->count += 1;
  topic->at = reached;
  workspace_.world()
      .metrics
      .counter("assay_flow_published_records_total",
               "Records that were sent to topics, in transactions that are committed",
               {{"name", topic->values->name()}})
      .add(static_cast<int64_t>(records.size()));
  FileSystem& files = workspace_.world().files;
  ASSAY_RETURN_IF_ERROR(files.make_directories(parent_path(copy_path(*topic))));
  return files.write(copy_path(*topic), text);
}

/// Take over the topic's transactions, and find where they stand: the brokers' word counts. They
/// forget it after some days without a commit; then the copy that we keep does, as long as it is of
/// this topic, which has had records.
Status Publisher::open(Topic* topic, const RunOptions& options) {
  ingest::KafkaClientOptions client;
  client.brokers = topic->definition.brokers;
  client.settings = topic->definition.options;
  client.timeout = options.ask_timeout;
  World& world = workspace_.world();
  const std::string name = "assay." + workspace_.project().name + "." + topic->definition.topic;
  ASSAY_ASSIGN_OR_RETURN(
      topic->transactions,
      ingest::KafkaTransactions::open(world.log, client, name, topic->definition.topic));
  ASSAY_ASSIGN_OR_RETURN(const auto found, topic->transactions->position());
  topic->count = found ? found->count : 0;
  topic->at = {};
  std::string text = found ? found->text : "";
  if (!found) {
    ASSAY_ASSIGN_OR_RETURN(const bool has_had_records, topic->transactions->has_had_records());
    if (!has_had_records) {  // the copy is of another topic; what is aborted in this one counts
                             // later
      const Status removed = world.files.remove(copy_path(*topic));
      ASSAY_RETURN_IF_ERROR(removed.code() == Code::kNotFound ? Status() : removed);
    }
    const Result<std::string> copy =
        has_had_records ? world.files.read(copy_path(*topic)) : Result<std::string>("");
    if (copy.code() != Code::kNotFound) {
      ASSAY_RETURN_IF_ERROR(copy.status());
      text = *copy;
    }
  }
  if (!text.empty()) {
    Result<PublishedPosition> at = parse_position(text);
    ASSAY_RETURN_IF_ERROR(at.status().with_context("position of consumer group " + name));
    topic->at = *std::move(at);
  }
  return {};
}

std::string Publisher::copy_path(const Topic& topic) const {
  return join_path(workspace_.project().folder,
                   ".assay/published/" + topic.definition.topic + ".json");
}

}  // namespace assay::flow
