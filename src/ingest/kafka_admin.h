#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace assay::ingest {

/// What befalls topics of a real broker; each ends once the broker has answered.
///
/// Errors  kUnavailable: no broker answers; kFailedPrecondition: it refuses.
Status grow_topic(const std::string& brokers, const std::string& topic, int32_t partitions);
Status delete_topic(const std::string& brokers, const std::string& topic);
/// `user` may read, or write, what has names that begin so: kind "topic" or "group".
Status allow(const std::string& brokers,
             const std::string& user,
             const std::string& operation,
             const std::string& kind,
             const std::string& prefix);

}  // namespace assay::ingest
