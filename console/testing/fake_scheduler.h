// A scheduler for tests of commands: the real service over real TLS on
// localhost, with answers that the test writes. Members are set before the
// command runs and read after it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "console/testing/certificates.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::testing {

class FakeScheduler {
 public:
  // `port` 0: any that is free.
  FakeScheduler(const std::string& ca, const IssuedCertificate& identity, int port = 0);
  ~FakeScheduler();

  int port() const;

  // ---- what it answers
  std::vector<v1::AgentInfo> agents;
  std::vector<v1::ActionInfo> actions;
  // GetAction answers with the first action, whatever id it is asked for.
  bool any_action_id = false;
  std::string policy;
  std::string token = "00c0ffee";
  std::vector<v1::EnrolmentToken> enrolment_tokens;
  std::vector<v1::EnrolmentRequest> enrolment_requests;
  // Instead of what the request asks for.
  std::optional<absl::Time> token_expires;
  // If not OK: the answer to every call.
  absl::Status error;
  // One Watch or Results call each: these events, then the stream ends, with
  // UNAVAILABLE unless the last is an End. A call beyond them gets the last.
  std::vector<std::vector<v1::WatchEvent>> streams;
  // After the events of a stream: this process gets SIGINT, and the stream
  // stays open.
  bool interrupt_after_stream = false;
  std::vector<v1::ListRefusalsResponse::Entry> refusals;
  v1::GetStatusResponse status;
  v1::SendOrderResponse ordered;
  v1::StackResponse stack;
  std::vector<v1::Proposal> proposals;
  // All of a Tail call.
  std::vector<v1::TailEvent> tail;
  // Of one Propose call each; a call beyond them gets the last.
  std::vector<v1::ProposeResponse> proposed;

  // Of every sweep that is asked for; GetSweep answers with it whatever the id.
  std::vector<v1::SweepInfo> sweeps;
  uint64_t sweeps_left_out = 0;
  v1::GetSweepResponse sweep;
  std::vector<v1::SweepVerdict> verdicts;
  // In pages of two.
  std::vector<v1::SweepChange> changes;

  // ---- what it was asked
  std::vector<std::string> launched;         // envelopes
  std::vector<std::string> propositions;     // envelopes
  std::map<std::string, std::string> blobs;  // by SHA-256
  std::vector<std::string> targets;          // of SearchAgents
  std::vector<uint64_t> watched_after;       // of Watch and Results
  std::vector<bool> watched_until_expired;
  std::vector<v1::KeepActionRequest> kept;
  std::vector<std::string> orders;  // envelopes
  std::vector<std::string> revoked;
  std::vector<std::string> published;
  std::vector<v1::CreateEnrolmentTokenRequest> tokens;
  std::vector<std::string> revoked_tokens;
  std::vector<v1::DecideEnrolmentRequest> decisions;
  std::vector<v1::StackRequest> stacked;
  std::vector<v1::GetSweepRequest> asked_sweeps;
  std::vector<v1::SweepVerdictsRequest> asked_verdicts;
  std::vector<v1::SweepChangesRequest> asked_changes;

 private:
  class Service;
  std::unique_ptr<Service> service_;
};

}  // namespace dragnet::console::testing
