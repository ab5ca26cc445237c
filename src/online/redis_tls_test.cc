// Redis inside of TLS: real servers, with certificates that will do and with such that will not.

#include <csignal>
#include <thread>

#include <gtest/gtest.h>

#include "base/pause.h"
#include "online/fake_view.h"
#include "online/online_store.h"
#include "online/redis_tls_under_test.h"
#include "online/store_fixture.h"

namespace assay::online {
namespace {

Status connected(const std::string& url) {
  const Result<RedisAddress> address = parse_redis_url(url);
  EXPECT_TRUE(address.ok()) << address.status().to_string();
  return RedisConnection::connect(*address).status();
}

/// Whether the refusal has this code and these words, and the place, which it says to look at.
testing::AssertionResult refused(const Status& status, Code code, const std::string& words) {
  const bool is_so = status.code() == code && status.message().find(words) != std::string::npos &&
                     status.message().find("Redis at 127.0.0.1:") != std::string::npos;
  return (is_so ? testing::AssertionSuccess() : testing::AssertionFailure()) << status.to_string();
}

/// Write a row by one store, and read it by another.
void expect_round_trip(const std::string& url) {
  TestWorld world;
  const FakeView view("clicks", {{"user_id", data::Type::kString}}, 1);
  auto writer = open_redis_store(world.world, url);
  ASSERT_TRUE(writer.ok()) << writer.status().to_string();
  std::vector<FakeRow> rows;
  for (int i = 0; i < 2'000; ++i) {
    rows.push_back({"u" + std::to_string(i), i, i, {double(i)}});
  }
  const Status applied =
      (*writer)->apply(view, fake_batch(view, rows, 1), std::nullopt, 1, EventTime{1});
  ASSERT_TRUE(applied.ok()) << applied.to_string();
  auto reader = open_redis_store(world.world, url);
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  std::vector<data::EntityKey> keys;
  for (const FakeRow& row : rows) {
    keys.push_back(fake_key(*row.key));
  }
  const auto answers = (*reader)->read(view, keys, EventTime{10'000});
  ASSERT_TRUE(answers.ok()) << answers.status().to_string();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ((*answers)[i].values[0], data::Scalar::float64(double(i)));
  }
}

class RedisTlsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = std::make_unique<TestCertificates>(TestCertificates::Names{
        {"server", "IP:127.0.0.1"}, {"client", "DNS:client"}, {"named", "DNS:cache.example"}});
    certificates_->issue("old", "IP:127.0.0.1", -1);
  }
  static void TearDownTestSuite() { certificates_.reset(); }
  static std::string ca() { return certificates_->pem("ca"); }
  static std::string at(int port) { return "rediss://127.0.0.1:" + std::to_string(port); }

  static std::unique_ptr<TestCertificates> certificates_;
};
std::unique_ptr<TestCertificates> RedisTlsTest::certificates_;

TEST_F(RedisTlsTest, RowsGoThroughItAndComeBack) {
  const RedisTlsUnderTest server(*certificates_, "server", false);
  expect_round_trip(server.url());
}

TEST_F(RedisTlsTest, SignalsEndNoConnection) {
  const RedisTlsUnderTest server(*certificates_, "server", false);
  struct sigaction ignored {};
  ignored.sa_handler = [](int) {};  // without SA_RESTART: calls are interrupted
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGUSR1, &ignored, &before), 0);
  const pthread_t asker = ::pthread_self();
  {
    const std::jthread signals([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        ::pthread_kill(asker, SIGUSR1);
        pause_for({200});
      }
    });
    for (int i = 0; i < 5; ++i) {
      const auto connection = RedisConnection::connect(*parse_redis_url(server.url()));
      ASSERT_TRUE(connection.ok()) << connection.status().to_string();
      for (int ask = 0; ask < 3; ++ask) {
        const auto answer = (*connection)->run({{"BLPOP", "nothing", "0.002"}, {"PING"}});
        ASSERT_TRUE(answer.ok()) << answer.status().to_string();
      }
    }
  }
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(RedisTlsTest, UserAndPasswordGoThroughIt) {
  const RedisTlsUnderTest server(*certificates_, "server", false, {"--requirepass", "secret"});
  const std::string rest = "127.0.0.1:" + std::to_string(server.tls_port()) + "?ca_file=" + ca();
  EXPECT_TRUE(connected("rediss://:secret@" + rest).ok());
  EXPECT_TRUE(refused(connected("rediss://" + rest), Code::kPermissionDenied, "NOAUTH"));
}

