// ClientHellos made by hand (RFC 8446, 4.1.2): OpenSSL can no longer offer what
// this module looks for. Thread-safe: no state.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace dragnet::tls {

struct Hello {
  // The newest version offered. With kTls13, `versions` go into
  // supported_versions; an older one is offered alone with all that are older.
  uint16_t version = 0;
  std::vector<uint16_t> versions;
  // In the order of preference.
  std::vector<uint16_t> suites;
  // Of key exchange; none leaves the extension out.
  std::vector<uint16_t> groups;
  // Empty for none.
  std::string sni;
};

// One record with a ClientHello in it. Of TLS 1.3 it has no key share, which makes
// a server name the group it wants (HelloRetryRequest), so that no key is needed
// here. Before TLS 1.3 it offers compression, tickets, stapling, secure renegotiation, and
// the extended master secret; SSLv3 has no extensions.
std::string ClientHello(const Hello& hello, const std::array<uint8_t, 32>& random);

// For finding out whether anyone speaks TLS: offers all that there is from TLS 1.0
// on (a server of SSLv3 alone answers to it, too).
Hello EverythingHello(const std::string& sni);

// `version` alone, with all its suites.
Hello HelloOf(uint16_t version, const std::string& sni);

}  // namespace dragnet::tls
