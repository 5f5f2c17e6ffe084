// All that one service offers, found out by asking for less and less of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modules/tls/prober.h"

namespace dragnet::tls {

enum class ServiceStatus { kTls, kNotTls, kSilent, kClosed, kUnreachable };

struct ProtocolFindings {
  uint16_t version = 0;
  // As the service prefers them.
  std::vector<uint16_t> suites;
  // "server" or "client"; empty with fewer than two suites.
  std::string_view order;
};

// Certificates as they were sent, DER, the service's own first.
using CertificateChain = std::vector<std::string>;

struct Findings {
  ServiceStatus status = ServiceStatus::kUnreachable;
  // How TLS begins there.
  Upgrade upgrade = Upgrade::kNone;
  // The newest first.
  std::vector<ProtocolFindings> protocols;
  std::vector<uint16_t> groups;
  // Smallest that was seen.
  std::optional<uint32_t> dh_bits;
  // One for each certificate of the service's own, at most kMaxChains; the newest
  // protocol's first.
  std::vector<CertificateChain> chains;
  bool ocsp_stapling = false;
  bool compression = false;
  // Of all protocols before TLS 1.3.
  bool secure_renegotiation = true;
  bool extended_master_secret = true;
  bool session_tickets = false;
  // What could not be found out; of kUnreachable, why.
  std::vector<std::string> gaps;

  static constexpr size_t kMaxChains = 5;
  // False when the chain's own certificate is there, or there is no room.
  bool AddChain(const CertificateChain& chain);
};

// Takes as long as the prober's limits allow. With `upgrade`, services that greet as
// those do that have TLS within their protocol are asked to begin it. Thread-safe.
Findings Survey(Prober& prober, const std::string& sni, bool upgrade);

}  // namespace dragnet::tls
