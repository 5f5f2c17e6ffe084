// From a form that is filled in to an action that is on its way: made in the
// background, shown with its reach, asked about, signed, launched, or proposed to
// the others where the own weight is not enough. On the loop's thread only.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "console/tui/command/draft.h"
#include "console/tui/shell.h"

namespace dragnet::console::tui {

// How long others have to sign, where nothing else was said.
inline constexpr absl::Duration kProposalLifetime = absl::Hours(24);

// By operation that lacks some: what the signatures of `signers` lack. A module that
// this build doesn't have lacks what isn't known.
std::vector<std::string> MissingWeight(const std::vector<std::string>& modules,
                                       const std::set<std::string>& signers,
                                       const TrustPolicy& policy, const ModuleCatalog& catalog);
std::vector<std::string> ModulesOf(const Draft& draft);

// How an action of these modules would go: "starts at once", or what is missing.
struct WeightNote {
  // Nothing is known without a trust policy.
  bool known = false;
  std::vector<std::string> missing;
  bool proposes() const { return known && !missing.empty(); }
  std::string Words() const;
};
WeightNote OwnWeight(const Draft& draft, Backend& backend);

class LaunchFlow {
 public:
  explicit LaunchFlow(Shell& shell) : shell_(shell) {}

  // Nothing happens while one is under way. `failed` is told why it didn't come to
  // the question, e.g. to go to the field; what was typed stays.
  void Start(const Draft& draft, std::function<void(const absl::Status&)> failed);
  // What is being done; empty: nothing.
  const std::string& doing() const { return doing_; }

  // The document as it would be signed now, or why it can't be.
  void Preview(const Draft& draft,
               std::function<void(absl::StatusOr<std::string> description)> then);

 private:
  struct Prepared {
    BuiltAction built;
    // Of the scheduler, as it answered.
    std::string reach;
    std::string description;
  };
  static absl::StatusOr<Prepared> Prepare(const Draft& draft, const BuildContext& context,
                                          const std::string& signer, bool needs_reach,
                                          Client& client);
  BuildContext ContextFor(const WeightNote& weight) const;
  void AskFor(std::shared_ptr<const Prepared> prepared, const WeightNote& weight);
  void Sign(std::shared_ptr<const Prepared> prepared, bool propose);
  void Send(std::shared_ptr<const Prepared> prepared, bool propose,
            std::shared_ptr<const Signer> signer);
  void Sent(const v1::Action& action, const absl::StatusOr<v1::ProposeResponse>& answer,
            bool proposed);
  void Fail(const absl::Status& status);

  Shell& shell_;
  Lifetime lifetime_;
  std::string doing_;
};

}  // namespace dragnet::console::tui
