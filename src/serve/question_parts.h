#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "catalog/share_definition.h"
#include "data/type.h"
#include "online/rendezvous.h"

namespace assay::serve {

/// How entities are shared out to servers, and how a request names the key that decides.
///
/// Threads immutable.
struct ShareMap {
  catalog::ShareDef list;                // its `name` is one of them
  data::Type type;                       // of the key
  std::vector<std::string> other_names;  // entities whose key it is: a name may stand for the key
  online::Rendezvous owners{list.names};
};

/// What one share is asked of a question.
struct QuestionPart {
  std::size_t share = 0;      // index into the names of shares
  std::vector<int64_t> rows;  // of the question, ascending
  std::string body;
};

/// Share the entity rows of a question (the body of /get-online-features or /predict) out, each to
/// the one that its key belongs to. Rows whose key is null go along with others.
///
/// None: any server can answer the whole of it, as a question without that key, or will say what is
/// wrong with it. One: its body is "", the question itself.
std::vector<QuestionPart> split_question(std::string_view body, const ShareMap& shares);

/// The answers of the parts as one, value by value the bytes that the parts have, in the order of
/// the question's rows: what a server that has all shares would have answered.
///
/// Errors  kUnavailable: they do not answer the same, as while definitions change, or are no such
///         answers.
Result<std::string> merge_answers(std::span<const QuestionPart> parts,
                                  std::span<const std::string_view> answers);

}  // namespace assay::serve
