#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/time.h"
#include "store/s3_store.h"

// For tests only: an S3 service in this process, on a port of its own of the loopback, that checks
// signatures and does wrong what it is told to.

namespace assay::store {

struct FakeRequest {
  std::string method;
  std::string path;  // decoded: "/bucket/key"
  std::vector<std::pair<std::string, std::string>> query;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  [[nodiscard]] std::optional<std::string> parameter(const std::string& name) const;
  [[nodiscard]] std::string header(const std::string& name) const;
};

struct FakeAnswer {
  int status = 200;
  std::map<std::string, std::string> headers;
  std::string body;
};

enum class Misdeed {
  kRefuse,         // answer `status` and `code` without doing anything
  kDropBefore,     // close the connection without doing anything
  kDropAfter,      // do it, then close the connection
  kHangAfter,      // do it, then never answer
  kTruncate,       // send half of the body and close
  kShorten,        // send half of the body as if it were all
  kFlipByte,       // send another first byte
  kWrongRange,     // send another part of the object than was asked for
  kErrorAfter200,  // do nothing, answer 200 with an <Error> in the body
  kHideNewest,     // a list without its last object
  kLoseRaceFirst,  // before doing it, let another client create the object
};

/// Done to the next `times` requests of this method whose path or query holds `part`.
struct Fault {
  std::string method;
  std::string part;
  Misdeed misdeed = Misdeed::kRefuse;
  int status = 503;
  std::string code = "SlowDown";
  int times = 1;
};

class FakeS3 {
 public:
  static constexpr char kBucket[] = "bucket";
  static constexpr char kAccessKey[] = "test";
  static constexpr char kSecretKey[] = "test-secret";

  FakeS3();
  ~FakeS3();
  FakeS3(const FakeS3&) = delete;
  FakeS3& operator=(const FakeS3&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  /// Options for a store here that never waits between attempts.
  [[nodiscard]] S3Options options(const std::string& spool_folder);
  /// The same for one in another process, whose key pair nobody has changed.
  static S3Options options_at(const std::string& endpoint, const std::string& spool_folder);

  void add_fault(const Fault& fault);
  void clear_faults();
  [[nodiscard]] std::size_t faults_left();
  /// "PUT /bucket/key?query" of every request so far, in order of arrival.
  std::vector<std::string> requests();
  void forget_requests();
  std::map<std::string, std::string> objects();
  void set_object(const std::string& key, const std::string& bytes);
  void remove_bucket();
  /// From now on only this key pair and token are good; the ones before are "expired".
  void set_credentials(const S3Credentials& credentials);
  void set_page_size(int objects);
  /// What such a service does wrong with If-None-Match: nothing, or it does not look at it, or it
  /// tells everyone of success and keeps the first.
  enum class Condition { kKept, kIgnored, kAllWin };
  void set_condition(Condition condition);
  /// Answers paths outside the bucket, for services that give credentials.
  void set_other(std::function<std::optional<FakeAnswer>(const FakeRequest&)> other);

 private:
  struct Object {
    std::string bytes;
    std::string checksum;  // as the writer said
    int64_t number = 0;    // of its writing
  };
  static FakeAnswer error(int status, const std::string& code, const std::string& message = "");
  /// Objects are written one second apart.
  static std::string http_date(int64_t number);
  void accept_all();
  void serve(int socket, bool* is_over);
  std::optional<FakeAnswer> answer(const FakeRequest& request, Misdeed* misdeed);
  std::optional<Fault> take_fault(const FakeRequest& request);
  std::optional<FakeAnswer> check_signature(const FakeRequest& request);
  FakeAnswer act(const FakeRequest& request);
  FakeAnswer act_on_bucket(const FakeRequest& request);
  FakeAnswer act_on_object(const FakeRequest& request, const std::string& key);
  FakeAnswer act_on_upload(const FakeRequest& request, const std::string& key);
  FakeAnswer list(const FakeRequest& request);
  FakeAnswer get(const FakeRequest& request, const std::string& key);
  FakeAnswer put(const FakeRequest& request, const std::string& key);

  int listener_ = -1;
  int port_ = 0;
  std::mutex mutex_;
  std::map<std::string, Object> objects_;
  std::map<std::string, std::map<int, std::string>> uploads_;
  std::list<Fault> faults_;
  std::vector<std::string> requests_;
  S3Credentials good_{kAccessKey, kSecretKey, "", EventTime::max()};
  std::string expired_;
  bool bucket_there_ = true;
  int page_size_ = 1'000;
  int64_t written_ = 0;
  Condition condition_ = Condition::kKept;
  std::function<std::optional<FakeAnswer>(const FakeRequest&)> other_;
  std::map<int, bool> sockets_;  // open connections
  bool stopping_ = false;
  struct Connection {
    bool is_over = false;
    std::jthread thread;
  };
  std::list<Connection> connections_;
  std::jthread acceptor_;
};

}  // namespace assay::store
