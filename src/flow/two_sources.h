#pragma once

#include <string>

#include "flow/kafka_project.h"

// For tests: the small project of test_project.h with two topics, each of a broker of its own.

namespace assay::flow {

/// A second source, its table and a view of its own, beside those of the small project.
inline void add_source(TestProject& project, const TestTopic& topic, const std::string& more = "") {
  project.change("others: {files: {path: others, format: csv}}",
                 "others: {kafka: {brokers: \"" + topic.brokers() +
                     "\", options: {fetch.wait.max.ms: \"10\", reconnect.backoff.max.ms: \"200\", "
                     "session.timeout.ms: \"3200\", heartbeat.interval.ms: \"100\"}" +
                     ", topics: events" + more + "}}");
  project.change("silver:\n",
                 "  more:\n    source: others\n    event_time: {column: ts}\n"
                 "    known_time: {delay: 20m}\n"
                 "    columns: {user_id: string!, amount: float64, ts: timestamp!}\nsilver:\n");
  project.change("services:\n",
                 "  more_spend:\n    entity: user\n    from: more\n    slide: 10m\n    ttl: 2d\n"
                 "    features:\n      more_n: {agg: count, over: [24h]}\nservices:\n");
  project.change("v1: [spend]", "v1: [spend, more_spend]");
}

class TwoSources : public KafkaProject {
 public:
  TwoSources(TestTopic& first, TestTopic& second, const std::string& more = "")
      : KafkaProject(first) {
    first.broker().give_soon();
    second.broker().give_soon();
    add_source(*this, second, more);
    change("options: {", "options: {reconnect.backoff.max.ms: \"200\", ");
  }
};

}  // namespace assay::flow
