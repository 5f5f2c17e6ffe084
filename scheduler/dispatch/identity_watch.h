// Whether one agent's identity is used by two hosts, as after a disk was
// cloned or a certificate was stolen. Told apart by their boot ids (random(4)):
// no host has had the boot id of another one, and none gets an old one back by a
// reboot. What they say of themselves beside that, also when they were booted,
// proves nothing: only when it came here counts, by the scheduler's own clock.
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

  // A host that was booted anew is heard no more; what it said before may have
  // been on its way for so long.
  static constexpr absl::Duration kLastWords = absl::Seconds(30);
  // So many boot ids that were not known appear within kEndsAfter at most: more
  // is someone who draws them.
  static constexpr size_t kMaxNewHosts = 3;

  // A session says Hello. `boot_id` is a UUID, or empty for a host that doesn't
  // say: that is one like any other. `before` are the facts known until now. True
  // if this shows that there are two: a boot id came back after another one, or
  // too many new ones came.
  bool OnHello(std::string_view boot_id, const v1::Facts& facts, const v1::Facts& before,
               absl::Time now);
  // Another scheduler has, or had, a session of this host that is older than the one that
  // said Hello last: nothing follows from that, unless it lives on (OnHeard).
  void OnOlder(std::string_view boot_id, const v1::Facts& facts, absl::Time now);
  bool Knows(std::string_view boot_id) { return Find(boot_id) != nullptr; }
  // Anything came from the host with `boot_id`. True if this shows that there are
  // two: it lives on although another host has said Hello since.
  bool OnHeard(std::string_view boot_id, absl::Time now);
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
    absl::Time since;
    absl::Time last_heard;
  };

  Host* Find(std::string_view boot_id);
  Host& Add(std::string_view boot_id, absl::Time now);
  void ForgetOldest();
  size_t NewHosts(absl::Time now) const;
  // Those heard within kEndsAfter.
  std::vector<const Host*> Alive(absl::Time now) const;

  std::vector<Host> hosts_;
  // Who said Hello last, and since when: its own further ones change nothing.
  std::string current_;
  absl::Time current_since_ = absl::InfinitePast();
  bool duplicate_ = false;
};

}  // namespace dragnet::scheduler
