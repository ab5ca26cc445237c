#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/append_file.h"
#include "base/bounded_queue.h"
#include "base/hash.h"
#include "base/json_writer.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/scratch_file.h"
#include "base/suggest.h"
#include "base/unsynced_files.h"
#include "base/world.h"

namespace assay {
namespace {

std::string new_folder() {
  std::string pattern = testing::TempDir() + "/assay_base_XXXXXX";
  return ::mkdtemp(pattern.data());
}

TEST(Status, ContextGoesInFrontAndSuccessStaysSuccess) {
  EXPECT_EQ(Status(Code::kNotFound, "no file x").with_context("commit").message(),
            "commit: no file x");
  EXPECT_TRUE(Status().with_context("commit").ok());
}

TEST(Status, EveryCodeHasANameAnHttpStatusAndAnExitCode) {
  for (int code = 0; code <= static_cast<int>(Code::kCommitUnknown); ++code) {
    EXPECT_FALSE(code_name(static_cast<Code>(code)).empty());
    EXPECT_GE(http_status(static_cast<Code>(code)), 200);
    EXPECT_EQ(exit_code(static_cast<Code>(code)) == 0, code == 0);
  }
}

TEST(Time, FormattedTimesReadBackToTheMicrosecond) {
  const auto random = seeded_random(11);
  const auto span = static_cast<uint64_t>(kEndInstant.micros - kFirstInstant.micros);
  for (int i = 0; i < 20'000; ++i) {
    const EventTime time{kFirstInstant.micros + static_cast<int64_t>(random->below(span))};
    const Result<EventTime> back = parse_time(format_time(time));
    ASSERT_TRUE(back.ok()) << format_time(time);
    EXPECT_EQ(*back, time) << format_time(time);
  }
  for (const auto& [micros, text] : {std::pair{int64_t{-1}, "1969-12-31T23:59:59.999999Z"},
                                     {int64_t{1'500'000}, "1970-01-01T00:00:01.500Z"},
                                     {kFirstInstant.micros, "0001-01-01T00:00:00Z"},
                                     {kEndInstant.micros, "10000-01-01T00:00:00Z"}}) {
    EXPECT_EQ(format_time({micros}), text);
  }
}

TEST(Time, ReadsTheUsualFormsAndRefusesTheRest) {
  EXPECT_EQ(parse_time("1970-01-01")->micros, 0);
  EXPECT_EQ(parse_time("1970-01-01T00:00:01.5Z")->micros, 1'500'000);
  EXPECT_EQ(parse_time("1970-01-01 01:00:00+01:00")->micros, 0);
  EXPECT_EQ(parse_time("1969-12-31 23:59:59.999999")->micros, -1);
  EXPECT_EQ(parse_time("2000-02-29 00:00")->micros, 951'782'400'000'000);
  for (const char* wrong : {"",
                            "2001",
                            "2001-13-01",
                            "2001-02-29",
                            "2001-01-01T24:00:00",
                            "2001-01-01 10:00:00.1234567",
                            "2001-01-01 10:00 ",
                            "0000-01-01",
                            "2001-1-1",
                            "now",
                            "2001-01-01T10:00:00+16:00"}) {
    EXPECT_EQ(parse_time(wrong).code(), Code::kInvalidArgument) << wrong;
  }
}

TEST(Time, DurationsReadBackAndNeedAUnit) {
  for (const char* text : {"90s", "10m", "1h", "24h", "7d", "250ms", "5us", "0s"}) {
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
  }
  EXPECT_EQ(parse_duration("1d")->micros, kMicrosPerDay);
  for (const char* wrong : {"", "10", "-1h", "1.5h", "1 h", "h", "99999999999d", "1w"}) {
    EXPECT_EQ(parse_duration(wrong).code(), Code::kInvalidArgument) << wrong;
  }
}

TEST(Time, FloorIsRightBeforeTheEpoch) {
  EXPECT_EQ(floor_to(-1, 10), -10);
  EXPECT_EQ(floor_to(-10, 10), -10);
  EXPECT_EQ(floor_to(19, 10), 10);
}

TEST(Random, SeededSequencesRepeatAndUuidsAreVersionFour) {
  const auto a = seeded_random(5);
  const auto b = seeded_random(5);
  EXPECT_EQ(a->next(), b->next());
  const std::string uuid = a->uuid();
  ASSERT_EQ(uuid.size(), 36U);
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(a->uuid(), uuid);
}

/// Those that are waited for and those that are not.
class BothFiles : public testing::TestWithParam<bool> {
 protected:
  static std::unique_ptr<FileSystem> files_of(bool synced) {
    return synced ? system_files() : unsynced_files();
  }
};
INSTANTIATE_TEST_SUITE_P(FileSystem, BothFiles, testing::Bool());

TEST_P(BothFiles, PutIfAbsentHasExactlyOneWinner) {
  const auto files = files_of(GetParam());
  const std::string path = new_folder() + "/one";
  std::atomic<int> won{0};
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&, i] {
      const Status status = files->put_if_absent(path, "writer " + std::to_string(i));
      won += status.ok() ? 1 : 0;
      EXPECT_TRUE(status.ok() || status.code() == Code::kAlreadyExists) << status.to_string();
    });
  }
  for (std::thread& writer : writers) {
    writer.join();
  }
  EXPECT_EQ(won, 1);
}

