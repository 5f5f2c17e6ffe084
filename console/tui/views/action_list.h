// Actions as the Actions screen lists them: what a row shows and no more, and who
// signed it, found out here and not believed. Plain values; not thread-safe.
//
// Bounds: ActionList::kMostRows actions of at most about 2 KiB each: 4 MiB.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "console/form/module_catalog.h"
#include "console/tui/screen/style.h"
#include "console/tui/views/action_pace.h"
#include "core/trust_policy.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::tui {

struct ActionRow {
  static constexpr size_t kMostText = 256;
  static constexpr size_t kMostTarget = 1024;

  std::string id;
  // Of the signed document, where there is one that can be read.
  std::string name;
  std::string modules;
  std::string target;
  std::string launched_by;
  absl::Time launched_at;
  absl::Time expires;
  v1::DispatchPhase phase = v1::DISPATCH_PHASE_UNSPECIFIED;
  std::string phase_reason;
  v1::Progress progress;

  enum class Signed {
    // There is no trust policy here to verify with.
    kNotVerified,
    // Enough weight for every operation.
    kEnough,
    // Valid signatures, but too little weight, or something else for which agents refuse.
    kTooLittle,
    // No one in the trust policy signed it.
    kNoOne,
    // What the scheduler gave is no document, or that of another action.
    kBroken,
  };
  Signed signature = Signed::kNotVerified;
  // Who signed it; with kBroken and kTooLittle: what is wrong.
  std::string signers;
  std::string problem;
};

// Verifies signatures: for a thread in the background. `policy` may be null.
ActionRow ActionRowOf(const v1::ActionInfo& info, const TrustPolicy* policy,
                      const ModuleCatalog& modules, absl::Time now);

// Who signed, for a column: "alice, bob", "✗ unsigned".
std::string SignedText(const ActionRow& row);
Style SignedStyle(const ActionRow& row);
// The same with its reason, for a line.
std::string SignedWords(const ActionRow& row);
// What stands before the name of one that can't be trusted: "✗ unsigned: ".
std::string_view NamePrefix(const ActionRow& row);
Style PhaseStyle(v1::DispatchPhase phase);

class ActionList {
 public:
  static constexpr size_t kMostRows = 2000;

  // Newest first; those that the text filter lets through.
  const ActionRow& At(size_t position) const { return rows_.at(*shown_[position]); }
  size_t size() const { return shown_.size(); }
  size_t all() const { return rows_.size(); }
  bool Has(const std::string& id) const { return rows_.contains(id); }
  // Position of an action; size() when it isn't there.
  size_t Find(std::string_view id) const;

  // The first page, anew. True: there is nothing between it and what was there
  // before, which stays; false: everything older was dropped.
  bool ReplaceFirstPage(std::vector<ActionRow> rows, absl::Time steady_now);
  // Further ones, or some that changed.
  void Add(std::vector<ActionRow> rows, absl::Time steady_now);
  void Clear();
  // Rows whose name, modules, signers, id or phase contain it; empty: all.
  void Filter(std::string_view words);

  // Null when nothing was seen of it twice.
  const ActionPace* PaceOf(const std::string& id) const;

 private:
  void Put(ActionRow row, absl::Time steady_now);
  void Arrange();
  bool Matches(const ActionRow& row) const;

  std::map<std::string, ActionRow, std::less<>> rows_;
  // Keys of `rows_`, in order.
  std::vector<const std::string*> shown_;
  std::map<std::string, ActionPace, std::less<>> paces_;
  std::string filter_;
};

}  // namespace dragnet::console::tui
