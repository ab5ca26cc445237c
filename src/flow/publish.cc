#include "flow/publish.h"

#include <algorithm>
#include <limits>
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

/// Where a topic's position is copied to.
std::string copy_path(const catalog::Project& project, const std::string& topic) {
  return join_path(project.folder, ".assay/published/" + topic + ".json");
}

}  // namespace

bool publishes(const catalog::Project& project) {
  const auto is_published = [](const auto& named) { return named.second.publish.has_value(); };
  return std::any_of(project.views.begin(), project.views.end(), is_published) ||
         std::any_of(project.models.begin(), project.models.end(), is_published);
}

Publisher::Publisher(Workspace& workspace, OpenTransactions opener)
    : workspace_(workspace), open_(std::move(opener)) {}

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

bool Publisher::has_open_topics() const {
  return std::any_of(topics_.begin(), topics_.end(), [](const Topic& topic) {
    return topic.transactions != nullptr;
  });
}

Status Publisher::publish(const RunOptions& options, RunReport* report) {
  ASSAY_RETURN_IF_ERROR(open_topics());
  Clock& clock = workspace_.world().clock;
  for (Topic& topic : topics_) {
    const Duration began = clock.monotonic();
    if (topic.is_anothers || (topic.away_since && began.micros < topic.retry_at.micros)) {
      continue;
    }
    if (options.is_live && options.stopping() && !options.opens_topics &&
        topic.transactions == nullptr) {
      continue;  // its brokers may be away: a line that ends does not wait for them
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
  if (topic->is_anothers) {
    workspace_.world().log.error("publishing_ends", {{"what", where}, {"why", status.to_string()}});
  } else if (!status.ok() && !topic->away_since) {
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
    PublishedState wanted = *present;
    if (topic->at.whole) {
      wanted.as_of = std::max(wanted.as_of, topic->at.whole->as_of);
    }
    const bool is_idle = !topic->at.next && topic->at.left.empty();
    if (is_idle && topic->at.whole == wanted) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(Round round, begin_round(topic, wanted, options.publish_records));
    is_present = !topic->at.next;
    ASSAY_ASSIGN_OR_RETURN(round.records, round.reader->next(options.publish_records));
    const bool only_time_went_on = is_idle && topic->at.whole &&
                                   goes_on(*topic->at.whole, round.target) &&
                                   topic->at.whole->tables == round.target.tables;
    if (round.records.empty() && only_time_went_on) {
      return {};
    }
    ASSAY_ASSIGN_OR_RETURN(const bool is_whole,
                           send_round(topic, std::move(round), options, account));
    if (!is_whole) {
      return {};  // the next run goes on with this round
    }
  }
  return {};
}

/// Several transactions, where there are many records; false when asked to stop in between.
Result<bool> Publisher::send_round(Topic* topic,
                                   Round round,
                                   const RunOptions& options,
                                   StageAccount* account) {
  for (bool is_last = false; !is_last;) {
    std::vector<PublishedRecord> following;
    if (!round.records.empty()) {
      ASSAY_ASSIGN_OR_RETURN(following, round.reader->next(options.publish_records));
    }
    is_last = following.empty();
    const auto size = static_cast<int64_t>(round.records.size());
    PublishedPosition reached{round.target, {}, 0};
    if (!is_last) {
      reached = {topic->at.whole, round.target, topic->at.done + size, topic->at.left};
    }
    ASSAY_RETURN_IF_ERROR(send(topic, round, reached));
    account->rows.in += size;
    account->rows.out += size;
    account->commits += 1;
    round.records = std::move(following);
    if (!is_last && options.stopping()) {
      return false;
    }
  }
  return true;
}

/// The records of the round that is under way, behind those that are there, or else of one to
/// `present`.
Result<Publisher::Round> Publisher::begin_round(Topic* topic,
                                                const PublishedState& present,
                                                int64_t records_max) {
  PublishedPosition& at = topic->at;
  if (at.next && !goes_on(*at.next, present)) {
    leave_round(topic);  // of an earlier definition
  }
  shorten(topic, present);
  Result<Round> round = read_round(*topic, present);
  while (round.code() == Code::kOutOfRange) {
    const PublishedPosition before = at;
    ASSAY_RETURN_IF_ERROR(leave_what_is_gone(topic));
    if (at == before && !at.next) {
      break;
    }
    if (at == before) {  // the model that it was begun with
      note_anew(*topic, round.status());
      leave_round(topic);
    }
    shorten(topic, present);
    round = read_round(*topic, present);
  }
  ASSAY_RETURN_IF_ERROR(round.status());
  for (int64_t left = at.next ? at.done : 0; left > 0;) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<PublishedRecord> there,
                           round->reader->next(std::min(left, records_max)));
    if (there.empty()) {
      return Status(Code::kInternal, "a round has fewer entities than it had");
    }
    left -= static_cast<int64_t>(there.size());
  }
  return round;
}

