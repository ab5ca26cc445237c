#include "ingest/decompress.h"

#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "ingest/compress_for_test.h"

namespace assay::ingest {
namespace {

/// A file in memory that gives pieces of random size, and fails at its end if told so.
class PieceReader : public FileReader {
 public:
  PieceReader(std::string bytes, uint64_t seed, bool fails = false)
      : bytes_(std::move(bytes)), random_(seeded_random(seed)), fails_(fails) {}
  Result<std::string> read(std::size_t bytes_max) override {
    if (at_ == bytes_.size() && fails_) {
      return Status(Code::kUnavailable, "the disk is gone");
    }
    const std::size_t size = std::min({bytes_max, bytes_.size() - at_, random_->below(5000) + 1});
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

 private:
  std::string bytes_;
  std::unique_ptr<Random> random_;
  bool fails_;
  std::size_t at_ = 0;
};

struct Text {
  std::string bytes;
  Status status;
};

Text read_all(FileReader& reader, std::size_t bytes_max) {
  Text text;
  while (true) {
    Result<std::string> block = reader.read(bytes_max);
    if (!block.ok()) {
      text.status = block.status();
      EXPECT_EQ(reader.read(bytes_max).code(), text.status.code()) << "it must fail again";
      return text;
    }
    if (block->empty()) {
      return text;
    }
    EXPECT_LE(block->size(), bytes_max);
    text.bytes += *block;
  }
}

std::string words(uint64_t seed, std::size_t size) {
  const auto random = seeded_random(seed);
  std::string text;
  while (text.size() < size) {
    text += std::to_string(random->below(5000)) + (random->below(9) == 0 ? "\n" : ",");
  }
  return text;
}

struct Format {
  std::string (*compress)(std::string_view);
  std::unique_ptr<FileReader> (*open)(std::unique_ptr<FileReader>, std::string);
};
constexpr Format kFormats[] = {{gzip, gunzip}, {zstd, unzstd}};

Text decompress(const Format& format,
                const std::string& bytes,
                std::size_t bytes_max,
                bool fails = false) {
  const auto reader =
      format.open(std::make_unique<PieceReader>(bytes, bytes.size(), fails), "data/x.csv.gz");
  return read_all(*reader, bytes_max);
}

TEST(Decompress, GivesTheTextWhateverTheBlocks) {
  for (const Format& format : kFormats) {
    for (const std::size_t size : std::vector<std::size_t>{0, 1, 1000, 700'000}) {
      const std::string text = words(1, size);
      for (const std::size_t bytes_max : std::vector<std::size_t>{7, 4096, 1 << 20}) {
        if (size / bytes_max < 50'000) {
          const Text got = decompress(format, format.compress(text), bytes_max);
          EXPECT_TRUE(got.status.ok()) << got.status.to_string();
          EXPECT_EQ(got.bytes, text);
        }
      }
    }
  }
}

TEST(Decompress, MembersOneAfterTheOtherAreOneText) {
  for (const Format& format : kFormats) {
    const Text got = decompress(
        format, format.compress("a\n") + format.compress("") + format.compress("b\n"), 100);
    EXPECT_TRUE(got.status.ok()) << got.status.to_string();
    EXPECT_EQ(got.bytes, "a\nb\n");
  }
}

TEST(Decompress, TruncatedDataGivesWhatIsBeforeAndThenFails) {
  const std::string text = words(2, 700'000);  // several blocks of zstd's 128 KiB
  for (const Format& format : kFormats) {
    const std::string bytes = format.compress(text);
    for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 3) {
      const Text got = decompress(format, bytes.substr(0, size), 4096);
      EXPECT_EQ(got.status.code(), Code::kCorrupt) << size;
      EXPECT_TRUE(text.starts_with(got.bytes));
      EXPECT_NE(got.status.message().find("data/x.csv.gz"), std::string::npos);
    }
    EXPECT_GT(decompress(format, bytes.substr(0, bytes.size() - 1), 4096).bytes.size(),
              text.size() / 2);
  }
}

TEST(Decompress, DamagedDataOrTrailingGarbageFails) {
  const std::string text = words(3, 60'000);
  for (const Format& format : kFormats) {
    std::string bytes = format.compress(text);
    EXPECT_EQ(decompress(format, bytes + "garbage!", 4096).status.code(), Code::kCorrupt);
    EXPECT_EQ(decompress(format, text, 4096).status.code(), Code::kCorrupt);
    if (format.compress == gzip) {  // zstd's simple call writes no checksum
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x10);
      EXPECT_EQ(decompress(format, bytes, 4096).status.code(), Code::kCorrupt);
    }
  }
}

TEST(Decompress, AFailureOfTheDiskIsPassedOn) {
  for (const Format& format : kFormats) {
    const std::string bytes = format.compress("a\n");
    EXPECT_EQ(decompress(format, bytes, 100, true).status.code(), Code::kUnavailable);
  }
}

}  // namespace
}  // namespace assay::ingest
