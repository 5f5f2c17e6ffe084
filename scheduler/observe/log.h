// The scheduler's log: lines for people, or JSON for programs (log_format).
//
// Code logs with spdlog as everywhere. A line about an agent or an action
// begins with whom it is about, as About() writes it:
//
//   spdlog::info("{}sent", About({.action = id, .agent = agent_id}));
//   spdlog::info("action {} agent {}: sent", id, agent_id);   // the same
//
// As text that is what is shown; in JSON these ids are fields of their own:
//
//   {"time":"2026-11-28T18:00:00.123Z","level":"info","action":"…","agent":"…","message":"sent"}
//
// Only whole UUIDs in that place become fields. In both forms one call is one
// line, and control characters and invalid UTF-8 are written out, whoever they
// came from.
#pragma once

#include <spdlog/common.h>

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/journal.h"

namespace spdlog::details {
struct log_msg;
}

namespace dragnet::scheduler {

struct LogSubject {
  std::string_view action = {};
  std::string_view agent = {};
};

// "action X agent Y: ", with what is there; empty when nothing is.
std::string About(const LogSubject& subject);

// A line's subject and the rest of it.
struct LogLine {
  LogSubject subject;
  std::string_view message;
};
LogLine SplitSubject(std::string_view line);

enum class LogFormat { kText, kJson };

// "text", "json". InvalidArgument.
absl::Status ParseLogFormat(std::string_view word, LogFormat* format);
// "debug", "info", "warning", "error".
absl::Status ParseLogLevel(std::string_view word, spdlog::level::level_enum* level);

// The process's log from here on: to `journal`, if there is one, else and where it
// doesn't take a line to standard error.
//
// In the journal a line's level is its PRIORITY, and the ids of its subject are the
// fields DRAGNET_ACTION and DRAGNET_AGENT. Its MESSAGE is the text without time and
// level, or with the format kJson the whole JSON.
void SetUpLog(LogFormat format, spdlog::level::level_enum level,
              std::optional<Journal> journal = std::nullopt);

// One line, as it goes out, without the line feed.
std::string FormatLogLine(LogFormat format, const spdlog::details::log_msg& message);

}  // namespace dragnet::scheduler
