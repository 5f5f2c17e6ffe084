// A certificate authority for tests. Not thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "core/keys.h"

namespace dragnet::console::testing {

struct Validity {
  absl::Time not_before;
  absl::Time not_after;
};
inline Validity ValidNow() {
  return {absl::Now() - absl::Hours(1), absl::Now() + absl::Hours(24 * 30)};
}

struct IssuedCertificate {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

class TestCa {
 public:
  TestCa();
  ~TestCa();

  const std::string& pem() const { return pem_; }
  // For localhost and 127.0.0.1, or only for `host_name` if given.
  IssuedCertificate IssueServer(const Validity& validity, std::string host_name = "") const;
  IssuedCertificate IssueInvestigator(const std::string& fleet_id, const std::string& name,
                                      const Validity& validity) const;

 private:
  IssuedCertificate Issue(const std::string& alternative_names, const std::string& usage,
                          const Validity& validity) const;

  PrivateKey key_;
  std::string pem_;
};

}  // namespace dragnet::console::testing
