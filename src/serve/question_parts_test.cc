// A question that is taken apart, answered in parts and put together again says what it says in one
// piece, byte by byte.

#include "serve/question_parts.h"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json_writer.h"
#include "base/random.h"
#include "serve/feature_server.h"
#include "serve/serving_fixture.h"

namespace assay::serve {
namespace {

ShareMap shares_by(const std::string& key, data::Type type) {
  return ShareMap{{"one", {"one", "three", "two"}, key}, type, {"user"}};
}

/// Asks a server for each part, as a proxy does.
class QuestionPartsTest : public testing::Test {
 protected:
  std::string ask(const std::string& path, const std::string& body) {
    const Response answer = server_.handle({"POST", path, {}, body});
    EXPECT_EQ(answer.status, 200) << body << answer.body;
    return answer.body;
  }
  /// How many parts there were.
  std::size_t compare(const std::string& path, const std::string& body, const ShareMap& shares) {
    const std::vector<QuestionPart> parts = split_question(body, shares);
    std::vector<std::string> answers;
    for (const QuestionPart& part : parts) {
      answers.push_back(ask(path, parts.size() == 1 ? body : part.body));
    }
    if (!parts.empty()) {
      const std::vector<std::string_view> views(answers.begin(), answers.end());
      const Result<std::string> merged = merge_answers(parts, views);
      EXPECT_TRUE(merged.ok()) << merged.status().to_string();
      EXPECT_EQ(merged.value(), ask(path, body)) << body;
    }
    return parts.size();
  }

  ServingFixture fixture_;
  FeatureServer server_{fixture_.world, *fixture_.store, fixture_.state};
};

TEST_F(QuestionPartsTest, RandomQuestionsAreAnsweredAsInOnePiece) {
  const std::unique_ptr<Random> random = seeded_random(11);
  const ShareMap shares = shares_by("user_id", data::Type::kString);
  std::set<std::size_t> counts;
  for (int round = 0; round < 300; ++round) {
    const bool is_predict = random->below(4) == 0;
    std::string body;
    JsonWriter writer(body);
    writer.begin_object();
    bool has_full_names = random->below(2) == 0;
    if (is_predict) {
      writer.key("with_features");
      writer.boolean(random->below(2) == 0);
    } else if (random->below(2) == 0) {
      writer.key("feature_service");
      writer.string("shop");
    } else {
      has_full_names = true;  // names that are not full collide
      writer.key("features");
      writer.raw(R"(["clicks:f0","spend:f0","routes:f0","clicks:f1"])");
    }
    writer.key("full_feature_names");
    writer.boolean(has_full_names);
    writer.key("include_feature_view_version_metadata");
    writer.boolean(random->below(4) == 0);
    writer.key("entities");
    writer.begin_object();
    const auto rows = 1 + random->below(round % 10 == 0 ? 100 : 4);
    for (const char* const name : {"item_id", "user_id", "amount", "nobody_needs_it"}) {
      writer.key(name);
      writer.begin_array();
      for (uint64_t row = 0; row < rows; ++row) {
        const uint64_t choice = random->below(6);
        if (name == std::string("user_id")) {
          choice == 0   ? writer.null()
          : choice == 1 ? writer.string("Zoë \"q\"")
                        : writer.string("u" + std::to_string(random->below(9)));
        } else if (name == std::string("item_id")) {
          choice == 0   ? writer.string("12")
          : choice == 1 ? writer.number(3.0)
                        : writer.integer(static_cast<int64_t>(random->below(5)) - 2);
        } else if (name == std::string("amount")) {
          choice == 0 ? writer.null() : writer.number(0.1 * static_cast<double>(choice));
        } else {
          writer.raw(choice == 0 ? R"({"a":[1,"]"]})" : "18446744073709551615");
        }
      }
      writer.end_array();
    }
    writer.end_object();
    writer.end_object();
    counts.insert(compare(is_predict ? "/predict" : "/get-online-features", body, shares));
  }
  EXPECT_EQ(counts, (std::set<std::size_t>{0, 1, 2, 3})) << "rows without a key have none";
}

TEST_F(QuestionPartsTest, RowsOfOneKeyAreInOnePartHoweverTheValueIsWritten) {
  const ShareMap shares = shares_by("item_id", data::Type::kInt64);
  const auto parts = split_question(
      R"({"features":["routes:f0"],"entities":{"item_id":[12,"12",12.0],"user_id":["a","b","c"]}})",
      shares);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].rows, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(parts[0].body, "");
}

TEST_F(QuestionPartsTest, TheNameOfAnEntityStandsForItsKey) {
  const ShareMap shares = shares_by("user_id", data::Type::kString);
  const auto by_key = split_question(R"({"entities":{"user_id":["a","b","c","d","e"]}})", shares);
  const auto by_name = split_question(R"({"entities":{"user":["a","b","c","d","e"]}})", shares);
  const auto both = split_question(
      R"({"entities":{"user":["e","d","c","b","a"],"user_id":["a","b","c","d","e"]}})", shares);
  ASSERT_EQ(by_key.size(), by_name.size());
  ASSERT_EQ(by_key.size(), both.size());
  for (std::size_t i = 0; i < by_key.size(); ++i) {
    EXPECT_EQ(by_key[i].rows, by_name[i].rows);
    EXPECT_EQ(by_key[i].rows, both[i].rows);
  }
}

TEST_F(QuestionPartsTest, WhatAnyServerCanSayIsNotTakenApart) {
  const ShareMap shares = shares_by("user_id", data::Type::kInt64);
  for (const char* const body : {R"(no JSON)",
                                 R"({"features":[]})",
                                 R"({"entities":{}})",
                                 R"({"entities":{"item_id":[1,2]}})",
                                 R"({"entities":{"user_id":[]}})",
                                 R"({"entities":{"user_id":[null,null]}})",
                                 R"({"entities":{"user_id":[1,"x"]}})",
                                 R"({"entities":{"user_id":[1,2],"item_id":[1]}})"}) {
    EXPECT_TRUE(split_question(body, shares).empty()) << body;
  }
}

TEST_F(QuestionPartsTest, AnswersThatAreNotAlikeAreNotPutTogether) {
  const std::vector<QuestionPart> parts = {{0, {0}, "a"}, {1, {1}, "b"}};
  const auto merge = [&](std::string_view one, std::string_view two) {
    return merge_answers(parts, std::array{one, two}).code();
  };
  const std::string good =
      R"({"results":[{"values":[1],"statuses":["PRESENT"]}],"metadata":{"feature_names":["a"]}})";
  EXPECT_EQ(merge(good, good), Code::kOk);
  for (
      const std::string& other :
      {std::string("x"),
       std::string("{}"),
       std::string(R"({"metadata":{"feature_names":["a"]},"results":[]})"),
       std::string(R"({"results":[],"metadata":{"feature_names":["a"]}})"),
       std::string(
           R"({"results":[{"values":[1,2],"statuses":["PRESENT"]}],"metadata":{"feature_names":["a"]}})"),
       std::string(
           R"({"results":[{"values":[1],"statuses":["PRESENT"]}],"metadata":{"feature_names":["b"]}})"),
       std::string(R"({"results":[{"values":[1]}],"metadata":{"feature_names":["a"]}})")}) {
    EXPECT_EQ(merge(good, other), Code::kUnavailable) << other;
    EXPECT_EQ(merge(other, good), Code::kUnavailable) << other;
  }
}

}  // namespace
}  // namespace assay::serve
