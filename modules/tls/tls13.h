// What TLS 1.3 shows only behind its encryption: the certificate, its stapled OCSP
// response, and tickets. By libssl, which speaks over a Connection with deadlines.
// Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "modules/tls/prober.h"

namespace dragnet::tls {

// Of the certificate's key.
enum class SignatureFamily { kAny, kRsa, kEcdsa };

struct Tls13Facts {
  // DER, the service's own first; empty when the handshake didn't come that far.
  std::vector<std::string> chain;
  bool has_ocsp_response = false;
  bool session_ticket = false;
  // Why the chain is empty.
  std::string error;
};

// The certificate is not verified.
Tls13Facts ShakeHands(Prober& prober, const std::string& sni, SignatureFamily family);

}  // namespace dragnet::tls
