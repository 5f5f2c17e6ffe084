// `dragnet package`: the agent's package and a fleet's files, made one package.
#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "console/check/agent_program.h"
#include "console/cli/command.h"
#include "console/form/values.h"
#include "console/output/cell.h"
#include "console/package/fleet_source.h"
#include "console/package/site_package.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr size_t kMaxToken = 4096;
// ListEnrolmentTokens gives no more.
constexpr int kMaxListed = 10'000;

// Where the vendor's package lies when --agent doesn't say.
std::vector<std::string> PackageDirectories() {
  const std::string own = OwnDirectory();
  std::vector<std::string> directories = {"."};
  if (!own.empty()) {
    directories.push_back(own);
    // As ./dev package leaves it.
    directories.push_back(own + "/../packages");
  }
  directories.push_back("/usr/share/dragnet/agent");
  return directories;
}

bool IsVendorFile(std::string_view name, PackageKind kind) {
  // Made by this command.
  if (name.find("+site2") != std::string_view::npos ||
      name.find(".site2") != std::string_view::npos)
    return false;
  switch (kind) {
    case PackageKind::kDeb:
      return name.starts_with("dragnet-agent_") && name.ends_with(".deb");
    case PackageKind::kRpm:
      return name.starts_with("dragnet-agent-") && name.ends_with(".rpm");
    case PackageKind::kTar:
      return name.starts_with("dragnet-agent-") && name.ends_with(".tar.gz");
  }
  return false;
}

absl::StatusOr<std::string> FindAgentPackage(PackageKind kind) {
  std::string searched;
  for (const std::string& directory : PackageDirectories()) {
    StrAppend(&searched, searched.empty() ? "" : ", ", directory);
    std::vector<std::string> found;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error))
      if (IsVendorFile(entry.path().filename().string(), kind)) found.push_back(entry.path());
    if (found.size() == 1) return found[0];
    if (found.size() > 1) {
      std::sort(found.begin(), found.end());
      return absl::InvalidArgumentError(StrCat("several packages of the agent in ", directory,
                                               ": give --agent FILE, e.g. ",
                                               ForTerminal(found.back())));
    }
  }
  return absl::NotFoundError(StrCat("no package of the agent (", PackageKindName(kind), ") in ",
                                    searched, ": give --agent FILE"));
}

