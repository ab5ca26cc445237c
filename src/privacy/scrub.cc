#include "privacy/scrub.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "base/ascii.h"
#include "privacy/hmac.h"
#include "privacy/ip_address.h"

namespace assay::privacy {
namespace {

using catalog::ColumnDef;
using catalog::Scrub;

constexpr std::string_view kStars = "***";

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\f\v";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool is_continuation(char c) {
  return (static_cast<uint8_t>(c) & 0xc0) == 0x80;
}

/// Bytes of the first code point of a text that is not empty.
std::size_t first_length(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && is_continuation(text[length])) {
    ++length;
  }
  return length;
}

std::size_t last_length(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && is_continuation(text[text.size() - length])) {
    ++length;
  }
  return length;
}

std::string mask_middle(std::string_view text) {
  const auto points =
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); });
  if (points <= 2) {
    return std::string(kStars);
  }
  std::string masked(text.substr(0, first_length(text)));
  masked += kStars;
  masked += text.substr(text.size() - last_length(text));
  return masked;
}

std::string hash_message(std::string_view pii, std::string_view value) {
  std::string message = "v1|";
  message += pii;
  message += '|';
  message += canonical_value(pii, value);
  return message;
}

using TextScrub = std::function<bool(std::string_view, std::string*)>;

data::ColumnPtr scrub_text(const data::Column& column,
                           const TextScrub& scrub,
                           Unreadable* unreadable) {
  data::ColumnBuilder builder(data::Type::kString);
  builder.reserve(column.size());
  std::string scrubbed;
  for (int64_t row = 0; row < column.size(); ++row) {
    if (column.is_null(row)) {
      builder.append_null();
    } else if (scrub(column.text(row), &scrubbed)) {
      builder.append_text(scrubbed);
    } else {
      builder.append_null();
      unreadable->rows.push_back(row);
    }
  }
  return builder.finish();
}

template <typename Float>
data::ColumnPtr round_column(const data::Column& column, int digits) {
  data::ColumnBuilder builder(column.type());
  builder.reserve(column.size());
  const auto values = column.values<Float>();
  for (int64_t row = 0; row < column.size(); ++row) {
    if (column.is_null(row)) {
      builder.append_null();
    } else {
      const auto value = static_cast<double>(values[static_cast<std::size_t>(row)]);
      builder.append(static_cast<Float>(round_value(value, digits)));
    }
  }
  return builder.finish();
}

data::ColumnPtr scrub_column(const ColumnDef& def,
                             const data::Column& column,
                             const PrivacyKey& key,
                             Unreadable* unreadable) {
  if (def.scrub == Scrub::kRound) {
    return column.type() == data::Type::kFloat32 ? round_column<float>(column, def.round_digits)
                                                 : round_column<double>(column, def.round_digits);
  }
  if (def.scrub == Scrub::kHmac) {
    HmacSha256 hmac(key.bytes());
    const TextScrub hash = [&](std::string_view text, std::string* scrubbed) {
      *scrubbed = hmac.hex(hash_message(def.pii, text));
      return true;
    };
    return scrub_text(column, hash, unreadable);
  }
  if (def.scrub == Scrub::kMask) {
    const TextScrub mask = [&](std::string_view text, std::string* scrubbed) {
      *scrubbed = mask_value(def.pii, text);
      return true;
    };
    return scrub_text(column, mask, unreadable);
  }
  return scrub_text(column, truncate_ip, unreadable);
}

std::string_view scrub_name(Scrub scrub) {
  switch (scrub) {
    case Scrub::kNone:
      return "none";
    case Scrub::kHmac:
      return "hmac";
    case Scrub::kMask:
      return "mask";
    case Scrub::kTruncate:
      return "truncate";
    case Scrub::kRound:
      return "round";
    case Scrub::kDrop:
      return "drop";
  }
  return "none";
}

Status refuse(const catalog::BronzeDef& bronze, const ColumnDef& column, std::string_view why) {
  return {Code::kInvalidArgument,
          "bronze table `" + bronze.name + "`, column `" + column.name + "`: scrub " +
              std::string(scrub_name(column.scrub)) + " " + std::string(why)};
}