TEST_P(BothFiles, WritesReplaceWholeAndErrorsNameThePath) {
  const auto files = files_of(GetParam());
  const std::string folder = new_folder();
  ASSERT_TRUE(files->make_directories(folder + "/a/b").ok());
  ASSERT_TRUE(files->make_directories(folder + "/a/b").ok());
  ASSERT_TRUE(files->write(folder + "/a/b/f", "one").ok());
  ASSERT_TRUE(files->write(folder + "/a/b/f", "second").ok());
  EXPECT_EQ(*files->read(folder + "/a/b/f"), "second");
  EXPECT_EQ(*files->read_range(folder + "/a/b/f", 1, 3), "eco");
  EXPECT_EQ(files->list(folder + "/a/b")->size(), 1U);
  const Result<std::string> missing = files->read(folder + "/nothing");
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_NE(missing.status().message().find("/nothing"), std::string::npos);
}

TEST(FileSystem, ALockIsHeldByOneAndFreedByItsEnd) {
  const auto files = system_files();
  const std::string path = new_folder() + "/lock";
  {
    const auto held = files->lock(path);
    ASSERT_TRUE(held.ok());
    EXPECT_EQ(files->lock(path).code(), Code::kFailedPrecondition);
  }
  EXPECT_TRUE(files->lock(path).ok());
}

TEST(FileSystem, ASharedLockIsHeldByManyOrExclusivelyByOne) {
  const auto files = system_files();
  const std::string path = new_folder() + "/lock";
  {
    const auto one = files->lock_shared(path);
    const auto other = files->lock_shared(path);
    ASSERT_TRUE(one.ok() && other.ok());
    EXPECT_EQ(files->lock(path).code(), Code::kFailedPrecondition);
  }
  const auto alone = files->lock(path);
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ(files->lock_shared(path).code(), Code::kFailedPrecondition);
}

TEST(Suggest, FindsTheNearWordAndNotTheFarOne) {
  const std::vector<std::string> words{"subscription_tier", "country", "age"};
  EXPECT_EQ(suggest("subscripton_tier", words), "subscription_tier");
  EXPECT_EQ(suggest("coutnry", words), "country");
  EXPECT_EQ(suggest("aeg", words), "age");
  EXPECT_FALSE(suggest("weather", words).has_value());
}

TEST(JsonWriter, PutsCommasAndKeepsDoublesDoubles) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("a");
  json.number(1);
  json.key("b");
  json.begin_array();
  json.integer(7);
  json.string("q\"\n\x01");
  json.null();
  json.number(1e300 * 10);
  json.end_array();
  json.key("c");
  json.begin_object();
  json.end_object();
  json.end_object();
  EXPECT_EQ(out, R"({"a":1.0,"b":[7,"q\"\n\u0001",null,1e+301],"c":{}})");
}

TEST(JsonWriter, EscapesAnywhereInATextAndLeavesTheRest) {
  std::string out;
  append_json_string(out, "");
  append_json_string(out, "\"a\\");
  append_json_string(out,
                     "a\rb\tc\x1f"
                     "d\xc3\xa4");
  EXPECT_EQ(out,
            R"("""\"a\\""a\rb\tc\u001fd)"
            "\xc3\xa4\"");
}

