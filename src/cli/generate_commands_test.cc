#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "cli/command.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_mock.h"

namespace assay::cli {
namespace {

using Values = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// Run `assay generate WHAT` with these flags, all others as they are when nothing is said.
Status generate(const std::string& what, const Values& values) {
  const auto found =
      std::find_if(all_commands().begin(), all_commands().end(), [&](const Command& command) {
        return command.path == std::vector<std::string>{"generate", what};
      });
  Arguments arguments;
  for (const Flag& flag : found->flags) {
    if (!flag.fallback.empty()) {
      arguments.set(flag.name, {flag.fallback});
    }
  }
  for (const auto& [name, value] : values) {
    arguments.set(name, value);
  }
  SystemWorld world(LogLevel::kError);
  Output output(OutputFormat::kJson, false);
  Invocation invocation{arguments, world.world(), output};
  return found->run(invocation);
}

std::string read(const std::string& path) {
  return system_files()->read(path).value();
}

TEST(GenerateCommands, AFileOfManyBlocksHasEveryLine) {
  const TempFolder folder;
  const std::string path = folder.file("deep/events.jsonl");
  EXPECT_EQ(generate("events", {{"to", {path}}}).code(), Code::kNotFound);
  ASSERT_TRUE(system_files()->make_directories(folder.file("deep")).ok());
  ASSERT_TRUE(generate("events", {{"to", {path}}, {"count", {"20000"}}}).ok());
  const std::string text = read(path);
  EXPECT_GT(text.size(), std::size_t{3} << 20) << "several blocks";
  EXPECT_GT(std::count(text.begin(), text.end(), '\n'), 20'000) << "and some twice";
  EXPECT_EQ(system_files()->list(folder.file("deep"))->size(), 1U) << "nothing is left beside it";
}

TEST(GenerateCommands, ATopicGetsTheRecordsThatAFileGets) {
  const TempFolder folder;
  const auto broker = ingest::KafkaMock::start();
  for (const std::string what : {"users", "events"}) {
    const std::string path = folder.file(what);
    ASSERT_TRUE(generate(what, {{"to", {path}}, {"count", {"2000"}}}).ok());
    broker->create_topic(what, 1);
    ASSERT_TRUE(generate(what,
                         {{"kafka", {broker->brokers()}},
                          {"topic", {what}},
                          {"count", {"2000"}},
                          {"option", {"linger.ms=1", "compression.type=none"}}})
                    .ok());
    const auto log = null_log();
    ingest::KafkaClientOptions options;
    options.brokers = broker->brokers();
    const auto consumer = *ingest::KafkaConsumer::open(*log, options);
    ASSERT_EQ(*consumer->partitions(what, {0}), 1);
    ASSERT_TRUE(consumer->assign({{{what, 0}, 0}}).ok());
    std::string text;
    for (bool is_end = false; !is_end;) {
      const auto block = *consumer->poll(10'000, {100'000});
      for (const ingest::KafkaMessage& message : block->messages) {
        text += std::string(message.value) + "\n";
        if (!message.key.empty()) {
          EXPECT_NE(message.value.find("\"user_id\":\"" + std::string(message.key) + "\""),
                    std::string_view::npos);
        }
      }
      is_end = !block->ends.empty();
    }
    EXPECT_TRUE(text == read(path)) << what;
  }
}

TEST(GenerateCommands, ATopicThatIsThereIsNotTakenForOneWithOtherPartitions) {
  const auto broker = ingest::KafkaMock::start();
  broker->create_topic("t", 2);
  const auto with = [&](const std::string& partitions) {
    return generate("users",
                    {{"kafka", {broker->brokers()}},
                     {"topic", {"t"}},
                     {"count", {"1"}},
                     {"partitions", {partitions}}});
  };
  const Status other = with("3");
  EXPECT_EQ(other.code(), Code::kAlreadyExists);
  EXPECT_NE(other.message().find("has 2 partitions"), std::string::npos) << other.message();
  EXPECT_TRUE(with("2").ok());
}

TEST(GenerateCommands, EventsOfAnotherSeedAreOthers) {
  const TempFolder folder;
  const auto first_id = [&](const std::string& seed) {
    const std::string path = folder.file(seed);
    EXPECT_TRUE(
        generate("events",
                 {{"to", {path}}, {"count", {"10"}}, {"malformed", {"0"}}, {"seed", {seed}}})
            .ok());
    const std::string text = read(path);
    return text.substr(0, text.find(','));
  };
  EXPECT_TRUE(first_id("1").starts_with("{\"event_id\":\"e"));
  EXPECT_EQ(first_id("1").find('-'), std::string::npos);
  EXPECT_NE(first_id("2").find('-'), std::string::npos);
  EXPECT_EQ(first_id("2"), first_id("2"));
}

TEST(GenerateCommands, WhatCannotBeDoneIsSaidAtOnce) {
  const Values topic{{"kafka", {"127.0.0.1:1"}}, {"topic", {"t"}}};
  const auto with = [&](const std::string& name, const std::string& value) {
    Values values = topic;
    values.push_back({name, {value}});
    return generate("events", values).code();
  };
  EXPECT_EQ(with("partitions", "4294967297"), Code::kInvalidArgument);
  EXPECT_EQ(with("option", "security.protocol"), Code::kInvalidArgument);
  EXPECT_EQ(with("option", "security.protokol=SSL"), Code::kInvalidArgument);
  EXPECT_EQ(with("to", "file"), Code::kInvalidArgument);
  for (const std::string flag : {"option", "topic", "partitions"}) {
    EXPECT_EQ(generate("events", {{flag, {"3"}}}).code(), Code::kInvalidArgument) << flag;
  }
  EXPECT_EQ(generate("events", {{"live", {""}}, {"start", {"2026-01-01"}}}).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::cli