// SOURCE_DATE_EPOCH, for those who make the same package twice; else now.
absl::StatusOr<absl::Time> TimeOfMaking(Session& session) {
  const std::optional<std::string> epoch = session.io().environment("SOURCE_DATE_EPOCH");
  if (!epoch.has_value()) return session.now();
  int64_t seconds;
  // Until the year 9999, of which a version of fourteen digits can tell.
  if (!absl::SimpleAtoi(*epoch, &seconds) || seconds < 0 || seconds > 253'402'300'799)
    return absl::InvalidArgumentError("SOURCE_DATE_EPOCH: not a number of seconds since 1970");
  return absl::FromUnixSeconds(seconds);
}

absl::Status SplitTag(std::string_view flag, const std::string& tag, std::string* key,
                      std::string* value) {
  const size_t equals = tag.find('=');
  if (equals == std::string::npos || equals == 0)
    return absl::InvalidArgumentError(
        StrCat(flag, ": \"", ForTerminal(tag), "\" is not of the form KEY=VALUE"));
  *key = tag.substr(0, equals);
  *value = tag.substr(equals + 1);
  return absl::OkStatus();
}

class PackageCommand : public Command {
 public:
  std::string name() const override { return "package"; }
  std::string summary() const override { return "Make a package of the agent for your hosts"; }
  CommandGroup group() const override { return CommandGroup::kFleet; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "Takes the agent's package as it was delivered, and makes one that makes a host one of the "
        "fleet: with agent.toml, CA, root keys and an enrolment token in it. Installed unattended "
        "(dpkg -i, rpm -U, install.sh), the agent starts and enrols. The token is asked for from "
        "the scheduler, which takes the role operator, unless one is given. The file holds the "
        "token: who can read it can join the fleet.");
    line.AddValue({.name = "--target",
                   .value_name = "KIND",
                   .help = "Which package.",
                   .choices = {"deb", "rpm", "tar"},
                   .required = true},
                  &target_);
    line.AddValue({.name = "--agent",
                   .value_name = "FILE",
                   .help = "The agent's package of the same kind. Default: the one in the current "
                           "directory, beside this program or in /usr/share/dragnet/agent.",
                   .completion = Completion::kFile},
                  &agent_);
    line.AddValue({.name = "--out",
                   .value_name = "FILE",
                   .help = "Where it goes. Default: its own name, in the current directory.",
                   .completion = Completion::kFile},
                  &out_);
    DefineFleet(line);
    DefineToken(line);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    absl::StatusOr<int> status = Make(session);
    if (!status.ok()) return Annotate(status.status(), "package");
    return status;
  }

 private:
  void DefineFleet(CommandLine& line) {
    line.StartGroup("The fleet, and how its hosts are set");
    line.AddValue({.name = "--fleet",
                   .value_name = "FILE",
                   .help = "A console.toml, or the directory of a kit for hosts (fleet/agent of "
                           "dragnet-scheduler init). Default: this console's own configuration.",
                   .completion = Completion::kFile},
                  &fleet_);
    line.AddValues({.name = "--scheduler",
                    .value_name = "HOST:PORT",
                    .help = "As hosts reach it; several are tried in turn. Default: the fleet's, "
                            "if others than this machine reach it."},
                   &schedulers_);
    line.AddValue({.name = "--proxy",
                   .value_name = "URL",
                   .help = "HTTP proxy to schedulers: http://[user:password@]host:port. With a "
                           "password, agent.toml is readable by root alone."},
                  &proxy_);
    line.AddValues({.name = "--agent-tag",
                    .value_name = "KEY=VALUE",
                    .help = "Into [tags] of agent.toml: a fact that targets ask for."},
                   &agent_tags_);
    line.AddValue({.name = "--upgrade",
                   .value_name = "WHO",
                   .help = "Who puts other versions of the agent in place (default: self).",
                   .choices = {"self", "package-manager"}},
                  &upgrade_);
    line.AddValue({.name = "--release-group",
                   .value_name = "GROUP",
                   .help = "Releases of this group are taken besides those for all."},
                  &release_group_);
    line.AddValues({.name = "--setting",
                    .value_name = "'KEY = VALUE'",
                    .help = "A further line of agent.toml, e.g. 'limits.rows = 10000'."},
                   &settings_);
  }

  void DefineToken(CommandLine& line) {
    line.StartGroup("The enrolment token");
    line.AddValue({.name = "--token",
                   .value_name = "TOKEN",
                   .help = "One that was made before (dragnet enroll token); - for standard input. "
                           "On a command line, other users of this machine can see it."},
                  &token_);
    line.AddValue({.name = "--token-file",
                   .value_name = "FILE",
                   .help = "The same, from a file that you alone can read.",
                   .completion = Completion::kFile},
                  &token_file_);
    line.AddSwitch(
        {.name = "--offline",
         .help = "Don't ask the scheduler anything. Takes a token that was made before; "
                 "whether it is still good, and whether the root keys are still those of "
                 "the configuration, isn't checked."},
        &offline_);
    line.AddValue({.name = "--uses",
                   .value_name = "N",
                   .help = "How many hosts may use the new token: 1 to 1000000 (default: 100)."},
                  &uses_);
    line.AddValue({.name = "--lifetime",
                   .value_name = "DURATION",
                   .help = "How long it is good for, e.g. 24h, 30d (default: 7d)."},
                  &lifetime_);
    line.AddValues({.name = "--network",
                    .value_name = "CIDR",
                    .help = "Only hosts that come from there may use it, e.g. 10.0.0.0/8."},
                   &networks_);
    line.AddSwitch({.name = "--approval",
                    .help = "A host that comes with it waits until an operator lets it in."},
                   &approval_);
    line.AddValues({.name = "--tag",
                    .value_name = "KEY=VALUE",
                    .help = "Label that the scheduler keeps for hosts that come with it."},
                   &tags_);
  }

  absl::StatusOr<int> Make(Session& session) {
    Io& io = session.io();
    DRAGNET_RETURN_IF_ERROR(CheckFlags());
    const PackageKind kind = target_ == "deb"   ? PackageKind::kDeb
                             : target_ == "rpm" ? PackageKind::kRpm
                                                : PackageKind::kTar;
    DRAGNET_ASSIGN_OR_RETURN(const absl::Time made, TimeOfMaking(session));
    if (agent_.empty()) {
      DRAGNET_ASSIGN_OR_RETURN(agent_, FindAgentPackage(kind));
    }
    DRAGNET_ASSIGN_OR_RETURN(const Package vendor, ReadPackage(agent_));
    DRAGNET_RETURN_IF_ERROR(Annotate(CheckVendor(vendor, kind), agent_));
    DRAGNET_ASSIGN_OR_RETURN(SiteConfig site, ReadFleet(session));
    DRAGNET_RETURN_IF_ERROR(AddFlags(&site));
    DRAGNET_RETURN_IF_ERROR(TakeGivenToken(session, &site));
    DRAGNET_RETURN_IF_ERROR(AskScheduler(session, &site));
    const std::string path = out_.empty() ? SiteFileName(vendor, made) : out_;
    std::error_code error;
    if (std::filesystem::exists(path, error))
      return absl::AlreadyExistsError(
          StrCat(ForTerminal(path), ": is there already, and nothing is overwritten: give --out"));
    // All that can be wrong is found before a token is made that no one will use.
    const bool make_token = site.token.empty();
    if (make_token) site.token = "00";
    DRAGNET_RETURN_IF_ERROR(CheckSitePackage(kind, vendor, site, io.environment));
    if (make_token) DRAGNET_RETURN_IF_ERROR(MakeToken(session, &site));
    DRAGNET_ASSIGN_OR_RETURN(const std::string package, Build(kind, vendor, site, made, io));
    DRAGNET_RETURN_IF_ERROR(WriteNewFile(path, package, 0600));
    io.out->Write(StrCat(path, "\n"));
    DRAGNET_RETURN_IF_ERROR(io.out->Flush());
    Report(SiteVersion(vendor, made), vendor, site, kind, path, io);
    return kExitDone;
  }

  absl::Status CheckFlags() const {
    if (!token_.empty() && !token_file_.empty())
      return absl::InvalidArgumentError("--token and --token-file: give one of them");
    const bool given = !token_.empty() || !token_file_.empty();
    if (given && (uses_.has_value() || lifetime_.has_value() || !networks_.empty() || approval_ ||
                  !tags_.empty()))
      return absl::InvalidArgumentError(
          "--uses, --lifetime, --network, --approval and --tag are of a new token; the one that is "
          "given has its own");
    return absl::OkStatus();
  }

  absl::StatusOr<SiteConfig> ReadFleet(Session& session) {
    std::error_code error;
    if (!fleet_.empty() && std::filesystem::is_directory(fleet_, error)) {
      if (std::filesystem::exists(fleet_ + "/agent.toml", error)) {
        kit_ = true;
        return SiteOfKit(fleet_);
      }
      fleet_ += "/console.toml";
    }
    if (!fleet_.empty()) *session.config_flag() = fleet_;
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    return SiteOfConsole(*config);
  }

  absl::Status AddFlags(SiteConfig* site) const {
    if (!schedulers_.empty()) site->schedulers = schedulers_;
    if (site->schedulers.empty())
      return absl::InvalidArgumentError(
          "--scheduler: the fleet's own address reaches the scheduler from its own machine only: "
          "give the host:port by which hosts reach it");
    for (const std::string& tag : agent_tags_) {
      std::string key;
      std::string value;
      DRAGNET_RETURN_IF_ERROR(SplitTag("--agent-tag", tag, &key, &value));
      site->tags[key] = value;
    }
    site->proxy = proxy_;
    site->upgrade_by_package_manager = upgrade_ == "package-manager";
    site->release_group = release_group_;
    site->settings = settings_;
    return absl::OkStatus();
  }

  absl::Status TakeGivenToken(Session& session, SiteConfig* site) const {
    if (token_ == "-") {
      DRAGNET_ASSIGN_OR_RETURN(const std::string input, session.io().read_input());
      site->token = std::string(absl::StripAsciiWhitespace(input));
    } else if (!token_.empty()) {
      session.io().Say(
          "warning: the token was on the command line, where other users of this machine can see "
          "it; --token-file and --token - keep it to yourself");
      site->token = token_;
    } else if (!token_file_.empty()) {
      DRAGNET_ASSIGN_OR_RETURN(const std::string input, ReadSecretFile(token_file_, kMaxToken));
      site->token = std::string(absl::StripAsciiWhitespace(input));
    } else if (kit_ || offline_) {
      if (site->token.empty())
        return absl::InvalidArgumentError(
            kit_ ? "the kit has no enrolment token any more: make one (dragnet enroll token) and "
                   "give --token-file FILE"
                 : "--offline: needs a token: --token-file FILE");
    } else {
      return absl::OkStatus();
    }
    return CheckToken(site->token);
  }

  // What the scheduler knows better than the files here: the root keys that sign now, and
  // whether a token is good.
  absl::Status AskScheduler(Session& session, SiteConfig* site) const {
    Io& io = session.io();
    if (kit_ || offline_) {
      io.Say(
          "warning: no scheduler was asked: whether the token is still good, and whether these are "
          "still the fleet's root keys, isn't known");
      return absl::OkStatus();
    }
    const absl::StatusOr<const TrustPolicy*> policy = session.policy();
    if (!policy.ok()) {
      // With a token at hand the scheduler needn't be there; one that gives out a policy which
      // the pinned keys don't verify is another thing.
      if (site->token.empty() || !absl::IsUnavailable(policy.status())) return policy.status();
      io.Say(StrCat("warning: ", ToStd(policy.status().message()),
                    "\nwarning: whether the token is still good, and whether these are still the "
                    "fleet's root keys, isn't known"));
      return absl::OkStatus();
    }
    if ((*policy)->expired(session.now()))
      io.Say(
          "warning: the fleet's trust policy has expired: agents will run nothing until there is "
          "a new one");
    const std::string pinned = site->root_keys.ToProto().SerializeAsString();
    TakePolicy(**policy, site);
    if (pinned != site->root_keys.ToProto().SerializeAsString())
      io.Say(
          StrCat("The root keys changed since they were put into console.toml: the package pins "
                 "those of trust policy version ",
                 (*policy)->version(), ", which yours verified."));
    if (site->token.empty()) return absl::OkStatus();
    return CheckTokenIsGood(session, site->token);
  }

  absl::Status CheckTokenIsGood(Session& session, const std::string& token) const {
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    v1::ListEnrolmentTokensRequest request;
    request.set_all(true);
    const absl::StatusOr<v1::ListEnrolmentTokensResponse> list =
        client->ListEnrolmentTokens(request);
    if (!list.ok()) {
      session.io().Say(StrCat("warning: whether the token is still good isn't known: ",
                              ToStd(list.status().message())));
      return absl::OkStatus();
    }
    const std::string id = HexEncode(Sha256(token).substr(0, 8));
    for (const v1::EnrolmentToken& one : list->tokens()) {
      if (one.token_id() != id) continue;
      const absl::StatusOr<absl::Time> expires = ToTime(one.expires());
      const std::string which = StrCat("enrolment token ", id);
      if (one.revoked()) return absl::FailedPreconditionError(StrCat(which, ": was revoked"));
      if (!expires.ok() || *expires <= session.now())
        return absl::FailedPreconditionError(
            StrCat(which, ": has expired", expires.ok() ? StrCat(" on ", LocalTime(*expires)) : "",
                   ": make another one"));
      if (one.uses_left() == 0)
        return absl::FailedPreconditionError(
            StrCat(which, ": all its ", one.uses(), " uses are taken: make another one"));
      session.io().Say(StrCat("The token is good for ", one.uses_left(), " more hosts, until ",
                              LocalTime(*expires), "."));
      return absl::OkStatus();
    }
    if (list->tokens_size() >= kMaxListed) return absl::OkStatus();
    return absl::FailedPreconditionError(
        StrCat("enrolment token ", id, ": the scheduler doesn't know it: of another fleet?"));
  }

  absl::Status MakeToken(Session& session, SiteConfig* site) const {
    v1::CreateEnrolmentTokenRequest request;
    uint32_t uses = 100;
    if (uses_.has_value() && (!absl::SimpleAtoi(*uses_, &uses) || uses < 1 || uses > 1'000'000))
      return absl::InvalidArgumentError(
          StrCat("--uses: \"", ForTerminal(*uses_), "\" is not a number from 1 to 1000000"));
    request.set_uses(uses);
    const absl::StatusOr<absl::Duration> lifetime = ParseDuration(lifetime_.value_or("7d"));
    if (!lifetime.ok()) return Annotate(lifetime.status(), "--lifetime");
    if (*lifetime < absl::Seconds(1) || *lifetime > absl::Hours(366 * 24))
      return absl::InvalidArgumentError("--lifetime: must be from 1s to 366d");
    *request.mutable_lifetime() = ToProtoDuration(*lifetime);
    for (const std::string& tag : tags_) {
      std::string key;
      std::string value;
      DRAGNET_RETURN_IF_ERROR(SplitTag("--tag", tag, &key, &value));
      (*request.mutable_tags())[key] = value;
    }
    for (const std::string& network : networks_) request.add_networks(network);
    request.set_needs_approval(approval_);
    request.set_note(StrCat("dragnet package --target ", target_));
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const v1::CreateEnrolmentTokenResponse response,
                             client->CreateEnrolmentToken(request));
    DRAGNET_RETURN_IF_ERROR(CheckToken(response.token()));
    const absl::StatusOr<absl::Time> expires = ToTime(response.expires());
    if (!expires.ok() || *expires <= session.now())
      return absl::FailedPreconditionError(
          "the token that the scheduler gave has expired by this machine's clock: set the clocks "
          "right");
    site->token = response.token();
    session.io().Say(StrCat("The token in it is good for ", uses, uses == 1 ? " host" : " hosts",
                            ", until ", LocalTime(*expires),
                            approval_ ? "; each waits for an operator's approval." : "."));
    return absl::OkStatus();
  }

  static absl::StatusOr<std::string> Build(PackageKind kind, const Package& vendor,
                                           const SiteConfig& site, absl::Time made, Io& io) {
    switch (kind) {
      case PackageKind::kDeb:
        return MakeSiteDeb(vendor, site, made);
      case PackageKind::kRpm:
        return MakeSiteRpm(vendor, site, made, io.environment);
      case PackageKind::kTar:
        return MakeSiteTar(vendor, site, made);
    }
    return absl::InternalError("a kind of package that is none");
  }

  static void Report(const std::string& version, const Package& vendor, const SiteConfig& site,
                     PackageKind kind, const std::string& path, Io& io) {
    std::string addresses;
    for (const std::string& address : site.schedulers)
      StrAppend(&addresses, addresses.empty() ? "" : ", ", address);
    io.Say(StrCat("dragnet-agent ", version, " (", vendor.architecture, ") for the fleet ",
                  site.fleet_id, ", by ", addresses, "; ", site.root_keys.threshold(), " of ",
                  site.root_keys.keys().size(), " root keys."));
    const std::string file = ForTerminal(path);
    io.Say(StrCat("On a host, as root:  ", kind == PackageKind::kDeb ? StrCat("dpkg -i ", file)
                                           : kind == PackageKind::kRpm
                                               ? StrCat("rpm -U ", file)
                                               : StrCat("tar -xzf ", file,
                                                        " && ./dragnet-agent-*/"
                                                        "install.sh")));
    io.Say(
        "Who can read this file can join the fleet while the token is good: keep it secret, and "
        "off public mirrors.");
  }

  std::string target_;
  std::string agent_;
  std::string out_;
  std::string fleet_;
  std::vector<std::string> schedulers_;
  std::string proxy_;
  std::vector<std::string> agent_tags_;
  std::string upgrade_ = "self";
  std::string release_group_;
  std::vector<std::string> settings_;
  std::string token_;
  std::string token_file_;
  bool offline_ = false;
  std::optional<std::string> uses_;
  std::optional<std::string> lifetime_;
  std::vector<std::string> networks_;
  bool approval_ = false;
  std::vector<std::string> tags_;
  // The fleet is that of a kit: there is no configuration to reach a scheduler with.
  bool kit_ = false;
};

}  // namespace

std::unique_ptr<Command> NewPackageCommand() { return std::make_unique<PackageCommand>(); }

}  // namespace dragnet::console
