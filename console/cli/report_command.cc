// `dragnet report ACTION --html FILE`: the whole of an investigation as one page.
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "console/cli/command.h"
#include "console/cli/interrupt.h"
#include "console/cli/row_selection.h"
#include "console/cli/stored_results.h"
#include "console/form/describe.h"
#include "console/investigation/action_builder.h"
#include "console/investigation/lookup.h"
#include "console/investigation/summary.h"
#include "console/investigation/verification.h"
#include "console/output/json.h"
#include "console/report/report_page.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/version.h"

namespace dragnet::console {
namespace {

constexpr uint32_t kMaxRows = 100'000;
constexpr size_t kMostHosts = 500;
constexpr uint32_t kMostValues = 20;
constexpr std::string_view kTimeFormat = "%Y-%m-%d %H:%M:%S UTC";

std::string TimeText(const google::protobuf::Timestamp& timestamp) {
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return time.ok() ? absl::FormatTime(ToAbsl(kTimeFormat), *time, absl::UTCTimeZone()) : "";
}

// The first rows, and the hosts of which there is something to tell.
class Reading : public ResultReader {
 public:
  Reading(const v1::Action& action, const RowSelection& rows, uint32_t most, Report& report)
      : action_(action), rows_(rows), most_(most), report_(report) {
    for (int i = 0; i < action.operations_size(); ++i) {
      Report::Rows section;
      section.module = action.operations_size() == 1
                           ? action.operations(i).module()
                           : StrCat("Operation ", i + 1, ": ", action.operations(i).module());
      section.headers.emplace_back("agent");
      const SelectedOperation& operation = rows.operations()[static_cast<size_t>(i)];
      if (operation.module != nullptr)
        for (const Column& column : Columns(operation)) section.headers.push_back(column.header);
      report_.rows.push_back(std::move(section));
    }
  }

  absl::Status OnRow(const v1::AgentRows& from, const google::protobuf::Message& row) override {
    Report::Rows& section = report_.rows[from.operation()];
    if (++section.in_all > most_) return absl::OkStatus();
    std::vector<std::string> line = {from.agent_name()};
    for (const Column& column : Columns(rows_.operations()[from.operation()]))
      line.push_back(CellOf(row, column, CellStyle::kData).text);
    section.lines.push_back(std::move(line));
    return absl::OkStatus();
  }

  absl::Status OnState(const v1::AgentState& state) override {
    if (LookedAtWhole(state.state())) {
      hosts_.erase(state.agent_id());
    } else {
      hosts_[state.agent_id()] = {StateWord(state.state()), state.agent_name(), Why(state)};
    }
    return absl::OkStatus();
  }

  // Those that answered in part first: of them there is most to tell.
  void Finish() {
    std::vector<Report::Host> hosts;
    for (auto& [id, host] : hosts_) hosts.push_back(std::move(host));
    const auto rank = [](const Report::Host& host) {
      return host.state == "incomplete" ? 0 : host.state == "refused" ? 1 : 2;
    };
    std::stable_sort(hosts.begin(), hosts.end(), [&](const auto& a, const auto& b) {
      if (rank(a) != rank(b)) return rank(a) < rank(b);
      return a.name < b.name;
    });
    report_.hosts_in_all = hosts.size();
    if (hosts.size() > kMostHosts) hosts.resize(kMostHosts);
    report_.hosts = std::move(hosts);
  }

 private:
  std::vector<Column> Columns(const SelectedOperation& operation) const {
    std::vector<Column> columns = rows_.layouts()[operation.layout].columns;
    std::erase_if(columns, [](const Column& column) { return column.detail; });
    return columns;
  }

  std::string Why(const v1::AgentState& state) const {
    const std::string told = NotLookedAt(action_, state);
    if (!told.empty()) return told;
    switch (state.state()) {
      case v1::DISPATCH_STATE_WAITING:
        return "not reached yet";
      case v1::DISPATCH_STATE_SENT:
        return "sent to, not heard from yet";
      case v1::DISPATCH_STATE_RUNNING:
        return "still running";
      case v1::DISPATCH_STATE_NEVER_SENT:
        return "never reached: it did not come before the action ended";
      default:
        return "no reason given";
    }
  }

