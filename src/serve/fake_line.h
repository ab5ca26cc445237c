#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "serve/line_control.h"

namespace assay::serve {

/// Takes rows into one source, and says of `spend` that it is behind when asked to.
class FakeLine : public LineControl {
 public:
  Status push(const std::string& source,
              const std::string& json_lines,
              const std::string& once) override {
    if (source == "topic") {
      return {Code::kUnimplemented, "rows go to the topic itself"};
    }
    if (source != "clicks_source") {
      return {Code::kNotFound, "no such source"};
    }
    taken += json_lines;
    keys.push_back(once);
    return failure;
  }
  Result<std::vector<RowVerdict>> judge(const std::string& source,
                                        const std::string& json_lines) override {
    if (source != "clicks_source") {
      return Status(Code::kNotFound, "no such source");
    }
    if (!verdict.ok()) {
      return verdict;
    }
    EXPECT_EQ(taken, "") << "what is judged is not taken yet";
    EXPECT_EQ(json_lines, "{\"a\":1}\n{\"a\":\"x\"}\n{\"a\":1}\n");
    return std::vector<RowVerdict>{{"accepted", "", "", ""},
                                   {"quarantined", "clicks", "wrong_type", "a"},
                                   {"dropped", "clicks", "", ""}};
  }
  Result<std::vector<std::string>> behind(const std::vector<std::string>& views) override {
    asked = views;
    return late;
  }
  Result<std::vector<gold::FeatureValues>> past(const gold::FeatureView&,
                                                std::span<const data::EntityKey>,
                                                EventTime) override {
    return Status(Code::kFailedPrecondition, "nothing is past");
  }
  Result<std::shared_ptr<const ServingModel>> model_at(const std::string&, EventTime) override {
    return Status(Code::kOutOfRange, "nothing is past");
  }
  Result<std::string> explain(const ExplainQuestion& question) override {
    if (!failure.ok()) {
      return failure;
    }
    explained = question.feature + " " + std::to_string(question.at.micros);
    for (const JsonColumn& input : question.inputs) {
      explained += " " + input.name;
    }
    rows_of = question.view;
    EXPECT_EQ(question.bytes_max, std::size_t{16} << 20);
    EXPECT_NE(question.service, nullptr);
    return explanation;
  }

  std::string taken;
  std::vector<std::string> keys;
  Status failure;
  Status verdict;
  std::vector<std::string> asked;
  std::vector<std::string> late;
  std::string explained;  // what was asked last
  std::string rows_of;    // whose rows that shows
  std::string explanation = "{}";
};

}  // namespace assay::serve