Result<Publisher::Round> Publisher::read_round(const Topic& topic, const PublishedState& present) {
  const PublishedPosition& at = topic.at;
  Round round;
  round.target = at.next.value_or(present);
  if (at.whole && at.left.empty() && goes_on(*at.whole, round.target)) {
    ASSAY_ASSIGN_OR_RETURN(round.reader, topic.values->changes(*at.whole, round.target));
    return round;
  }
  std::vector<PublishedState> had = at.left;
  if (at.whole) {
    had.push_back(*at.whole);
  }
  ASSAY_ASSIGN_OR_RETURN(round.reader, topic.values->all(had, round.target));
  return round;
}

/// Begin a round anew; some of its entities are there.
void Publisher::leave_round(Topic* topic) {
  PublishedPosition& at = topic->at;
  if (at.done > 0 && std::find(at.left.begin(), at.left.end(), *at.next) == at.left.end()) {
    at.left.push_back(*at.next);
  }
  at.next.reset();
  at.done = 0;
}

/// Let the position of a round to `present` fit: the oldest rounds that were left are forgotten.
void Publisher::shorten(Topic* topic, const PublishedState& present) {
  PublishedPosition& at = topic->at;
  const auto is_too_long = [&] {
    return position_text({at.whole, present, std::numeric_limits<int64_t>::max(), at.left}).size() >
           kPositionBytesMax;
  };
  while (!at.next && !at.left.empty() && is_too_long()) {
    at.left.erase(at.left.begin());
    note_anew(*topic, {Code::kOutOfRange, "more rounds were left than a position can name"});
  }
}

/// Forget the states that cannot be read any more; what is sent behind them is sent anew.
Status Publisher::leave_what_is_gone(Topic* topic) {
  PublishedPosition& at = topic->at;
  bool is_any = false;
  const auto leave_if_gone =
      [&](std::optional<PublishedState> state) -> Result<std::optional<PublishedState>> {
    const Status status = state ? check_published(workspace_, *state) : Status();
    if (status.code() != Code::kOutOfRange) {
      ASSAY_RETURN_IF_ERROR(status);
      return state;
    }
    note_anew(*topic, status);
    is_any = true;
    return std::optional<PublishedState>();
  };
  ASSAY_ASSIGN_OR_RETURN(at.whole, leave_if_gone(at.whole));
  std::vector<PublishedState> left;
  for (const PublishedState& state : at.left) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<PublishedState> kept, leave_if_gone(state));
    if (kept) {
      left.push_back(*kept);
    }
  }
  at.left = std::move(left);
  ASSAY_ASSIGN_OR_RETURN(at.next, leave_if_gone(at.next));
  if (!at.next) {
    at.done = 0;
  } else if (is_any) {  // its entities are in another order than they were
    leave_round(topic);
  }
  return {};
}

void Publisher::note_anew(const Topic& topic, const Status& why) {
  workspace_.world().log.warn("published_anew",
                              {{"name", topic.values->name()}, {"why", why.to_string()}});
}

