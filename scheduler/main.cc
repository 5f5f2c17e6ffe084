// dragnet-scheduler: asks agents, orders nothing. See --help.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/file_io.h"
#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "core/version.h"
#include "scheduler/certificate_command.h"
#include "scheduler/cluster_commands.h"
#include "scheduler/command_store.h"
#include "scheduler/describe.h"
#include "scheduler/duration_option.h"
#include "scheduler/enrolment/ca_files.h"
#include "scheduler/enrolment/enrolment.h"
#include "scheduler/enrolment/issue.h"
#include "scheduler/init/init.h"
#include "scheduler/init/install.h"
#include "scheduler/server/run.h"
#include "scheduler/settings.h"
#include "scheduler/store/act_as_owner.h"
#include "scheduler/store/backup.h"

namespace dragnet::scheduler {
namespace {

enum ExitStatus { kDone = 0, kFailed = 1, kBadInput = 2, kUnreachable = 4 };

// After 2 the service manager doesn't start it again, so that is only for what no second
// try mends: a full disk, or one that fails, is none of these.
int Fail(const absl::Status& status) {
  std::fprintf(stderr, "dragnet-scheduler: %s\n", std::string(status.message()).c_str());
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kUnreachable;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kAborted:
      return kFailed;
    default:
      return kBadInput;
  }
}

struct TokenOptions {
  std::string config;
  uint32_t uses = 1;
  absl::Duration lifetime = absl::Hours(1);
  std::vector<std::string> tags;
};

absl::StatusOr<std::map<std::string, std::string>> ParseTags(const std::vector<std::string>& tags) {
  std::map<std::string, std::string> labels;
  for (const std::string& tag : tags) {
    const size_t equals = tag.find('=');
    if (equals == std::string::npos)
      return absl::InvalidArgumentError(StrCat("--tag ", tag, ": give name=value"));
    labels[tag.substr(0, equals)] = tag.substr(equals + 1);
  }
  return labels;
}

absl::Status CreateTokenCommand(const TokenOptions& options) {
  DRAGNET_ASSIGN_OR_RETURN(const Settings settings, LoadSettings(options.config));
  DRAGNET_ASSIGN_OR_RETURN(const auto labels, ParseTags(options.tags));
  DRAGNET_ASSIGN_OR_RETURN(const CommandStore store, OpenForCommand(settings));
  DRAGNET_ASSIGN_OR_RETURN(
      const NewToken token,
      CreateToken(*store, Clock::System().Now(),
                  {.lifetime = options.lifetime, .uses = options.uses, .labels = labels},
                  "dragnet-scheduler token create"));
  std::printf("%s\n", token.token.c_str());
  return absl::OkStatus();
}

struct IssueOptions {
  std::string config;
  std::string request;
  std::string out;
  absl::Duration lifetime = absl::Hours(365 * 24);
};

absl::StatusOr<IssuedIdentity> Issue(const Settings& settings, const std::string& request,
                                     absl::Duration lifetime) {
  if (settings.ca_key.empty())
    return absl::FailedPreconditionError(
        "ca_key: is not here: issue it on the host of the scheduler that has the CA's key");
  // Run by root, too: the CA's key and the store belong to the scheduler's user.
  DRAGNET_ASSIGN_OR_RETURN(
      const std::unique_ptr<ActAsOwner> owner,
      ActAsOwner::Of(std::filesystem::path(settings.server_key).parent_path()));
  const absl::Time now = Clock::System().Now();
  const absl::StatusOr<CertificateAuthority> ca = LoadIssuingCa(settings, now);
  if (!ca.ok()) return Annotate(ca.status(), StrCat("the CA", owner->words()));
  DRAGNET_ASSIGN_OR_RETURN(const CommandStore store, OpenForCommand(settings));
  return IssueToInvestigator(request, settings.fleet_id, *ca, *store, now, lifetime);
}

absl::Status IssueCommand(const IssueOptions& options) {
  DRAGNET_ASSIGN_OR_RETURN(const Settings settings, LoadSettings(options.config));
  DRAGNET_ASSIGN_OR_RETURN(const std::string request, ReadFile(options.request));
  // Before anything is signed; WriteNewFile has the last word.
  if (std::error_code error; std::filesystem::exists(options.out, error))
    return absl::AlreadyExistsError(
        StrCat(options.out, ": exists already: nothing was issued or overwritten"));
  DRAGNET_ASSIGN_OR_RETURN(const IssuedIdentity issued, Issue(settings, request, options.lifetime));
  DRAGNET_RETURN_IF_ERROR(WriteNewFile(options.out, issued.certificate.chain_pem, 0644));
  std::printf(
      "%s: certificate of investigator %s, until %s\n", options.out.c_str(), issued.name.c_str(),
      absl::FormatTime("%Y-%m-%d %H:%M UTC", issued.certificate.info.not_after, absl::UTCTimeZone())
          .c_str());
  if (!issued.in_policy)
    std::printf(
        "Trust policy version %s doesn't name %s: until one does, this certificate may do "
        "nothing.\n",
        StrCat(issued.policy_version).c_str(), issued.name.c_str());
  return absl::OkStatus();
}

struct BackupOptions {
  std::string config;
  std::string file;
  bool replace = false;
};

// PostgreSQL copies and restores itself, with what belongs to it.
absl::Status CheckIsFile(const Settings& settings) {
  if (!IsPostgresUrl(settings.store)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "store: is in PostgreSQL, which has backups of its own (pg_basebackup, pg_dump): "
      "docs/cluster.md, \"Backup and restore\"");
}

absl::Status BackupCommand(const BackupOptions& options) {
  DRAGNET_ASSIGN_OR_RETURN(const Settings settings, LoadSettings(options.config));
  DRAGNET_RETURN_IF_ERROR(CheckIsFile(settings));
  DRAGNET_ASSIGN_OR_RETURN(const BackupResult result, BackUp(settings.store, options.file));
  std::printf("%s: %s bytes, checked; %s blobs%s\n", options.file.c_str(),
              StrCat(result.bytes).c_str(), StrCat(result.blobs).c_str(),
              result.blobs > 0 ? StrCat(" in ", options.file, ".blobs").c_str() : "");
  return absl::OkStatus();
}

absl::Status RestoreCommand(const BackupOptions& options) {
  DRAGNET_ASSIGN_OR_RETURN(const Settings settings, LoadSettings(options.config));
  DRAGNET_RETURN_IF_ERROR(CheckIsFile(settings));
  DRAGNET_ASSIGN_OR_RETURN(
      const RestoreResult result,
      Restore(options.file, settings.store, {.replace = options.replace}, Clock::System().Now()));
  std::printf("%s: restored from %s", settings.store.c_str(), options.file.c_str());
  if (result.newest != absl::InfinitePast())
    std::printf("; the newest that it knows is of %s",
                absl::FormatTime("%Y-%m-%d %H:%M UTC", result.newest, absl::UTCTimeZone()).c_str());
  std::printf("\n");
  if (!result.kept_aside.empty())
    std::printf("The former store is %s\n", result.kept_aside.c_str());
  std::fputs(
      "What happened since then is not in it. Before agents connect again, think of:\n"
      "  - revocations since: revoke again\n"
      "  - trust policies and orders (cancel, pause) since: publish and send again\n"
      "  - hosts that enrolled since: they need a new token\n"
      "  - actions launched since: their results are dropped and named in dragnet refusals;\n"
      "    launch them again as new actions\n"
      "docs/operations.md, \"After a restore\", says why.\n",
      stdout);
  return absl::OkStatus();
}

absl::Status InitCommand(const InitOptions& options) {
  const InstalledPlaces places;
  if (options.install) DRAGNET_RETURN_IF_ERROR(CheckInstallable(places));
  DRAGNET_ASSIGN_OR_RETURN(const InitResult result,
                           InitializeFleet(options, Clock::System().Now()));
  if (options.install) {
    DRAGNET_RETURN_IF_ERROR(Annotate(InstallScheduler(options.directory, places),
                                     StrCat("the fleet is made in ", options.directory,
                                            ", and not all of its scheduler is installed")));
  }
  std::fputs(NextSteps(options, result).c_str(), stdout);
  return absl::OkStatus();
}

CLI::App* AddInit(CLI::App& app, InitOptions* options) {
  CLI::App* init = app.add_subcommand(
      "init", "Make a fleet: CA, certificates, root keys, first investigator, configurations");
  init->add_option("--dir", options->directory, "Directory to make; must not exist or be empty")
      ->required()
      ->type_name("DIR");
  init->add_option("--name", options->name, "Beginning of the fleet id")->capture_default_str();
  init->add_option("--listen", options->listen, "Address that the scheduler listens on")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  init->add_option("--host", options->hosts,
                   "DNS name or IP address that agents reach the scheduler by (repeatable)")
      ->type_name("HOST");
  init->add_option("--root-keys", options->root_keys, "How many root keys")->capture_default_str();
  init->add_option("--root-threshold", options->root_threshold,
                   "How many of them must sign a trust policy")
      ->capture_default_str();
  init->add_option("--release-keys", options->release_keys,
                   "How many keys for releases of the agent; they can be added later, too")
      ->capture_default_str();
  init->add_option("--release-threshold", options->release_threshold,
                   "How many of them must sign a release (default: all but one; of two, both)");
  init->add_option("--investigator", options->investigator, "Name of the first investigator")
      ->type_name("NAME")
      ->default_str("the caller's");
  init->add_flag("--allow-retire", options->allow_retire,
                 "Let the first investigator alone retire hosts, which can't be undone from afar. "
                 "Without, nobody may until the trust policy says who");
  init->add_flag("--install", options->install,
                 "Put the scheduler's part where its package's service reads it: "
                 "/etc/dragnet/scheduler.toml and /var/lib/dragnet-scheduler; needs root");
  AddDuration(init, "--policy-lifetime", &options->policy_lifetime,
              "How long the first trust policy holds");
  AddDuration(init, "--token-lifetime", &options->token_lifetime,
              "How long the enrolment token holds");
  init->add_option("--token-uses", options->token_uses, "How many hosts may enrol with it")
      ->capture_default_str();
  return init;
}

CLI::App* AddTokenCreate(CLI::App& app, TokenOptions* options) {
  CLI::App* token = app.add_subcommand("token", "Enrolment tokens");
  token->require_subcommand(1);
  CLI::App* create = token->add_subcommand(
      "create", "Make an enrolment token and print it; the scheduler may be running");
  create->add_option("--config", options->config, "scheduler.toml")->required()->type_name("FILE");
  create->add_option("--uses", options->uses, "How many hosts may enrol with it")
      ->capture_default_str();
  AddDuration(create, "--lifetime", &options->lifetime, "How long it holds");
  create
      ->add_option("--tag", options->tags,
                   "Label that the scheduler keeps for these hosts (repeatable)")
      ->type_name("NAME=VALUE");
  return create;
}

CLI::App* AddIssue(CLI::App& app, IssueOptions* options) {
  CLI::App* issue = app.add_subcommand(
      "issue", "Issue an investigator's TLS certificate; the scheduler may be running");
  issue->add_option("--config", options->config, "scheduler.toml")->required()->type_name("FILE");
  issue
      ->add_option("--csr", options->request,
                   "Certificate signing request, in PEM form, for the one name "
                   "spiffe://FLEET/investigator/NAME")
      ->required()
      ->type_name("FILE");
  issue->add_option("--out", options->out, "New file for the certificate and the CA's")
      ->required()
      ->type_name("FILE");
  AddDuration(issue, "--lifetime", &options->lifetime, "How long it holds (1h to 1098d)");
  return issue;
}

CLI::App* AddBackup(CLI::App& app, BackupOptions* options) {
  CLI::App* backup = app.add_subcommand(
      "backup", "Copy the store, while the scheduler runs or not, and check the copy");
  backup->add_option("--config", options->config, "scheduler.toml")->required()->type_name("FILE");
  backup
      ->add_option("--to", options->file,
                   "New file for the database; blobs go to a directory FILE.blobs beside it")
      ->required()
      ->type_name("FILE");
  return backup;
}

CLI::App* AddRestore(CLI::App& app, BackupOptions* options) {
  CLI::App* restore =
      app.add_subcommand("restore", "Go back to a backup; the scheduler must not be running");
  restore->add_option("--config", options->config, "scheduler.toml")->required()->type_name("FILE");
  restore->add_option("--from", options->file, "What backup wrote")->required()->type_name("FILE");
  restore->add_flag("--replace", options->replace,
                    "When there is a store already: keep it aside, under another name, and go on");
  return restore;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Dragnet's scheduler: takes signed actions, hands them to agents, keeps results.\n"
      "It holds no key that an agent would obey.",
      "dragnet-scheduler");
  app.set_version_flag("--version", StrCat("dragnet-scheduler ", kVersion));
  app.require_subcommand(1);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return StrCat("dragnet-scheduler: ", error.what(), " (--help shows what there is)\n");
  });

  InitOptions init_options;
  init_options.investigator = DefaultInvestigator();
  const CLI::App* init = AddInit(app, &init_options);
  std::string config;
  CLI::App* run = app.add_subcommand("run", "Run the scheduler until SIGTERM or SIGINT");
  run->add_option("--config", config, "scheduler.toml")->required()->type_name("FILE");
  TokenOptions token_options;
  const CLI::App* token_create = AddTokenCreate(app, &token_options);

  IssueOptions issue_options;
  const CLI::App* issue = AddIssue(app, &issue_options);
  BackupOptions backup_options;
  const CLI::App* backup = AddBackup(app, &backup_options);
  BackupOptions restore_options;
  const CLI::App* restore = AddRestore(app, &restore_options);
  std::string manual_directory;
  CLI::App* manual = app.add_subcommand("manual", "Write the manual page and completion scripts");
  manual->group("");  // for the build
  manual->add_option("--dir", manual_directory, "Gets man/ and completions/")->required();

  CertificateCommand certificates(app);
  ClusterCommands cluster(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kBadInput;
  }

  absl::Status status;
  if (init->parsed()) status = InitCommand(init_options);
  if (run->parsed()) status = RunScheduler(config);
  if (token_create->parsed()) status = CreateTokenCommand(token_options);
  if (issue->parsed()) status = IssueCommand(issue_options);
  if (backup->parsed()) status = BackupCommand(backup_options);
  if (manual->parsed()) status = WriteManual(app, manual_directory);
  if (restore->parsed()) status = RestoreCommand(restore_options);
  if (certificates.parsed()) status = certificates.Run();
  if (cluster.parsed()) status = cluster.Run();
  return status.ok() ? kDone : Fail(status);
}

}  // namespace
}  // namespace dragnet::scheduler

int main(int argc, char** argv) {
  dragnet::rpc::InitializeProcess();
  return dragnet::scheduler::Main(argc, argv);
}
