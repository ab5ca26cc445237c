// Any bytes as what comes over the wire, some of them behind a greeting that a client sent, changed
// anywhere: they are refused or waited for, never taken for an agreement.
//
//   input: what is done u8 (bit 0: the greeting is sent first; bits 1-7: how many bytes at once),
//   how many changes of the greeting u8, each of offset u8, byte u8; then bytes as they are

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "serve/tls.h"

namespace {

// Made for this file, and used nowhere else.
constexpr char kKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMHiwOwAKlmXBoi5R\n"
    "bQ6y1T7U01tb+5TtjJoRusYlxRChRANCAATURXeAX2SBGc/dq6/AA0hISmJrT3MW\n"
    "V87wq46dSykBrljcdmpX614Xmpi/TXM/ltd9YK2J8s1pPEdRQAwmK1Sj\n"
    "-----END PRIVATE KEY-----\n";
constexpr char kCertificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBdTCCARugAwIBAgIUJbk1rm2+ysSJJO5Y+culhS7xco8wCgYIKoZIzj0EAwIw\n"
    "DzENMAsGA1UEAwwEZnV6ejAgFw0yNjExMjgxODIwNTRaGA8yMTI2MTEwNDE4MjA1\n"
    "NFowDzENMAsGA1UEAwwEZnV6ejBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNRF\n"
    "d4BfZIEZz92rr8ADSEhKYmtPcxZXzvCrjp1LKQGuWNx2alfrXheamL9Ncz+W131g\n"
    "rYnyzWk8R1FADCYrVKOjUzBRMB0GA1UdDgQWBBSwVZ+aDfSokbT5Ed9ZR7PWsZVu\n"
    "ETAfBgNVHSMEGDAWgBSwVZ+aDfSokbT5Ed9ZR7PWsZVuETAPBgNVHRMBAf8EBTAD\n"
    "AQH/MAoGCCqGSM49BAMCA0gAMEUCIHFU7zOmvRdTIeY/aL0NlFubPb8xrwLZ6C8R\n"
    "6FV2OQfKAiEAx46/DHUd0mLoiae8NwAgV1Pbh1JgGzEnElbM3tT3DZU=\n"
    "-----END CERTIFICATE-----\n";
/// As a client of OpenSSL greeted, in hexadecimal.
constexpr std::string_view kGreeting =
    "16030100ee010000ea0303a7ba73279e82c03054f9dcdb0c4fd55099d01a4b864f7e0983e6283a8d"
    "3c1b2f203a6ac8807c4bf70160cfa844acdbfe9f89b68ed50c7ff3b131ee4fec162c341b00081302"
    "1303130100ff010000990000000e000c0000096c6f63616c686f7374000b000403000102000a0016"
    "0014001d0017001e0019001801000101010201030104002300000016000000170000000d001e001c"
    "040305030603080708080809080a080b080408050806040105010601002b0003020304002d000201"
    "01003300260024001d00200aeecbf287d81ec4e0a2bae04151f455ab1906e8f17e6c13cee66eafe2"
    "339554";

std::string greeting() {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < kGreeting.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(kGreeting.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

const assay::serve::TlsIdentity& identity() {
  static const auto only =
      assay::serve::TlsIdentity::make({{"certificate", kCertificate}, {"key", kKey}, {}},
                                      assay::EventTime{1'800'000'000 * assay::kMicrosPerSecond})
          .value();
  return *only;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const bool greets = (data[0] & 1) != 0;
  const std::size_t at_once = std::size_t{data[0]} / 2 * 16 + 1;
  std::string wire = greets ? greeting() : "";
  std::size_t next = 2;
  for (int change = 0; change < data[1] && greets && next + 2 <= size; ++change, next += 2) {
    wire[data[next] % wire.size()] = static_cast<char>(data[next + 1]);
  }
  wire.append(reinterpret_cast<const char*>(data) + next, size - next);
  const auto channel = identity().accept();
  std::string plain;
  for (std::size_t at = 0; at < wire.size(); at += at_once) {
    if (!channel->receive(std::string_view(wire).substr(at, at_once), &plain).ok()) {
      break;
    }
    static_cast<void>(channel->output());
  }
  ASSAY_CHECK(!channel->is_open() && plain.empty());  // who has no key cannot agree
  return 0;
}
