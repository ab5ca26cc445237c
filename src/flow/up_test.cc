// `assay up` and what is away for a while: brokers, the lake.

#include <gtest/gtest.h>

#include "flow/running_up.h"

namespace assay::flow {
namespace {

TEST(Up, BrokersMayGoAndComeBack) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 4);
  RunningUp up(project);
  up.wait_for_records(topic.sent());
  topic.set_away(true);
  up.wait_for_gauge("assay_flow_source_away", 1, {{"name", "events"}});
  topic.set_away(false);
  send_days(topic, 4, 7);
  up.wait_for_records(topic.sent());
  up.wait_for_gauge("assay_flow_source_away", 0, {{"name", "events"}});
  EXPECT_TRUE(up.stop().ok());
  expect_as_from_files(project);
}

TEST(Up, TheLakeMayGoAndComeBack) {
  TestTopic topic(2);
  KafkaProject project(topic);
  send_days(topic, 1, 4);
  RunningUp up(project);
  up.wait_for_records(topic.sent());
  up.files().is_away = true;
  send_days(topic, 4, 7);
  up.wait_for_gauge("assay_flow_line_waiting", 1);
  up.files().is_away = false;
  up.wait_for_records(topic.sent());
  up.wait_for_gauge("assay_flow_line_waiting", 0);
  EXPECT_TRUE(up.stop().ok());
  expect_as_from_files(project);
}

TEST(Up, BrokersThatWereNeverThereAreAnError) {
  TestTopic topic(1);
  KafkaProject project(topic);
  topic.set_away(true);
  RunningUp up(project);
  EXPECT_EQ(up.ended().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace assay::flow
