// Records of one source are written by one program: the same names, in nearly the same order, with
// the same blanks between. So where a member is expected, its name is compared as bytes,
//
//   {"user_id":"u1","item_id":17}
//    ~~~~~~~~~~ ^^^^ ~~~~~~~~~~ ^^     ~ compared in words of eight bytes, ^ read once
//
// and each byte is looked at once, whereas finding the places of all tokens first looks at each one
// twice. Nothing is taken on trust: what was compared is a name, a colon and blanks; strings are
// UTF-8 without control characters and escapes; numbers and words are all that they must be.

#include "data/json_shape.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "data/json_columns.h"
#include "data/json_members.h"
#include "data/json_scalars.h"
#include "data/utf8.h"

namespace assay::data {
namespace {

constexpr std::size_t kWord = sizeof(uint64_t);
/// Longer names, blanks included, are not remembered.
constexpr std::size_t kWordsMax = 8;
constexpr std::size_t kMembersMax = 64;
/// Bytes behind a record that are read, and are no part of it. At the first, a control character,
/// every value ends.
constexpr std::size_t kPadding = JsonShape::kReadBehind;
static_assert(kPadding == (kWordsMax + 1) * kWord);

constexpr uint64_t of_each_byte(uint64_t byte) {
  return byte * 0x0101010101010101U;
}

/// A bit at the first byte that is below `end`, which is 128 at most; bits above it may be wrong.
uint64_t first_below(uint64_t word, uint64_t end) {
  return (word - of_each_byte(end)) & ~word & of_each_byte(0x80);
}

/// The closing quote of a text that begins at `at`; nullptr: it has escapes, or is no text.
[[gnu::always_inline]] inline const char* closing_quote(const char* at) {
  const char* const begin = at;
  uint64_t beyond_ascii = of_each_byte(0x80);  // stops there too, once
  for (;;) {
    const uint64_t word = eight_bytes(at);
    const uint64_t stops = first_below(word, ' ') | first_below(word ^ of_each_byte('"'), 1) |
                           first_below(word ^ of_each_byte('\\'), 1) | (word & beyond_ascii);
    if (stops == 0) {
      at += kWord;
      continue;
    }
    at += std::countr_zero(stops) / 8;
    if ((*at & 0x80) != 0) {
      beyond_ascii = 0;
      continue;
    }
    const bool is_text = *at == '"' && (beyond_ascii != 0 || is_utf8({begin, at}));
    return is_text ? at : nullptr;
  }
}

const char* past_blanks(const char* at, const char* end) {
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) {
    ++at;
  }
  return at;
}

constexpr auto kWholePowersOfTen = [] {
  std::array<uint64_t, kJsonDigits + 1> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) {
    powers[i] = powers[i - 1] * 10;
  }
  return powers;
}();

/// How many of the eight bytes are digits before the first that is none.
[[gnu::always_inline]] inline std::size_t digits_of(uint64_t word) {
  constexpr uint64_t kUpper = of_each_byte(0xf0);
  const uint64_t others = ((word & kUpper) ^ of_each_byte('0')) |
                          (((word + of_each_byte(6)) & kUpper) ^ of_each_byte('0'));
  return static_cast<std::size_t>(std::countr_zero(others)) / 8;
}

// Readers of values give the place behind what they read; nullptr: it is none, or not for them.

/// Up to kJsonDigits digits; of more the number is not told.
[[gnu::always_inline]] inline const char* read_digits(const char* at, uint64_t* number) {
  *number = 0;
  const char* const end = at + kJsonDigits;
  while (at < end) {
    const uint64_t word = eight_bytes(at);
    const std::size_t digits = digits_of(word);
    if (digits == kWord) {
      *number = *number * 100'000'000 + static_cast<uint64_t>(number_of_digits(word));
    } else if (digits > 0) {
      // Zeros go before them.
      const uint64_t shifted =
          (word << (8 * (kWord - digits))) | (of_each_byte('0') >> (8 * digits));
      *number =
          *number * kWholePowersOfTen[digits] + static_cast<uint64_t>(number_of_digits(shifted));
    }
    at += digits;
    if (digits < kWord) {
      break;
    }
  }
  return at;
}

