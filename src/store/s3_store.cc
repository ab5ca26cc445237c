#include "store/s3_store.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <mutex>
#include <utility>

#include "store/conditional_put_check.h"
#include "store/digest.h"
#include "store/s3_client.h"
#include "store/s3_xml.h"
#include "store/spool.h"

namespace assay::store {
namespace {

constexpr Duration kCommitTimeoutMin{15 * kMicrosPerSecond};
constexpr std::size_t kRemovedAtOnceMax = 1'000;
constexpr int64_t kPartsMax = 9'000;  // S3 takes 10,000
constexpr int kBodiesReadMax = 3;

/// Text of an XML element.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

/// The bytes of one object that is to be uploaded, in memory or in the spool.
class Upload {
 public:
  virtual ~Upload() = default;
  [[nodiscard]] virtual int64_t size() const = 0;
  virtual Result<std::string> read(int64_t offset, int64_t size) = 0;
};

class MemoryUpload : public Upload {
 public:
  explicit MemoryUpload(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(bytes_.size()); }
  Result<std::string> read(int64_t offset, int64_t size) override {
    return std::string(
        bytes_.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(size)));
  }

 private:
  std::string_view bytes_;
};

class FileUpload : public Upload {
 public:
  FileUpload(FileSystem& files, std::string path, int64_t size)
      : files_(files), path_(std::move(path)), size_(size) {}
  [[nodiscard]] int64_t size() const override { return size_; }
  Result<std::string> read(int64_t offset, int64_t size) override {
    return files_.read_range(path_, offset, size);
  }

 private:
  FileSystem& files_;
  std::string path_;
  int64_t size_;
};

class S3Store : public ObjectStore {
 public:
  S3Store(World& world, S3Options options, S3Place place, std::unique_ptr<Spool> spool)
      : world_(world),
        client_(world, std::move(options), std::move(place)),
        spool_(std::move(spool)),
        checked_(!client_.options().check_conditional_put) {}

  Result<std::string> get(const std::string& key) override;
  Result<std::string> get_range(const std::string& key, int64_t offset, int64_t size) override;
  Status put(const std::string& key, std::string_view bytes) override;
  Status put_if_absent(const std::string& key, std::string_view bytes) override;
  Result<std::vector<ObjectInfo>> list(const std::string& prefix,
                                       const std::string& start_after) override;
  Result<std::vector<std::string>> list_folders(const std::string& key) override;
  Result<ObjectInfo> stat(const std::string& key) override;
  Status remove(const std::string& key) override;
  Status remove_all(const std::vector<std::string>& keys) override;
  Status adopt(const std::string& key) override;
  [[nodiscard]] std::string read_path(const std::string& key) const override {
    return "s3://" + client_.options().bucket + "/" + full(key);
  }
  [[nodiscard]] std::string write_path(const std::string& key) const override {
    return spool_->path(key);
  }
  Result<std::optional<SqlAccess>> sql_access() override;

 private:
  [[nodiscard]] std::string full(const std::string& key) const {
    const std::string& prefix = client_.options().prefix;
    return prefix.empty() ? key : prefix + "/" + key;
  }
  [[nodiscard]] S3Request request_of(const std::string& method, const std::string& key) const {
    S3Request request;
    request.method = method;
    request.key = full(key);
    return request;
  }
  Result<ListPage> list_page(std::vector<std::pair<std::string, std::string>> query);
  Status put_at_once(const std::string& key, std::string_view bytes);
  Status put_in_parts(const std::string& key, Upload& upload);
  Status upload_parts(const std::string& key, Upload& upload, const std::string& id);
  Status remove_some(const std::vector<std::string>& keys);
  Status put_new(const std::string& key, std::string_view bytes);
  Status check_conditional_put();

