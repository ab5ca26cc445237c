// The JSON library finds where the tokens of a record begin (its first stage: blocks of 64 bytes at
// a time, strings told from structure, UTF-8 and control characters checked). A flat object is then
// a walk over these places:
//
//   {  "key"  :  value  ,  "key"  :  value  }
//
// Its second stage would write all values to a tape, which is half of the time and read once. What
// is skipped is looked at as well: the whole record must be JSON.
//
// Many records are looked through at once, lines of one text. No string goes over a line's end (it
// is a control character), so what is a token in the text is one in its record.

#include "data/json_members.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "data/json_columns.h"
#include "data/json_scalars.h"

namespace assay::data {
namespace {

/// A comparison for names, which are short: eight bytes at a time.
bool is_name(std::string_view token, std::string_view name) {
  if (token.size() != name.size()) {
    return false;
  }
  constexpr std::size_t kWord = sizeof(uint64_t);
  const auto differ = [&](std::size_t at) {
    uint64_t a = 0;
    uint64_t b = 0;
    std::memcpy(&a, token.data() + at, kWord);
    std::memcpy(&b, name.data() + at, kWord);
    return a != b;
  };
  if (token.size() < kWord) {
    return std::equal(token.begin(), token.end(), name.begin());
  }
  for (std::size_t at = 0; at + kWord <= token.size(); at += kWord) {
    if (differ(at)) {
      return false;
    }
  }
  return !differ(token.size() - kWord);
}

/// Where the tokens of records begin.
class Tokens {
 public:
  /// False: it is not JSON.
  bool find(std::string_view records) {
    first_ = 0;
    end_ = 0;
    if (parser_ == nullptr || parser_->capacity() < records.size()) {
      const std::size_t capacity = std::max<std::size_t>(2 * records.size(), 4'096);
      if (simdjson::get_active_implementation()->create_dom_parser_implementation(
              capacity, simdjson::DEFAULT_MAX_DEPTH, parser_) != simdjson::SUCCESS) {
        return false;
      }
    }
    text_ = records.data();
    places_ = parser_->structural_indexes.get();
    return parser_->stage1(reinterpret_cast<const uint8_t*>(records.data()),
                           records.size(),
                           simdjson::stage1_mode::regular) == simdjson::SUCCESS;
  }
  /// Go on to the next record, which ends there.
  void next_record(std::size_t end) {
    first_ = end_;
    while (end_ < parser_->n_structural_indexes && places_[end_] < end) {
      ++end_;
    }
  }
  /// Tokens [first(), end()) are the record's.
  [[nodiscard]] uint32_t first() const { return first_; }
  [[nodiscard]] uint32_t end() const { return end_; }
  [[nodiscard]] char byte(uint32_t token) const { return text_[places_[token]]; }
  /// All of it. There is one behind it.
  [[nodiscard]] std::string_view text(uint32_t token) const {
    const char* begin = text_ + places_[token];
    const char* end = text_ + places_[token + 1];
    while (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t') {
      --end;  // ends at the token's first byte at last, which is none of these
    }
    return {begin, static_cast<std::size_t>(end - begin)};
  }

 private:
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser_;
  const uint32_t* places_ = nullptr;
  const char* text_ = nullptr;
  uint32_t first_ = 0;
  uint32_t end_ = 0;
};

}  // namespace

bool are_plain_columns(const DecodeOptions& options) {
  for (const Field& field : options.schema->fields()) {
    switch (field.type) {
      case Type::kBool:
      case Type::kInt8:
      case Type::kInt16:
      case Type::kInt32:
      case Type::kInt64:
      case Type::kString:
      case Type::kDate:
      case Type::kTimestamp:
      case Type::kTimestampNtz:
        break;
      case Type::kFloat32:
      case Type::kFloat64:
        if (options.reals_may_be_text) {
          return false;
        }
        break;
      default:
        return false;
    }
  }
  return true;
}

struct JsonMembers::State {
  explicit State(const DecodeOptions& options) : columns(options) {}

  bool read_object(RowCollector* rows);
  bool find_column(std::size_t member, std::string_view quoted, int* column);
  bool read_member(std::string_view token, int column, RowCollector* rows);
  uint32_t past_valid(uint32_t token, int depth) const;