  const v1::Action& action_;
  const RowSelection& rows_;
  const uint32_t most_;
  Report& report_;
  std::map<std::string, Report::Host> hosts_;
};

class ReportCommand : public Command {
 public:
  std::string name() const override { return "report"; }
  std::string summary() const override { return "Write an investigation as one HTML page"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "The page needs nothing else and runs nothing: coverage and what was not looked at, "
        "stacks, rows, the document as it was signed, its signatures checked here, and orders "
        "about it. Exit status 0 when every agent looked at everything, else 3.");
    line.AddArgument({.name = "ACTION",
                      .help = "Its id, a unique beginning or end of it, or \"last\".",
                      .required = true},
                     &action_);
    line.AddValue({.name = "--html",
                   .value_name = "FILE",
                   .help = "Where to write it. A file that is there is kept, unless --force.",
                   .completion = Completion::kFile,
                   .required = true},
                  &file_);
    line.AddSwitch({.name = "--force", .help = "Replace FILE if it is there."}, &force_);
    line.AddValues({.name = "--stack",
                    .value_name = "COLUMN[,COLUMN]",
                    .help = "A stack of these columns together (default: one of each column by "
                            "which the module tells its rows apart)."},
                   &stacks_);
    line.AddValue({.name = "--rows",
                   .value_name = "COUNT",
                   .help = "Rows of each operation to show, 0 to 100000 (default: 1000)."},
                  &rows_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    uint32_t most = 1000;
    if (rows_.has_value() && (!absl::SimpleAtoi(*rows_, &most) || most > kMaxRows))
      return absl::InvalidArgumentError(
          StrCat("--rows: a number from 0 to ", kMaxRows, ", not \"", *rows_, "\""));
    // Not after a minute of reading.
    if (!force_ && ::access(file_.c_str(), F_OK) == 0) return AlreadyThere();
    DRAGNET_ASSIGN_OR_RETURN(v1::ActionInfo info, session.FindAction(action_));
    // Orders are in the answer for one action only.
    DRAGNET_ASSIGN_OR_RETURN(info, session.FindAction(info.action_id()));
    DRAGNET_ASSIGN_OR_RETURN(const v1::Action action, DecodeAction(info.envelope()));
    Report report;
    DRAGNET_RETURN_IF_ERROR(AddDocument(info, action, session, &report));
    DRAGNET_RETURN_IF_ERROR(AddStacks(action, session, &report));
    DRAGNET_ASSIGN_OR_RETURN(RowSelection rows,
                             RowSelection::Create(action, session.modules(), {}));
    Reading reading(action, rows, most, report);
    const Interrupt interrupt;
    const absl::StatusOr<v1::Progress> progress =
        ReadStored(action, rows, reading, interrupt, session);
    if (absl::IsCancelled(progress.status())) {
      session.io().Say("Interrupted; nothing was written.");
      return kExitIncomplete;
    }
    DRAGNET_RETURN_IF_ERROR(progress.status());
    reading.Finish();
    report.progress = *progress;
    for (const std::string& note : rows.Notes()) report.warnings.push_back(note);
    const std::string page = RenderReport(report);
    const absl::Status written =
        force_ ? WriteFileAtomically(file_, page, 0644) : WriteNewFile(file_, page, 0644);
    if (absl::IsAlreadyExists(written)) return AlreadyThere();
    DRAGNET_RETURN_IF_ERROR(written);
    session.io().Say(StrCat("Written: ", ForTerminal(file_), " (", page.size() / 1024, " KiB)"));
    session.io().err->Write(SummaryText(action, *progress, {}, absl::ZeroDuration()));
    for (const std::string& warning : report.warnings) session.io().Say(ForTerminal(warning));
    if (info.has_results_removed_at()) return kExitIncomplete;
    return ExitStatusOf(*progress, rows.lost() > 0);
  }

 private:
  absl::Status AlreadyThere() const {
    return absl::AlreadyExistsError(
        StrCat(file_, ": exists already: give another name, or --force to replace it"));
  }