  World& world_;
  S3Client client_;
  std::unique_ptr<Spool> spool_;
  std::mutex mutex_;
  bool checked_;
};

Status unexpected(const S3Request& request, const S3Answer& answer) {
  return {Code::kUnavailable,
          request.method + " " + request.key + ": HTTP " + std::to_string(answer.http.status)};
}

Status no_such_object(const std::string& key) {
  return {Code::kNotFound, "no such object: " + key};
}

// ---- Read
// -------------------------------------------------------------------------------------------

Result<std::string> S3Store::get(const std::string& key) {
  ASSAY_RETURN_IF_ERROR(validate_key(key));
  S3Request request = request_of("GET", key);
  request.wants_checksum = true;
  ASSAY_ASSIGN_OR_RETURN(S3Answer answer, client_.send(request));
  if (answer.http.status == 404) {
    return no_such_object(key);
  }
  if (answer.http.status != 200) {
    return unexpected(request, answer);
  }
  return std::move(answer.http.body);
}

Result<std::string> S3Store::get_range(const std::string& key, int64_t offset, int64_t size) {
  ASSAY_RETURN_IF_ERROR(validate_key(key));
  if (offset < 0 || size < 0) {
    return Status(Code::kInvalidArgument, "negative range of object " + key);
  }
  if (size == 0) {
    ASSAY_RETURN_IF_ERROR(stat(key).status());
    return std::string();
  }
  const int64_t last =
      std::numeric_limits<int64_t>::max() - offset < size ? INT64_MAX : offset + size - 1;
  S3Request request = request_of("GET", key);
  request.headers = {{"range", "bytes=" + std::to_string(offset) + "-" + std::to_string(last)}};
  for (int attempt = 1;; ++attempt) {
    ASSAY_ASSIGN_OR_RETURN(S3Answer answer, client_.send(request));
    if (answer.http.status == 404) {
      return no_such_object(key);
    }
    if (answer.http.status == 416) {
      return std::string();
    }
    const std::string range = answer.http.header("content-range");
    const std::string wanted = "bytes " + std::to_string(offset) + "-";
    if (answer.http.status == 206 && range.starts_with(wanted) &&
        static_cast<int64_t>(answer.http.body.size()) <= size) {
      return std::move(answer.http.body);
    }
    if (answer.http.status == 200 && offset == 0 &&
        static_cast<int64_t>(answer.http.body.size()) <= size) {
      return std::move(answer.http.body);  // the whole object is not longer
    }
    if (attempt == kBodiesReadMax) {
      return Status(Code::kCorrupt,
                    "another range of object " + key + " came than was asked for: `" + range + "`");
    }
  }
}

Result<ObjectInfo> S3Store::stat(const std::string& key) {
  ASSAY_RETURN_IF_ERROR(validate_key(key));
  const S3Request request = request_of("HEAD", key);
  ASSAY_ASSIGN_OR_RETURN(const S3Answer answer, client_.send(request));
  if (answer.http.status == 404) {
    return no_such_object(key);
  }
  if (answer.http.status != 200) {
    return unexpected(request, answer);
  }
  ObjectInfo info;
  info.key = key;
  const std::string size = answer.http.header("content-length");
  const auto [end, error] =
      std::from_chars(size.data(), size.data() + size.size(), info.size_bytes);
  const std::optional<EventTime> modified = parse_http_date(answer.http.header("last-modified"));
  if (error != std::errc() || size.empty() || end != size.data() + size.size() || !modified) {
    return Status(Code::kCorrupt, "no size or no time in the answer about object " + key);
  }
  info.modified = *modified;
  return info;
}

Result<ListPage> S3Store::list_page(std::vector<std::pair<std::string, std::string>> query) {
  query.emplace_back("list-type", "2");
  S3Request request;
  request.query = std::move(query);
  ASSAY_ASSIGN_OR_RETURN(const S3Answer answer, client_.send(request));
  if (answer.http.status != 200) {
    return unexpected(request, answer);
  }
  return parse_list_page(answer.http.body);
}

Result<std::vector<ObjectInfo>> S3Store::list(const std::string& prefix,
                                              const std::string& start_after) {
  const std::size_t slash = prefix.rfind('/');
  if (slash != std::string::npos) {
    ASSAY_RETURN_IF_ERROR(validate_key(prefix.substr(0, slash)));
  }
  const std::size_t own = full("").size();
  std::vector<ObjectInfo> objects;
  std::string token;
  do {
    std::vector<std::pair<std::string, std::string>> query = {{"prefix", full(prefix)}};
    if (!token.empty()) {
      query.emplace_back("continuation-token", token);
    } else if (!start_after.empty()) {
      query.emplace_back("start-after", full(start_after));
    }
    ASSAY_ASSIGN_OR_RETURN(ListPage page, list_page(std::move(query)));
    for (ObjectInfo& object : page.objects) {
      if (object.key.size() <= own) {
        continue;
      }
      object.key.erase(0, own);
      if (object.key > start_after && object.key.starts_with(prefix) &&
          object.key.back() != '/') {  // some consoles make such objects for folders
        objects.push_back(std::move(object));
      }
    }
    token = std::move(page.next_token);
  } while (!token.empty());
  std::sort(objects.begin(), objects.end(), [](const ObjectInfo& a, const ObjectInfo& b) {
    return a.key < b.key;
  });
  return objects;
}

Result<std::vector<std::string>> S3Store::list_folders(const std::string& key) {
  if (!key.empty()) {
    ASSAY_RETURN_IF_ERROR(validate_key(key));
  }
  std::string prefix = full(key);
  if (!prefix.empty() && prefix.back() != '/') {
    prefix += '/';
  }
  std::vector<std::string> names;
  std::string token;
  do {
    std::vector<std::pair<std::string, std::string>> query = {{"delimiter", "/"},
                                                              {"prefix", prefix}};
    if (!token.empty()) {
      query.emplace_back("continuation-token", token);
    }
    ASSAY_ASSIGN_OR_RETURN(ListPage page, list_page(std::move(query)));
    for (const std::string& folder : page.prefixes) {
      if (folder.size() > prefix.size() + 1 && folder.starts_with(prefix)) {
        names.push_back(folder.substr(prefix.size(), folder.size() - prefix.size() - 1));
      }
    }
    token = std::move(page.next_token);
  } while (!token.empty());
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::optional<SqlAccess>> S3Store::sql_access() {
  ASSAY_ASSIGN_OR_RETURN(const S3Credentials credentials, client_.credentials());
  const S3Place& place = client_.place();
  return std::optional(SqlAccess{"s3://" + client_.options().bucket + "/" + full(""),
                                 place.endpoint,
                                 place.region,
                                 place.path_style,
                                 place.tls,
                                 client_.options().ca_file,
                                 credentials.access_key,
                                 credentials.secret_key,
                                 credentials.session_token});
}

// ---- Write
// ------------------------------------------------------------------------------------------

Status S3Store::put(const std::string& key, std::string_view bytes) {
  ASSAY_RETURN_IF_ERROR(validate_key(key));
  if (static_cast<int64_t>(bytes.size()) < client_.options().multipart_from_bytes) {
    return put_at_once(key, bytes);
  }
  MemoryUpload upload(bytes);
  return put_in_parts(key, upload);
}

Status S3Store::put_at_once(const std::string& key, std::string_view bytes) {
  S3Request request = request_of("PUT", key);
  request.body = bytes;
  ASSAY_ASSIGN_OR_RETURN(const S3Answer answer, client_.send(request));
  return answer.http.status < 300 ? Status() : unexpected(request, answer);
}

Status S3Store::put_if_absent(const std::string& key, std::string_view bytes) {
  ASSAY_RETURN_IF_ERROR(validate_key(key));
  ASSAY_RETURN_IF_ERROR(check_conditional_put());
  return put_new(key, bytes);
}

/// One plain PUT, whatever its size: services that get `If-None-Match` right for one get it wrong
/// for the end of a multipart upload.
Status S3Store::put_new(const std::string& key, std::string_view bytes) {
  S3Request request = request_of("PUT", key);
  request.headers = {{"if-none-match", "*"}};
  request.body = bytes;
  request.timeout = std::max(client_.options().timeout, kCommitTimeoutMin);
  request.creates = true;
  ASSAY_ASSIGN_OR_RETURN(const S3Answer answer, client_.send(request));
  if (answer.http.status < 300) {
    return {};
  }
  if (answer.http.status != 412) {
    return unexpected(request, answer);
  }
  if (answer.in_doubt) {
    return {Code::kCommitUnknown,
            "object " + key + " is there, after an attempt whose answer was lost"};
  }
  return {Code::kAlreadyExists, "object is there already: " + key};
}

Status S3Store::check_conditional_put() {
  const std::lock_guard lock(mutex_);
  if (checked_) {
    return {};
  }
  const ConditionalPutProbe probe{
      world_,
      *this,
      client_.place().endpoint,
      [this](const std::string& key, std::string_view bytes) { return put_new(key, bytes); }};
  ASSAY_RETURN_IF_ERROR(
      ensure_conditional_put(probe).with_context("bucket " + client_.options().bucket));
  checked_ = true;
  return {};
}

Status S3Store::adopt(const std::string& key) {
  ASSAY_RETURN_IF_ERROR(validate_key(key));
  const std::string path = write_path(key);
  const Result<FileInfo> info = world_.files.stat(path);
  if (info.code() == Code::kNotFound) {
    return stat(key).status();  // there already, durable as all that S3 has taken
  }
  ASSAY_RETURN_IF_ERROR(info.status());
  Status uploaded;
  if (info->size_bytes < client_.options().multipart_from_bytes) {
    ASSAY_ASSIGN_OR_RETURN(const std::string bytes, world_.files.read(path));
    uploaded = put_at_once(key, bytes);
  } else {
    FileUpload upload(world_.files, path, info->size_bytes);
    uploaded = put_in_parts(key, upload);
  }
  ASSAY_RETURN_IF_ERROR(uploaded);
  return spool_->remove(key);
}

Status S3Store::put_in_parts(const std::string& key, Upload& upload) {
  S3Request begin = request_of("POST", key);
  begin.query = {{"uploads", ""}};
  ASSAY_ASSIGN_OR_RETURN(const S3Answer answer, client_.send(begin));
  if (answer.http.status >= 300) {
    return unexpected(begin, answer);
  }
  ASSAY_ASSIGN_OR_RETURN(const XmlNode root, parse_xml(answer.http.body));
  const std::string id = root.value("UploadId");
  if (id.empty()) {
    return {Code::kCorrupt, "an upload in parts without an id: " + key};
  }
  const Status uploaded = upload_parts(key, upload, id);
  if (!uploaded.ok()) {
    S3Request abort = request_of("DELETE", key);
    abort.query = {{"uploadId", id}};
    static_cast<void>(client_.send(abort));  // else the bucket's lifecycle rule does it
  }
  return uploaded;
}

Status S3Store::upload_parts(const std::string& key, Upload& upload, const std::string& id) {
  const int64_t part_bytes = std::max(client_.options().part_bytes, upload.size() / kPartsMax + 1);
  std::string parts = "<CompleteMultipartUpload>";
  int number = 1;
  for (int64_t offset = 0; offset < upload.size(); offset += part_bytes, ++number) {
    ASSAY_ASSIGN_OR_RETURN(const std::string bytes,
                           upload.read(offset, std::min(part_bytes, upload.size() - offset)));
    S3Request part = request_of("PUT", key);
    part.query = {{"partNumber", std::to_string(number)}, {"uploadId", id}};
    part.body = bytes;
    ASSAY_ASSIGN_OR_RETURN(const S3Answer answer, client_.send(part));
    if (answer.http.status >= 300) {
      return unexpected(part, answer);
    }
    parts += "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>" +
             escaped(answer.http.header("etag")) + "</ETag></Part>";
  }
  parts += "</CompleteMultipartUpload>";
  S3Request complete = request_of("POST", key);
  complete.query = {{"uploadId", id}};
  complete.body = parts;
  complete.fails_with_200 = true;
  ASSAY_ASSIGN_OR_RETURN(const S3Answer answer, client_.send(complete));
  if (answer.http.status < 300) {
    return {};
  }
  if (answer.http.status == 404 && answer.in_doubt) {
    // The upload is gone: an attempt whose answer was lost has completed it.
    ASSAY_ASSIGN_OR_RETURN(const ObjectInfo there, stat(key));
    if (there.size_bytes == upload.size()) {
      return {};
    }
  }
  return unexpected(complete, answer);
}

Status S3Store::remove(const std::string& key) {
  ASSAY_RETURN_IF_ERROR(validate_key(key));
  ASSAY_RETURN_IF_ERROR(spool_->remove(key));
  const S3Request request = request_of("DELETE", key);
  ASSAY_ASSIGN_OR_RETURN(const S3Answer answer, client_.send(request));
  return answer.http.status < 300 || answer.http.status == 404 ? Status()
                                                               : unexpected(request, answer);
}

Status S3Store::remove_all(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    ASSAY_RETURN_IF_ERROR(validate_key(key));
  }
  for (std::size_t begin = 0; begin < keys.size(); begin += kRemovedAtOnceMax) {
    const std::size_t end = std::min(begin + kRemovedAtOnceMax, keys.size());
    ASSAY_RETURN_IF_ERROR(remove_some({keys.begin() + static_cast<std::ptrdiff_t>(begin),
                                       keys.begin() + static_cast<std::ptrdiff_t>(end)}));
  }
  return {};
}

Status S3Store::remove_some(const std::vector<std::string>& keys) {
  std::string body = "<Delete><Quiet>true</Quiet>";
  for (const std::string& key : keys) {
    body += "<Object><Key>" + escaped(full(key)) + "</Key></Object>";
  }
  body += "</Delete>";
  S3Request request;
  request.method = "POST";
  request.query = {{"delete", ""}};
  request.headers = {{"content-md5", to_base64(md5(body))}};
  request.body = body;
  const Result<S3Answer> answer = client_.send(request);
  if (answer.code() == Code::kUnimplemented) {
    return ObjectStore::remove_all(keys);
  }
  ASSAY_RETURN_IF_ERROR(answer.status());
  if (answer->http.status >= 300) {
    return unexpected(request, *answer);
  }
  ASSAY_ASSIGN_OR_RETURN(const XmlNode root, parse_xml(answer->http.body));
  const std::size_t own = full("").size();
  for (const XmlNode& child : root.children) {
    if (child.name != "Error") {
      continue;
    }
    const std::string key = child.value("Key");
    if (child.value("Code") == "NoSuchKey" || key.size() <= own) {
      continue;
    }
    // Alone it is tried again, or says what is wrong.
    ASSAY_RETURN_IF_ERROR(remove(key.substr(own)));
  }
  return {};
}

}  // namespace

