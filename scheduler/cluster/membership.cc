#include "scheduler/cluster/membership.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/clock.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

constexpr std::string_view kMember = "scheduler/";
constexpr std::string_view kReader = "reader/";
constexpr std::string_view kRecords = "records/";
constexpr std::string_view kLead = "lead";

std::string RecordsOf(uint32_t partition) { return StrCat(kRecords, partition); }

}  // namespace

Membership::Membership(Coordination& store, std::string name, uint32_t partitions,
                       absl::Duration lifetime, Read read)
    : store_(store),
      name_(std::move(name)),
      instance_(StrCat(name_, "/", HexEncode(RandomBytes(8)))),
      partitions_(partitions),
      lifetime_(lifetime),
      read_(std::move(read)) {}

absl::Status Membership::Keep(bool has_bus) {
  const absl::Time until = SteadyNow() + lifetime_;
  DRAGNET_ASSIGN_OR_RETURN(const Lease own,
                           store_.TakeLease(StrCat(kMember, name_), instance_, lifetime_));
  if (own.holder != instance_)
    return absl::FailedPreconditionError(
        StrCat("another scheduler has the name ", name_,
               " and is alive, or has died this moment: give each its own scheduler_name"));
  // Else it would lead on in the time of a process that may not know yet that it is over.
  if (!began_) DRAGNET_RETURN_IF_ERROR(store_.GiveUpLease(kLead, name_));
  began_ = true;
  const int64_t before = member_until_.exchange(absl::ToUnixNanos(until));
  if (before != 0 && absl::ToUnixNanos(SteadyNow()) > before) lapsed_ = true;
  DRAGNET_ASSIGN_OR_RETURN(std::set<std::string> live, LiveNow(store_));
  live.insert(name_);
  {
    absl::MutexLock lock(&mutex_);
    view_.live = std::move(live);
  }
  DRAGNET_ASSIGN_OR_RETURN(const size_t readers, KeepReading(has_bus));
  DRAGNET_RETURN_IF_ERROR(KeepLead(has_bus || readers == 0));
  const size_t share = has_bus ? (partitions_ + readers - 1) / readers : 0;
  return KeepPartitions(share, SteadyNow() + lifetime_);
}

absl::StatusOr<std::set<std::string>> Membership::LiveNow(Coordination& store) {
  DRAGNET_ASSIGN_OR_RETURN(const auto members, store.Leases(kMember));
  std::set<std::string> live;
  for (const auto& [lease, held] : members) live.insert(lease.substr(kMember.size()));
  return live;
}

absl::StatusOr<size_t> Membership::KeepReading(bool has_bus) {
  const std::string lease = StrCat(kReader, name_);
  if (has_bus) {
    DRAGNET_RETURN_IF_ERROR(store_.TakeLease(lease, name_, lifetime_).status());
  } else {
    DRAGNET_RETURN_IF_ERROR(store_.GiveUpLease(lease, name_));
  }
  DRAGNET_ASSIGN_OR_RETURN(const auto readers, store_.Leases(kReader));
  {
    absl::MutexLock lock(&mutex_);
    view_.others_have_bus = readers.size() > readers.count(lease);
  }
  return has_bus ? std::max<size_t>(readers.size(), 1) : readers.size();
}

absl::Status Membership::KeepLead(bool may_lead) {
  Lease lead;
  if (may_lead) {
    const absl::Time until = SteadyNow() + lifetime_;
    DRAGNET_ASSIGN_OR_RETURN(lead, store_.TakeLease(kLead, name_, lifetime_));
    // The epoch before the time: who sees that it leads sees which time it is.
    lead_epoch_ = lead.holder == name_ ? lead.epoch : 0;
    leads_until_ = lead.holder == name_ ? absl::ToUnixNanos(until) : 0;
  } else {
    leads_until_ = 0;
    DRAGNET_RETURN_IF_ERROR(store_.GiveUpLease(kLead, name_));
    DRAGNET_ASSIGN_OR_RETURN(const auto leases, store_.Leases(kLead));
    if (const auto found = leases.find(std::string(kLead)); found != leases.end())
      lead = found->second;
  }
  absl::MutexLock lock(&mutex_);
  view_.leader = lead.holder;
  view_.leader_epoch = lead.epoch;
  return absl::OkStatus();
}

absl::Status Membership::KeepPartitions(size_t share, absl::Time until) {
  if (partitions_ == 0) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const auto leases, store_.Leases(kRecords));
  std::set<uint32_t> wanted;
  std::set<uint32_t> surplus;
  std::set<uint32_t> free;
  for (uint32_t partition = 0; partition < partitions_; ++partition) {
    const auto held = leases.find(RecordsOf(partition));
    if (held == leases.end() || held->second.holder.empty()) {
      free.insert(partition);
    } else if (held->second.holder == name_) {
      (wanted.size() < share ? wanted : surplus).insert(partition);
    }
  }
  for (const uint32_t partition : free) {
    if (wanted.size() == share) break;
    wanted.insert(partition);
  }
  std::set<uint32_t> taken;
  for (const uint32_t partition : wanted) {
    DRAGNET_ASSIGN_OR_RETURN(const Lease lease,
                             store_.TakeLease(RecordsOf(partition), name_, lifetime_));
    if (lease.holder == name_) taken.insert(partition);
  }
  // No longer read before another one may.
  reads_until_ = absl::ToUnixNanos(until);
  {
    absl::MutexLock lock(&mutex_);
    view_.partitions = taken;
  }
  read_(std::move(taken));
  for (const uint32_t partition : surplus)
    DRAGNET_RETURN_IF_ERROR(store_.GiveUpLease(RecordsOf(partition), name_));
  return absl::OkStatus();
}

void Membership::Tick() {
  if (absl::ToUnixNanos(SteadyNow()) < reads_until_.load()) return;
  {
    absl::MutexLock lock(&mutex_);
    if (view_.partitions.empty()) return;
    view_.partitions.clear();
  }
  read_({});
}

void Membership::GiveUp() {
  // What it has no longer may be another process's of this name.
  const bool was_member = is_member();
  leads_until_ = 0;
  member_until_ = 0;
  std::set<uint32_t> partitions;
  {
    absl::MutexLock lock(&mutex_);
    partitions.swap(view_.partitions);
  }
  read_({});
  if (!was_member) return;
  // What can't be given up now ends by itself.
  for (const uint32_t partition : partitions)
    store_.GiveUpLease(RecordsOf(partition), name_).IgnoreError();
  store_.GiveUpLease(kLead, name_).IgnoreError();
  store_.GiveUpLease(StrCat(kReader, name_), name_).IgnoreError();
  store_.GiveUpLease(StrCat(kMember, name_), instance_).IgnoreError();
}

bool Membership::is_member() const { return absl::ToUnixNanos(SteadyNow()) < member_until_.load(); }

uint64_t Membership::lead_epoch() const {
  return absl::ToUnixNanos(SteadyNow()) < leads_until_.load() ? lead_epoch_.load() : 0;
}

Membership::View Membership::view() const {
  absl::MutexLock lock(&mutex_);
  return view_;
}

}  // namespace dragnet::scheduler
