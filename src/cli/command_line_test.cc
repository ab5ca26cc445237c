#include "cli/command_line.h"

#include <set>

#include <gtest/gtest.h>

#include "cli/commands.h"

namespace assay::cli {
namespace {

std::vector<Command> some_commands() {
  return {
      {{"get"},
       "get it",
       "",
       {{"SERVICE", "a service", false}},
       {{"entity", "NAME=VALUE", "a key", "", true, false},
        {"at", "TIME", "an instant", "", false, false}},
       nullptr},
      {{"lake", "show"},
       "show it",
       "",
       {{"TABLE", "a table", true}},
       {{"deep", "", "all", "", false, false}},
       nullptr},
      {{"make"},
       "make it",
       "",
       {},
       {{"to", "FILE", "a file", "", false, true}, {"count", "N", "how many", "7", false, false}},
       nullptr}};
}

std::string failure(const std::vector<std::string>& words) {
  const std::vector<Command> commands = some_commands();
  const Result<ParsedLine> line = parse_command_line(words, commands);
  EXPECT_EQ(line.code(), Code::kInvalidArgument);
  return line.ok() ? "" : line.status().message();
}

TEST(CommandLine, FlagsStandAnywhereAndRepeat) {
  const std::vector<Command> commands = some_commands();
  const Result<ParsedLine> line = parse_command_line(
      {"get", "--entity", "a=1", "v1", "--entity=b=2", "--output", "json"}, commands);
  ASSERT_TRUE(line.ok()) << line.status().to_string();
  EXPECT_EQ(line->command->path.front(), "get");
  EXPECT_EQ(line->arguments.get("SERVICE"), "v1");
  EXPECT_EQ(line->arguments.all("entity"), (std::vector<std::string>{"a=1", "b=2"}));
  EXPECT_EQ(line->format, OutputFormat::kJson);
  EXPECT_FALSE(line->arguments.has("at"));
}

TEST(CommandLine, FallbacksAreFilledInAndNumbersChecked) {
  const std::vector<Command> commands = some_commands();
  const Result<ParsedLine> line = parse_command_line({"make", "--to", "x"}, commands);
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(*line->arguments.integer("count", 1), 7);
  const Result<ParsedLine> wrong =
      parse_command_line({"make", "--to", "x", "--count", "many"}, commands);
  ASSERT_TRUE(wrong.ok());
  EXPECT_EQ(wrong->arguments.integer("count", 1).code(), Code::kInvalidArgument);
}

TEST(CommandLine, MisspeltCommandsAndFlagsGetTheNearest) {
  EXPECT_NE(failure({"gte"}).find("`get`"), std::string::npos);
  EXPECT_NE(failure({"lake", "shwo"}).find("`show`"), std::string::npos);
  EXPECT_NE(failure({"get", "--entitiy", "a=1"}).find("--entity"), std::string::npos);
  EXPECT_NE(failure({"get", "v1", "v2"}).find("v2"), std::string::npos);
}

TEST(CommandLine, MissingWordsSayWhatIsMissing) {
  EXPECT_NE(failure({"lake", "show"}).find("TABLE"), std::string::npos);
  EXPECT_NE(failure({"make"}).find("--to"), std::string::npos);
  EXPECT_NE(failure({"make", "--to"}).find("to"), std::string::npos);
  EXPECT_NE(failure({"get", "--output", "xml"}).find("xml"), std::string::npos);
  EXPECT_NE(failure({"get", "--at", "1", "--at", "2"}).find("2 times"), std::string::npos);
}

TEST(CommandLine, HelpIsThereForEveryCommandAndGroup) {
  const std::vector<Command> commands = some_commands();
  EXPECT_NE(parse_command_line({}, commands)->text.find("lake show"), std::string::npos);
  EXPECT_NE(parse_command_line({"lake", "--help"}, commands)->text.find("show it"),
            std::string::npos);
  EXPECT_NE(parse_command_line({"make", "--help"}, commands)->text.find("default 7"),
            std::string::npos);
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(Pairs, AreApartAtCommasButNotInJson) {
  EXPECT_EQ(*parse_pairs({"a=1", "b=2,c=x=y"}), (Pairs{{"a", "1"}, {"b", "2"}, {"c", "x=y"}}));
  EXPECT_EQ(*parse_pairs({"a=,b=2"}), (Pairs{{"a", ""}, {"b", "2"}}));
  EXPECT_EQ(*parse_pairs({"v=[1,2],s={\"k\":\"},\\\"\"},n=3"}),
            (Pairs{{"v", "[1,2]"}, {"s", R"({"k":"},\""})"}, {"n", "3"}}));
  EXPECT_EQ(*parse_pairs({R"(a="x,y=\"z\"",b=5" disk)"}),
            (Pairs{{"a", R"(x,y="z")"}, {"b", "5\" disk"}}));
}

TEST(Pairs, SayWhatIsWrongWithAWord) {
  for (const auto& [word, why] : Pairs{{"a", "`a` is not NAME=VALUE"},
                                       {"a=1,b", "`b` is not NAME=VALUE"},
                                       {"=1", "`=1` is not NAME=VALUE"},
                                       {"a=1,", "`` is not NAME=VALUE"},
                                       {"a=1,a=2", "`a` is given twice"},
                                       {"a=[1,2", "begins as JSON and does not end"},
                                       {"a=\"x", "begins as JSON and does not end"},
                                       {"a=\"x\"y", "begins as JSON and does not end"}}) {
    const auto pairs = parse_pairs({word});
    ASSERT_FALSE(pairs.ok()) << word;
    EXPECT_EQ(pairs.code(), Code::kInvalidArgument);
    EXPECT_NE(pairs.status().message().find(why), std::string::npos) << pairs.status().to_string();
  }
}

TEST(CommandTable, EveryCommandHasHelpAndAnActionOfItsOwn) {
  std::set<std::vector<std::string>> paths;
  for (const Command& command : all_commands()) {
    EXPECT_TRUE(paths.insert(command.path).second);
    EXPECT_FALSE(command.help.empty());
    EXPECT_NE(command.run, nullptr);
  }
}

TEST(Output, TablesAlignCsvQuotesAndJsonKeepsTypes) {
  data::BatchBuilder rows(data::make_schema({{"name", data::Type::kString, true},
                                             {"n", data::Type::kInt64, true},
                                             {"x", data::Type::kFloat64, true}}));
  rows.column(0).append_text("a,\"b");
  rows.column(1).append(int64_t{12});
  rows.column(2).append(1.0);
  rows.column(0).append_null();
  rows.column(1).append_null();
  rows.column(2).append_null();
  const data::Batch batch = rows.finish();
  EXPECT_EQ(render_csv(batch), "name,n,x\n\"a,\"\"b\",12,1\n,,\n");
  EXPECT_EQ(
      render_json(batch),
      "[\n{\"name\":\"a,\\\"b\",\"n\":12,\"x\":1.0},\n{\"name\":null,\"n\":null,\"x\":null}\n]\n");
  EXPECT_EQ(render_table(batch, 1),
            "name   n  x\na,\"b  12  1\n... 1 more rows; --output csv prints all of them\n");
}

}  // namespace
}  // namespace assay::cli
