// [[export]] of scheduler.toml: who gets everything that is stored. Plain values.
#pragma once

#include <string>
#include <vector>

#include "core/config.h"

namespace dragnet::scheduler {

struct ExportSettings {
  enum class Kind { kSyslog, kWebhook };

  // Lower-case letters, digits and hyphens; names its cursor's file.
  std::string name;
  Kind kind = Kind::kSyslog;
  // A new export begins with the oldest that is kept, not with what comes.
  bool from_oldest = false;
  // Only changes of verdicts, not everything that is stored.
  bool changes_only = false;
  enum class Format { kEcs, kMigCompliance };
  Format format = Format::kEcs;
  // Certificates (PEM) that the receiver's must lead to; empty: the system's.
  std::string ca;
  // The client's certificate and its key; empty: none.
  std::string certificate;
  std::string key;

  // ---- syslog
  std::string host;
  std::string port;
  // A receiver that closes without TLS's closure alert has all the same what it was
  // sent. See docs/streams.md.
  bool accept_plain_close = false;

  // ---- webhook
  std::string url;
  // File with the key of the signatures.
  std::string secret;
};

inline constexpr size_t kMaxExports = 8;

// Reads them all. What is wrong is remembered by `file`.
std::vector<ExportSettings> ReadExports(ConfigFile* file);

}  // namespace dragnet::scheduler