/// Numbers with few decimals are written another way than the rest: to the same text.
TEST(JsonWriter, NumbersAreTheShortestTextThatReadsBack) {
  const std::unique_ptr<Random> random = seeded_random(20261128);
  std::vector<double> numbers = {0.0,
                                 -0.0,
                                 1e5,
                                 99999,
                                 100001,
                                 1e9,
                                 1e15,
                                 1e16,
                                 0.001,
                                 0.0009,
                                 123456789.123456,
                                 999999999.999999,
                                 1e-7,
                                 5e-324,
                                 1.7e308,
                                 0.1 + 0.2};
  double scale = 1;
  for (int decimals = 0; decimals <= 9; ++decimals, scale *= 10) {
    for (int i = 0; i < 20'000; ++i) {
      const auto units = static_cast<double>(random->below(uint64_t{1} << random->below(54)));
      numbers.push_back(units / scale);
      numbers.push_back(-units * scale);
    }
  }
  for (int i = 0; i < 300'000; ++i) {
    const auto real = std::bit_cast<double>(random->next());
    if (std::isfinite(real)) {
      numbers.push_back(real);
    }
    const double share = static_cast<double>(random->next() >> 11) * 0x1p-53;
    const double size = std::pow(10, static_cast<double>(random->below(16)) - 6);
    numbers.insert(numbers.end(), {share, -share * size});
  }
  for (int power = -1074; power <= 1023; ++power) {  // bounds of what rounds to them lie unevenly
    const double two = std::ldexp(1, power);
    numbers.insert(numbers.end(), {two, std::nextafter(two, 0), std::nextafter(two, 2 * two)});
  }
  for (int power = -323; power <= 308; ++power) {
    const double ten = std::strtod(("1e" + std::to_string(power)).c_str(), nullptr);
    numbers.insert(numbers.end(),
                   {ten, std::nextafter(ten, 0), std::nextafter(ten, 2 * ten), 3 * ten});
  }
  for (double round = 1; round <= 1e12; round *= 10) {
    for (int first = 1; first < 1200; ++first) {
      numbers.insert(numbers.end(), {first * round, -first * round, first * round + 0.5});
    }
  }
  std::erase_if(numbers, [](double number) { return !std::isfinite(number); });
  for (const double number : numbers) {
    std::array<char, 40> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    std::string shortest(text.data(), end);
    shortest += shortest.find_first_of(".e") == std::string::npos ? ".0" : "";
    std::string out;
    append_json_number(out, number);
    ASSERT_EQ(out, shortest);
  }
}

TEST(Metrics, TextIsSortedAndHistogramsAddUp) {
  Metrics metrics;
  metrics.counter("assay_test_rows_total", "Rows", {{"stage", "b"}}).add(2);
  metrics.counter("assay_test_rows_total", "Rows", {{"stage", "a\"x"}}).add();
  Histogram& histogram = metrics.histogram("assay_test_seconds", "Time");
  histogram.observe(0.001);
  histogram.observe(100);
  const std::string text = metrics.to_text();
  EXPECT_LT(text.find("stage=\"a\\\"x\"} 1"), text.find("stage=\"b\"} 2"));
  EXPECT_NE(text.find("assay_test_seconds_bucket{le=\"0.001\"} 1"), std::string::npos);
  EXPECT_NE(text.find("assay_test_seconds_bucket{le=\"+Inf\"} 2"), std::string::npos);
}