  JsonColumns columns;
  Tokens tokens;
  // Records of one source list their members in one order, so the n-th member is looked up once.
  struct Hint {
    std::string quoted;
    int column = -1;
  };
  std::vector<Hint> hints;
};

JsonMembers::JsonMembers(std::unique_ptr<State> state) : state_(std::move(state)) {}
JsonMembers::~JsonMembers() = default;

std::unique_ptr<JsonMembers> JsonMembers::of(const DecodeOptions& options) {
  if (!are_plain_columns(options)) {
    return nullptr;
  }
  return std::unique_ptr<JsonMembers>(new JsonMembers(std::make_unique<State>(options)));
}

bool JsonMembers::find(std::string_view records) {
  return state_->tokens.find(records);
}

bool JsonMembers::read_next(std::size_t end, RowCollector* rows) {
  State& state = *state_;
  state.tokens.next_record(end);
  if (!state.read_object(rows)) {
    return false;
  }
  state.columns.fill_absent(rows);
  return true;
}

/// All tokens are one object.
bool JsonMembers::State::read_object(RowCollector* rows) {
  columns.begin_record();
  const uint32_t end = tokens.end();
  uint32_t at = tokens.first();
  if (end - at < 2 || tokens.byte(at) != '{' || tokens.byte(end - 1) != '}') {
    return false;
  }
  if (++at == end - 1) {
    return true;
  }
  for (std::size_t member = 0;; ++member) {
    int column = -1;
    if (at + 3 >= end || tokens.byte(at + 1) != ':' ||
        !find_column(member, tokens.text(at), &column)) {
      return false;
    }
    at += 2;
    if (column < 0) {
      at = past_valid(at, 0);
      if (at == 0) {
        return false;
      }
    } else if (read_member(tokens.text(at), column, rows)) {
      ++at;
    } else {
      return false;
    }
    const char behind = tokens.byte(at++);
    if (behind != ',') {
      return behind == '}' && at == end;
    }
  }
}

/// The token behind a value that nobody asked for; 0 when it is not JSON, or rare.
uint32_t JsonMembers::State::past_valid(uint32_t at, int depth) const {
  constexpr int kDepthMax = 64;
  const char first = tokens.byte(at);
  if (first != '{' && first != '[') {
    return at + 1 < tokens.end() && is_json_scalar(tokens.text(at)) ? at + 1 : 0;
  }
  const char close = first == '{' ? '}' : ']';
  if (depth == kDepthMax || ++at >= tokens.end()) {
    return 0;
  }
  for (bool empty = true; tokens.byte(at) != close || !empty; empty = false) {
    std::string_view name;
    if (first == '{') {
      if (at + 2 >= tokens.end() || tokens.byte(at + 1) != ':' ||
          !read_json_text(tokens.text(at), &name)) {
        return 0;
      }
      at += 2;
    }
    at = past_valid(at, depth + 1);
    if (at == 0 || at >= tokens.end()) {
      return 0;
    }
    if (tokens.byte(at) == close) {
      break;
    }
    if (tokens.byte(at) != ',' || ++at >= tokens.end()) {
      return 0;
    }
  }
  return at + 1 < tokens.end() ? at + 1 : 0;
}

/// Column -1: nobody asked for it. False: it is no name, or one with escapes.
bool JsonMembers::State::find_column(std::size_t member, std::string_view quoted, int* column) {
  constexpr std::size_t kHintsMax = 256;
  if (member < hints.size() && is_name(quoted, hints[member].quoted)) {
    *column = hints[member].column;
    return true;
  }
  std::string_view name;
  if (!read_json_text(quoted, &name)) {
    return false;
  }
  *column = columns.find(name);
  if (member < kHintsMax) {
    if (member >= hints.size()) {
      hints.resize(member + 1);
    }
    hints[member] = {std::string(quoted), *column};
  }
  return true;
}

bool JsonMembers::State::read_member(std::string_view token, int column, RowCollector* rows) {
  RowCell& cell = rows->cell(static_cast<std::size_t>(column));
  columns.note(column);
  cell.null = is_word(token, "null");  // of members of one name the last counts
  return cell.null || read_json_value(token, columns.type(column), columns.unit(column), &cell);
}

}  // namespace assay::data
