#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/temp_folder.h"
#include "online/redis_client.h"
#include "online/redis_cluster.h"
#include "online/redis_under_test.h"

// Servers of Redis of the tests' own on loopback, several that know of each other.

namespace assay::online {

/// Ports that nobody has just now, below those that the system gives to connections. Processes that
/// run at once begin far from each other: a port is not held until its server has it.
inline std::vector<int> free_ports(std::size_t count) {
  static int next = 12'000 + static_cast<int>(int64_t{::getpid()} * 997 % 16'000);
  std::vector<int> ports;
  while (ports.size() < count) {
    next = next < 28'000 ? next + 1 : 12'000;
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(static_cast<uint16_t>(next));
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(socket, reinterpret_cast<const sockaddr*>(&place), sizeof(place)) == 0) {
      ports.push_back(next);
    }
    ::close(socket);
  }
  return ports;
}

/// Wait until something holds, for a minute; then the test's program ends.
template <typename Holds>
void wait_until(const Holds& holds) {
  constexpr useconds_t kStep = 20'000;
  for (int step = 0; !holds(); ++step) {
    ASSAY_CHECK(step < 3'000);
    ::usleep(kStep);
  }
}

/// A server on a port. It keeps an append-only file, so that it can be killed and started again.
class RedisNodeUnderTest {
 public:
  RedisNodeUnderTest(int port, std::vector<std::string> more)
      : port_(port), more_(std::move(more)) {
    start();
  }

  void start() {
    std::vector<std::string> words{
        "--port",
        std::to_string(port_),
        "--bind",
        "127.0.0.1",
        "--dir",
        folder_.path(),
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "no",  // written before it is answered, which is enough for a kill
        "--repl-diskless-sync-delay",
        "0"};
    words.insert(words.end(), more_.begin(), more_.end());
    process_.start("redis-server", words, "eady to accept connections");
  }
  void kill() { process_.kill(); }
  void freeze() const { process_.freeze(); }
  void thaw() const { process_.thaw(); }
  [[nodiscard]] RedisNode node() const { return {"127.0.0.1", port_}; }
  [[nodiscard]] Result<std::vector<RedisReply>> try_run(
      const std::vector<RedisCommand>& commands) const {
    RedisAddress address;
    address.kind = RedisAddress::Kind::kCluster;  // refusals as of a node of one
    address.node = node();
    ASSAY_ASSIGN_OR_RETURN(const auto connection, RedisConnection::connect(address));
    return connection->run(commands);
  }
  std::vector<RedisReply> run(const std::vector<RedisCommand>& commands) const {
    auto replies = try_run(commands);
    ASSAY_CHECK(replies.ok());
    return std::move(replies).value();
  }
  /// Wait until a replica has all that this server has.
  void wait_for_replica() const {
    const auto number_after = [](const std::string& text, const std::string& word) {
      const std::size_t found = text.find(word);
      return found == std::string::npos ? -1 : std::atoll(text.c_str() + found + word.size());
    };
    wait_until([&] {
      const std::string text = run({{"INFO", "replication"}})[0].text;
      return text.find("state=online") != std::string::npos &&
             number_after(text, ",offset=") == number_after(text, "master_repl_offset:");
    });
  }

 private:
  const int port_;
  const std::vector<std::string> more_;
  TempFolder folder_;
  RedisProcess process_;
};

/// A Redis Cluster of three primaries, on request with a replica each. Who is out of reach takes
/// its own slots only.
class RedisClusterUnderTest {
 public:
  static constexpr int kPrimaries = 3;

  /// One for all tests of a process, which leave it whole.
  static RedisClusterUnderTest& shared() {
    static RedisClusterUnderTest cluster(false);
    return cluster;
  }

  explicit RedisClusterUnderTest(bool with_replicas) {
    const std::size_t count = with_replicas ? 2 * kPrimaries : kPrimaries;
    const std::vector<int> ports = free_ports(2 * count);
    for (std::size_t i = 0; i < count; ++i) {
      nodes_.push_back(std::make_unique<RedisNodeUnderTest>(
          ports[i],
          std::vector<std::string>{"--cluster-enabled",
                                   "yes",
                                   "--cluster-port",
                                   std::to_string(ports[count + i]),
                                   "--cluster-node-timeout",
                                   "1000",
                                   "--cluster-require-full-coverage",
                                   "no",
                                   "--cluster-replica-validity-factor",
                                   "0"}));
    }
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<RedisCommand> commands{{"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)}};
      if (i < kPrimaries) {
        commands.push_back({"CLUSTER",
                            "ADDSLOTSRANGE",
                            std::to_string(first_slot(i)),
                            std::to_string(first_slot(i + 1) - 1)});
      }
      if (i > 0) {
        commands.push_back({"CLUSTER",
                            "MEET",
                            "127.0.0.1",
                            std::to_string(ports[0]),
                            std::to_string(ports[count])});
      }
      nodes_[i]->run(commands);
    }
    wait_until_all_see("cluster_known_nodes:" + std::to_string(count));
    for (std::size_t i = kPrimaries; i < count; ++i) {
      const std::string primary = id(i - kPrimaries);
      wait_until([&] {  // it knows that one
        return nodes_[i]->try_run({{"CLUSTER", "REPLICATE", primary}}).ok();
      });
      nodes_[i - kPrimaries]->wait_for_replica();
    }
    wait_until_all_see("cluster_state:ok");
  }

  [[nodiscard]] static int first_slot(std::size_t primary) {
    return static_cast<int>(primary) * kRedisSlots / kPrimaries;
  }
  [[nodiscard]] RedisNodeUnderTest& node(std::size_t i) { return *nodes_[i]; }
  [[nodiscard]] std::string id(std::size_t i) const {
    return nodes_[i]->run({{"CLUSTER", "MYID"}})[0].text;
  }
  /// The URL of the i-th node, with a prefix that no other test has.
  std::string fresh_url(std::size_t i = 0) {
    return "redis+cluster://" + nodes_[i]->node().text() + "?read_timeout=10s&prefix=t" +
           std::to_string(++prefixes_);
  }
  void wait_until_all_see(const std::string& state) const {
    for (const auto& node : nodes_) {
      wait_until([&] {
        return node->run({{"CLUSTER", "INFO"}})[0].text.find(state) != std::string::npos;
      });
    }
  }

 private:
  std::vector<std::unique_ptr<RedisNodeUnderTest>> nodes_;
  int prefixes_ = 0;
};

/// A primary called `main` with a replica, and a sentinel that watches them.
class RedisSentinelUnderTest {
 public:
  RedisSentinelUnderTest() {
    const std::vector<int> ports = free_ports(3);
    primary_ = std::make_unique<RedisNodeUnderTest>(ports[0], std::vector<std::string>{});
    replica_ = std::make_unique<RedisNodeUnderTest>(
        ports[1], std::vector<std::string>{"--replicaof", "127.0.0.1 " + std::to_string(ports[0])});
    primary_->wait_for_replica();
    port_ = ports[2];
    folder_.write("sentinel.conf",
                  "port " + std::to_string(port_) + "\nbind 127.0.0.1\ndir " + folder_.path() +
                      "\nsentinel monitor main 127.0.0.1 " + std::to_string(ports[0]) +
                      " 1\nsentinel down-after-milliseconds main 1000\n"
                      "sentinel failover-timeout main 5000\n");
    sentinel_.start("redis-sentinel", {folder_.file("sentinel.conf")}, "+monitor master");
  }

  [[nodiscard]] std::string url() const {
    return "redis+sentinel://127.0.0.1:" + std::to_string(port_) + "/main";
  }
  RedisNodeUnderTest& primary() { return *primary_; }
  RedisNodeUnderTest& replica() { return *replica_; }

 private:
  TempFolder folder_;
  int port_ = 0;
  std::unique_ptr<RedisNodeUnderTest> primary_;
  std::unique_ptr<RedisNodeUnderTest> replica_;
  RedisProcess sentinel_;
};

}  // namespace assay::online