TEST(BoundedQueue, HoldsBackTheWriterAndLosesNothing) {
  BoundedQueue<int> queue(64);
  std::thread writer([&] {
    for (int i = 0; i < 10'000; ++i) {
      ASSERT_TRUE(queue.push(i, i % 100 == 0 ? 200 : 16));
    }
    queue.close();
  });
  int expected = 0;
  while (const std::optional<int> item = queue.pop()) {
    EXPECT_LE(queue.bytes(), 200U);
    EXPECT_EQ(*item, expected++);
  }
  writer.join();
  EXPECT_EQ(expected, 10'000);
  EXPECT_FALSE(queue.push(1, 1));
}

TEST(AppendFile, GrowsByWholePieces) {
  const std::string folder = new_folder();
  const std::string path = join_path(folder, "journal");
  {
    const std::unique_ptr<AppendFile> file = AppendFile::create(path).value();
    EXPECT_TRUE(file->append("some ").ok());
    EXPECT_EQ(system_files()->read(path).value(), "some ");
    EXPECT_TRUE(file->append("bytes").ok());
  }
  EXPECT_EQ(system_files()->read(path).value(), "some bytes");
  EXPECT_EQ(AppendFile::create(path).code(), Code::kAlreadyExists);
  EXPECT_EQ(AppendFile::create(join_path(folder, "none/journal")).code(), Code::kNotFound);
  std::filesystem::remove_all(folder);
}

TEST(ScratchFile, HasNoNameAndIsReadByItsPath) {
  const std::string folder = new_folder();
  {
    ScratchFile file = ScratchFile::open(folder).value();
    EXPECT_EQ(file.append("some ").value(), 0);
    EXPECT_EQ(file.append("bytes").value(), 5);
    EXPECT_EQ(file.read(5, 5).value(), "bytes");
    EXPECT_EQ(system_files()->read(file.path()).value(), "some bytes");
    EXPECT_TRUE(std::filesystem::is_empty(folder));
  }
  std::filesystem::remove_all(folder);
}

TEST(Blocks, ServeTheNextOneAndAreKeptToABound) {
  for (const std::size_t size : {std::size_t{0},
                                 std::size_t{1},
                                 std::size_t{100'000},
                                 std::size_t{131'072},
                                 (std::size_t{4} << 20) - 1,
                                 std::size_t{9} << 20}) {
    auto* block = static_cast<uint8_t*>(take_block(size));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U);
    std::fill_n(block, size, uint8_t{7});
    give_block(block, size);
  }
  give_block(nullptr, 0);
  std::vector<std::thread> threads;
  for (uint8_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([thread] {
      for (std::size_t round = 0; round < 50; ++round) {
        const std::size_t size = (std::size_t{1} << (17 + round % 6)) + round % 7 * 1'000'003;
        auto* block = static_cast<uint8_t*>(take_block(size));
        std::fill_n(block, size, thread);
        EXPECT_EQ(std::count(block, block + size, thread), static_cast<std::ptrdiff_t>(size));
        give_block(block, size);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  // More than is kept: the oldest go, nothing else happens.
  for (const auto& [size, count] : {std::pair{kKeptBlockBytes / 2, std::size_t{3}},
                                    {std::size_t{1} << 20, 2 * (kKeptMiddleBytes >> 20)}}) {
    std::vector<void*> blocks(count);
    for (void*& block : blocks) {
      block = take_block(size);
    }
    for (void* block : blocks) {
      give_block(block, size);
    }
  }
}

TEST(Process, AThreadThatGivesWayAndThoseItStartsDoSoAndNoOthers) {
  const auto place = [] { return ::getpriority(PRIO_PROCESS, 0); };
  const int before = place();
  int own = 0;
  int started = 0;
  std::thread([&] {
    give_way();
    own = place();
    std::thread([&] { started = place(); }).join();
  }).join();
  EXPECT_EQ(own, std::min(before + 5, 19));
  EXPECT_EQ(started, own);
  EXPECT_EQ(place(), before);
}

TEST(Hash, IsTheSameInEveryVersion) {
  // On disk in online stores and tables: these may never change.
  EXPECT_EQ(hash_bytes(""), 0x832ff0d450935050U);
  EXPECT_EQ(hash_bytes("ORD"), 0xed516f5ab1972946U);
  EXPECT_EQ(hash_bytes("0123456789abcdefXYZ", 7), 0x672ef603a144126bU);
  EXPECT_NE(hash_bytes("a"), hash_bytes(std::string_view("a\0", 2)));
  EXPECT_NE(hash_bytes("12345678901234567"), hash_bytes("12345678901234568"));
}

/// hash_bytes as it is written down: words of eight bytes, the last ones filled up with zeroes.
uint64_t naive_hash_bytes(std::string_view bytes, uint64_t seed) {
  constexpr uint64_t kFirst = 0xa0761d6478bd642fU;
  constexpr uint64_t kSecond = 0xe7037ed1a0b428dbU;
  const auto fold = [](uint64_t a, uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  std::string filled(bytes);
  filled.append(16, '\0');
  const auto word = [&](std::size_t at) {
    uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) {
      value = value << 8 | static_cast<uint8_t>(filled[at + i]);
    }
    return value;
  };
  uint64_t state = seed ^ kFirst;
  std::size_t at = 0;
  for (; bytes.size() - at >= 16; at += 16) {
    state = fold(word(at) ^ kSecond, word(at + 8) ^ state);
  }
  state = fold(word(at) ^ kSecond, word(at + 8) ^ state);
  return fold(state ^ kFirst, bytes.size() ^ kSecond);
}

TEST(Hash, EqualsTheDefinitionForEveryLength) {
  std::string bytes;
  for (std::size_t size = 0; size < 100; ++size) {
    EXPECT_EQ(hash_bytes(bytes, size), naive_hash_bytes(bytes, size)) << size;
    bytes.push_back(static_cast<char>(size * 151 + 77));
  }
}

TEST(Hash, OfManyBytesTellsEachBitAndEachLength) {
  std::set<uint64_t> seen;
  std::size_t count = 0;
  for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 63U, 64U, 65U, 127U, 128U, 200U}) {
    std::string bytes(size, '\0');  // zeroes: only the length differs
    seen.insert(hash_many_bytes(bytes));
    ++count;
    for (std::size_t bit = 0; bit < size * 8; ++bit, ++count) {
      bytes[bit / 8] = static_cast<char>(1U << (bit % 8));
      seen.insert(hash_many_bytes(bytes));
      bytes[bit / 8] = '\0';
    }
  }
  EXPECT_EQ(seen.size(), count);
}

}  // namespace
}  // namespace assay
