#include "data/record_splitter.h"

#include <algorithm>
#include <memory>
#include <optional>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/random.h"

namespace assay::data {
namespace {

struct Row {
  std::string text;
  int64_t line = 0;
  bool oversized = false;
  bool operator==(const Row&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << row.line << (row.oversized ? "!" : ":") << row.text;
}

/// Feed `text` in blocks of at most `block_max` bytes (random sizes when there is a Random).
std::vector<Row> split(std::string_view text,
                       const SplitterOptions& options,
                       std::size_t block_max,
                       Random* random = nullptr) {
  RecordSplitter splitter(options);
  std::vector<Row> rows;
  while (true) {
    const std::size_t size =
        std::min(text.size(), random == nullptr ? block_max : random->below(block_max) + 1);
    const bool last = size == text.size();
    for (const SplitRecord& record : splitter.feed(text.substr(0, size), last)) {
      rows.push_back({std::string(record.text), record.line, record.oversized});
    }
    if (last) {
      return rows;
    }
    text.remove_prefix(size);
  }
}

/// The same in random blocks; some memory is held, and the records of it are read at the end.
std::vector<Row> split_holding(std::string_view text,
                               const SplitterOptions& options,
                               Random& random) {
  struct Held {
    std::shared_ptr<const std::string> memory;
    std::vector<SplitRecord> records;
  };
  RecordSplitter splitter(options);
  std::vector<Held> fed;
  for (bool last = false; !last;) {
    const std::size_t size = std::min<std::size_t>(text.size(), random.below(6) + 1);
    last = size == text.size();
    Held& held = fed.emplace_back();
    held.records = splitter.feed(text.substr(0, size), last);
    if (random.below(2) == 0 || !held.records.empty()) {
      held.memory = splitter.memory();
    }
    text.remove_prefix(size);
  }
  std::vector<Row> rows;
  for (const Held& held : fed) {
    for (const SplitRecord& record : held.records) {
      rows.push_back({std::string(record.text), record.line, record.oversized});
    }
  }
  return rows;
}

std::vector<std::string> texts(std::string_view text, const SplitterOptions& options = {}) {
  std::vector<std::string> result;
  for (const Row& row : split(text, options, text.size() + 1)) {
    result.push_back(row.text);
  }
  return result;
}

using Texts = std::vector<std::string>;

/// Where the record that begins at `begin` ends when its quotes are as RFC 4180 wants them;
/// one-line records may hold quotes inside unquoted cells, and anything after a closing quote.
std::optional<std::size_t> naive_end(std::string_view text, std::size_t begin, char delimiter) {
  bool lines = false;
  bool literal = false;
  std::size_t at = begin;
  while (at < text.size() && text[at] != '\n') {
    if (text[at] != '"') {  // an unquoted cell
      for (; at < text.size() && text[at] != delimiter && text[at] != '\n'; ++at) {
        literal = literal || text[at] == '"';
      }
    } else {
      ++at;
      while (true) {
        while (at < text.size() && text[at] != '"') {
          lines = lines || text[at] == '\n';
          ++at;
        }
        if (at == text.size()) {
          return std::nullopt;
        }
        ++at;
        if (at == text.size() || text[at] != '"') {
          break;
        }
        ++at;
      }
      const std::string_view rest = text.substr(at);
      if (!rest.empty() && rest[0] != delimiter && rest[0] != '\n' && rest != "\r" &&
          !rest.starts_with("\r\n")) {
        return std::nullopt;
      }
      if (rest.starts_with("\r")) {
        ++at;
      }
    }
    if (at < text.size() && text[at] == delimiter) {
      ++at;
    }
  }
  return lines && literal ? std::nullopt : std::optional(at);
}

std::vector<Row> naive_split(std::string_view text, const SplitterOptions& options) {
  std::vector<Row> rows;
  if (text.starts_with("\xEF\xBB\xBF")) {
    text.remove_prefix(3);
  }
  const auto length = [&](std::size_t begin, std::size_t end) {
    return end - begin - (end > begin && text[end - 1] == '\r' ? 1 : 0);
  };
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t line_end = std::min(text.find('\n', begin), text.size());
    const std::size_t end =
        options.quotes ? naive_end(text, begin, options.delimiter).value_or(line_end) : line_end;
    const std::size_t taken = length(begin, end) > options.record_bytes_max ? line_end : end;
    const std::size_t size = length(begin, taken);
    const auto line =
        1 + std::count(text.begin(), text.begin() + static_cast<int64_t>(begin), '\n');
    if (size > 0) {
      const bool oversized = size > options.record_bytes_max;
      rows.push_back({std::string(text.substr(begin, std::min(size, options.record_bytes_max))),
                      line,
                      oversized});
    }
    begin = taken + 1;
  }
  return rows;
}

TEST(RecordSplitter, LineEndsMayBeMixedAndTheLastIsOptional) {
  EXPECT_EQ(texts("a\nb\r\nc"), (Texts{"a", "b", "c"}));
  EXPECT_EQ(texts("a\nb\n"), (Texts{"a", "b"}));
  EXPECT_EQ(texts(""), Texts{});
}

TEST(RecordSplitter, EmptyLinesAreNoRecordsButCountAsLines) {
  const std::vector<Row> rows = split("\na\n\r\n\nb\n", {}, 100);
  EXPECT_EQ(rows, (std::vector<Row>{{"a", 2, false}, {"b", 5, false}}));
}

TEST(RecordSplitter, QuotedCellsHoldLineEndsDelimitersAndQuotes) {
  EXPECT_EQ(texts("1,\"a\nb,\"\"c\"\"\r\nd\"\n2,e\n"), (Texts{"1,\"a\nb,\"\"c\"\"\r\nd\"", "2,e"}));
  const std::vector<Row> rows = split("\"a\nb\"\nc\n", {}, 100);
  EXPECT_EQ(rows, (std::vector<Row>{{"\"a\nb\"", 1, false}, {"c", 3, false}}));
}

TEST(RecordSplitter, AByteOrderMarkIsDroppedOnceAndAQuoteMayFollowIt) {
  EXPECT_EQ(texts("\xEF\xBB\xBF\"a\nb\"\n\xEF\xBB\xBF"), (Texts{"\"a\nb\"", "\xEF\xBB\xBF"}));
  EXPECT_EQ(texts("\xEF\xBB"), (Texts{"\xEF\xBB"}));
}

TEST(RecordSplitter, AQuoteInsideAnUnquotedCellIsAnOrdinaryCharacter) {
  EXPECT_EQ(texts("5\" pipe,x\n6\" pipe,y\n"), (Texts{"5\" pipe,x", "6\" pipe,y"}));
}

TEST(RecordSplitter, AnUnbalancedQuoteSpoilsOnlyItsOwnLine) {
  EXPECT_EQ(texts("1,\"abc,2\n2,\"def\",3\n3,x,y\n"), (Texts{"1,\"abc,2", "2,\"def\",3", "3,x,y"}));
  EXPECT_EQ(texts("1,\"abc\n2,b\n3,c"), (Texts{"1,\"abc", "2,b", "3,c"}));
  EXPECT_EQ(texts("1,\"a\"b,\"c\n2,\"d\"\n"), (Texts{"1,\"a\"b,\"c", "2,\"d\""}));
}

TEST(RecordSplitter, ALongLineIsCutAtTheLimitAndItsRestDropped) {
  const SplitterOptions options{.record_bytes_max = 4};
  EXPECT_EQ(split("abcd\r\nabcde\r\nf\nabcdefghij", options, 100),
            (std::vector<Row>{
                {"abcd", 1, false}, {"abcd", 2, true}, {"f", 3, false}, {"abcd", 4, true}}));
}

TEST(RecordSplitter, ARecordOfManyLinesBeyondTheLimitIsReadLineByLine) {
  const SplitterOptions options{.record_bytes_max = 6};
  EXPECT_EQ(split("\"ab\ncd\nef\"\ng\n", options, 100),
            (std::vector<Row>{
                {"\"ab", 1, false}, {"cd", 2, false}, {"ef\"", 3, false}, {"g", 4, false}}));
}

TEST(RecordSplitter, WithoutQuotesEveryLineIsARecord) {
  EXPECT_EQ(texts("{\"a\":\"x\"}\n\"\n\"\n", {.quotes = false}),
            (Texts{"{\"a\":\"x\"}", "\"", "\""}));
}

TEST(RecordSplitter, EqualsANaiveSplitterOnRandomTextInRandomBlocks) {
  const uint64_t seed = 20010131;
  SCOPED_TRACE(seed);
  const auto random = seeded_random(seed);
  const std::vector<std::string> pieces{"a",
                                        "bc",
                                        ",",
                                        ",",
                                        "\"",
                                        "\"",
                                        "\"\"",
                                        "\n",
                                        "\r\n",
                                        "\r",
                                        "\"x\"",
                                        ",\"",
                                        "\",",
                                        "\"\n",
                                        "\n\"",
                                        "\xEF\xBB\xBF",
                                        ";"};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (uint64_t i = random->below(30); i > 0; --i) {
      text += pieces[random->below(pieces.size())];
    }
    const SplitterOptions options{.quotes = random->below(3) != 0,
                                  .delimiter = random->below(4) == 0 ? ';' : ',',
                                  .record_bytes_max = random->below(12) + 1};
    const std::vector<Row> expected = naive_split(text, options);
    ASSERT_EQ(split(text, options, text.size() + 1), expected) << text;
    ASSERT_EQ(split(text, options, 6, random.get()), expected) << text;
    ASSERT_EQ(split(text, options, 1), expected) << text;
    ASSERT_EQ(split_holding(text, options, *random), expected) << text;
  }
}

TEST(RecordSplitter, ALineOfAGigabyteIsNeverHeld) {
  const std::string block(1 << 18, 'x');
  for (const bool quotes : {true, false}) {
    RecordSplitter splitter({.quotes = quotes, .record_bytes_max = 1 << 20});
    std::vector<std::shared_ptr<const std::string>> held;
    struct rusage before {};
    getrusage(RUSAGE_SELF, &before);
    std::vector<Row> rows;
    const auto take = [&](const std::vector<SplitRecord>& records) {
      for (const SplitRecord& record : records) {
        rows.push_back({std::string(record.text), record.line, record.oversized});
        held.push_back(splitter.memory());
      }
    };
    for (int i = 0; i < 4096; ++i) {
      take(splitter.feed(block, false));
    }
    take(splitter.feed("\nnext\n", true));
    struct rusage after {};
    getrusage(RUSAGE_SELF, &after);
    EXPECT_EQ(rows, (std::vector<Row>{{std::string(1 << 20, 'x'), 1, true}, {"next", 2, false}}));
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 400 << 10);  // KiB
    for (const auto& memory : held) {
      EXPECT_LE(memory->size(), (1U << 20) + 2 + block.size());
    }
  }
}

TEST(RecordSplitter, TextMadeToBeReadAgainAndAgainIsStillReadInLinearTime) {
  // Each is fed in one-line blocks; a splitter that goes back for every line would take hours.
  for (const std::string line :
       {"x\",\",y\n", "\"\"\"\n", "\"\n", "a\",\"\n", "\"a\"b\n", ",\"\"\"\n"}) {
    std::string text = "\"";
    while (text.size() < (4 << 20)) {
      text += line;
    }
    EXPECT_FALSE(split(text, {}, 1 << 16).empty()) << line;
  }
  // Lines in small blocks, and one line of them.
  EXPECT_EQ(split(std::string(4 << 20, 'x'), {.quotes = false}, 64).size(), 1U);
}

}  // namespace
}  // namespace assay::data
