// `dragnet status`: how the scheduler is, and what somebody should look at.
#include "absl/strings/str_format.h"
#include "console/cli/command.h"
#include "console/cli/list_output.h"
#include "console/output/cell.h"
#include "console/output/json.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

std::string Bytes(uint64_t bytes) {
  if (bytes < (uint64_t{1} << 20)) return StrCat(bytes >> 10, " KiB");
  if (bytes < (uint64_t{10} << 30)) return StrCat(bytes >> 20, " MiB");
  return StrCat(bytes >> 30, " GiB");
}

std::string Day(const google::protobuf::Timestamp& timestamp) {
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return time.ok() ? absl::FormatTime("%Y-%m-%d", *time, absl::UTCTimeZone()) : "unknown";
}

std::string Since(const v1::GetStatusResponse& status) {
  const absl::StatusOr<absl::Time> started = ToTime(status.started_at());
  const absl::StatusOr<absl::Time> now = ToTime(status.now());
  if (!started.ok() || !now.ok()) return "unknown";
  return StrCat(LocalTime(*started), " (",
                absl::FormatDuration(absl::Trunc(*now - *started, absl::Seconds(1))), " ago)");
}

// Everything in it came over the network: the scheduler may be someone else's.
std::string InWords(const v1::GetStatusResponse& status) {
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    StrAppend(&text, absl::StrFormat("%-20s", std::string(name)), ForTerminal(value), "\n");
  };
  line("Fleet", status.fleet_id());
  line("Version", status.version());
  line("Running since", Since(status));
  line("Agents",
       StrCat(status.agents_online(), " online, ", status.agents_idle(), " idle, ",
              status.agents_offline(), " offline, ", status.agents_duplicate(), " duplicate"));
  line("Active actions", StrCat(status.actions_active()));
  line("Rows stored", StrCat(status.rows_stored()));
  line("Store", StrCat(Bytes(status.store_bytes()), ", ",
                       status.disk_free_bytes() > 0
                           ? StrCat(Bytes(status.disk_free_bytes()), " free on its disk, ")
                           : "",
                       Bytes(status.pending_bytes()), " waiting to be written"));
  line("Process", StrCat(Bytes(status.resident_bytes()), " resident, ", status.open_descriptors(),
                         " of ", status.descriptor_limit(), " descriptors"));
  line("Trust policy", StrCat("version ", status.trust_policy_version(), ", until ",
                              Day(status.trust_policy_expires())));
  line("Certificates", StrCat("server until ", Day(status.server_certificate_expires()),
                              ", CA until ", Day(status.ca_certificate_expires())));
  if (status.problems().empty()) return text + "\nNo problems.\n";
  StrAppend(&text, "\nProblems:\n");
  for (const std::string& problem : status.problems())
    StrAppend(&text, "  - ", ForTerminal(problem), "\n");
  return text;
}

class StatusCommand : public Command {
 public:
  std::string name() const override { return "status"; }
  std::string summary() const override { return "How the scheduler is, and what needs attention"; }
  CommandGroup group() const override { return CommandGroup::kFleet; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "Exit status 0, whatever it says; with --check 1 when there are problems. 4 when the "
        "scheduler can't be reached.");
    line.AddSwitch({.name = "--check", .help = "Exit status 1 when there are problems."}, &check_);
    line.AddValue({.name = "--output",
                   .short_name = "-o",
                   .value_name = "FORMAT",
                   .help = "How it is written.",
                   .choices = {"table", "json", "jsonl"}},
                  &output_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const v1::GetStatusResponse status, client->GetStatus());
    Sink& out = *session.io().out;
    if (output_ == "table") {
      out.Write(InWords(status));
    } else {
      const std::string json = MessageToJson(status);
      out.Write(StrCat(output_ == "json" ? IndentJson(json) : json, "\n"));
    }
    DRAGNET_RETURN_IF_ERROR(out.Flush());
    return check_ && !status.problems().empty() ? kExitCheckFailed : kExitDone;
  }

 private:
  bool check_ = false;
  std::string output_ = "table";
};

}  // namespace

std::unique_ptr<Command> NewStatusCommand() { return std::make_unique<StatusCommand>(); }

}  // namespace dragnet::console
