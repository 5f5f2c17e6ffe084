// From a form that is filled in to an action that is on its way: made in the
// background, shown with its reach, asked about, signed, launched, or proposed to
// the others where the own weight is not enough. On the loop's thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "console/investigation/proposals.h"
#include "console/tui/command/draft.h"
#include "console/tui/shell.h"

namespace dragnet::console::tui {

// What the own signature is worth for a draft; nothing while there is no trust policy.
std::optional<SignatureNeed> OwnNeed(const Draft& draft, Backend& backend);
// "your signature is enough: it starts at once", "needs weight 2 for memory, …".
std::string NeedWords(const std::optional<SignatureNeed>& need);
// It can be signed, and others must sign, too.
bool Proposes(const std::optional<SignatureNeed>& need);
// PermissionDenied where signing it makes no sense.
absl::Status CheckHasSay(const std::optional<SignatureNeed>& need, const Backend& backend);

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
  BuildContext ContextFor(bool proposes) const;
  void AskFor(std::shared_ptr<const Prepared> prepared, const std::optional<SignatureNeed>& need);
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
