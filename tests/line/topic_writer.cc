// Sends lines of standard input, "KEY<tab>RECORD", to a Kafka topic as they come, those of one key
// to one partition in their order.
//
//   topic_writer BROKERS TOPIC PARTITIONS   the topic is made when it is not there
//   topic_writer BROKERS TOPIC PARTITIONS hex   records are in hexadecimal
//   topic_writer BROKERS TOPIC grow N       it has N partitions from now on; nothing is sent
//   topic_writer BROKERS TOPIC delete       it is gone
//   topic_writer BROKERS PREFIX allow USER read|write topic|group   names that begin so

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/world.h"
#include "ingest/kafka_admin.h"
#include "ingest/kafka_client.h"

namespace assay {
namespace {

/// The bytes of hexadecimal digits.
std::string from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

Status send_lines(const std::string& brokers,
                  const std::string& topic,
                  int32_t partitions,
                  bool is_hex) {
  SystemWorld system(LogLevel::kError);
  ingest::KafkaClientOptions options;
  options.brokers = brokers;
  // Tests stop brokers, also before this producer has seen them.
  options.settings = {{"topic.metadata.propagation.max.ms", "600000"},
                      {"message.timeout.ms", "600000"}};
  const Status made = ingest::create_topic(system.world().log, options, topic, partitions);
  // A broker that is away has the topic, it is hoped: what is sent waits for it.
  if (!made.ok() && made.code() != Code::kAlreadyExists && made.code() != Code::kUnavailable) {
    return made;
  }
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<ingest::KafkaProducer> producer,
                         ingest::KafkaProducer::open(system.world().log, options));
  for (std::string line; std::getline(std::cin, line);) {
    const std::size_t end = line.find('\t');
    if (end == std::string::npos) {
      return {Code::kInvalidArgument, "a line without key: " + line};
    }
    const std::string_view text(line);
    const std::string_view value = text.substr(end + 1);
    ASSAY_RETURN_IF_ERROR(producer->send(
        topic, -1, text.substr(0, end), is_hex ? from_hex(value) : std::string(value)));
  }
  return producer->flush();
}

Status work(const std::string& brokers,
            const std::string& topic,
            const std::string& what,
            std::span<char* const> more) {
  const char* number = more.empty() ? "0" : more[0];
  if (what == "allow" && more.size() == 3) {
    return ingest::allow(brokers, more[0], more[1], more[2], topic);
  }
  if (what == "delete") {
    return ingest::delete_topic(brokers, topic);
  }
  if (what == "grow") {
    return ingest::grow_topic(brokers, topic, std::atoi(number));
  }
  const bool is_hex = !more.empty() && std::string_view(more[0]) == "hex";
  return send_lines(brokers, topic, std::atoi(what.c_str()), is_hex);
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  const std::span<char* const> words(argv, static_cast<std::size_t>(argc));
  if (argc < 4 || argc > 7) {
    std::fprintf(stderr,
                 "usage: topic_writer BROKERS TOPIC PARTITIONS [hex]|grow N|delete|allow USER OPERATION KIND\n");
    return 2;
  }
  const assay::Status status = assay::work(words[1], words[2], words[3], words.subspan(4));
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.to_string().c_str());
    return 1;
  }
  return 0;
}
