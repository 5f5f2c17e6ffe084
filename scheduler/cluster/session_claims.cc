#include "scheduler/cluster/session_claims.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "core/clock.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

// After the store didn't take a release.
constexpr absl::Duration kPause = absl::Milliseconds(500);

v1::SessionsChanged::Session Told(const StoredSession& session, bool connected) {
  v1::SessionsChanged::Session told;
  told.set_agent_id(session.agent_id);
  told.set_epoch(session.epoch);
  told.set_connected(connected);
  told.set_boot_id(session.boot_id);
  return told;
}

}  // namespace

SessionClaims::SessionClaims(Coordination& store, std::string scheduler, Tell tell)
    : store_(store), scheduler_(std::move(scheduler)), tell_(std::move(tell)) {
  thread_ = std::thread([this] { Loop(); });
}

void SessionClaims::Claim(SessionClaim claim, Done done, Wanted wanted) {
  absl::Status refused;
  {
    const WaitableMutex::Lock lock(mutex_);
    refused = accepting_;
    if (stopping_) refused = absl::UnavailableError("the scheduler stops: try another one");
    if (refused.ok() && claims_.size() >= kMaxWaiting)
      refused = absl::UnavailableError("too many agents connect at once: try again later");
    if (refused.ok()) {
      claims_.push_back({std::move(claim), std::move(done), std::move(wanted)});
      return;
    }
  }
  done(refused);
}

void SessionClaims::Release(StoredSession session) {
  const WaitableMutex::Lock lock(mutex_);
  session.scheduler = scheduler_;
  told_.push_back(Told(session, /*connected=*/false));
  releases_.push_back(std::move(session));
}

void SessionClaims::Announce(std::vector<StoredSession> sessions) {
  const WaitableMutex::Lock lock(mutex_);
  for (const StoredSession& session : sessions) told_.push_back(Told(session, /*connected=*/true));
}

void SessionClaims::SetAccepting(absl::Status accepting) {
  const WaitableMutex::Lock lock(mutex_);
  accepting_ = std::move(accepting);
}

absl::Status SessionClaims::accepting() const {
  const WaitableMutex::Lock lock(mutex_);
  return accepting_;
}

