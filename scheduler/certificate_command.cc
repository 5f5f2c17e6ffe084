#include "scheduler/certificate_command.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include "absl/strings/str_join.h"
#include "core/ca_bundle.h"
#include "core/clock.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "scheduler/command_store.h"
#include "scheduler/duration_option.h"
#include "scheduler/store/act_as_owner.h"

namespace dragnet::scheduler {
namespace {

// Of those that are left behind; the rest is counted.
constexpr size_t kMaxNames = 20;

std::string Day(absl::Time time) { return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone()); }

std::string NamesOf(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMaxNames; ++i) StrAppend(&text, "\n    ", names[i]);
  if (names.size() > kMaxNames) StrAppend(&text, "\n    and ", names.size() - kMaxNames, " more");
  return text;
}

}  // namespace

CertificateCommand::CertificateCommand(CLI::App& app) {
  const auto with_config = [this](CLI::App* command) {
    command->add_option("--config", config_, "scheduler.toml")->required()->type_name("FILE");
    return command;
  };
  certificate_ = app.add_subcommand("certificate", "The server's certificate, and all expiries");
  certificate_->require_subcommand(1);
  show_ = with_config(certificate_->add_subcommand(
      "show", "Until when every certificate, the trust policy and agents' certificates are good"));
  renew_ = with_config(certificate_->add_subcommand(
      "renew", "A new key and certificate for the server; a running scheduler takes it up"));
  renew_
      ->add_option("--host", hosts_,
                   "DNS name or IP address that agents and consoles reach the scheduler by "
                   "(repeatable). Default: the names of the certificate before")
      ->type_name("HOST");
  AddDuration(renew_, "--lifetime", &lifetime_, "How long it holds, the CA's own at most");

  issue_ = with_config(certificate_->add_subcommand(
      "issue",
      "Another scheduler of the cluster: its key, certificate and configuration, in a directory "
      "that dragnet-scheduler join takes on its host. The CA's key stays here"));
  issue_->add_option("--name", joining_.name, "Its scheduler_name: of no other one in the cluster")
      ->required()
      ->type_name("NAME");
  issue_
      ->add_option("--host", joining_.hosts,
                   "DNS name or IP address that agents and consoles reach it by (repeatable)")
      ->required()
      ->type_name("HOST");
  issue_->add_option("--out", out_, "Directory to make")->required()->type_name("DIR");
  AddDuration(issue_, "--lifetime", &joining_.lifetime,
              "How long the certificate holds, the CA's own at most");

  ca_ = app.add_subcommand("ca", "From one CA to the next, without losing an agent");
  ca_->require_subcommand(1);
  new_ = with_config(ca_->add_subcommand(
      "new", "Make the next CA beside the one that issues, and print its certificate"));
  activate_ = with_config(ca_->add_subcommand(
      "activate",
      "Let it issue; agents that are connected renew. The former one is accepted until retire"));
  left_behind_ = with_config(
      ca_->add_subcommand("left-behind", "Who could no longer connect after retire, one a line"));
  retire_ = with_config(ca_->add_subcommand(
      "retire", "Accept the former CA no longer, and show a server's certificate of the new one"));
  retire_->add_flag("--leave-behind", leave_behind_,
                    "Also when agents or people still need the former CA: they can't connect then");
}

bool CertificateCommand::parsed() const { return certificate_->parsed() || ca_->parsed(); }

absl::Status CertificateCommand::Run() {
  DRAGNET_ASSIGN_OR_RETURN(const Settings settings, LoadSettings(config_));
  if (settings.ca_key.empty() && !show_->parsed())
    return absl::FailedPreconditionError(
        StrCat(config_,
               ": has no ca_key: run this on the host of the scheduler that has the CA's key; a "
               "new certificate for this one is made there by dragnet-scheduler certificate issue "
               "(docs/cluster.md)"));
  if (issue_->parsed()) return Issue(settings);
  // Run by root, too: the keys and the store belong to the scheduler's user.
  DRAGNET_ASSIGN_OR_RETURN(
      const std::unique_ptr<ActAsOwner> owner,
      ActAsOwner::Of(std::filesystem::path(settings.server_key).parent_path()));
  absl::Status status;
  if (renew_->parsed()) status = Renew(settings);
  if (new_->parsed()) status = New(settings);
  if (activate_->parsed()) status = Activate(settings);
  if (left_behind_->parsed()) status = ListLeftBehind(settings);
  if (retire_->parsed()) status = Retire(settings);
  if (show_->parsed()) {
    DRAGNET_ASSIGN_OR_RETURN(const CommandStore store, OpenForCommand(settings));
    DRAGNET_ASSIGN_OR_RETURN(const std::string text,
                             DescribeCertificates(settings, *store, Clock::System().Now()));
    std::fputs(text.c_str(), stdout);
  }
  return status.ok() ? status
                     : absl::Status(status.code(), StrCat(status.message(), owner->words()));
}

