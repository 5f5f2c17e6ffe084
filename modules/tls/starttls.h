// TLS that begins within another protocol: SMTP (RFC 3207), IMAP (RFC 9051), POP3
// (RFC 2595), FTP (RFC 4217) and PostgreSQL. Thread-safe: no state.
#pragma once

#include <string_view>

#include "absl/time/time.h"
#include "modules/tls/connection.h"

namespace dragnet::tls {

enum class Upgrade { kNone, kSmtp, kImap, kPop3, kFtp, kPostgres };
// smtp, imap, …; empty for kNone.
std::string_view UpgradeName(Upgrade upgrade);

// What a service that greets so could be. "220" is SMTP and FTP: for both kSmtp,
// after which kFtp can be tried.
Upgrade GuessUpgrade(std::string_view greeting);

// Talks until the next byte is TLS's. 0; EPROTO when the service doesn't offer TLS,
// or speaks something else; another errno when it doesn't answer.
int StartTls(Upgrade upgrade, Connection& connection, absl::Duration deadline);

}  // namespace dragnet::tls