TEST_F(RedisTlsTest, ServersMayAskWhoTheClientIs) {
  const RedisTlsUnderTest server(*certificates_, "server", true);
  const std::string mine =
      "&cert_file=" + certificates_->pem("client") + "&key_file=" + certificates_->key("client");
  expect_round_trip(server.url() + mine);
  EXPECT_TRUE(refused(
      connected(server.url()), Code::kUnavailable, "give `cert_file=` and `key_file=`"));
  EXPECT_TRUE(refused(connected(server.url() + "&cert_file=" + certificates_->pem("client") +
                                "&key_file=" + certificates_->key("server")),
                      Code::kUnavailable,
                      "no private key of `cert_file`"));
  const TestCertificates others;
  EXPECT_TRUE(refused(
      connected(server.url() + "&cert_file=" + others.pem("ca") + "&key_file=" + others.key("ca")),
      Code::kUnavailable,
      "a certificate that it trusts"));
}

TEST_F(RedisTlsTest, CertificatesThatWillNotDoAreSaidWithTheNextStep) {
  const RedisTlsUnderTest server(*certificates_, "server", false);
  EXPECT_TRUE(refused(connected(at(server.tls_port())),
                      Code::kUnavailable,
                      "`ca_file=/path/ca.pem` in the URL of `online`"))
      << "the machine does not know the authority";
  const TestCertificates others;
  EXPECT_TRUE(refused(connected(at(server.tls_port()) + "?ca_file=" + others.pem("ca")),
                      Code::kUnavailable,
                      "it is not of the authority in " + others.pem("ca")));
  EXPECT_TRUE(refused(connected(at(server.tls_port()) + "?ca_file=" + certificates_->key("ca")),
                      Code::kUnavailable,
                      "`ca_file` holds no certificate of an authority"));
  EXPECT_TRUE(refused(connected(at(server.tls_port()) + "?ca_file=/nowhere/ca.pem"),
                      Code::kUnavailable,
                      "/nowhere/ca.pem"));
  EXPECT_TRUE(refused(connected(server.url() + "&server_name=cache.example"),
                      Code::kUnavailable,
                      "it is not of `cache.example`"));
  const RedisTlsUnderTest old(*certificates_, "old", false);
  EXPECT_TRUE(refused(connected(old.url()), Code::kUnavailable, "has expired"));
}

TEST_F(RedisTlsTest, ACertificateMayBeOfANameThatIsNotConnectedTo) {
  const RedisTlsUnderTest server(*certificates_, "named", false);
  EXPECT_TRUE(
      refused(connected(server.url()), Code::kUnavailable, "it is not of `127.0.0.1`"));
  EXPECT_TRUE(connected(server.url() + "&server_name=cache.example").ok());
}

TEST_F(RedisTlsTest, PortsThatSpeakOtherwiseAreSaid) {
  const RedisTlsUnderTest server(*certificates_, "server", false);
  // A plain server waits for the rest of a line, if nothing in our first words ends one.
  const Status plain = connected(at(server.plain_port()) + "?timeout=2s&ca_file=" + ca());
  EXPECT_TRUE(refused(plain, Code::kUnavailable, "write redis:// for rediss://"));
  TestWorld world;
  EXPECT_TRUE(refused(
      open_redis_store(world.world, "redis://127.0.0.1:" + std::to_string(server.tls_port()))
          .status(),
      Code::kUnavailable,
      "write rediss://"));
}

TEST_F(RedisTlsTest, AServerThatGoesAwayIsUnavailableAndOneThatHangsTimesOut) {
  RedisTlsUnderTest server(*certificates_, "server", false);
  auto address = parse_redis_url(server.url());
  ASSERT_TRUE(address.ok());
  const auto kept = RedisConnection::connect(*address);
  ASSERT_TRUE(kept.ok()) << kept.status().to_string();
  address->timeout = {kMicrosPerSecond / 10};
  auto hasty = RedisConnection::connect(*address);
  for (int tries = 0; !hasty.ok() && tries < 100; ++tries) {  // of a machine that has much to do
    hasty = RedisConnection::connect(*address);
  }
  ASSERT_TRUE(hasty.ok()) << hasty.status().to_string();
  server.freeze();
  EXPECT_EQ((*hasty)->run({{"PING"}}).code(), Code::kUnavailable);
  EXPECT_TRUE((*hasty)->timed_out());
  EXPECT_FALSE((*hasty)->usable());
  EXPECT_EQ(RedisConnection::connect(*address).code(), Code::kUnavailable) << "no handshake either";
  server.kill();
  EXPECT_EQ((*kept)->run({{"PING"}}).code(), Code::kUnavailable);
  EXPECT_FALSE((*kept)->usable());
  EXPECT_FALSE((*kept)->timed_out());
}

