// What is said about an action beside its operations: target, lifetime, how it
// spreads, what the record says, limits. As text, as people write it; the flags of
// the command line and the lines of the form are made from one table. Not
// thread-safe.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet::console {

struct LaunchOptions {
  std::optional<std::string> target;
  std::optional<std::string> expires;
  std::optional<std::string> rate;
  std::optional<std::string> canary;
  std::optional<std::string> agent_limit;
  std::optional<std::string> stop_when_failed;
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<std::string> threat_level;
  std::optional<std::string> threat_family;
  std::optional<std::string> threat_type;
  std::optional<std::string> threat_reference;
  std::optional<std::string> wall_time;
  std::optional<std::string> cpu_time;
  std::optional<std::string> memory;
  std::optional<std::string> rows;
  std::optional<std::string> result_size;
  std::optional<std::string> cpu_share;

  // What was given goes over what `action` holds already. Limits go to every
  // operation. InvalidArgument names the flag.
  absl::Status Apply(v1::Action* action) const;
  // Of --expires; nothing when it wasn't given.
  absl::StatusOr<std::optional<absl::Duration>> Lifetime() const;

  // Takes out of `action` what can be said as an option, so that Apply brings it
  // back. What can't (limits that differ from operation to operation) stays there.
  static LaunchOptions TakeFrom(v1::Action* action);

 private:
  absl::StatusOr<v1::Limits> Limits() const;
  absl::Status ApplyDispatch(v1::Action* action) const;
};

enum class LaunchOptionGroup { kHosts, kDispatch, kRecord, kLimits };
// "How it spreads over the fleet (signed with it)".
std::string_view TitleOf(LaunchOptionGroup group);

struct LaunchOption {
  LaunchOptionGroup group;
  // With dashes.
  std::string_view flag;
  std::string_view short_flag;
  std::string_view value_name;
  // The default is told by who shows it; see `default_text`.
  std::string_view help;
  // "5m"; empty where there is none, or `help` says it.
  std::string_view default_text;
  std::optional<std::string> LaunchOptions::* value;
};
// In the order in which people are shown them, group by group.
std::span<const LaunchOption> AllLaunchOptions();

}  // namespace dragnet::console
