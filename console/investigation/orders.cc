#include "console/investigation/orders.h"

#include <algorithm>

#include "console/investigation/lookup.h"
#include "console/investigation/verification.h"
#include "console/output/cell.h"
#include "core/action.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"

namespace dragnet::console {
namespace {

// An action that has expired may still run on hosts, for a day at most, and one
// that was cut off comes back later: so long its cancellation is valid at least.
constexpr absl::Duration kLeastLifetime = absl::Hours(25);

std::string Agents(uint64_t count) { return StrCat(count, count == 1 ? " agent" : " agents"); }

}  // namespace

absl::StatusOr<v1::Order> NewOrder(v1::Order::Kind kind, const v1::Action& action,
                                   const std::string& fleet_id, const std::string& reason,
                                   absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(absl::Time expires, ToTime(action.expires()));
  if (kind == v1::Order::KIND_CANCEL) expires = std::max(expires, now + kLeastLifetime);
  if (expires <= now) {
    return absl::FailedPreconditionError(StrCat(WordOf(kind), ": the action expired on ",
                                                LocalTime(expires), ": it can only be cancelled"));
  }
  v1::Order order;
  order.set_id(NewUuidV7(now));
  order.set_fleet_id(fleet_id);
  order.set_action_id(action.id());
  order.set_kind(kind);
  order.set_reason(reason);
  *order.mutable_issued() = ToTimestamp(now);
  *order.mutable_expires() = ToTimestamp(std::min(expires, now + kMaxOrderLifetime));
  DRAGNET_RETURN_IF_ERROR(ValidateOrder(order));
  return order;
}

absl::Status CheckSubject(v1::Order::Kind kind, const v1::ActionInfo& info, bool by_whole_id,
                          const TrustPolicy& policy, const ModuleCatalog& modules, absl::Time now,
                          std::string* warning) {
  // Its document is the sweep's: an order would be about all of its runs.
  if (SweepOfRun(info.action_id()) != info.action_id()) {
    return absl::FailedPreconditionError(
        StrCat("action ", ForTerminal(info.action_id()),
               ": a run of a sweep takes no orders of its own: give them about the sweep"));
  }
  warning->clear();
  DRAGNET_ASSIGN_OR_RETURN(const ActionVerification verification,
                           VerifyAction(info.envelope(), policy, modules, now));
  if (!verification.signers.empty()) return absl::OkStatus();
  const std::string unsigned_words =
      StrCat("action ", ForTerminal(verification.action.id()),
             ": no one in the trust policy signed what the scheduler shows of it");
  const bool cancel = kind == v1::Order::KIND_CANCEL;
  if (cancel && by_whole_id) {
    *warning = unsigned_words;
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      StrCat(unsigned_words, cancel ? ": to cancel it all the same, give its whole id"
                                    : ": don't trust this scheduler"));
}

std::string OrderVerb(v1::Order::Kind kind) {
  switch (kind) {
    case v1::Order::KIND_CANCEL:
      return "Cancel";
    case v1::Order::KIND_PAUSE:
      return "Pause";
    default:
      return "Resume";
  }
}

std::string OrderDone(v1::Order::Kind kind) {
  switch (kind) {
    case v1::Order::KIND_CANCEL:
      return "Cancelled";
    case v1::Order::KIND_PAUSE:
      return "Paused";
    default:
      return "Resumed";
  }
}

std::vector<DescriptionLine> OrderLines(const v1::Order& order, const v1::Action& action,
                                        const v1::Progress& progress, const std::string& signer) {
  const absl::StatusOr<absl::Time> expires = ToTime(order.expires());
  return {
      {"Order", OrderVerb(order.kind())},
      {"Action", action.name()},
      {"Id", action.id()},
      {"Reason", order.reason()},
      {"Valid", StrCat("until ", expires.ok() ? LocalTime(*expires) : "?")},
      {"Agents", StrCat(progress.targeted(), " targeted, ", progress.sent() + progress.running(),
                        " have it, ", progress.waiting(), " don't have it yet")},
      {"Signer", signer}};
}

std::string WhatHappened(v1::Order::Kind kind, const v1::SendOrderResponse& response) {
  const v1::Progress& progress = response.progress();
  const uint64_t have_it = progress.sent() + progress.running();
  std::string text = StrCat("sent to ", Agents(response.sent()), " that ",
                            response.sent() == 1 ? "has" : "have", " it");
  if (have_it > response.sent()) {
    StrAppend(&text, "; ", Agents(have_it - response.sent()), " more ",
              have_it - response.sent() == 1 ? "gets" : "get", " it when connected again");
  }
  if (kind == v1::Order::KIND_CANCEL) {
    StrAppend(&text, "; ", Agents(progress.never_sent()), " never ",
              progress.never_sent() == 1 ? "gets" : "get", " the action.");
  } else {
    StrAppend(&text, "; ", Agents(progress.waiting()), " ",
              progress.waiting() == 1 ? "doesn't" : "don't", " have the action yet.");
  }
  return text;
}

}  // namespace dragnet::console
