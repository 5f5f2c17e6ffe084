// Where a build puts manual pages and completion scripts:
//
//   DIR/man/dragnet.1                         DIR/completions/bash/dragnet
//   DIR/man/dragnet-agent.8                   DIR/completions/zsh/_dragnet
//                                             DIR/completions/fish/dragnet.fish
//
// Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/manual/pages.h"
#include "core/manual/program.h"

namespace dragnet::manual {

// Errors name the file.
absl::Status WritePages(const std::string& directory, const std::vector<Page>& pages);
absl::Status WriteCompletions(const std::string& directory, const Program& program);

}  // namespace dragnet::manual