Status parse_s3_url(const std::string& url, S3Options* options) {
  constexpr std::string_view kScheme = "s3://";
  const auto refuse = [&](const std::string& why) {
    return Status(Code::kInvalidArgument,
                  "a place on S3 is s3://bucket or s3://bucket/prefix; " + why + ": `" + url + "`");
  };
  if (!url.starts_with(kScheme)) {
    return refuse("this begins otherwise");
  }
  std::string rest = url.substr(kScheme.size());
  while (rest.ends_with('/')) {
    rest.pop_back();
  }
  const std::size_t slash = rest.find('/');
  options->bucket = rest.substr(0, slash);
  options->prefix = slash == std::string::npos ? "" : rest.substr(slash + 1);
  const std::string& bucket = options->bucket;
  const bool good =
      bucket.size() >= 3 && bucket.size() <= 63 &&
      std::all_of(bucket.begin(), bucket.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
      });
  if (!good) {
    return refuse("a bucket's name has 3 to 63 lower-case letters, digits, '-' and '.'");
  }
  if (!options->prefix.empty()) {
    const Status valid = validate_key(options->prefix);
    if (!valid.ok() || options->prefix.find_first_of("*?[") != std::string::npos) {
      return refuse("its prefix cannot be used");
    }
  }
  return {};
}

Result<std::unique_ptr<ObjectStore>> open_s3_store(World& world, const S3Options& options) {
  ASSAY_ASSIGN_OR_RETURN(S3Place place, resolve_place(options));
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<Spool> spool, Spool::open(world, options.spool_folder));
  std::unique_ptr<ObjectStore> store =
      std::make_unique<S3Store>(world, options, std::move(place), std::move(spool));
  return store;
}

}  // namespace assay::store
