// A run is a file of keys in order of their hashes, behind them a filter that says of most other
// hashes that they are not there:
//
//   segment 0 .. n-1   128 keys each (the last one fewer), each key:
//                        hash u64 | event_time i64 | sequence i64 | content u64 | size u64 | key
//                      and behind them a hash of these bytes, u64
//   filter             blocks of 8 words of 32 bits
//
// Numbers are as the machine has them: no other process reads the file. Memory has each segment's
// first hash and place, so a look-up reads one segment, or two where equal hashes lie on both sides
// of a border.
//
// The filter is a split block Bloom filter (Putze, Sanders, Singler: "Cache-, hash- and
// space-efficient Bloom filters", 2009; the words as Apache Parquet has them): the upper half of a
// hash says which block, and each of the block's words has one bit, chosen by the lower half. 12
// bits a key leave about one of 200 other hashes in. Blocks ascend with hashes, so a batch of
// sorted hashes reads a filter that is not held from its beginning to its end.

#include "bronze/key_run.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"

namespace assay::bronze {
namespace {

constexpr int64_t kSegmentKeys = 128;
constexpr int64_t kFilterBits = 12;
constexpr std::size_t kAppendBytes = std::size_t{1} << 20;
/// Blocks that are read at once from a filter that is not held.
constexpr uint64_t kWindowBlocks = 64;
constexpr uint32_t kSalts[] = {0x47b6137bU,
                               0x44974d91U,
                               0x8824ad5bU,
                               0xa2b7289dU,
                               0x705495c7U,
                               0x2df1424bU,
                               0x9efc4947U,
                               0x5c6bfb31U};

/// What stands before a key's bytes.
struct KeyHead {
  uint64_t hash = 0;
  int64_t event_time = 0;
  int64_t sequence = 0;
  uint64_t content = 0;
  uint64_t size = 0;
};
constexpr std::size_t kHeadBytes = sizeof(KeyHead);

Status changed() {
  return {Code::kCorrupt, "a scratch file of keys does not have what was written to it"};
}

/// The key that begins at `at`, which is moved behind it.
Result<AcceptedKey> key_at(std::string_view bytes, std::size_t* at) {
  KeyHead head;
  if (bytes.size() - *at >= kHeadBytes) {
    std::memcpy(&head, bytes.data() + *at, kHeadBytes);
    *at += kHeadBytes;
    if (bytes.size() - *at >= head.size) {
      const std::string_view key = bytes.substr(*at, head.size);
      *at += head.size;
      return AcceptedKey{head.hash, key, {head.event_time}, head.sequence, head.content};
    }
  }
  return changed();
}

/// Which of so many blocks a hash belongs to: ascends with the hash.
uint64_t block_of(uint64_t hash, uint64_t blocks) {
  return ((hash >> 32) * blocks) >> 32;
}

uint32_t bit_of(uint64_t hash, std::size_t word) {
  return uint32_t{1} << ((static_cast<uint32_t>(hash) * kSalts[word]) >> 27);
}

}  // namespace

/// Reads a run's filter, from memory or from the file.
class KeyRun::Filter {
 public:
  explicit Filter(const KeyRun& run) : run_(run) {}

  Result<bool> may_have(uint64_t hash) {
    const uint64_t at = block_of(hash, run_.blocks_);
    const bool is_held = !run_.filter_.empty();
    if (!is_held && (at < begin_ || at >= begin_ + window_.size())) {
      ASSAY_RETURN_IF_ERROR(read_window(at));
    }
    const Block& block = is_held ? run_.filter_[at] : window_[at - begin_];
    for (std::size_t word = 0; word < kWords; ++word) {
      if ((block.words[word] & bit_of(hash, word)) == 0) {
        return false;
      }
    }
    return true;
  }

 private:
  Status read_window(uint64_t begin) {
    const uint64_t count = std::min(kWindowBlocks, run_.blocks_ - begin);
    ASSAY_ASSIGN_OR_RETURN(
        const std::string bytes,
        run_.file_.read(run_.filter_offset_ + static_cast<int64_t>(begin * sizeof(Block)),
                        static_cast<int64_t>(count * sizeof(Block))));
    window_.resize(count);
    std::memcpy(window_.data(), bytes.data(), bytes.size());
    begin_ = begin;
    return {};
  }

