#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/temp_folder.h"
#include "online/redis_client.h"
#include "online/redis_nodes_under_test.h"
#include "online/redis_under_test.h"

// Servers of Redis of the tests' own that speak TLS, and the certificates for it.

namespace assay::online {

/// Files of an authority of its own, and of certificates that it signed.
class TestCertificates {
 public:
  using Names = std::vector<std::pair<std::string, std::string>>;  // with the alternative ones
  explicit TestCertificates(const Names& names = {}) {
    run("req -x509 " + new_key("ca") + " -days 30 -subj /CN=authority -out " + pem("ca"));
    for (const auto& [name, alternatives] : names) {
      issue(name, alternatives);
    }
  }
  /// A certificate `NAME.pem`, with `NAME.key`, of these alternative names; valid for so many days.
  void issue(const std::string& name, const std::string& alternatives, int days = 30) {
    run("req " + new_key(name) + " -subj /CN=" + name + " -addext subjectAltName=" + alternatives +
        " -out " + folder_.file(name + ".csr"));
    run("x509 -req -in " + folder_.file(name + ".csr") + " -CA " + pem("ca") + " -CAkey " +
        key("ca") + " -CAcreateserial -copy_extensions copyall -days " + std::to_string(days) +
        " -out " + pem(name));
  }
  [[nodiscard]] std::string pem(const std::string& name) const {
    return folder_.file(name + ".pem");
  }
  [[nodiscard]] std::string key(const std::string& name) const {
    return folder_.file(name + ".key");
  }
  /// What a process of Redis is told to speak TLS by: `--` and words.
  [[nodiscard]] std::vector<std::string> words(const std::string& name, bool asks_clients) const {
    return {"--tls-cert-file",
            pem(name),
            "--tls-key-file",
            key(name),
            "--tls-ca-cert-file",
            pem("ca"),
            "--tls-auth-clients",
            asks_clients ? "yes" : "no"};
  }

 private:
  [[nodiscard]] std::string new_key(const std::string& name) const {
    return "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + key(name);
  }
  static void run(const std::string& words) {
    ASSAY_CHECK(std::system(("openssl " + words + " 2>/dev/null").c_str()) == 0);
  }

  TempFolder folder_;
};

/// A server that speaks TLS on one port, and plain on another.
class RedisTlsUnderTest {
 public:
  /// One for all tests of a process, of 127.0.0.1.
  static RedisTlsUnderTest& shared() {
    struct Shared {
      TestCertificates certificates{TestCertificates::Names{{"server", "IP:127.0.0.1"}}};
      RedisTlsUnderTest server{certificates, "server", false};
    };
    static Shared shared;
    return shared.server;
  }

  RedisTlsUnderTest(const TestCertificates& certificates,
                    const std::string& name,
                    bool asks_clients,
                    const std::vector<std::string>& more = {})
      : ca_file_(certificates.pem("ca")), ports_(free_ports(2)) {
    std::vector<std::string> words{"--port",
                                   std::to_string(ports_[0]),
                                   "--tls-port",
                                   std::to_string(ports_[1]),
                                   "--bind",
                                   "127.0.0.1",
                                   "--dir",
                                   folder_.path(),
                                   "--save",
                                   ""};
    for (const auto& some : {certificates.words(name, asks_clients), more}) {
      words.insert(words.end(), some.begin(), some.end());
    }
    process_.start("redis-server", words, "eady to accept connections");
  }
  [[nodiscard]] int plain_port() const { return ports_[0]; }
  [[nodiscard]] int tls_port() const { return ports_[1]; }
  void kill() { process_.kill(); }
  void freeze() const { process_.freeze(); }
  void thaw() const { process_.thaw(); }
  /// With the authority, and time for a machine that has much to do.
  [[nodiscard]] std::string url(const std::string& scheme = "rediss") const {
    return scheme + "://127.0.0.1:" + std::to_string(ports_[1]) +
           "?read_timeout=10s&ca_file=" + ca_file_;
  }
  std::string fresh_url() { return url() + "&prefix=t" + std::to_string(++prefixes_); }

 private:
  const std::string ca_file_;
  const std::vector<int> ports_;
  TempFolder folder_;
  RedisProcess process_;
  int prefixes_ = 0;
};

}  // namespace assay::online
