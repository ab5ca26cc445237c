// What is sent to others: `publish` of feature views and models.

#include <algorithm>
#include <array>
#include <string_view>

#include "catalog/parse_sections.h"

namespace assay::catalog {
namespace {

/// Settings of the client library that sources and publishers give themselves.
constexpr std::array<std::string_view, 11> kOwnKafkaOptions{"bootstrap.servers",
                                                            "metadata.broker.list",
                                                            "group.id",
                                                            "enable.auto.commit",
                                                            "enable.auto.offset.store",
                                                            "auto.offset.reset",
                                                            "enable.partition.eof",
                                                            "isolation.level",
                                                            "queued.max.messages.kbytes",
                                                            "enable.idempotence",
                                                            "transactional.id"};

}  // namespace

void check_kafka_options(ParseContext& context,
                         const SectionReader& kafka,
                         const std::string& instead) {
  const YamlNode* options = kafka.find("options");
  if (options == nullptr) {
    return;
  }
  for (const YamlEntry& entry : options->entries) {
    if (std::count(kOwnKafkaOptions.begin(), kOwnKafkaOptions.end(), entry.key) != 0) {
      context.error_at_key(
          "E0201", entry, "`" + entry.key + "` cannot be set: Assay sets it itself", instead);
    }
  }
}

std::optional<PublishDef> read_publish(ParseContext& context,
                                       const SectionReader& reader,
                                       const std::string& title) {
  const YamlNode* node = reader.find("publish");
  if (node == nullptr) {
    return std::nullopt;
  }
  const SectionReader publish(context, *node, {"publish", "`publish` of " + title, false});
  const YamlNode* kafka = publish.find("kafka");
  if (kafka == nullptr) {
    return std::nullopt;
  }
  const SectionReader topic(context, *kafka, {"published_topic", "`kafka` of " + title, false});
  check_kafka_options(context, topic, "leave it out; `brokers` is a key of `kafka`");
  return PublishDef{topic.text("brokers"), topic.text("topic"), topic.text_map("options")};
}

}  // namespace assay::catalog