/// Whether an integer of the digits [first, end) stands there that 64 bits hold for certain.
[[gnu::always_inline]] inline bool is_integer_of(const char* first, const char* end) {
  const auto count = end - first;
  return count != 0 && count <= kJsonDigits && (*first != '0' || count == 1) &&
         !is_json_digit(*end) && *end != '.' && *end != 'e' && *end != 'E';
}

/// An integer that 64 bits hold for certain.
[[gnu::always_inline]] inline const char* read_integer(const char* at, int64_t* whole) {
  const bool is_negative = *at == '-';
  const char* const first = at + (is_negative ? 1 : 0);
  uint64_t digits = 0;
  const char* const end = read_digits(first, &digits);
  const auto number = static_cast<int64_t>(digits);
  *whole = is_negative ? -number : number;
  return is_integer_of(first, end) ? end : nullptr;
}

/// A number of few digits without an exponent, as read_json_number() reads it.
[[gnu::always_inline]] inline const char* read_real(const char* at, double* real) {
  const bool is_negative = *at == '-';
  const char* const first = at + (is_negative ? 1 : 0);
  uint64_t digits = 0;
  const char* digit = read_digits(first, &digits);
  auto count = digit - first;
  if (count == 0 || count > kJsonDigits || (*first == '0' && count > 1)) {
    return nullptr;
  }
  if (*digit == '.') {
    const char* const fraction = ++digit;
    uint64_t below_one = 0;
    digit = read_digits(fraction, &below_one);
    const auto places = digit - fraction;
    count += places;
    if (places == 0 || count > kJsonDigits) {
      return nullptr;
    }
    digits = digits * kWholePowersOfTen[static_cast<std::size_t>(places)] + below_one;
    // Both numbers are exact, see read_json_real().
    *real = static_cast<double>(digits) / kPowersOfTen[places];
    if (digits > uint64_t{1} << 53) {
      return nullptr;
    }
    *real = is_negative ? -*real : *real;
  } else {
    const auto whole = static_cast<int64_t>(digits);
    *real = static_cast<double>(is_negative ? -whole : whole);
  }
  return is_json_digit(*digit) || *digit == '.' || *digit == 'e' || *digit == 'E' ? nullptr : digit;
}

/// The text of a value that is no object and no array; "": there is none.
std::string_view token_at(const char* begin) {
  const char* end = begin;
  if (*begin == '"') {
    const char* const quote = closing_quote(begin + 1);
    end = quote == nullptr ? begin : quote + 1;
  } else {
    while (is_json_digit(*end) || (*end >= 'a' && *end <= 'z') || *end == '-' || *end == '+' ||
           *end == '.' || *end == 'E') {
      ++end;
    }
  }
  return {begin, end};
}

/// Any value that nobody asked for.
[[gnu::noinline]] const char* pass_over_token(const char* at) {
  const std::string_view token = token_at(at);
  return !token.empty() && is_json_scalar(token) ? token.data() + token.size() : nullptr;
}

/// The same; most are texts and integers.
[[gnu::always_inline]] inline const char* pass_over(const char* at) {
  if (*at == '"') {
    const char* const quote = closing_quote(at + 1);
    return quote == nullptr ? nullptr : quote + 1;
  }
  const char* const first = at + (*at == '-' ? 1 : 0);
  const char* end = first;
  std::size_t digits = kWord;
  while (digits == kWord && end - first < kJsonDigits) {
    digits = digits_of(eight_bytes(end));
    end += digits;
  }
  return is_integer_of(first, end) ? end : pass_over_token(at);
}

