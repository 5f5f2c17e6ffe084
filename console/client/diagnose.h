// Why there is no connection, in words that one can act on. gRPC says little
// about failed handshakes; this tries the same connection with plain sockets
// and OpenSSL and reports the first thing that goes wrong. Thread-safe.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "console/client/config.h"

namespace dragnet::console {

// Unavailable with the cause; OK if a TLS session came about after all. Takes
// `timeout` at most.
absl::Status DiagnoseConnection(const ConsoleConfig& config, const TlsFiles& files,
                                absl::Duration timeout);

}  // namespace dragnet::console
