// What the dispatcher says to the schedulers beside this one. Actions with options (rate,
// canaries, limit, stop) are decided by one of them, the one that leads; to its own agents
// each scheduler sends by itself. Thread-safe; no call blocks unless it says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dragnet/v1/cluster.pb.h"

namespace dragnet::scheduler {

class Peers {
 public:
  virtual ~Peers() = default;
  // Whether there may be others at all.
  virtual bool alone() const = 0;
  // Which time of leading it is, if this one decides; 0: another one does, or none. Takes
  // no lock that could come back here.
  virtual uint64_t lead_epoch() const = 0;
  bool leads() const { return lead_epoch() != 0; }
  // To the one that leads: these are connected here, and wait for it.
  virtual void OfferAgents(const std::string& action_id,
                           const std::vector<std::string>& agent_ids) = 0;
  // From the one that leads: to these of `scheduler` it goes.
  virtual void GrantAgents(const std::string& scheduler, const std::string& action_id,
                           const std::vector<std::string>& agent_ids) = 0;
  virtual void TellPhases(v1::Phases phases) = 0;
  virtual void TellWritten(v1::Written written) = 0;
  // Has the one that leads obey it, and blocks. Unavailable: none leads at the moment.
  virtual absl::StatusOr<v1::OrderReply> SendOrder(const std::string& envelope,
                                                   const std::string& sent_by) = 0;
  // Something was written that all must learn.
  virtual void NoticeWritten() = 0;
};

// Of a single scheduler.
class NoPeers final : public Peers {
 public:
  bool alone() const override { return true; }
  uint64_t lead_epoch() const override { return 1; }
  void OfferAgents(const std::string&, const std::vector<std::string>&) override {}
  void GrantAgents(const std::string&, const std::string&,
                   const std::vector<std::string>&) override {}
  void TellPhases(v1::Phases) override {}
  void TellWritten(v1::Written) override {}
  absl::StatusOr<v1::OrderReply> SendOrder(const std::string&, const std::string&) override {
    return absl::InternalError("a single scheduler leads");
  }
  void NoticeWritten() override {}
};

}  // namespace dragnet::scheduler
