#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "online/mapped_file.h"

namespace assay::online {

/// The words that processes of one hash log share.
enum class HeadWord {
  kCommitted = 0,
  kLayout,
  kGeneration,
  kTarget,
  kTail,
  kUsed,
  kCheckpoint,
  kLive,
};

/// A mapped file of 128 bytes, drawn in docs/formats/hash_log.md.
///
/// Errors  kCorrupt: a byte is damaged; the message names file and offset.
/// Threads any number load, one stores.
class LogHead {
 public:
  static constexpr int kFileBitsMin = 10;
  static constexpr int kFileBitsMax = 32;
  /// Errors  kNotFound: there is none.
  static Result<std::unique_ptr<LogHead>> open(const std::string& path, bool writable);
  /// Put a new head in the place of the old one; words are 0.
  static Result<std::unique_ptr<LogHead>> create(const std::string& path, int file_bits);

  /// False when it was written before the machine was started, or is a copy.
  [[nodiscard]] bool current() const;
  /// Log2 of the size of a file of the log.
  [[nodiscard]] int file_bits() const { return file_bits_; }
  [[nodiscard]] Result<uint64_t> load(HeadWord word) const;
  /// The word as it stands, to be compared.
  [[nodiscard]] uint64_t load_raw(HeadWord word) const;
  void store(HeadWord word, uint64_t number);
  /// Let processes see it under its name, with the words that it has now, durable ones.
  Status publish();

 private:
  LogHead(std::unique_ptr<MappedFile> file, std::string path, int file_bits)
      : file_(std::move(file)), path_(std::move(path)), file_bits_(file_bits) {}
  [[nodiscard]] uint64_t* word(HeadWord word) const;

  std::unique_ptr<MappedFile> file_;
  std::string path_;
  int file_bits_;
};

}  // namespace assay::online
