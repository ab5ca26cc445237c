#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "gold/view_fixture.h"

// For tests: views of event sequences and their meaning, written down a second time.

namespace assay::gold {

inline constexpr int64_t kTestGap = 25 * kMinute;
inline constexpr int64_t kTestSessionMax = 70 * kMinute;

/// The features of sequence_definition, by scan and count of the rows that are visible.
Answer naive_sequence_answer(const std::vector<TestRow>& rows,
                             const TestKey& key,
                             int64_t instant,
                             std::optional<int64_t> session_max);

}  // namespace assay::gold