Status check_column(const catalog::BronzeDef& bronze, const ColumnDef& column) {
  const bool is_text_scrub = column.scrub == Scrub::kHmac || column.scrub == Scrub::kMask ||
                             column.scrub == Scrub::kTruncate;
  if (is_text_scrub && column.type != data::Type::kString) {
    return refuse(bronze, column, "needs a string column; declare it as `string`");
  }
  const bool is_floating =
      column.type == data::Type::kFloat32 || column.type == data::Type::kFloat64;
  if (column.scrub == Scrub::kRound && !is_floating) {
    return refuse(bronze, column, "needs a float32 or float64 column");
  }
  const bool is_key = std::count(bronze.key.begin(), bronze.key.end(), column.name) != 0;
  if (is_key && column.scrub != Scrub::kNone && column.scrub != Scrub::kHmac) {
    return refuse(
        bronze, column, "would make different keys equal; keys can only be scrubbed by hmac");
  }
  return {};
}

}  // namespace

std::string canonical_value(std::string_view pii, std::string_view value) {
  return pii == "email" ? lower_ascii(trim(value)) : std::string(trim(value));
}

std::string pseudonym(const PrivacyKey& key, std::string_view pii, std::string_view value) {
  return HmacSha256(key.bytes()).hex(hash_message(pii, value));
}

std::string mask_value(std::string_view pii, std::string_view value) {
  const std::string_view text = trim(value);
  const std::size_t at = pii == "email" ? text.rfind('@') : std::string_view::npos;
  if (at == std::string_view::npos || at == 0) {
    return mask_middle(text);
  }
  std::string masked(text.substr(0, first_length(text)));
  masked += kStars;
  masked += text.substr(at);
  return masked;
}

double round_value(double value, int digits) {
  if (!std::isfinite(value)) {
    return value;
  }
  const double scale = std::pow(10.0, digits);
  const double rounded = std::round(value * scale) / scale;
  return std::isfinite(rounded) ? rounded : value;
}

Result<ScrubPlan> ScrubPlan::compile(const catalog::BronzeDef& bronze) {
  ScrubPlan plan;
  for (const ColumnDef& column : bronze.columns) {
    ASSAY_RETURN_IF_ERROR(check_column(bronze, column));
    if (column.scrub != Scrub::kNone || !column.pii.empty()) {
      plan.columns_.push_back(column);
      plan.has_personal_data_ = true;
    }
  }
  return plan;
}

bool ScrubPlan::is_stored_raw(std::string_view column) const {
  return std::none_of(columns_.begin(), columns_.end(), [&](const ColumnDef& def) {
    return def.name == column && def.scrub != Scrub::kNone;
  });
}

Scrubbed ScrubPlan::scrub(const data::Batch& batch, const PrivacyKey& key) const {
  Scrubbed result;
  std::vector<data::Field> fields;
  std::vector<data::ColumnPtr> columns;
  for (int index = 0; index < batch.column_count(); ++index) {
    data::Field field = batch.schema().field(index);
    data::ColumnPtr column = batch.column_ptr(index);
    const auto def = std::find_if(columns_.begin(), columns_.end(), [&](const ColumnDef& each) {
      return each.name == field.name;
    });
    if (def != columns_.end() && def->scrub == Scrub::kDrop) {
      continue;
    }
    if (def != columns_.end() && def->scrub != Scrub::kNone) {
      Unreadable unreadable{field.name, {}};
      column = scrub_column(*def, *column, key, &unreadable);
      if (!unreadable.rows.empty()) {
        result.unreadable.push_back(std::move(unreadable));
      }
    }
    fields.push_back(std::move(field));
    columns.push_back(std::move(column));
  }
  result.rows = data::Batch(data::make_schema(std::move(fields)), std::move(columns), batch.rows());
  return result;
}

Result<Scrubbed> scrub_batch(const catalog::BronzeDef& bronze,
                             const data::Batch& batch,
                             const PrivacyKey& key) {
  ASSAY_ASSIGN_OR_RETURN(const ScrubPlan plan, ScrubPlan::compile(bronze));
  return plan.scrub(batch, key);
}

}  // namespace assay::privacy
