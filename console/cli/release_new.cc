// `dragnet release new`: a bundle of programs and the release that names them, which
// isn't signed yet. No network, no configuration.
#include <set>

#include "console/cli/envelope_file.h"
#include "console/cli/exit_status.h"
#include "console/cli/release_command.h"
#include "console/form/values.h"
#include "console/release/bundle.h"
#include "console/release/release_text.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/release.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

class ReleaseNew : public CommandPart {
 public:
  void Define(CommandLine& release) override {
    new_ = release.AddSubcommand("new", "Make a bundle: the agent's programs and their release");
    new_->SetDescription(
        "Takes the agent's three programs as they were built, finds out from them for which "
        "platform they are, and writes a directory with release.dnr, which isn't signed yet, and "
        "the programs. Needs neither network nor configuration.");
    new_->AddValue({.name = "--version",
                    .value_name = "VERSION",
                    .help = "Which the programs were built as: MAJOR.MINOR.PATCH of Semantic "
                            "Versioning, or MAJOR.MINOR.PATCH-PRERELEASE.",
                    .required = true},
                   &version_);
    new_->AddValues({.name = "--from",
                     .value_name = "PATH",
                     .help = "A directory with dragnet-agent, dragnet-link and dragnet-worker, or "
                             "the agent's .deb, .rpm or .tar.gz. Repeatable: once for each "
                             "platform.",
                     .completion = Completion::kFile,
                     .required = true},
                    &from_);
    new_->AddValue({.name = "--out",
                    .value_name = "DIR",
                    .help = "The bundle, a new directory.",
                    .completion = Completion::kDirectory,
                    .required = true},
                   &out_);
    new_->AddValue({.name = "--minimum",
                    .value_name = "VERSION",
                    .help = "The oldest version that can be upgraded to this one (default: any)."},
                   &minimum_);
    new_->AddValue({.name = "--expires",
                    .value_name = "DURATION",
                    .help = "For how long from now agents take it, 1098d at most (default: 365d)."},
                   &expires_);
    new_->AddValue({.name = "--group",
                    .value_name = "NAME",
                    .help = "Only for agents whose agent.toml says release_group = \"NAME\" "
                            "(default: for all)."},
                   &group_);
    new_->AddValue({.name = "--notes", .value_name = "TEXT", .help = "For people."}, &notes_);
    new_->AddSwitch(
        {.name = "--downgrade",
         .help = "Agents of a higher version go back to this one. Enough root keys must "
                 "sign it; release keys don't do."},
        &downgrade_);
  }

  bool Has(const CommandLine* chosen) const override { return chosen == new_; }

  absl::StatusOr<int> Run(const CommandLine*, Session& session) override {
    Io& io = session.io();
    DRAGNET_ASSIGN_OR_RETURN(v1::Release release, Header(session.now()));
    DRAGNET_ASSIGN_OR_RETURN(NewBundle bundle, NewBundle::Create(out_));
    std::set<std::string> platforms;
    for (const std::string& path : from_) {
      DRAGNET_ASSIGN_OR_RETURN(const AgentPrograms programs, ReadAgentPrograms(path));
      const std::string platform = PlatformName(programs.os, programs.arch);
      if (!platforms.insert(platform).second) {
        return absl::InvalidArgumentError(StrCat("--from ", path, ": a second one for ", platform));
      }
      if (!Mentions(programs, version_)) {
        io.Say(StrCat("warning: the text ", version_, " isn't in ", path,
                      "'s dragnet-agent: was it built as this version? Agents that it is tried on "
                      "would say another one"));
      }
      *release.add_platforms() = PlatformOf(programs);
      DRAGNET_RETURN_IF_ERROR(bundle.Add(programs));
    }
    DRAGNET_RETURN_IF_ERROR(ValidateRelease(release));
    DRAGNET_RETURN_IF_ERROR(WriteEnvelopeFile(
        bundle.release_path(), NewEnvelope(kReleasePayloadType, release.SerializeAsString())));
    DRAGNET_RETURN_IF_ERROR(bundle.Finish());
    io.out->Write(DescribeRelease(release, session.now()));
    io.Say(StrCat("Wrote ", ForTerminal(out_),
                  ", not signed yet. Next, by each of those who must: ", "dragnet release sign ",
                  ForTerminal(out_), " --key ", downgrade_ ? "ROOT.key" : "RELEASE.key"));
    return kExitDone;
  }

 private:
  absl::StatusOr<v1::Release> Header(absl::Time now) const {
    const absl::StatusOr<absl::Duration> lifetime = ParseDuration(expires_);
    if (!lifetime.ok()) return Annotate(lifetime.status(), "--expires");
    if (*lifetime <= absl::ZeroDuration() || *lifetime > kMaxReleaseLifetime) {
      return absl::InvalidArgumentError("--expires: 1s to 1098d");
    }
    if (const auto version = Version::Parse(version_); !version.ok()) {
      return Annotate(version.status(), "--version");
    }
    v1::Release release;
    release.set_version(version_);
    *release.mutable_issued() = ToTimestamp(now);
    *release.mutable_expires() = ToTimestamp(now + *lifetime);
    release.set_minimum_version(minimum_);
    release.set_group(group_);
    release.set_downgrade(downgrade_);
    if (!IsValidUtf8(notes_)) return absl::InvalidArgumentError("--notes: not valid UTF-8");
    release.set_notes(notes_);
    return release;
  }

  CommandLine* new_ = nullptr;
  std::string version_;
  std::vector<std::string> from_;
  std::string out_;
  std::string minimum_;
  std::string expires_ = "365d";
  std::string group_;
  std::string notes_;
  bool downgrade_ = false;
};

}  // namespace

std::unique_ptr<CommandPart> NewReleaseNew() { return std::make_unique<ReleaseNew>(); }

}  // namespace dragnet::console