void SessionClaims::Stop() {
  {
    const WaitableMutex::Lock lock(mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

std::vector<SessionClaims::Waiting> SessionClaims::TakeClaims() {
  const WaitableMutex::Lock lock(mutex_);
  std::vector<Waiting> taken;
  std::deque<Waiting> again;
  std::set<std::string> agents;
  while (!claims_.empty() && taken.size() < kMaxBatch) {
    Waiting next = std::move(claims_.front());
    claims_.pop_front();
    // The one that came last is to hold: it comes after the other.
    if (agents.insert(next.claim.agent_id).second) {
      taken.push_back(std::move(next));
    } else {
      again.push_back(std::move(next));
    }
  }
  claims_.insert(claims_.begin(), std::make_move_iterator(again.begin()),
                 std::make_move_iterator(again.end()));
  return taken;
}

// What was given up while it waited would take the agent's session from the one that it
// has now.
void SessionClaims::DropUnwanted(std::vector<Waiting>* claims) {
  std::vector<Waiting> wanted;
  for (Waiting& one : *claims) {
    if (one.wanted == nullptr || one.wanted()) {
      wanted.push_back(std::move(one));
    } else {
      one.done(absl::CancelledError("the connection is lost"));
    }
  }
  claims->swap(wanted);
}

void SessionClaims::ClaimAll(std::vector<Waiting> claims) {
  std::vector<SessionClaim> asked;
  for (const Waiting& one : claims) asked.push_back(one.claim);
  absl::StatusOr<std::vector<Claimed>> answers = store_.ClaimSessions(scheduler_, asked);
  if (absl::IsNotFound(answers.status()) && claims.size() > 1) {
    // One of them is no agent: that says nothing of the others.
    for (Waiting& one : claims) {
      std::vector<Waiting> alone;
      alone.push_back(std::move(one));
      ClaimAll(std::move(alone));
    }
    return;
  }
  if (answers.ok() && answers->size() != claims.size())
    answers = absl::InternalError("the store answered for another number of sessions");
  if (!answers.ok() && !absl::IsNotFound(answers.status())) {
    if (const auto said = lines_.Ask("claimed", SteadyNow()))
      spdlog::error("{} sessions not claimed: {}{}", claims.size(),
                    Shorten(ForTerminal(ToStd(answers.status().message())), 300),
                    RepeatedLines::Words(*said));
    answers =
        absl::UnavailableError("this scheduler can't take sessions at the moment: try another one");
  }
  if (answers.ok())
    for (Claimed& one : *answers)
      if (one.before.scheduler == scheduler_) one.before.connected = false;
  for (size_t i = 0; i < claims.size(); ++i) {
    if (answers.ok()) {
      claims[i].done((*answers)[i]);
    } else {
      claims[i].done(answers.status());
    }
  }
  if (!answers.ok()) return;
  // When they are here: who is told sends to them at once.
  std::vector<v1::SessionsChanged::Session> told;
  for (size_t i = 0; i < claims.size(); ++i)
    told.push_back(Told({asked[i].agent_id, scheduler_, (*answers)[i].epoch, asked[i].boot_id},
                        /*connected=*/true));
  // Before the release of one that has ended already.
  const WaitableMutex::Lock lock(mutex_);
  told_.insert(told_.begin(), std::make_move_iterator(told.begin()),
               std::make_move_iterator(told.end()));
}

bool SessionClaims::ReleaseSome() {
  std::vector<StoredSession> released;
  {
    const WaitableMutex::Lock lock(mutex_);
    const size_t count = std::min(kMaxBatch, releases_.size());
    released.assign(releases_.begin(), releases_.begin() + static_cast<ptrdiff_t>(count));
  }
  if (released.empty()) return true;
  const absl::Status status = store_.ReleaseSessions(released);
  if (!status.ok()) {
    if (const auto said = lines_.Ask("released", SteadyNow()))
      spdlog::warn("{} sessions not released: {}{}", released.size(),
                   Shorten(ForTerminal(ToStd(status.message())), 300), RepeatedLines::Words(*said));
    return false;
  }
  const WaitableMutex::Lock lock(mutex_);
  releases_.erase(releases_.begin(), releases_.begin() + static_cast<ptrdiff_t>(released.size()));
  return true;
}

void SessionClaims::TellSome() {
  v1::SessionsChanged changed;
  {
    const WaitableMutex::Lock lock(mutex_);
    while (!told_.empty() && changed.sessions_size() < static_cast<int>(kMaxBatch)) {
      *changed.add_sessions() = std::move(told_.front());
      told_.pop_front();
    }
  }
  if (changed.sessions_size() > 0) tell_(std::move(changed));
}

void SessionClaims::Loop() {
  absl::Duration pause;
  while (true) {
    bool stopping = false;
    {
      WaitableMutex::Lock lock(mutex_);
      // What can't be released now isn't tried in a loop; claims and news go on.
      const auto has_work = [&] {
        return stopping_ || !claims_.empty() || !told_.empty() ||
               (pause == absl::ZeroDuration() && !releases_.empty());
      };
      if (pause == absl::ZeroDuration()) {
        lock.Await(has_work);
      } else {
        lock.AwaitFor(pause, has_work);
      }
      stopping = stopping_;
      if (!stopping)
        lock.AwaitFor(kGather, [this] { return stopping_ || claims_.size() >= kMaxBatch; });
    }
    std::vector<Waiting> claims = TakeClaims();
    if (!stopping) DropUnwanted(&claims);
    if (stopping) {
      for (Waiting& one : claims)
        one.done(absl::UnavailableError("the scheduler stops: try another one"));
    } else if (!claims.empty()) {
      ClaimAll(std::move(claims));
    }
    pause = ReleaseSome() ? absl::ZeroDuration() : kPause;
    TellSome();
    if (!stopping) continue;
    const WaitableMutex::Lock lock(mutex_);
    const bool can_release = pause == absl::ZeroDuration() && !releases_.empty();
    if (claims_.empty() && told_.empty() && !can_release) return;
  }
}

}  // namespace dragnet::scheduler
