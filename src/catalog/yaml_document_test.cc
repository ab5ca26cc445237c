#include "catalog/yaml_document.h"

#include <string>

#include <gtest/gtest.h>

namespace assay::catalog {
namespace {

YamlNode parse_good(std::string_view text) {
  YamlDocument document = parse_yaml(text, "x.yaml");
  EXPECT_EQ(format_diagnostics(document.diagnostics), "");
  return document.root;
}

Diagnostics findings(std::string_view text) {
  return parse_yaml(text, "x.yaml").diagnostics;
}

TEST(YamlDocument, MarksOfKeysAndValuesCountFromOne) {
  const YamlNode root = parse_good("a:\n  bc: \"d e\"\n");
  ASSERT_EQ(root.entries.size(), 1U);
  const YamlEntry& inner = root.entries[0].value.entries.at(0);
  EXPECT_EQ(inner.key, "bc");
  EXPECT_EQ(inner.key_mark.line, 2);
  EXPECT_EQ(inner.key_mark.column, 3);
  EXPECT_EQ(inner.value.mark.line, 2);
  EXPECT_EQ(inner.value.mark.column, 7);
  EXPECT_EQ(inner.value.text_column, 8);
  EXPECT_EQ(inner.value.length, 5);
  EXPECT_TRUE(inner.value.quoted);
}

TEST(YamlDocument, EscapedAndFoldedTextsHaveNoTextColumn) {
  const YamlNode root = parse_good("a: \"x\\ty\"\nb: |\n  one\n  two\n");
  EXPECT_EQ(root.find("a")->text, "x\ty");
  EXPECT_EQ(root.find("a")->text_column, 0);
  EXPECT_EQ(root.find("b")->text, "one\ntwo\n");
  EXPECT_EQ(root.find("b")->text_column, 0);
}

TEST(YamlDocument, AnEmptyFileIsNull) {
  EXPECT_EQ(parse_good("").kind, YamlNode::Kind::kNull);
  EXPECT_EQ(parse_good("# only a comment\n").kind, YamlNode::Kind::kNull);
}

TEST(YamlDocument, AliasesAreCopiesOfTheirAnchors) {
  const YamlNode root = parse_good("a: &x {k: [1, 2]}\nb: *x\n");
  ASSERT_NE(root.find("b")->find("k"), nullptr);
  EXPECT_EQ(root.find("b")->find("k")->items.size(), 2U);
}

TEST(YamlDocument, MergeKeysBringWhatIsNotThere) {
  const YamlNode root = parse_good("a: &x {k: 1, m: 2}\nb: {<<: *x, k: 3}\n");
  EXPECT_EQ(root.find("b")->find("k")->text, "3");
  EXPECT_EQ(root.find("b")->find("m")->text, "2");
  EXPECT_EQ(root.find("b")->find("<<"), nullptr);
}

TEST(YamlDocument, ADuplicateKeyIsReportedAndTheFirstIsKept) {
  const YamlDocument document = parse_yaml("a: 1\nb: 2\na: 3\n", "x.yaml");
  ASSERT_EQ(document.diagnostics.items.size(), 1U);
  EXPECT_EQ(document.diagnostics.items[0].code, "E0105");
  EXPECT_EQ(document.diagnostics.items[0].span.line, 3);
  EXPECT_EQ(document.root.find("a")->text, "1");
}

TEST(YamlDocument, SyntaxErrorsSayWhere) {
  const Diagnostics diagnostics = findings("a: 1\nb: [1, 2\nc: 3\n");
  ASSERT_EQ(diagnostics.items.size(), 1U);
  EXPECT_EQ(diagnostics.items[0].code, "E0101");
  EXPECT_GE(diagnostics.items[0].span.line, 2);
}

TEST(YamlDocument, DeepNestingIsRefusedAndDoesNotOverflowTheStack) {
  for (const int depth : {65, 400, 100'000}) {
    const Diagnostics diagnostics = findings(std::string(static_cast<std::size_t>(depth), '['));
    EXPECT_GE(diagnostics.errors(), 1) << depth;
  }
  std::string closed = std::string(65, '[') + std::string(65, ']');
  ASSERT_EQ(findings(closed).items.size(), 1U);
  closed = std::string(64, '[') + std::string(64, ']');
  EXPECT_TRUE(findings(closed).items.empty());
}

TEST(YamlDocument, AliasBombsAreRefused) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 1; k < 10; ++k) {
      text += ", " + before;
    }
    text += "]\n";
  }
  const Diagnostics diagnostics = findings(text);
  ASSERT_EQ(diagnostics.items.size(), 1U);
  EXPECT_EQ(diagnostics.items[0].code, "E0107");
}

TEST(YamlDocument, OversizedBinaryAndSecondDocumentsAreRefused) {
  EXPECT_EQ(findings(std::string(kYamlBytesMax + 1, '#')).items.at(0).code, "E0107");
  EXPECT_EQ(findings("a: \xff\xfe\n").items.at(0).code, "E0101");
  EXPECT_EQ(findings(std::string("a: b\0c", 6)).items.at(0).code, "E0101");
  EXPECT_EQ(findings("a: 1\n---\nb: 2\n").items.at(0).code, "E0101");
  EXPECT_EQ(findings("? [a, b]\n: c\n").items.at(0).code, "E0101");
}

TEST(YamlDocument, AByteOrderMarkIsNoPartOfTheFirstKey) {
  EXPECT_NE(parse_good("\xef\xbb\xbf"
                       "a: 1\n")
                .find("a"),
            nullptr);
}

TEST(YamlDocument, ManyErrorsArePrintedInGoodTime) {
  std::string text;
  while (text.size() < kYamlBytesMax - 20) {
    text += "a: |\n  x\n";
  }
  YamlDocument document = parse_yaml(text, "x.yaml");
  document.diagnostics.sources["x.yaml"] = text;
  EXPECT_GT(document.diagnostics.items.size(), 40'000U);
  EXPECT_GT(format_diagnostics(document.diagnostics).size(), 1'000'000U);
}

TEST(YamlDocument, ManyKeysAreReadInGoodTime) {
  std::string text;
  for (int i = 0; i < 40'000; ++i) {
    text += "k" + std::to_string(i) + ": 1\n";
  }
  EXPECT_EQ(parse_good(text).entries.size(), 40'000U);
}

}  // namespace
}  // namespace assay::catalog
