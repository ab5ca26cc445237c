#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace assay::gold {

/// Run one case text in three ways and compare each with what the case expects:
///
///   key user                                      columns of the entity's key
///   slide 10m                                     (optional; 10m), or continuous
///   ttl 4h                                        (optional; none)
///   feature n      count  over 1h 3h              any aggregate: window features
///   feature p95    quantile(0.95) price over 1h   its parameter in brackets
///   feature spend  sum price  where kind = 'buy'  over 1h
///   feature rate   expr spend_1h / n_1h
///   feature share  ratio spend n over 1h
///   feature tier   latest [column]
///   feature idle   since last_event               or a column
///   session 30m 7d [4h]                           gap, how far back, longest: of session features
///   feature visits session count                  count | events | duration | mean_events | open |
///                                                 start | first EXPR | last EXPR
///   feature moves  changes city  over 7d          changes | previous | changed_at
///   feature before lag 2 price   over 7d
///   changes order                                 rows are versions of this key: a later known one
///                                                 replaces; is_deleted:bool makes tombstones
///   table user:string event_time known_time price:float64
///     u1 10:00 10:05 3.5
///   expect user at n_1h spend_1h
///     u1 10:10 1 3.5
///     u1 09:00 NOT_FOUND
///     u1 20:00 OUTSIDE_MAX_AGE                    or OVERFLOW
///
/// Times are of 2001-01-01, or whole ("2001-01-02T10:00"). `null` is null; # begins a comment. A
/// table without known_time knows rows as they happen. Rows are numbered in order: their sequence.
///
///   straight   steps of all rows, joined to the questions by training_set
///   in pieces  rows in random order and batches into online rows, read at the question's time;
///   steps by
///              several threads from rows in random order
///   restored   steps to a random frontier, then from its seed on
///
/// Gives the differences found, one text each; none when all is as expected.
/// Errors  kInvalidArgument: not a case; the message has the line.
Result<std::vector<std::string>> run_case(std::string_view text, uint64_t random_seed);

/// The ```case blocks of a Markdown page.
std::vector<std::string> case_blocks(std::string_view markdown);

}  // namespace assay::gold