TEST_F(RedisTlsTest, NodesOfAClusterSendUsToEachOthersPortsOfTls) {
  const std::vector<std::string> words{"--cluster-enabled",
                                       "yes",
                                       "--tls-cluster",
                                       "yes",
                                       "--tls-replication",
                                       "yes",
                                       "--cluster-require-full-coverage",
                                       "no"};
  const std::vector<int> buses = free_ports(2);
  const auto node = [&](int bus) {
    std::vector<std::string> more = words;
    more.insert(more.end(), {"--cluster-port", std::to_string(bus)});
    return std::make_unique<RedisTlsUnderTest>(*certificates_, "server", false, more);
  };
  const auto one = node(buses[0]);
  const auto two = node(buses[1]);
  const auto run = [](const RedisTlsUnderTest& to, const std::vector<RedisCommand>& commands) {
    const auto connection = RedisConnection::connect(*parse_redis_url(to.url("rediss+cluster")));
    return connection.ok() ? (*connection)->run(commands) : connection.status();
  };
  const auto took_one =
      run(*one, {{"CLUSTER", "SET-CONFIG-EPOCH", "1"}, {"CLUSTER", "ADDSLOTSRANGE", "0", "8000"}});
  ASSERT_TRUE(took_one.ok()) << took_one.status().to_string();
  const auto took_two = run(*two,
                            {{"CLUSTER", "SET-CONFIG-EPOCH", "2"},
                             {"CLUSTER", "ADDSLOTSRANGE", "8001", "16383"},
                             {"CLUSTER",
                              "MEET",
                              "127.0.0.1",
                              std::to_string(one->tls_port()),
                              std::to_string(buses[0])}});
  ASSERT_TRUE(took_two.ok()) << took_two.status().to_string();
  for (const auto* each : {one.get(), two.get()}) {
    wait_until([&] {
      const auto info = run(*each, {{"CLUSTER", "INFO"}});
      return info.ok() && info->front().text.find("cluster_state:ok") != std::string::npos &&
             info->front().text.find("cluster_slots_assigned:16384") != std::string::npos;
    });
  }
  expect_round_trip(one->url("rediss+cluster"));
}

TEST_F(RedisTlsTest, SentinelsSpeakItTooAndHavePasswordsOfTheirOwn) {
  const RedisTlsUnderTest server(*certificates_, "server", false, {"--requirepass", "secret"});
  const int port = free_ports(1)[0];
  const TempFolder folder;
  folder.write("sentinel.conf",
               "port 0\ntls-port " + std::to_string(port) + "\nbind 127.0.0.1\ndir " +
                   folder.path() + "\ntls-replication yes\ntls-auth-clients no\ntls-cert-file " +
                   certificates_->pem("server") + "\ntls-key-file " + certificates_->key("server") +
                   "\ntls-ca-cert-file " + ca() +
                   "\nrequirepass \"other p%\"\nsentinel monitor main 127.0.0.1 " +
                   std::to_string(server.tls_port()) + " 1\nsentinel auth-pass main secret\n");
  RedisProcess sentinel;
  sentinel.start("redis-sentinel", {folder.file("sentinel.conf")}, "+monitor master");
  const std::string url = "rediss+sentinel://:secret@127.0.0.1:" + std::to_string(port) +
                          "/main?read_timeout=10s&ca_file=" + ca();
  expect_round_trip(url + "&sentinel_password=other%20p%25");
  expect_round_trip(url + "&prefix=t2&sentinel_user=default&sentinel_password=other%20p%25");
  TestWorld world;
  const Status status = open_redis_store(world.world, url).status();
  EXPECT_EQ(status.code(), Code::kPermissionDenied) << status.to_string();
  EXPECT_NE(status.to_string().find("sentinel_password="), std::string::npos) << status.to_string();
}

}  // namespace
}  // namespace assay::online