/// Any value of a column that is not null.
[[gnu::noinline]] const char* read_token(const char* at,
                                         const Type& type,
                                         TimeUnit unit,
                                         RowCell* cell) {
  const std::string_view token = token_at(at);
  return !token.empty() && read_json_value(token, type, unit, cell) ? token.data() + token.size()
                                                                    : nullptr;
}

/// How a member's value is read.
enum class Reading { kNone, kText, kInteger, kReal, kTimeCount, kByToken };

Reading reading_of(const Type& type, TimeUnit unit) {
  if (type == Type::kString) {
    return Reading::kText;
  }
  const bool is_time = type == Type::kTimestamp || type == Type::kTimestampNtz;
  if (is_time && unit != TimeUnit::kText) {
    return Reading::kTimeCount;
  }
  if (type == Type::kFloat64) {
    return Reading::kReal;
  }
  return is_integer(type) ? Reading::kInteger : Reading::kByToken;
}

}  // namespace

struct JsonShape::State {
  /// A name with its quotes, the colon, and the blanks before, between and behind them.
  struct Member {
    std::string text;
    std::array<uint64_t, kWordsMax> words{};  // the same, zeros behind
    std::size_t last = 0;                     // of the words
    uint64_t last_mask = 0;                   // its bytes that count
    int column = -1;
    Reading reading = Reading::kNone;

    [[nodiscard]] bool stands_at(const char* at) const {
      for (std::size_t i = 0; i < last; ++i) {
        if (eight_bytes(at + i * kWord) != words[i]) {
          return false;
        }
      }
      return (eight_bytes(at + last * kWord) & last_mask) == words[last];
    }
  };

  explicit State(const DecodeOptions& options) : columns(options) {}

  const char* copy(std::string_view record);
  bool add(std::string_view text, std::string_view name);
  const Member* find(const char* at, std::size_t* expected) const;
  const char* read_member(const Member& member, const char* at, RowCollector* rows);
  bool read(const char* at, const char* end, RowCollector* rows);

  JsonColumns columns;
  std::vector<Member> members;  // in the order of the records
  std::string padded;
};

JsonShape::JsonShape(std::unique_ptr<State> state) : state_(std::move(state)) {}
JsonShape::~JsonShape() = default;

std::unique_ptr<JsonShape> JsonShape::of(const DecodeOptions& options) {
  if (!are_plain_columns(options)) {
    return nullptr;
  }
  return std::unique_ptr<JsonShape>(new JsonShape(std::make_unique<State>(options)));
}

bool JsonShape::read(std::string_view record, RowCollector* rows) {
  const char* const at = state_->copy(record);
  return state_->read(at, at + record.size(), rows);
}

bool JsonShape::read_in_place(std::string_view record, RowCollector* rows) {
  return state_->read(record.data(), record.data() + record.size(), rows);
}

/// What is done for every record is one run of code without calls, save where something is rare.
///
/// No value that begins before `end` goes on behind the control character there, and no name is
/// longer than the padding.
bool JsonShape::State::read(const char* at, const char* end, RowCollector* rows) {
  if (members.empty()) {
    return false;
  }
  columns.begin_record();
  if (*at++ != '{') {
    return false;
  }
  for (std::size_t expected = 0;;) {
    const Member* const member = find(at, &expected);
    if (member == nullptr) {
      return false;
    }
    at += member->text.size();
    if (at >= end) {
      return false;
    }
    at = member->reading == Reading::kNone ? pass_over(at) : read_member(*member, at, rows);
    if (at == nullptr) {
      return false;
    }
    const char behind = *at++;
    if (behind == ',' && at < end) {
      continue;
    }
    if (behind != '}' || past_blanks(at, end) != end) {
      return false;
    }
    columns.fill_absent(rows);
    return true;
  }
}

