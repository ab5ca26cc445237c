// TLS without sockets, and the files of a server's identity.

#include "serve/tls.h"

#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "online/store_fixture.h"
#include "serve/tls_client.h"
#include "serve/tls_files.h"

namespace assay::serve {
namespace {

constexpr EventTime kNow{1'790'000'000 * kMicrosPerSecond};

TlsTexts texts_of(const TestCertificate& own) {
  return {{"server.pem", own.pem}, {"server.key", own.key}, {}};
}

class Tls : public testing::Test {
 protected:
  TestAuthority authority_;
  TestCertificate own_ = authority_.issue({"server", "DNS:localhost"});
};

TEST_F(Tls, AnIdentityIsACertificateWithItsKey) {
  const auto identity = TlsIdentity::make(texts_of(own_), kNow);
  ASSERT_TRUE(identity.ok()) << identity.status().to_string();
  EXPECT_EQ((*identity)->expires().micros, CertificateWish().end.micros + kMicrosPerSecond);
  TlsTexts chain = texts_of(own_);
  chain.certificate.pem += authority_.pem();
  EXPECT_TRUE(TlsIdentity::make(chain, kNow).ok()) << "with those above it";
}

TEST_F(Tls, WhatIsNoIdentityIsRefusedByTheNameOfItsFile) {
  const TestCertificate other = authority_.issue({"other"});
  const auto refused = [&](const TlsTexts& texts, const std::string& file) {
    const Status status = TlsIdentity::make(texts, kNow).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_NE(status.message().find(file), std::string::npos) << status.message();
  };
  refused({{"c.pem", ""}, {"k.pem", own_.key}, {}}, "c.pem");
  refused({{"c.pem", "no certificate"}, {"k.pem", own_.key}, {}}, "c.pem");
  refused({{"c.pem", own_.key}, {"k.pem", own_.key}, {}}, "c.pem");
  refused({{"c.pem", own_.pem.substr(0, 200)}, {"k.pem", own_.key}, {}}, "c.pem");
  refused({{"c.pem", own_.pem}, {"k.pem", ""}, {}}, "k.pem");
  refused({{"c.pem", own_.pem}, {"k.pem", own_.pem}, {}}, "k.pem");
  refused({{"c.pem", own_.pem}, {"k.pem", other.key}, {}}, "k.pem");
  refused({{"c.pem", own_.pem}, {"k.pem", own_.key}, {"ca.pem", "none"}}, "ca.pem");
  std::string broken = own_.pem;
  broken[broken.size() / 2] = '!';
  refused({{"c.pem", broken}, {"k.pem", own_.key}, {}}, "c.pem");
  refused({{"c.pem", own_.pem + broken}, {"k.pem", own_.key}, {}}, "c.pem");
}

TEST_F(Tls, ACertificateIsValidFromItsBeginToItsEnd) {
  const EventTime begin{kNow.micros - kMicrosPerSecond};
  const EventTime end{kNow.micros + kMicrosPerSecond};  // the last second that it is valid in
  const TlsTexts texts = texts_of(authority_.issue({"server", "", begin, end}));
  for (const auto& [at, code] :
       {std::pair{begin.micros - 1, Code::kFailedPrecondition},
        std::pair{begin.micros, Code::kOk},
        std::pair{end.micros + kMicrosPerSecond - 1, Code::kOk},
        std::pair{end.micros + kMicrosPerSecond, Code::kFailedPrecondition}}) {
    EXPECT_EQ(TlsIdentity::make(texts, EventTime{at}).code(), code) << at - kNow.micros;
  }
}

TEST_F(Tls, BytesThatAreNoTlsEndTheConnectionWithAnAlert) {
  const auto identity = *TlsIdentity::make(texts_of(own_), kNow);
  for (const std::string& bytes : {std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01x", 10),
                                   std::string(100, '\x16'),
                                   std::string("\x15\x03\x03\x00\x02\x02\x28", 7)}) {
    const auto channel = identity->accept();
    std::string plain;
    EXPECT_EQ(channel->receive(bytes, &plain).code(), Code::kInvalidArgument);
    EXPECT_FALSE(channel->is_open());
    EXPECT_EQ(plain, "");
  }
  const auto channel = identity->accept();
  std::string plain;
  EXPECT_TRUE(channel->receive("\x16", &plain).ok()) << "more may come";
  EXPECT_EQ(channel->output(), "");
}

class TlsFilesTest : public Tls {
 protected:
  void write(const TestCertificate& certificate) {
    ASSERT_TRUE(world_.files->write(path("c.pem"), certificate.pem).ok());
    ASSERT_TRUE(world_.files->write(path("k.pem"), certificate.key).ok());
  }
  std::string path(const std::string& name) { return join_path(folder_.path(), name); }
  int64_t failures() {
    return world_.metrics.counter("assay_serve_tls_reload_failures_total", "").value();
  }

  TempFolder folder_;
  online::TestWorld world_;
  TlsFiles files_{world_.world, {path("c.pem"), path("k.pem"), ""}};
  TlsSource source_ = files_.source();
};

TEST_F(TlsFilesTest, FilesAreReadAnewWhenTheyChange) {
  EXPECT_EQ(files_.look().code(), Code::kNotFound);
  EXPECT_EQ(source_(), nullptr);
  write(authority_.issue({"first", "", EventTime{0}}));
  ASSERT_TRUE(files_.look().ok()) << files_.look().to_string();
  const auto first = source_();
  ASSERT_NE(first, nullptr);
  files_.look_again();
  EXPECT_EQ(source_(), first) << "nothing changed";
  write(authority_.issue({"second", "", EventTime{0}}));
  files_.look_again();
  EXPECT_NE(source_(), first);
  EXPECT_EQ(failures(), 0);
}

TEST_F(TlsFilesTest, WhatCannotBeTakenLeavesTheOneBeforeAndIsCountedOnce) {
  write(authority_.issue({"first", "", EventTime{0}}));
  ASSERT_TRUE(files_.look().ok());
  const auto first = source_();
  const TestCertificate next = authority_.issue({"next", "", EventTime{0}});
  ASSERT_TRUE(world_.files->write(path("c.pem"), next.pem).ok());  // its key comes later
  files_.look_again();
  files_.look_again();
  EXPECT_EQ(source_(), first);
  EXPECT_EQ(failures(), 1);
  ASSERT_TRUE(world_.files->remove(path("k.pem")).ok());
  files_.look_again();
  EXPECT_EQ(source_(), first);
  EXPECT_EQ(failures(), 2);
  ASSERT_TRUE(world_.files->write(path("k.pem"), next.key).ok());
  files_.look_again();
  EXPECT_NE(source_(), first);
  EXPECT_EQ(failures(), 2);
}

TEST_F(TlsFilesTest, AuthoritiesThatAreHalfWrittenLeaveThoseBefore) {
  write(authority_.issue({"first", "", EventTime{0}}));
  ASSERT_TRUE(world_.files->write(path("ca.pem"), authority_.pem()).ok());
  TlsFiles files(world_.world, {path("c.pem"), path("k.pem"), path("ca.pem")});
  const TlsSource source = files.source();
  ASSERT_TRUE(files.look().ok());
  const auto first = source();
  const std::string both = authority_.pem() + TestAuthority("other").pem();
  for (const std::size_t size : {std::size_t{0}, both.size() / 4, both.size() * 3 / 4}) {
    ASSERT_TRUE(world_.files->write(path("ca.pem"), both.substr(0, size)).ok());
    files.look_again();
    EXPECT_EQ(source(), first) << size;
  }
  ASSERT_TRUE(world_.files->write(path("ca.pem"), both).ok());
  files.look_again();
  EXPECT_EQ(source()->texts().client_ca.pem, both);
}

TEST_F(TlsFilesTest, ACertificateThatEndsIsServedOnAndSaid) {
  const EventTime now = world_.clock.now();
  write(authority_.issue({"short", "", EventTime{0}, now}));
  ASSERT_TRUE(files_.look().ok());
  const auto first = source_();
  world_.clock.advance(Duration{10 * kMicrosPerSecond});
  files_.look_again();
  files_.look_again();
  EXPECT_EQ(source_(), first);
  EXPECT_EQ(failures(), 1);
  EXPECT_EQ(TlsFiles(world_.world, {path("c.pem"), path("k.pem"), ""}).look().code(),
            Code::kFailedPrecondition)
      << "a server does not start with it";
}

}  // namespace
}  // namespace assay::serve