  const KeyRun& run_;
  std::vector<Block> window_;
  uint64_t begin_ = 0;
};

uint64_t KeyRun::blocks_of(int64_t keys) {
  constexpr int64_t kBlockBits = 8 * static_cast<int64_t>(sizeof(Block));
  return static_cast<uint64_t>(keys * kFilterBits / kBlockBits + 1);
}

std::size_t KeyRun::filter_bytes_of(int64_t keys) {
  return blocks_of(keys) * sizeof(Block);
}

Status KeyRun::find(std::span<const uint64_t> hashes,
                    const std::function<void(const AcceptedKey&)>& found) const {
  Filter filter(*this);
  std::optional<uint64_t> last;
  for (const uint64_t hash : hashes) {
    if (hash == last) {
      continue;
    }
    last = hash;
    ASSAY_ASSIGN_OR_RETURN(const bool may_have, filter.may_have(hash));
    if (may_have) {
      ASSAY_RETURN_IF_ERROR(find_in_segments(hash, found));
    }
  }
  return {};
}

Result<std::string> KeyRun::read_segment(std::size_t segment) const {
  const int64_t end =
      segment + 1 == segments_.size() ? filter_offset_ : segments_[segment + 1].offset;
  ASSAY_ASSIGN_OR_RETURN(std::string bytes,
                         file_.read(segments_[segment].offset, end - segments_[segment].offset));
  uint64_t hash = 0;
  const std::size_t size = bytes.size() - sizeof(hash);
  std::memcpy(&hash, bytes.data() + size, sizeof(hash));
  bytes.resize(size);
  return hash == hash_bytes(bytes) ? Result<std::string>(std::move(bytes)) : changed();
}

/// Equal hashes may begin in the segment before the first one that begins with them.
Status KeyRun::find_in_segments(uint64_t hash,
                                const std::function<void(const AcceptedKey&)>& found) const {
  const auto begins_before = [](const Segment& segment, uint64_t value) {
    return segment.first_hash < value;
  };
  const auto first = std::lower_bound(segments_.begin(), segments_.end(), hash, begins_before);
  auto at = static_cast<std::size_t>(first - segments_.begin());
  for (at -= at > 0 ? 1 : 0; at < segments_.size() && segments_[at].first_hash <= hash; ++at) {
    ASSAY_ASSIGN_OR_RETURN(const std::string bytes, read_segment(at));
    for (std::size_t next = 0; next < bytes.size();) {
      ASSAY_ASSIGN_OR_RETURN(const AcceptedKey key, key_at(bytes, &next));
      if (key.hash == hash) {
        found(key);
      }
    }
  }
  return {};
}

Result<KeyRunWriter> KeyRunWriter::open(const std::string& folder, int64_t keys) {
  ASSAY_CHECK(keys > 0);
  ASSAY_ASSIGN_OR_RETURN(ScratchFile file, ScratchFile::open(folder));
  KeyRun run(std::move(file));
  run.blocks_ = KeyRun::blocks_of(keys);
  run.filter_.resize(run.blocks_);
  run.segments_.reserve(static_cast<std::size_t>(keys / kSegmentKeys + 1));
  run.range_ = {EventTime::max(), EventTime::min()};
  return KeyRunWriter(std::move(run), keys);
}

Status KeyRunWriter::add(const AcceptedKey& key) {
  ASSAY_CHECK(run_.size_ < keys_ && last_hash_ <= key.hash);
  last_hash_ = key.hash;
  if (run_.size_ % kSegmentKeys == 0) {
    run_.segments_.push_back({key.hash, run_.file_.size() + static_cast<int64_t>(bytes_.size())});
  }
  const KeyHead head{key.hash, key.event_time.micros, key.sequence, key.content, key.key.size()};
  bytes_.append(reinterpret_cast<const char*>(&head), kHeadBytes);
  bytes_ += key.key;
  KeyRun::Block& block = run_.filter_[block_of(key.hash, run_.blocks_)];
  for (std::size_t word = 0; word < KeyRun::kWords; ++word) {
    block.words[word] |= bit_of(key.hash, word);
  }
  run_.range_.first = std::min(run_.range_.first, key.event_time);
  run_.range_.last = std::max(run_.range_.last, key.event_time);
  ++run_.size_;
  if (run_.size_ % kSegmentKeys != 0 && run_.size_ != keys_) {
    return {};
  }
  const auto begin =
      static_cast<std::size_t>(run_.segments_.back().offset - run_.file_.size());  // in bytes_
  const uint64_t hash = hash_bytes(std::string_view(bytes_).substr(begin));
  bytes_.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
  return bytes_.size() < kAppendBytes ? Status() : write_out();
}

Status KeyRunWriter::write_out() {
  ASSAY_RETURN_IF_ERROR(run_.file_.append(bytes_).status());
  bytes_.clear();
  return {};
}

Result<KeyRun> KeyRunWriter::finish(bool holds_filter) && {
  ASSAY_CHECK(run_.size_ == keys_);
  ASSAY_RETURN_IF_ERROR(write_out());
  run_.filter_offset_ = run_.file_.size();
  const std::string_view filter(reinterpret_cast<const char*>(run_.filter_.data()),
                                run_.filter_.size() * sizeof(KeyRun::Block));
  ASSAY_RETURN_IF_ERROR(run_.file_.append(filter).status());
  if (!holds_filter) {
    run_.filter_ = {};
  }
  return std::move(run_);
}

Result<std::optional<AcceptedKey>> KeyRunReader::next() {
  if (at_ == bytes_.size()) {
    if (segment_ == run_->segments_.size()) {
      return std::optional<AcceptedKey>();
    }
    ASSAY_ASSIGN_OR_RETURN(bytes_, run_->read_segment(segment_));
    ++segment_;
    at_ = 0;
  }
  ASSAY_ASSIGN_OR_RETURN(AcceptedKey key, key_at(bytes_, &at_));
  return std::optional(key);
}

}  // namespace assay::bronze
