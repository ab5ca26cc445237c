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
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <simdjson.h>

namespace assay::data {
namespace {

bool is_read_here(const DecodeOptions& options) {
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

/// A comparison that the compiler writes out.
template <std::size_t kSize>
bool is(std::string_view token, const char (&word)[kSize]) {
  return token.size() == kSize - 1 && std::memcmp(token.data(), word, kSize - 1) == 0;
}

constexpr std::size_t kWordBytes = sizeof(uint64_t);

/// The same for names, which are short: eight bytes at a time.
bool is_name(std::string_view token, std::string_view name) {
  if (token.size() != name.size()) {
    return false;
  }
  const auto differ = [&](std::size_t at) {
    uint64_t a = 0;
    uint64_t b = 0;
    std::memcpy(&a, token.data() + at, kWordBytes);
    std::memcpy(&b, name.data() + at, kWordBytes);
    return a != b;
  };
  if (token.size() < kWordBytes) {
    return std::equal(token.begin(), token.end(), name.begin());
  }
  for (std::size_t at = 0; at + kWordBytes <= token.size(); at += kWordBytes) {
    if (differ(at)) {
      return false;
    }
  }
  return !differ(token.size() - kWordBytes);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The end of the digits from `at` on.
const char* past_digits(const char* at, const char* end) {
  while (at != end && is_digit(*at)) {
    ++at;
  }
  return at;
}

struct Number {
  bool is_whole = true;  // no fraction, no exponent: -0 is the integer 0
  int64_t whole = 0;
  double real = 0;
};

/// Powers of ten that a double holds exactly.
constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr std::ptrdiff_t kDigits = 18;  // always fit 64 bits

/// The number of up to eight digits that begin there; nothing where one of them is no digit. Eight
/// bytes must be readable.
std::optional<uint64_t> read_digits(const char* digits, std::size_t count) {
  uint64_t word = 0;
  std::memcpy(&word, digits, sizeof word);
  // The digit of ones goes into the highest byte, zeros before the others.
  constexpr uint64_t kZeros = 0x3030303030303030;
  word = count == kWordBytes ? word : (word << 8 * (kWordBytes - count)) | (kZeros >> 8 * count);
  constexpr uint64_t kHighs = 0xF0F0F0F0F0F0F0F0;
  if ((word & kHighs) != kZeros || ((word + 0x0606060606060606) & kHighs) != kZeros) {
    return std::nullopt;
  }
  // Neighbours become numbers of two digits, of four and of eight.
  word -= kZeros;
  word = word * 10 + (word >> 8);
  constexpr uint64_t kPairs = 0x000000FF000000FF;
  return ((word & kPairs) * (100 + (uint64_t{1'000'000} << 32)) +
          (word >> 16 & kPairs) * (1 + (uint64_t{10'000} << 32))) >>
         32;
}

/// A number as JSON writes it that is no integer of up to kDigits digits, which end at `at`.
bool read_real(std::string_view token, const char* first, const char* at, Number* number) {
  const char* const end = token.data() + token.size();
  number->is_whole = false;
  at = past_digits(at, end);
  const char* fraction = end;
  if (at != end && *at == '.') {
    fraction = at + 1;
    at = past_digits(fraction, end);
    if (at == fraction) {
      return false;
    }
  } else if (at == end) {
    return false;  // an integer of more digits
  }
  if (at == end && end - first - 1 <= kDigits) {
    // Few digits: both numbers are exact, so their quotient is what the text says (Clinger, "How to
    // read floating point numbers accurately", 1990).
    int64_t digits = number->whole;
    for (const char* digit = fraction; digit != end; ++digit) {
      digits = digits * 10 + (*digit - '0');
    }
    if (digits <= int64_t{1} << 53) {
      const double real = static_cast<double>(digits) / kPowersOfTen[end - fraction];
      number->real = token.front() == '-' ? -real : real;
      return true;
    }
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    at += at != end && (*at == '+' || *at == '-') ? 1 : 0;
    const char* const exponent = at;
    at = past_digits(exponent, end);
    if (at == exponent) {
      return false;
    }
  }
  const auto read = std::from_chars(token.data(), end, number->real);
  return at == end && read.ec == std::errc() && read.ptr == end;
}

/// An integer of up to two words of digits, and nothing else; most are.
bool read_whole(std::string_view digits, uint64_t* whole) {
  if (digits.empty() || digits.size() > 2 * kWordBytes ||
      (digits.front() == '0' && digits.size() > 1)) {
    return false;
  }
  const std::size_t behind = digits.size() > kWordBytes ? kWordBytes : 0;
  const std::size_t before = digits.size() - behind;
  const std::optional<uint64_t> high = read_digits(digits.data(), before);
  const std::optional<uint64_t> low = behind == 0 ? 0 : read_digits(digits.data() + before, behind);
  *whole = behind == 0 ? high.value_or(0) : high.value_or(0) * 100'000'000 + low.value_or(0);
  return high && low;
}

/// A number as JSON writes it. False also for integers that may not fit 64 bits. Of the text that
/// the token is of, eight bytes more can be read.
bool read_number(std::string_view token, Number* number) {
  const char* const end = token.data() + token.size();
  const bool negative = token.front() == '-';
  const char* const first = token.data() + (negative ? 1 : 0);
  uint64_t whole = 0;
  if (read_whole({first, end}, &whole)) {
    number->whole = negative ? -static_cast<int64_t>(whole) : static_cast<int64_t>(whole);
    number->real = static_cast<double>(number->whole);
    return true;
  }
  const char* at = first;
  for (; at != end && is_digit(*at) && at - first < kDigits; ++at) {
    number->whole = number->whole * 10 + (*at - '0');
  }
  if (at == first || (*first == '0' && at - first > 1)) {
    return false;
  }
  if (at != end) {
    return read_real(token, first, at, number);
  }
  number->whole = negative ? -number->whole : number->whole;
  number->real = static_cast<double>(number->whole);
  return true;
}

/// What stands between the quotes of a string without escapes.
bool read_text(std::string_view token, std::string_view* text) {
  if (token.size() < 2 || token.front() != '"' || token.back() != '"') {
    return false;
  }
  *text = token.substr(1, token.size() - 2);
  return std::memchr(text->data(), '\\', text->size()) == nullptr;
}

bool is_valid_scalar(std::string_view token) {
  std::string_view text;
  Number number;
  switch (token.front()) {
    case '"':
      return read_text(token, &text);
    case 't':
      return is(token, "true");
    case 'f':
      return is(token, "false");
    case 'n':
      return is(token, "null");
    default:
      return read_number(token, &number);
  }
}

bool read_timestamp(std::string_view token, TimeUnit unit, RowCell* cell) {
  std::string_view text;
  Number number;
  if (unit == TimeUnit::kText) {
    return read_text(token, &text) && read_time_text(text, cell);
  }
  return read_number(token, &number) &&
         (number.is_whole ? read_time_count(number.whole, unit, cell)
                          : read_time_count(number.real, unit, cell));
}

/// A value that is not null.
bool read_value(std::string_view token, const Type& type, TimeUnit unit, RowCell* cell) {
  std::string_view text;
  Number number;
  switch (type) {
    case Type::kBool:
      cell->integer = is(token, "true") ? 1 : 0;
      return cell->integer != 0 || is(token, "false");
    case Type::kFloat32:
    case Type::kFloat64:
      if (!read_number(token, &number)) {
        return false;
      }
      cell->number = number.real;
      return type == Type::kFloat64 || fits_float32(cell->number);
    case Type::kString:
      return read_text(token, &cell->text);
    case Type::kDate:
      return read_text(token, &text) && read_date(text, cell);
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      return read_timestamp(token, unit, cell);
    default:
      if (!read_number(token, &number) || !number.is_whole) {
        return false;
      }
      cell->integer = number.whole;
      return fits_integer(cell->integer, type);
  }
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

struct JsonMembers::State {
  explicit State(const DecodeOptions& decode_options) : options(decode_options) {
    const std::vector<Field>& fields = options.schema->fields();
    options.time_units.resize(fields.size(), TimeUnit::kText);
    for (std::size_t i = 0; i < fields.size(); ++i) {
      column_by_name.emplace(fields[i].name, static_cast<int>(i));
      has_defaults = has_defaults || (i < options.defaults.size() && options.defaults[i]);
    }
    seen.resize(fields.size());
  }

  bool read_object(RowCollector* rows);
  bool find_column(std::size_t member, std::string_view quoted, int* column);
  bool read_member(std::string_view token, std::size_t column, RowCollector* rows);
  uint32_t past_valid(uint32_t token, int depth) const;
  void fill_defaults(RowCollector* rows);

  DecodeOptions options;
  Tokens tokens;
  std::unordered_map<std::string_view, int> column_by_name;  // names of the schema
  bool has_defaults = false;
  std::vector<uint8_t> seen;  // per column: the record has it
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
  if (!is_read_here(options)) {
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
  if (state.has_defaults) {
    state.fill_defaults(rows);
  }
  return true;
}

/// All tokens are one object.
bool JsonMembers::State::read_object(RowCollector* rows) {
  std::fill(seen.begin(), seen.end(), uint8_t{0});
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
    } else if (read_member(tokens.text(at), static_cast<std::size_t>(column), rows)) {
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
    return at + 1 < tokens.end() && is_valid_scalar(tokens.text(at)) ? at + 1 : 0;
  }
  const char close = first == '{' ? '}' : ']';
  if (depth == kDepthMax || ++at >= tokens.end()) {
    return 0;
  }
  for (bool empty = true; tokens.byte(at) != close || !empty; empty = false) {
    std::string_view name;
    if (first == '{') {
      if (at + 2 >= tokens.end() || tokens.byte(at + 1) != ':' ||
          !read_text(tokens.text(at), &name)) {
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
  if (!read_text(quoted, &name)) {
    return false;
  }
  const auto found = column_by_name.find(name);
  *column = found == column_by_name.end() ? -1 : found->second;
  if (member < kHintsMax) {
    if (member >= hints.size()) {
      hints.resize(member + 1);
    }
    hints[member] = {std::string(quoted), *column};
  }
  return true;
}

bool JsonMembers::State::read_member(std::string_view token,
                                     std::size_t column,
                                     RowCollector* rows) {
  RowCell& cell = rows->cell(column);
  seen[column] = 1;
  cell.null = is(token, "null");  // of members of one name the last counts
  return cell.null || read_value(token,
                                 options.schema->field(static_cast<int>(column)).type,
                                 options.time_units[column],
                                 &cell);
}

void JsonMembers::State::fill_defaults(RowCollector* rows) {
  for (std::size_t i = 0; i < options.defaults.size(); ++i) {
    if (seen[i] == 0 && options.defaults[i]) {
      set_cell(*options.defaults[i], &rows->cell(i));
    }
  }
}

}  // namespace assay::data
