#include "scheduler/observe/metrics_text.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "core/strings.h"
#include "dragnet/v1/results.pb.h"

namespace dragnet::scheduler {
namespace {

// Of a label's value: backslash, quote and line feed (the format has no more).
std::string Escaped(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '\\' || c == '"') escaped.push_back('\\');
    if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped.push_back(c);
    }
  }
  return escaped;
}

// Whole numbers as such: %g would round counts above 2^17 digits of 6.
std::string Number(double value) {
  if (value >= 0 && value < 9e15 && value == static_cast<double>(static_cast<uint64_t>(value)))
    return StrCat(static_cast<uint64_t>(value));
  return absl::StrFormat("%.12g", value);
}

std::string CodeName(size_t code) {
  return absl::AsciiStrToLower(absl::StatusCodeToString(static_cast<absl::StatusCode>(code)));
}

std::string RefusalName(size_t code) {
  const std::string name = v1::Refusal::Reason_Name(static_cast<v1::Refusal::Reason>(code));
  if (name.empty()) return StrCat(code);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "REASON_"));
}

template <typename NameOf>
void WriteByCode(std::string_view name, std::string_view help, const CounterByCode& counters,
                 NameOf name_of, MetricsText* text) {
  text->BeginCounter(name, help);
  for (size_t code = 0; code < CounterByCode::kCodes; ++code)
    if (const uint64_t value = counters.value(code); value > 0)
      text->Add(static_cast<double>(value), {{"reason", name_of(code)}});
}

void WriteOne(std::string_view name, std::string_view help, const Counter& counter,
              MetricsText* text) {
  text->Counter(name, help, static_cast<double>(counter.value()));
}

}  // namespace

void MetricsText::Begin(std::string_view name, std::string_view help, std::string_view type) {
  family_ = std::string(name);
  StrAppend(&text_, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
}

void MetricsText::Add(double value, Labels labels) { Sample("", value, labels); }

void MetricsText::Sample(std::string_view suffix, double value, Labels labels) {
  StrAppend(&text_, family_, suffix);
  bool first = true;
  for (const auto& [label, content] : labels) {
    StrAppend(&text_, first ? "{" : ",", label, "=\"", Escaped(content), "\"");
    first = false;
  }
  StrAppend(&text_, first ? " " : "} ", Number(value), "\n");
}

void MetricsText::AddHistogram(std::string_view name, std::string_view help,
                               const DurationHistogram& values) {
  Begin(name, help, "histogram");
  uint64_t below = 0;
  for (size_t i = 0; i < DurationHistogram::kBounds.size(); ++i) {
    below += values.bucket(i);
    Sample("_bucket", static_cast<double>(below),
           {{"le", absl::StrFormat("%g", DurationHistogram::kBounds[i])}});
  }
  below += values.bucket(DurationHistogram::kBounds.size());
  Sample("_bucket", static_cast<double>(below), {{"le", "+Inf"}});
  Sample("_sum", values.sum_seconds(), {});
  Sample("_count", static_cast<double>(below), {});
}

void WriteCounters(const Metrics& metrics, MetricsText* text) {
  WriteOne("dragnet_sessions_opened_total", "Sessions of agents that were welcomed.",
           metrics.sessions_opened, text);
  WriteOne("dragnet_sessions_closed_total", "Sessions of agents that ended, for whatever reason.",
           metrics.sessions_closed, text);
  WriteByCode("dragnet_sessions_refused_total", "Sessions that the scheduler ended, by reason.",
              metrics.sessions_refused, CodeName, text);
  WriteByCode("dragnet_calls_refused_total", "Calls that were refused for who called, by reason.",
              metrics.calls_refused, CodeName, text);
  WriteOne("dragnet_enrolments_total", "Agents that enrolled.", metrics.enrolments, text);
  WriteByCode("dragnet_enrolments_refused_total", "Enrolments that were refused, by reason.",
              metrics.enrolments_refused, CodeName, text);

  WriteOne("dragnet_records_committed_total", "Records of agents that were stored.",
           metrics.records_committed, text);
  WriteOne("dragnet_rows_committed_total", "Rows of agents that were stored.",
           metrics.rows_committed, text);
  WriteOne("dragnet_record_bytes_committed_total", "Bytes of the records that were stored.",
           metrics.record_bytes_committed, text);
  WriteOne("dragnet_records_repeated_total", "Records that were stored already.",
           metrics.records_repeated, text);
  WriteOne("dragnet_records_dropped_total", "Records that may not be stored: see dragnet refusals.",
           metrics.records_dropped, text);
  WriteOne("dragnet_records_of_unknown_actions_total",
           "Records that were dropped because the store doesn't know their action.",
           metrics.records_of_unknown_actions, text);
  WriteByCode("dragnet_agent_refusals_total", "Actions that agents refused, by their reason.",
              metrics.refusals, RefusalName, text);

  WriteOne("dragnet_store_commits_total", "Transactions of the store.", metrics.commits, text);
  WriteOne("dragnet_store_commits_failed_total", "Transactions that failed and were undone.",
           metrics.commits_failed, text);
  text->AddHistogram("dragnet_store_commit_seconds", "How long a transaction of the store took.",
                     metrics.commit_seconds);

  WriteOne("dragnet_actions_launched_total", "Actions that were launched.",
           metrics.actions_launched, text);
  WriteByCode("dragnet_actions_refused_total", "Actions that the scheduler refused, by reason.",
              metrics.actions_refused, CodeName, text);
  WriteOne("dragnet_actions_sent_total", "Envelopes of actions that were handed to agents.",
           metrics.actions_sent, text);

  WriteOne("dragnet_retention_actions_removed_total", "Actions whose results were removed.",
           metrics.actions_removed, text);
  WriteOne("dragnet_retention_records_removed_total", "Records that were removed.",
           metrics.records_removed, text);

  text->BeginCounter("dragnet_log_lines_total", "Lines of the log that call for attention.");
  text->Add(static_cast<double>(metrics.log_warnings.value()), {{"level", "warning"}});
  text->Add(static_cast<double>(metrics.log_errors.value()), {{"level", "error"}});
}

}  // namespace dragnet::scheduler
