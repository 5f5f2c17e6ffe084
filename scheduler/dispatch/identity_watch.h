// Whether one agent's identity is used by two hosts, as after a disk was
// cloned. Told apart by their boot ids (random(4)): no host has had the boot id
// of another one, and none gets an old one back by a reboot.
//
// One value for each agent; bounded; no clock, no sessions. Not thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "dragnet/v1/facts.pb.h"

namespace dragnet::scheduler {

class IdentityWatch {
 public:
  // Those seen last are remembered.
  static constexpr size_t kMaxHosts = 8;
  // It ends by itself when only one host was heard for so long.
  static constexpr absl::Duration kEndsAfter = absl::Minutes(10);

  // A session says Hello. `boot_id` is a UUID or empty: of a host that doesn't
  // say, nothing follows. `before` are the facts known until now. True if this
  // shows that there are two: a boot id came back after another one.
  bool OnHello(std::string_view boot_id, const v1::Facts& facts, const v1::Facts& before,
               absl::Time now);
  // A heartbeat of the host with `boot_id`, which it sent when its clock said
  // `agent_now`. True if this shows that there are two: it lives on although
  // another host was booted and said Hello since.
  bool OnHeartbeat(std::string_view boot_id, absl::Time agent_now, absl::Time now);
  // True if they were two, and only one was heard for kEndsAfter.
  bool Expire(absl::Time now);

  bool duplicate() const { return duplicate_; }
  // While there are two or more: one line for each, for people. Text from hosts
  // is defused.
  std::vector<std::string> Hosts(absl::Time now) const;

 private:
  struct Host {
    std::string boot_id;
    // Name and addresses; kept only when there is another host to tell it from.
    std::string who;
    absl::Time boot_time = absl::InfinitePast();
    absl::Time since;
    absl::Time last_heard;
  };

  Host* Find(std::string_view boot_id);
  void ForgetOldest();
  // Those heard within kEndsAfter.
  std::vector<const Host*> Alive(absl::Time now) const;

  std::vector<Host> hosts_;
  // Who said Hello last; "" before the first.
  std::string current_;
  bool duplicate_ = false;
};

}  // namespace dragnet::scheduler
