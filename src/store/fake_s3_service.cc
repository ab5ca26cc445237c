#include <algorithm>

#include "store/digest.h"
#include "store/fake_s3.h"
#include "store/s3_xml.h"
#include "store/sigv4.h"

// What the fake service does with a request when no fault is in the way.

namespace assay::store {
namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : std::string(1, c);
  }
  return out;
}

}  // namespace

FakeAnswer FakeS3::error(int status, const std::string& code, const std::string& message) {
  return {status,
          {},
          "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>" + message +
              "</Message></Error>"};
}

std::string FakeS3::http_date(int64_t number) {
  const EventTime time{1'767'225'600'000'000 + number * kMicrosPerSecond};  // a Thursday
  const std::string iso = format_time(time);
  return "Thu, " + iso.substr(8, 2) + " Jan " + iso.substr(0, 4) + " " + iso.substr(11, 8) + " GMT";
}

std::optional<FakeAnswer> FakeS3::check_signature(const FakeRequest& request) {
  const std::string authorization_header = request.header("authorization");
  const std::string key = "Credential=";
  const std::size_t at = authorization_header.find(key);
  if (at == std::string::npos) {
    return error(403, "AccessDenied", "no signature");
  }
  const std::string rest = authorization_header.substr(at + key.size());
  const std::string access_key = rest.substr(0, rest.find('/'));
  if (access_key == expired_) {
    return error(400, "ExpiredToken", "the token is too old");
  }
  if (access_key != good_.access_key ||
      request.header("x-amz-security-token") != good_.session_token) {
    return error(403, "InvalidAccessKeyId");
  }
  const std::string names_key = "SignedHeaders=";
  std::string names =
      authorization_header.substr(authorization_header.find(names_key) + names_key.size());
  names.resize(names.find(','));
  SigningInput input{request.method, request.path, request.query, {}, ""};
  input.payload_sha256 = request.header("x-amz-content-sha256");
  while (!names.empty()) {
    const std::string name = names.substr(0, names.find(';'));
    input.headers.emplace_back(name, request.header(name));
    names.erase(0, name.size() + 1);
  }
  const std::string date = request.header("x-amz-date");
  const EventTime time =
      parse_time(date.substr(0, 4) + "-" + date.substr(4, 2) + "-" + date.substr(6, 5) + ":" +
                 date.substr(11, 2) + ":" + date.substr(13))
          .value();
  const std::string region =
      rest.substr(access_key.size() + 10, rest.find("/s3/") - access_key.size() - 10);
  const std::string expected = authorization(input, {time, region, "s3"}, good_);
  const std::size_t signature = expected.rfind('=');
  const bool same = authorization_header.size() >= 64 &&
                    authorization_header.ends_with(expected.substr(signature + 1));
  if (!same) {
    return error(403, "SignatureDoesNotMatch");
  }
  if (input.payload_sha256 != "UNSIGNED-PAYLOAD" &&
      input.payload_sha256 != to_hex(sha256(request.body))) {
    return error(400, "XAmzContentSHA256Mismatch");
  }
  return std::nullopt;
}

FakeAnswer FakeS3::act(const FakeRequest& request) {
  if (other_) {
    if (std::optional<FakeAnswer> reply = other_(request)) {
      return *std::move(reply);
    }
  }
  if (std::optional<FakeAnswer> refusal = check_signature(request)) {
    return *std::move(refusal);
  }
  const std::string bucket = std::string("/") + kBucket;
  std::string key = request.path;
  if (request.header("host").starts_with(std::string(kBucket) + ".")) {
    key.erase(0, 1);
  } else if (key == bucket || key.starts_with(bucket + "/")) {
    key.erase(0, std::min(key.size(), bucket.size() + 1));
  } else {
    return error(404, "NoSuchBucket");
  }
  if (!bucket_there_) {
    return error(404, "NoSuchBucket", "the bucket does not exist");
  }
  return key.empty() ? act_on_bucket(request) : act_on_object(request, key);
}

FakeAnswer FakeS3::act_on_bucket(const FakeRequest& request) {
  if (request.method == "GET") {
    return list(request);
  }
  if (!request.parameter("delete")) {
    return error(501, "NotImplemented");
  }
  if (request.header("content-md5") != to_base64(md5(request.body))) {
    return error(400, "InvalidDigest");
  }
  const Result<XmlNode> root = parse_xml(request.body);
  for (const XmlNode& object : root.value().children) {
    if (object.name == "Object") {
      objects_.erase(object.value("Key"));
    }
  }
  return {200, {}, "<DeleteResult/>"};
}

FakeAnswer FakeS3::list(const FakeRequest& request) {
  const std::string prefix = request.parameter("prefix").value_or("");
  const std::string delimiter = request.parameter("delimiter").value_or("");
  const std::string after = request.parameter("continuation-token")
                                .value_or(request.parameter("start-after").value_or(""));
  std::string body = "<ListBucketResult>";
  std::string last;
  std::string folder;
  int count = 0;
  bool truncated = false;
  for (const auto& [key, object] : objects_) {
    const bool seen = key <= after || (after.ends_with('/') && key.starts_with(after));
    if (!key.starts_with(prefix) || (seen && !after.empty()) ||
        (!folder.empty() && key.starts_with(folder))) {
      continue;
    }
    if (count == page_size_) {
      truncated = true;
      break;
    }
    ++count;
    const std::size_t end =
        delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
    if (end != std::string::npos) {
      folder = key.substr(0, end + 1);
      last = folder;
      body += "<CommonPrefixes><Prefix>" + escaped(folder) + "</Prefix></CommonPrefixes>";
      continue;
    }
    last = key;
    const EventTime time{1'767'225'600'000'000 + object.number * kMicrosPerSecond};
    body += "<Contents><Key>" + escaped(key) + "</Key><LastModified>" + format_time(time) +
            "</LastModified><Size>" + std::to_string(object.bytes.size()) + "</Size></Contents>";
  }
  body += std::string("<IsTruncated>") + (truncated ? "true" : "false") + "</IsTruncated>";
  if (truncated) {
    body += "<NextContinuationToken>" + escaped(last) + "</NextContinuationToken>";
  }
  return {200, {}, body + "</ListBucketResult>"};
}

FakeAnswer FakeS3::act_on_object(const FakeRequest& request, const std::string& key) {
  if (request.parameter("uploads") || request.parameter("uploadId")) {
    return act_on_upload(request, key);
  }
  if (request.method == "GET" || request.method == "HEAD") {
    return get(request, key);
  }
  if (request.method == "DELETE") {
    objects_.erase(key);
    return {204, {}, ""};
  }
  return request.method == "PUT" ? put(request, key) : error(405, "MethodNotAllowed");
}

FakeAnswer FakeS3::get(const FakeRequest& request, const std::string& key) {
  const auto found = objects_.find(key);
  if (found == objects_.end()) {
    return error(404, "NoSuchKey");
  }
  const Object& object = found->second;
  FakeAnswer reply;
  reply.headers["last-modified"] = http_date(object.number);
  reply.headers["etag"] = "\"" + to_hex(md5(object.bytes)) + "\"";
  reply.headers["content-length"] = std::to_string(object.bytes.size());
  reply.headers["accept-ranges"] = "bytes";
  if (!request.header("x-amz-checksum-mode").empty() && !object.checksum.empty()) {
    reply.headers["x-amz-checksum-sha256"] = object.checksum;
  }
  const std::string range = request.header("range");
  if (range.empty()) {
    reply.body = object.bytes;
    return reply;
  }
  const std::size_t dash = range.find('-');
  const std::size_t begin = std::stoul(range.substr(6, dash - 6));
  if (begin >= object.bytes.size()) {
    return error(416, "InvalidRange");
  }
  const std::string last_text = range.substr(dash + 1);
  const std::size_t last = std::min(last_text.empty() ? object.bytes.size() : std::stoul(last_text),
                                    object.bytes.size() - 1);
  reply.status = 206;
  reply.body = object.bytes.substr(begin, last - begin + 1);
  reply.headers["content-range"] = "bytes " + std::to_string(begin) + "-" + std::to_string(last) +
                                   "/" + std::to_string(object.bytes.size());
  return reply;
}

FakeAnswer FakeS3::put(const FakeRequest& request, const std::string& key) {
  const bool conditional = request.header("if-none-match") == "*";
  const bool there = objects_.find(key) != objects_.end();
  if (conditional && there && condition_ == Condition::kKept) {
    return error(412, "PreconditionFailed");
  }
  FakeAnswer reply;
  reply.headers["etag"] = "\"" + to_hex(md5(request.body)) + "\"";
  if (conditional && there && condition_ == Condition::kAllWin) {
    return reply;
  }
  const std::string checksum = request.header("x-amz-checksum-sha256");
  if (!checksum.empty() && checksum != to_base64(sha256(request.body))) {
    return error(400, "BadDigest");
  }
  objects_[key] = {request.body, checksum, ++written_};
  return reply;
}

FakeAnswer FakeS3::act_on_upload(const FakeRequest& request, const std::string& key) {
  if (request.parameter("uploads")) {
    const std::string id = "upload-" + std::to_string(++written_);
    uploads_[id];
    return {200,
            {},
            "<InitiateMultipartUploadResult><UploadId>" + id +
                "</UploadId></InitiateMultipartUploadResult>"};
  }
  const std::string id = *request.parameter("uploadId");
  const auto found = uploads_.find(id);
  if (found == uploads_.end()) {
    return error(404, "NoSuchUpload");
  }
  if (request.method == "DELETE") {
    uploads_.erase(found);
    return {204, {}, ""};
  }
  if (request.method == "PUT") {
    found->second[std::stoi(*request.parameter("partNumber"))] = request.body;
    return {200, {{"etag", "\"" + to_hex(md5(request.body)) + "\""}}, ""};
  }
  std::string bytes;
  int number = 0;
  const Result<XmlNode> complete = parse_xml(request.body);
  for (const XmlNode& part : complete.value().children) {
    const std::string& part_bytes = found->second[++number];
    if (part.value("PartNumber") != std::to_string(number) ||
        part.value("ETag") != "\"" + to_hex(md5(part_bytes)) + "\"") {
      return error(400, "InvalidPart");
    }
    bytes += part_bytes;
  }
  objects_[key] = {bytes, "", ++written_};
  uploads_.erase(found);
  return {200, {}, "<CompleteMultipartUploadResult/>"};
}

}  // namespace assay::store
