#include "store/sigv4.h"

#include <algorithm>
#include <cstdio>

#include "base/ascii.h"
#include "store/digest.h"

// AWS Signature Version 4.
//
//   canonical request   method \n path \n query \n headers, each "name:value\n" \n names \n payload
//   string to sign      AWS4-HMAC-SHA256 \n time \n day/region/service/aws4_request \n
//   sha256(above) key                 HMAC of day, region, service and "aws4_request" in turn, from
//   "AWS4" + secret

namespace assay::store {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

/// Without spaces at both ends, and with one for several in between.
std::string trimmed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (!space) {
      out.push_back(c);
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
  }
  if (!out.empty() && out.back() == ' ') {
    out.pop_back();
  }
  return out;
}

/// Headers by lower-case name, sorted; values of one name joined by commas, in their order.
std::map<std::string, std::string> canonical_headers(const SigningInput& input) {
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : input.headers) {
    const auto [found, added] = headers.try_emplace(lower_ascii(name), trimmed(value));
    if (!added) {
      found->second += "," + trimmed(value);
    }
  }
  return headers;
}

std::string signed_names(const std::map<std::string, std::string>& headers) {
  std::string names;
  for (const auto& [name, value] : headers) {
    names += (names.empty() ? "" : ";") + name;
  }
  return names;
}

}  // namespace

std::string uri_encode(std::string_view text, bool keep_slash) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (const char c : text) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash);
    if (plain) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back(kDigits[byte >> 4]);
      out.push_back(kDigits[byte & 15]);
    }
  }
  return out;
}

std::string amz_date(EventTime time) {
  const int64_t day = floor_to(time.micros, kMicrosPerDay);
  const CivilDate date = civil_from_days(day / kMicrosPerDay);
  const int64_t seconds = (time.micros - day) / kMicrosPerSecond;
  char text[48];
  std::snprintf(text,
                sizeof text,
                "%04d%02u%02uT%02d%02d%02dZ",
                static_cast<int>(date.year),
                date.month,
                date.day,
                static_cast<int>(seconds / 3600),
                static_cast<int>(seconds / 60 % 60),
                static_cast<int>(seconds % 60));
  return text;
}

std::string canonical_query(const std::vector<std::pair<std::string, std::string>>& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) {
    encoded.emplace_back(uri_encode(name, false), uri_encode(value, false));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    out += (out.empty() ? "" : "&") + name + "=" + value;
  }
  return out;
}

std::string canonical_request(const SigningInput& input) {
  const std::map<std::string, std::string> headers = canonical_headers(input);
  std::string out = input.method + "\n" + uri_encode(input.path, true) + "\n" +
                    canonical_query(input.query) + "\n";
  for (const auto& [name, value] : headers) {
    out += name + ":" + value + "\n";
  }
  return out + "\n" + signed_names(headers) + "\n" + input.payload_sha256;
}

std::string authorization(const SigningInput& input,
                          const SigningScope& scope,
                          const S3Credentials& credentials) {
  const std::string time = amz_date(scope.time);
  const std::string day = time.substr(0, 8);
  const std::string place = day + "/" + scope.region + "/" + scope.service + "/aws4_request";
  const std::string to_sign = std::string(kAlgorithm) + "\n" + time + "\n" + place + "\n" +
                              to_hex(sha256(canonical_request(input)));
  std::string key = hmac_sha256("AWS4" + credentials.secret_key, day);
  for (const std::string_view part : {std::string_view(scope.region),
                                      std::string_view(scope.service),
                                      std::string_view("aws4_request")}) {
    key = hmac_sha256(key, part);
  }
  return std::string(kAlgorithm) + " Credential=" + credentials.access_key + "/" + place +
         ", SignedHeaders=" + signed_names(canonical_headers(input)) +
         ", Signature=" + to_hex(hmac_sha256(key, to_sign));
}

}  // namespace assay::store