/// Records and position in one transaction.
Status Publisher::send(Topic* topic, const Round& round, const PublishedPosition& reached) {
  ASSAY_ASSIGN_OR_RETURN(const auto headers, topic->values->headers(round.target));
  const std::string text = position_text(reached);
  if (text.size() > kPositionBytesMax) {
    return {Code::kInvalidArgument,
            "it is made from more tables than a position in Kafka can name: " +
                std::to_string(text.size()) + " bytes"};
  }
  topic->trying = text;
  ASSAY_RETURN_IF_ERROR(topic->transactions->begin());
  for (const PublishedRecord& record : round.records) {
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
  topic->told = text;
  workspace_.world()
      .metrics
      .counter("assay_flow_published_records_total",
               "Records that were sent to topics, in transactions that are committed",
               {{"name", topic->values->name()}})
      .add(static_cast<int64_t>(round.records.size()));
  keep_copy(*topic, text);
  return {};
}

/// What is told to the brokers counts; so a copy that cannot be written is no failure.
void Publisher::keep_copy(const Topic& topic, const std::string& text) {
  const std::string path = copy_path(workspace_.project(), topic.definition.topic);
  FileSystem& files = workspace_.world().files;
  Status written = files.make_directories(parent_path(path));
  written = written.ok() ? files.write(path, text) : written;
  if (!written.ok()) {
    workspace_.world().log.warn("published_position_not_copied",
                                {{"name", topic.values->name()}, {"why", written.to_string()}});
  }
}

/// Take over the topic's transactions, and find where they stand: the brokers' word counts. They
/// forget it after some days without a commit; then the copy that we keep does, as long as it is of
/// this topic, which has had records.
Status Publisher::open(Topic* topic, const RunOptions& options) {
  ingest::KafkaClientOptions client;
  client.brokers = topic->definition.brokers;
  client.settings = topic->definition.options;
  client.timeout = options.ask_timeout;
  const std::string name = "assay." + workspace_.project().name + "." + topic->definition.topic;
  ASSAY_ASSIGN_OR_RETURN(topic->transactions,
                         open_(workspace_.world().log, client, name, topic->definition.topic));
  ASSAY_ASSIGN_OR_RETURN(const auto found, topic->transactions->position());
  if (found && !topic->told.empty() && found->text != topic->told && found->text != topic->trying) {
    topic->is_anothers = true;
    return {Code::kFailedPrecondition,
            "another process publishes to it as " + name +
                "; give one of the two projects another name, or another topic"};
  }
  topic->count = found ? found->count : 0;
  topic->told = found ? found->text : topic->told;
  topic->at = {};
  ASSAY_ASSIGN_OR_RETURN(const std::string text,
                         found ? Result<std::string>(found->text) : copy_of(*topic));
  if (found) {  // the last commit's copy may not have been written
    keep_copy(*topic, text);
  }
  if (!text.empty()) {
    Result<PublishedPosition> at = parse_position(text);
    ASSAY_RETURN_IF_ERROR(at.status().with_context("position of consumer group " + name));
    topic->at = *std::move(at);
  }
  return leave_what_is_gone(topic);
}

/// Our copy of the position, of a topic that the brokers have none of; "" for none.
Result<std::string> Publisher::copy_of(const Topic& topic) {
  FileSystem& files = workspace_.world().files;
  const std::string path = copy_path(workspace_.project(), topic.definition.topic);
  ASSAY_ASSIGN_OR_RETURN(const bool has_had_records, topic.transactions->has_had_records());
  if (!has_had_records) {  // it is of another topic; what is aborted in this one counts later
    const Status removed = files.remove(path);
    ASSAY_RETURN_IF_ERROR(removed.code() == Code::kNotFound ? Status() : removed);
    return std::string();
  }
  Result<std::string> copy = files.read(path);
  return copy.code() == Code::kNotFound ? Result<std::string>("") : copy;
}

Result<std::vector<PublishedState>> published_states(Workspace& workspace) {
  const catalog::Project& project = workspace.project();
  std::vector<std::string> topics;
  for (const auto& [name, view] : project.views) {
    if (view.publish.has_value()) {
      topics.push_back(view.publish->topic);
    }
  }
  for (const auto& [name, model] : project.models) {
    if (model.publish.has_value()) {
      topics.push_back(model.publish->topic);
    }
  }
  std::vector<PublishedState> states;
  for (const std::string& topic : topics) {
    const Result<std::string> text = workspace.world().files.read(copy_path(project, topic));
    if (text.code() == Code::kNotFound) {
      continue;
    }
    ASSAY_RETURN_IF_ERROR(text.status());
    ASSAY_ASSIGN_OR_RETURN(const PublishedPosition at, parse_position(*text));
    states.insert(states.end(), at.left.begin(), at.left.end());
    for (const std::optional<PublishedState>& state : {at.whole, at.next}) {
      if (state) {
        states.push_back(*state);
      }
    }
  }
  return states;
}

}  // namespace assay::flow