absl::Status CertificateCommand::Renew(const Settings& settings) {
  DRAGNET_ASSIGN_OR_RETURN(const RenewedServer renewed,
                           RenewServer(settings, hosts_, lifetime_, Clock::System().Now()));
  std::printf("%s: for %s, until %s\n", settings.server_certificate.c_str(),
              absl::StrJoin(renewed.names, ", ").c_str(), Day(renewed.not_after).c_str());
  return absl::OkStatus();
}

absl::Status CertificateCommand::Issue(const Settings& settings) {
  absl::StatusOr<JoiningKit> kit = absl::UnknownError("");
  {
    DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<ActAsOwner> owner,
                             ActAsOwner::Of(std::filesystem::path(settings.ca_key).parent_path()));
    kit = MakeJoiningKit(settings, joining_, Clock::System().Now());
    DRAGNET_RETURN_IF_ERROR(Annotate(kit.status(), StrCat("issue", owner->words())));
  }
  // The caller's again: dragnet-scheduler join takes root's own files alone.
  DRAGNET_RETURN_IF_ERROR(WriteJoiningKit(*kit, out_));
  std::printf(
      "%s: scheduler %s, for %s, until %s\n"
      "Take it to its host, where only root may read it, and there: dragnet-scheduler join --from "
      "DIR\n",
      out_.c_str(), joining_.name.c_str(), absl::StrJoin(kit->names, ", ").c_str(),
      Day(kit->not_after).c_str());
  return absl::OkStatus();
}

absl::Status CertificateCommand::New(const Settings& settings) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string pem, NewCa(settings, Clock::System().Now()));
  DRAGNET_ASSIGN_OR_RETURN(const std::string der, CertificateToDer(pem));
  std::fputs(pem.c_str(), stdout);
  std::fprintf(
      stderr,
      "CA %s is made, and in %s; it issues nothing yet.\n"
      "Name it in the trust policy (dragnet trust ca FILE --add …), publish that, and go on "
      "with dragnet-scheduler ca activate.\n",
      HexEncode(Sha256(der)).c_str(), settings.ca_certificate.c_str());
  return absl::OkStatus();
}

absl::Status CertificateCommand::Activate(const Settings& settings) {
  DRAGNET_ASSIGN_OR_RETURN(const CommandStore store, OpenForCommand(settings));
  DRAGNET_RETURN_IF_ERROR(ActivateCa(settings, *store, Clock::System().Now()));
  std::fputs(
      "The new CA issues from now on. Agents that are connected renew; the others do when they "
      "connect.\n"
      "The former one is accepted until dragnet-scheduler ca retire.\n",
      stdout);
  return absl::OkStatus();
}

absl::Status CertificateCommand::ListLeftBehind(const Settings& settings) {
  DRAGNET_ASSIGN_OR_RETURN(const CommandStore store, OpenForCommand(settings));
  DRAGNET_ASSIGN_OR_RETURN(const LeftBehind left,
                           FindLeftBehind(settings, *store, Clock::System().Now()));
  for (const std::string& agent : left.agents) std::printf("agent %s\n", agent.c_str());
  for (const std::string& person : left.people) std::printf("person %s\n", person.c_str());
  return absl::OkStatus();
}

absl::Status CertificateCommand::Retire(const Settings& settings) {
  const absl::Time now = Clock::System().Now();
  {
    DRAGNET_ASSIGN_OR_RETURN(const CommandStore store, OpenForCommand(settings));
    DRAGNET_ASSIGN_OR_RETURN(const LeftBehind left, FindLeftBehind(settings, *store, now));
    std::string words;
    if (!left.agents.empty())
      StrAppend(&words,
                "\n  agents that haven't renewed, or don't hold the policy: ", left.agents.size(),
                NamesOf(left.agents));
    if (!left.people.empty())
      StrAppend(&words, "\n  people who need a certificate of the new CA: ", left.people.size(),
                NamesOf(left.people));
    if (!words.empty() && !leave_behind_)
      return absl::FailedPreconditionError(
          StrCat("these could no longer connect:", words,
                 "\nWait for them, or revoke them, or give --leave-behind. Nothing was changed."));
    if (!words.empty()) std::fprintf(stderr, "Left behind:%s\n", words.c_str());
  }
  DRAGNET_RETURN_IF_ERROR(RetireCa(settings, now));
  std::fputs(
      "The former CA is accepted no longer, its key is removed here, and the server has a "
      "certificate of the new one.\n"
      "Now publish a trust policy without the former one (dragnet trust ca FILE --remove …).\n",
      stdout);
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
