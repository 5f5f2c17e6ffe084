// The CA that issues now. Which one that is changes while the scheduler runs, and then
// agents are asked to renew, some at a time. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/ca_bundle.h"
#include "scheduler/enrolment/ca.h"

namespace dragnet::scheduler {

class IssuingCa {
 public:
  // Agents that are asked in one second: each makes a handshake and a write.
  static constexpr int kAskedInOneTick = 200;

  // Null where another scheduler has the key: no agent is asked to renew from here.
  explicit IssuingCa(std::shared_ptr<const CertificateAuthority> ca) { Replace(std::move(ca)); }

  std::shared_ptr<const CertificateAuthority> Get() const {
    absl::MutexLock lock(&mutex_);
    return ca_;
  }
  void Replace(std::shared_ptr<const CertificateAuthority> ca) {
    const std::string key_id = ca == nullptr ? "" : SubjectKeyId(ca->certificate_pem());
    absl::MutexLock lock(&mutex_);
    ca_ = std::move(ca);
    key_id_ = key_id;
  }

  // Whether an agent whose certificate is of the CA with this key is to be asked to
  // renew now. Takes one of the tick's turns.
  bool TakeTurnToAsk(const std::string& issuer_key_id) {
    absl::MutexLock lock(&mutex_);
    if (ca_ == nullptr || issuer_key_id == key_id_ || turns_ == 0) return false;
    --turns_;
    return true;
  }
  // Every second.
  void Tick() {
    absl::MutexLock lock(&mutex_);
    turns_ = kAskedInOneTick;
  }

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<const CertificateAuthority> ca_ ABSL_GUARDED_BY(mutex_);
  std::string key_id_ ABSL_GUARDED_BY(mutex_);
  int turns_ ABSL_GUARDED_BY(mutex_) = kAskedInOneTick;
};

}  // namespace dragnet::scheduler
