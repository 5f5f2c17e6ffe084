// A bundle: a directory with a release and the programs that it names,
//   release.dnr
//   linux-x86_64/{dragnet-agent,dragnet-link,dragnet-worker}
// Thread-safe: no state, but for NewBundle.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dragnet/v1/release.pb.h"

namespace dragnet::console {

inline constexpr std::string_view kReleaseFileName = "release.dnr";

// The agent of one platform.
struct AgentPrograms {
  std::string os;
  std::string arch;
  // In the order of kAgentPrograms.
  std::vector<std::string> contents;
};

// From a directory with the three programs, or from a package of the agent
// (console/release/package.h). InvalidArgument: one is missing, they are of different
// platforms, or too large for one action.
absl::StatusOr<AgentPrograms> ReadAgentPrograms(const std::string& path);

// What a release says of them.
v1::Platform PlatformOf(const AgentPrograms& programs);

// Whether dragnet-agent holds this text, as every build holds its version: for a warning
// only.
bool Mentions(const AgentPrograms& programs, std::string_view version);

// The programs of `platform` in a bundle. FailedPrecondition: one isn't what the
// release says it is. NotFound: one is missing.
absl::StatusOr<AgentPrograms> ReadPlatform(const std::string& bundle, const v1::Platform& platform);

// A bundle that is being made: beside its place, and moved there when it is whole. Not
// thread-safe.
class NewBundle {
 public:
  // AlreadyExists if there is something at `path`.
  static absl::StatusOr<NewBundle> Create(const std::string& path);
  ~NewBundle();
  NewBundle(NewBundle&& other) noexcept;
  NewBundle& operator=(NewBundle&&) = delete;

  // Where release.dnr is written to until Finish().
  std::string release_path() const;
  absl::Status Add(const AgentPrograms& programs);
  absl::Status Finish();

 private:
  NewBundle(std::string path, std::string temporary);

  std::string path_;
  // Empty: finished, or moved from.
  std::string temporary_;
};

}  // namespace dragnet::console
