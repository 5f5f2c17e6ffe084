#include "console/tui/results/host_report.h"

#include "absl/time/time.h"
#include "console/form/describe.h"
#include "console/investigation/summary.h"
#include "console/output/cell.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

template <class Enum>
std::string Word(const google::protobuf::EnumDescriptor* type, Enum value) {
  const auto* known = type->FindValueByNumber(static_cast<int>(value));
  return known == nullptr ? StrCat(static_cast<int>(value)) : EnumWord(known);
}

std::string TimeOf(const google::protobuf::Timestamp& timestamp) {
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return time.ok() ? LocalTime(*time) : "";
}

std::string DurationOf(const google::protobuf::Duration& duration) {
  return absl::FormatDuration(ToDuration(duration));
}

std::string Bytes(uint64_t bytes) {
  return bytes < 10'000'000 ? StrCat(bytes / 1000, " kB") : StrCat(bytes / 1'000'000, " MB");
}

std::string OperationText(const v1::Action& action, int index,
                          const v1::OperationSummary& summary) {
  const v1::ModuleSummary& module = summary.module();
  std::string text =
      StrCat("\nOperation ", index + 1, ": ",
             index < action.operations_size() ? ForTerminal(action.operations(index).module())
                                              : "(not of this action)",
             "\n");
  const auto line = [](std::string title, std::string words) {
    return DescriptionLine{StrCat("  ", title), std::move(words)};
  };
  std::vector<DescriptionLine> lines = {
      line("Outcome", Word(v1::Outcome_descriptor(), summary.outcome())),
      line("Ended", StrCat(Word(v1::Termination_descriptor(), summary.termination()),
                           summary.detail().empty() ? "" : ": ", summary.detail())),
      line("Rows", StrCat(summary.rows())),
      line("Examined", StrCat(module.items_examined(), " items, ", Bytes(module.bytes_examined()))),
      line("Started", summary.has_started() ? TimeOf(summary.started()) : ""),
      line("Took", StrCat(DurationOf(summary.wall_time()), ", of the processor ",
                          DurationOf(summary.cpu_time()))),
      line("Memory", StrCat(Bytes(summary.peak_memory_bytes()), " at most")),
  };
  if (ToDuration(summary.stood_still_for_spool()) > absl::ZeroDuration())
    lines.push_back(line("Waited", StrCat(DurationOf(summary.stood_still_for_spool()),
                                          " for room to keep results in")));
  if (ToDuration(summary.paused_by_order()) > absl::ZeroDuration())
    lines.push_back(line("Paused", DurationOf(summary.paused_by_order())));
  if (ToDuration(summary.held_for_cpu_share()) > absl::ZeroDuration())
    lines.push_back(
        line("Held", StrCat(DurationOf(summary.held_for_cpu_share()), " to keep its CPU share")));
  for (const std::string& limit : module.limits_hit()) lines.push_back(line("Cut short", limit));
  text.append(DescribeLines(lines));
  for (const v1::Unexamined& unexamined : module.unexamined()) {
    StrAppend(&text, "  Not looked at: ", unexamined.count(), "  ",
              ForTerminal(unexamined.reason()), "\n");
    for (const std::string& example : unexamined.examples())
      StrAppend(&text, "    ", ForTerminal(example), "\n");
    if (unexamined.count() > static_cast<uint64_t>(unexamined.examples_size()))
      StrAppend(&text, "    … and ",
                unexamined.count() - static_cast<uint64_t>(unexamined.examples_size()),
                " more that it didn't name\n");
  }
  return text;
}

}  // namespace

std::string HostReport(const v1::Action& action, const v1::AgentState& state) {
  std::string text = DescribeLines({{"Agent", state.agent_name()},
                                    {"Id", state.agent_id()},
                                    {"State", Word(v1::DispatchState_descriptor(), state.state())},
                                    {"Rows", StrCat(state.rows())},
                                    {"Not looked at", NotLookedAt(action, state)}});
  if (state.has_refusal())
    StrAppend(&text, "\nRefused\n",
              DescribeLines(
                  {{"  Reason", Word(v1::Refusal::Reason_descriptor(), state.refusal().reason())},
                   {"  Detail", state.refusal().detail()},
                   {"  At", TimeOf(state.refusal().refused_at())}}));
  if (!state.detail().empty())
    StrAppend(&text, "\nThe scheduler says: ", ForTerminal(state.detail()), "\n");
  for (int i = 0; i < state.summaries_size(); ++i)
    text.append(OperationText(action, i, state.summaries(i)));
  if (state.summaries_size() == 0 && !state.has_refusal())
    text.append("\nNo operation has ended on it so far.\n");
  return text;
}

}  // namespace dragnet::console::tui
