#include "ingest/kafka_lines.h"

#include <utility>

namespace assay::ingest {
namespace {

constexpr Duration kSayEvery{60 * kMicrosPerSecond};
/// Further kinds count as one.
constexpr std::size_t kKindsMax = 200;

/// What lines of one kind have in common.
std::string kind_of(std::string_view text) {
  while (text.starts_with('[') && text.find("]: ") != std::string_view::npos) {
    text.remove_prefix(text.find("]: ") + 3);  // "[thrd:main]: "
  }
  std::string kind;
  int depth = 0;
  for (const char c : text) {
    depth += c == '(' ? 1 : 0;
    if (depth == 0 && (c < '0' || c > '9')) {
      kind += c;
    }
    depth -= c == ')' && depth > 0 ? 1 : 0;
  }
  kind.erase(kind.find_last_not_of(' ') + 1);
  return kind;
}

}  // namespace

void KafkaLines::warn(std::string_view facility, std::string_view text) {
  const Duration now = clock_->monotonic();
  int64_t held_back = 0;
  {
    const std::scoped_lock lock(mutex_);
    const std::string kind = kind_of(text);
    const bool is_room = kinds_.contains(kind) || kinds_.size() < kKindsMax;
    const auto [at, is_new] = kinds_.try_emplace(is_room ? kind : std::string());
    if (!is_new && now.micros - at->second.said_at.micros < kSayEvery.micros) {
      ++at->second.held_back;
      return;
    }
    held_back = std::exchange(at->second.held_back, 0);
    at->second.said_at = now;
  }
  if (held_back == 0) {
    log_.warn("kafka_client", {{"facility", std::string(facility)}, {"text", std::string(text)}});
  } else {
    log_.warn("kafka_client",
              {{"facility", std::string(facility)},
               {"text", std::string(text)},
               {"like_it_since", held_back}});
  }
}

void KafkaLines::debug(std::string_view facility, std::string_view text) {
  log_.debug("kafka_client", {{"facility", std::string(facility)}, {"text", std::string(text)}});
}

}  // namespace assay::ingest
