// Reads the files of a search and reports its rows.
#pragma once

#include <vector>

#include "modules/module.h"
#include "modules/pkg/root.h"
#include "modules/settings/files.h"
#include "modules/settings/search.h"
#include "modules/settings/setting.h"

namespace dragnet::settings {

// All settings of the search's files, those that count marked, without the
// defaults. Thread-safe.
std::vector<Setting> ReadSettings(const Search& search, ConfigFiles& files);

// As Module::Run, of the system at `root`.
void RunSearch(const Search& search, const pkg::Root& root, RunContext& context);

// A whole number as strtoll(3) reads it: decimal, 0x…, 0…; nothing for anything else.
std::optional<int64_t> ParseWholeNumber(std::string_view text);

}  // namespace dragnet::settings
