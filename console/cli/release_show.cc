// `dragnet release show BUNDLE|FILE`: what it says, who signed it, and would agents take
// it. Exit status 0 or 4.
#include "console/cli/exit_status.h"
#include "console/cli/release_command.h"
#include "console/cli/release_file.h"
#include "console/release/release_text.h"
#include "core/release.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

class ReleaseShow : public CommandPart {
 public:
  void Define(CommandLine& release) override {
    show_ = release.AddSubcommand("show", "What a release says, and who signed it");
    show_->SetDescription(
        "Checks the signatures on this machine, against the fleet's trust policy, and that against "
        "the root keys pinned in the configuration; of a bundle also its programs. Exit status 0 "
        "when agents may take it, else 4.");
    show_->AddArgument({.name = "BUNDLE|FILE",
                        .help = "What dragnet release new made, or its release.dnr alone.",
                        .completion = Completion::kFile,
                        .required = true},
                       &word_);
    show_->AddValue({.name = "--policy",
                     .value_name = "FILE",
                     .help = "Take the trust policy from this file and don't ask the scheduler.",
                     .completion = Completion::kFile},
                    &policy_);
  }

  bool Has(const CommandLine* chosen) const override { return chosen == show_; }

  absl::StatusOr<int> Run(const CommandLine*, Session& session) override {
    DRAGNET_ASSIGN_OR_RETURN(const ReleaseFile release, ReadReleaseFile(word_, session));
    Sink& out = *session.io().out;
    out.Write(DescribeRelease(release.release(), session.now()));
    bool whole = true;
    out.Write(DescribePrograms(release, &whole));
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy policy, PolicyToJudgeBy(policy_, session));
    out.Write(DescribeReleaseSignatures(release.file.document.envelope, release.release(), policy));
    const absl::Status good = VerifyRelease(release.file.bytes, &policy, session.now()).status();
    out.Write(ReleaseVerdict(good));
    if (!whole) out.Write("But the bundle isn't whole: see above.\n");
    return good.ok() && whole ? kExitDone : kExitRefused;
  }

 private:
  CommandLine* show_ = nullptr;
  std::string word_;
  std::string policy_;
};

}  // namespace

std::unique_ptr<CommandPart> NewReleaseShow() { return std::make_unique<ReleaseShow>(); }

}  // namespace dragnet::console
