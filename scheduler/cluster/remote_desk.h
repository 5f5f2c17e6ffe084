// Enrolment and renewal at a scheduler that doesn't have the CA's key: another one, that
// has it, is asked. Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/clock.h"
#include "dragnet/v1/cluster.pb.h"
#include "scheduler/enrolment/enrolment.h"

namespace dragnet::scheduler {

class RemoteDesk final : public EnrolmentCalls {
 public:
  // As Bus::Ask; those that are alive, without this one.
  using Ask = std::function<absl::StatusOr<v1::PeerMessage>(
      const std::string& to, v1::PeerMessage message, absl::Duration timeout)>;
  using Others = std::function<std::vector<std::string>()>;

  // All must outlive it.
  RemoteDesk(Store& store, const Clock& clock, Ask ask, Others others)
      : store_(store), clock_(clock), ask_(std::move(ask)), others_(std::move(others)) {}

  // Also Unavailable: no scheduler that has the key answers.
  absl::StatusOr<Enrolled> Enrol(std::string_view token, const std::string& agent_id,
                                 std::string_view csr, v1::Facts facts,
                                 std::string_view peer) const override;
  absl::StatusOr<IssuedCertificate> Renew(const std::string& agent_id,
                                          std::string_view csr) const override;

 private:
  absl::StatusOr<Enrolled> AskThose(const v1::IssueRequest& request) const;

  Store& store_;
  const Clock& clock_;
  const Ask ask_;
  const Others others_;
  mutable absl::Mutex mutex_;
  // Asked first.
  mutable std::string answered_last_ ABSL_GUARDED_BY(mutex_);
};

// The other side: what `desk` says to it.
v1::IssueReply AnswerIssueRequest(const EnrolmentCalls& desk, const v1::IssueRequest& request);

}  // namespace dragnet::scheduler