bool JsonShape::learn(std::string_view record) {
  State& state = *state_;
  if (state.members.size() == kMembersMax) {
    return false;
  }
  bool is_new = false;
  const char* at = state.copy(record);
  const char* const end = at + record.size();
  if (*at++ != '{') {
    return false;
  }
  for (;;) {
    const char* const begin = at;
    const char* const name = past_blanks(at, end);
    const char* const quote = *name == '"' ? closing_quote(name + 1) : nullptr;
    if (quote == nullptr) {
      return is_new;
    }
    at = past_blanks(quote + 1, end);
    if (*at++ != ':') {
      return is_new;
    }
    at = past_blanks(at, end);
    is_new = state.add({begin, at}, {name + 1, quote}) || is_new;
    at = pass_over(at);
    if (at == nullptr || *at++ != ',') {
      return is_new;
    }
  }
}

/// A record with kPadding bytes behind it.
const char* JsonShape::State::copy(std::string_view record) {
  const std::size_t size = record.size() + kPadding;
  if (padded.size() < size) {
    padded.resize(size + size / 2);
  }
  std::copy(record.begin(), record.end(), padded.begin());
  padded[record.size()] = '\0';
  return padded.data();
}

/// False: it is known, or too long, or one too many.
bool JsonShape::State::add(std::string_view text, std::string_view name) {
  const bool is_known = std::any_of(
      members.begin(), members.end(), [&](const Member& member) { return member.text == text; });
  if (is_known || text.size() > kWordsMax * kWord || members.size() == kMembersMax) {
    return false;
  }
  Member& added = members.emplace_back();
  added.text = text;
  std::memcpy(added.words.data(), text.data(), text.size());
  added.last = (text.size() - 1) / kWord;
  const std::size_t spare_bits = 8 * ((added.last + 1) * kWord - text.size());
  added.last_mask = ~uint64_t{0} >> spare_bits;
  added.column = columns.find(name);
  if (added.column >= 0) {
    added.reading = reading_of(columns.type(added.column), columns.unit(added.column));
  }
  return true;
}

/// The member that stands there: the one expected, or one behind it, or else one before it.
[[gnu::always_inline]] inline const JsonShape::State::Member* JsonShape::State::find(
    const char* at, std::size_t* expected) const {
  for (std::size_t tries = members.size(); tries > 0; --tries) {
    const std::size_t place = *expected < members.size() ? *expected : 0;
    *expected = place + 1;
    if (members[place].stands_at(at)) {
      return &members[place];
    }
  }
  return nullptr;
}

[[gnu::always_inline]] inline const char* JsonShape::State::read_member(const Member& member,
                                                                        const char* at,
                                                                        RowCollector* rows) {
  RowCell& cell = rows->cell(static_cast<std::size_t>(member.column));
  columns.note(member.column);
  cell.null = *at == 'n';  // of members of one name the last counts
  if (cell.null) {
    const std::string_view token = token_at(at);
    return is_word(token, "null") ? at + token.size() : nullptr;
  }
  if (member.reading == Reading::kText) {
    const char* const begin = at + 1;
    const char* const quote = *at == '"' ? closing_quote(begin) : nullptr;
    cell.text = {begin, quote == nullptr ? begin : quote};
    return quote == nullptr ? nullptr : quote + 1;
  }
  const Type& type = columns.type(member.column);
  const TimeUnit unit = columns.unit(member.column);
  const char* end = nullptr;
  if (member.reading == Reading::kReal) {
    end = read_real(at, &cell.number);
  } else if (member.reading != Reading::kByToken) {
    end = read_integer(at, &cell.integer);
    const bool is_value = end != nullptr && (member.reading == Reading::kInteger
                                                 ? fits_integer(cell.integer, type)
                                                 : read_time_count(cell.integer, unit, &cell));
    if (end != nullptr && !is_value) {
      return nullptr;
    }
  }
  return end != nullptr ? end : read_token(at, type, unit, &cell);
}

}  // namespace assay::data