  static absl::Status AddDocument(const v1::ActionInfo& info, const v1::Action& action,
                                  Session& session, Report* report) {
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    DRAGNET_ASSIGN_OR_RETURN(
        const ActionVerification verification,
        VerifyAction(info.envelope(), *policy, session.modules(), session.now()));
    report->title = action.name();
    report->facts = {
        {"Description", action.description()},
        {"Target", action.target() == "true" ? "every agent" : action.target()},
        {"Signed by", absl::StrJoin(verification.signers, ", ")},
        {"Launched", StrCat("by ", info.launched_by(), ", ", TimeText(info.launched_at()))},
        {"Valid until", TimeText(action.expires())},
        {"State", PhaseWord(info.phase())},
        {"Id", action.id()},
        {"Fleet", action.fleet_id()},
    };
    report->notice = PhaseNotice(info);
    if (info.has_results_removed_at()) {
      report->warnings.push_back(StrCat("The rows of this investigation, ", info.progress().rows(),
                                        " of them, were removed by retention on ",
                                        TimeText(info.results_removed_at()),
                                        ": only the states of its hosts are left."));
    }
    report->document = DescribeAction(action, {}, session.modules());
    report->document_json = IndentJson(ActionToJson(action, session.modules()));
    v1::Envelope envelope;
    if (!envelope.ParseFromString(info.envelope()))
      return absl::DataLossError("the stored envelope can't be read");
    report->envelope_json = IndentJson(MessageToJson(envelope));
    report->signatures = DescribeVerification(verification, *policy);
    report->orders = DescribeOrders(info.orders(), action, *policy, session.modules());
    report->authorized = verification.authorized();
    report->results_command = StrCat("dragnet results ", action.id());
    report->made = StrCat(absl::FormatTime(ToAbsl(kTimeFormat), session.now(), absl::UTCTimeZone()),
                          " by dragnet ", kVersion);
    return absl::OkStatus();
  }

  absl::Status AddStacks(const v1::Action& action, Session& session, Report* report) const {
    for (int i = 0; i < action.operations_size(); ++i) {
      const Module* module = session.modules().Find(action.operations(i).module());
      // Its rows are said to be unreadable.
      if (module == nullptr) continue;
      std::vector<std::vector<Column>> wanted;
      for (const std::string& names : stacks_) {
        DRAGNET_ASSIGN_OR_RETURN(std::vector<Column> columns,
                                 NamedColumns("--stack", *module, SplitNames({names})));
        wanted.push_back(std::move(columns));
      }
      if (stacks_.empty())
        for (const Column& column : ColumnsOf(module->NewRow()->GetDescriptor()))
          if (column.key && !column.detail) wanted.push_back({column});
      for (const std::vector<Column>& columns : wanted) {
        DRAGNET_ASSIGN_OR_RETURN(Report::Stack stack, OneStack(action, static_cast<uint32_t>(i),
                                                               columns, *module, session, report));
        report->stacks.push_back(std::move(stack));
      }
    }
    return absl::OkStatus();
  }

  static absl::StatusOr<Report::Stack> OneStack(const v1::Action& action, uint32_t operation,
                                                const std::vector<Column>& columns,
                                                const Module& module, Session& session,
                                                Report* report) {
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    v1::StackRequest request;
    request.set_action_id(action.id());
    request.set_operation(operation);
    request.set_limit(kMostValues);
    Report::Stack stack;
    for (const Column& column : columns) {
      stack.headers.push_back(column.header);
      v1::StackColumn* wanted = request.add_columns();
      for (const auto* field : column.path)
        wanted->add_field_numbers(static_cast<uint32_t>(field->number()));
    }
    stack.title = absl::StrJoin(stack.headers, ", ");
    if (action.operations_size() > 1)
      stack.title =
          StrCat("Operation ", operation + 1, " (", module.manifest().name, "): ", stack.title);
    const std::unique_ptr<google::protobuf::Message> row = module.NewRow();
    for (const bool frequent : {true, false}) {
      if (!frequent && stack.different <= kMostValues) break;
      request.set_most_frequent_first(frequent);
      DRAGNET_ASSIGN_OR_RETURN(const v1::StackResponse response, client->Stack(request));
      stack.rows = response.rows();
      stack.different = response.different();
      // Values that are among the frequent ones already are not told twice.
      const uint64_t room = frequent ? kMostValues : stack.different - stack.frequent.size();
      for (const v1::StackResponse::Entry& entry : response.entries()) {
        std::vector<Report::Stack::Line>& lines = frequent ? stack.frequent : stack.rare;
        if (lines.size() >= room) break;
        if (!row->ParseFromString(entry.row())) {
          report->warnings.push_back(
              StrCat(entry.rows(), " rows are not of module ", module.manifest().name));
          continue;
        }
        Report::Stack::Line line = {{}, entry.rows(), entry.agents()};
        for (const Column& column : columns)
          line.values.push_back(CellOf(*row, column, CellStyle::kData).text);
        lines.push_back(std::move(line));
      }
    }
    return stack;
  }

  std::string action_;
  std::string file_;
  bool force_ = false;
  std::vector<std::string> stacks_;
  std::optional<std::string> rows_;
};

}  // namespace

std::unique_ptr<Command> NewReportCommand() { return std::make_unique<ReportCommand>(); }

}  // namespace dragnet::console
