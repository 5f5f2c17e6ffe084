#include "scheduler/dispatch/identity_watch.h"

#include <algorithm>
#include <utility>

#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

constexpr int kMaxAddresses = 4;
constexpr size_t kMaxNameBytes = 100;
constexpr size_t kMaxAddressBytes = 64;

std::string Bounded(std::string_view text, size_t bytes) {
  return Shorten(ForTerminal(Shorten(text, bytes)), bytes);
}

std::string WhoIs(const v1::Facts& facts) {
  std::string who = Bounded(facts.name(), kMaxNameBytes);
  std::string addresses;
  for (int i = 0; i < std::min(facts.addresses_size(), kMaxAddresses); ++i)
    addresses += StrCat(i == 0 ? "" : ", ", Bounded(facts.addresses(i), kMaxAddressBytes));
  return addresses.empty() ? who : StrCat(who, " (", addresses, ")");
}

}  // namespace

IdentityWatch::Host* IdentityWatch::Find(std::string_view boot_id) {
  const auto found = std::find_if(hosts_.begin(), hosts_.end(),
                                  [&](const Host& host) { return host.boot_id == boot_id; });
  return found == hosts_.end() ? nullptr : &*found;
}

void IdentityWatch::ForgetOldest() {
  hosts_.erase(std::min_element(
      hosts_.begin(), hosts_.end(),
      [](const Host& left, const Host& right) { return left.last_heard < right.last_heard; }));
}

size_t IdentityWatch::NewHosts(absl::Time now) const {
  return static_cast<size_t>(std::count_if(hosts_.begin(), hosts_.end(), [&](const Host& host) {
    return now - host.since < kEndsAfter;
  }));
}

IdentityWatch::Host& IdentityWatch::Add(std::string_view boot_id, absl::Time now) {
  if (hosts_.size() == kMaxHosts) ForgetOldest();
  Host& host = hosts_.emplace_back();
  host.boot_id = std::string(boot_id);
  host.since = now;
  return host;
}

void IdentityWatch::OnOlder(std::string_view boot_id, const v1::Facts& facts, absl::Time now) {
  if (Find(boot_id) != nullptr) return;
  Host& host = Add(boot_id, now);
  host.who = WhoIs(facts);
  host.last_heard = now;
}

bool IdentityWatch::OnHello(std::string_view boot_id, const v1::Facts& facts,
                            const v1::Facts& before, absl::Time now) {
  Host* host = Find(boot_id);
  const bool changes = hosts_.empty() || current_ != boot_id;
  const bool came_back = host != nullptr && changes;
  if (host == nullptr) {
    if (!hosts_.empty() && hosts_.back().who.empty()) hosts_.back().who = WhoIs(before);
    host = &Add(boot_id, now);
  }
  if (hosts_.size() > 1) host->who = WhoIs(facts);
  host->last_heard = now;
  if (changes) {
    current_ = std::string(boot_id);
    current_since_ = now;
  }
  if (!came_back && NewHosts(now) <= kMaxNewHosts) return false;
  return !std::exchange(duplicate_, true);
}

bool IdentityWatch::OnHeard(std::string_view boot_id, absl::Time now) {
  Host* host = Find(boot_id);
  if (host == nullptr) return false;
  host->last_heard = now;
  if (current_ == boot_id || now - current_since_ <= kLastWords) return false;
  return !std::exchange(duplicate_, true);
}

std::vector<const IdentityWatch::Host*> IdentityWatch::Alive(absl::Time now) const {
  std::vector<const Host*> alive;
  for (const Host& host : hosts_)
    if (now - host.last_heard < kEndsAfter) alive.push_back(&host);
  return alive;
}

bool IdentityWatch::Expire(absl::Time now) {
  if (!duplicate_) return false;
  const std::vector<const Host*> alive = Alive(now);
  if (alive.size() > 1) return false;
  duplicate_ = false;
  // Who is left is not the second one of whoever said Hello last.
  if (!alive.empty() && current_ != alive.front()->boot_id) {
    current_ = alive.front()->boot_id;
    current_since_ = now;
  }
  return true;
}

std::vector<std::string> IdentityWatch::Hosts(absl::Time now) const {
  std::vector<std::string> lines;
  if (!duplicate_) return lines;
  for (const Host* host : Alive(now))
    lines.push_back(
        StrCat(host->who, " boot ", host->boot_id.empty() ? "unknown" : host->boot_id, " since ",
               absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", host->since, absl::UTCTimeZone())));
  return lines;
}

}  // namespace dragnet::scheduler
