#include "scheduler/observe/log.h"

#include <spdlog/details/log_msg.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"
#include "scheduler/observe/metrics.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kUuidBytes = 36;
constexpr size_t kMaxMessage = 8192;

// Takes "`word` UUID" from the front of `line`, if it is there.
bool TakeId(std::string_view word, std::string_view* line, std::string_view* id) {
  if (!line->starts_with(word) || line->size() < word.size() + 1 + kUuidBytes ||
      (*line)[word.size()] != ' ')
    return false;
  const std::string_view candidate = line->substr(word.size() + 1, kUuidBytes);
  if (!IsUuid(candidate)) return false;
  *id = candidate;
  line->remove_prefix(word.size() + 1 + kUuidBytes);
  return true;
}

// ForTerminal has left neither control characters nor invalid UTF-8.
std::string JsonString(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : ForTerminal(text)) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

std::string_view LevelName(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warning";
    default:
      return "error";
  }
}

void Count(spdlog::level::level_enum level) {
  if (level == spdlog::level::warn) TheMetrics().log_warnings.Add();
  if (level >= spdlog::level::err) TheMetrics().log_errors.Add();
}

class LineFormatter : public spdlog::formatter {
 public:
  explicit LineFormatter(LogFormat format) : format_(format) {}
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& destination) override {
    Count(message.level);
    const std::string line = FormatLogLine(format_, message) + "\n";
    destination.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(format_);
  }

 private:
  const LogFormat format_;
};

JournalPriority PriorityOf(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return JournalPriority::kDebug;
    case spdlog::level::info:
      return JournalPriority::kInfo;
    case spdlog::level::warn:
      return JournalPriority::kWarning;
    default:
      return JournalPriority::kError;
  }
}

class JournalSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  JournalSink(Journal journal, LogFormat format) : journal_(std::move(journal)), format_(format) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string_view payload(message.payload.data(), message.payload.size());
    const LogLine line = SplitSubject(payload);
    std::vector<JournalField> fields;
    if (!line.subject.action.empty()) fields.push_back({"DRAGNET_ACTION", line.subject.action});
    if (!line.subject.agent.empty()) fields.push_back({"DRAGNET_AGENT", line.subject.agent});
    const std::string whole = FormatLogLine(format_, message);
    const std::string text =
        format_ == LogFormat::kJson ? whole : Shorten(ForTerminal(payload), kMaxMessage);
    Count(message.level);
    if (journal_.Write(PriorityOf(message.level), text, fields)) return;
    std::fputs((whole + "\n").c_str(), stderr);
  }
  void flush_() override {}

  const Journal journal_;
  const LogFormat format_;
};

}  // namespace

std::string About(const LogSubject& subject) {
  std::string text;
  if (!subject.action.empty()) StrAppend(&text, "action ", subject.action);
  if (!subject.agent.empty()) StrAppend(&text, text.empty() ? "" : " ", "agent ", subject.agent);
  return text.empty() ? text : text + ": ";
}

LogLine SplitSubject(std::string_view line) {
  LogLine split;
  std::string_view rest = line;
  const bool action = TakeId("action", &rest, &split.subject.action);
  if (action && rest.starts_with(" agent ")) {
    rest.remove_prefix(1);
    TakeId("agent", &rest, &split.subject.agent);
  } else if (!action) {
    TakeId("agent", &rest, &split.subject.agent);
  }
  if (rest.starts_with(": ")) rest.remove_prefix(2);
  if (rest.starts_with(" ")) rest.remove_prefix(1);  // "action X cancelled"
  split.message = rest;
  return split;
}

absl::Status ParseLogFormat(std::string_view word, LogFormat* format) {
  if (word == "text") {
    *format = LogFormat::kText;
  } else if (word == "json") {
    *format = LogFormat::kJson;
  } else {
    return absl::InvalidArgumentError(StrCat("\"", word, "\": give text or json"));
  }
  return absl::OkStatus();
}

absl::Status ParseLogLevel(std::string_view word, spdlog::level::level_enum* level) {
  for (const auto candidate :
       {spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err}) {
    if (word != LevelName(candidate)) continue;
    *level = candidate;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(StrCat("\"", word, "\": give debug, info, warning or error"));
}

std::string FormatLogLine(LogFormat format, const spdlog::details::log_msg& message) {
  const absl::Time time = absl::FromChrono(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(message.time));
  const std::string_view payload(message.payload.data(), message.payload.size());
  if (format == LogFormat::kText)
    return StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E3S%Ez", time, absl::LocalTimeZone()), " ",
                  LevelName(message.level), " ", Shorten(ForTerminal(payload), kMaxMessage));
  const LogLine line = SplitSubject(payload);
  std::string json =
      StrCat("{\"time\":\"", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone()),
             "\",\"level\":\"", LevelName(message.level), "\"");
  if (!line.subject.action.empty())
    StrAppend(&json, ",\"action\":", JsonString(line.subject.action));
  if (!line.subject.agent.empty()) StrAppend(&json, ",\"agent\":", JsonString(line.subject.agent));
  return StrCat(json, ",\"message\":", JsonString(Shorten(line.message, kMaxMessage)), "}");
}

void SetUpLog(LogFormat format, spdlog::level::level_enum level, std::optional<Journal> journal) {
  if (journal.has_value()) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "dragnet-scheduler", std::make_shared<JournalSink>(*std::move(journal), format)));
  } else {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "dragnet-scheduler", std::make_shared<spdlog::sinks::stderr_sink_mt>()));
    spdlog::set_formatter(std::make_unique<LineFormatter>(format));
  }
  spdlog::set_level(level);
  spdlog::flush_on(spdlog::level::trace);
}

}  // namespace dragnet::scheduler
