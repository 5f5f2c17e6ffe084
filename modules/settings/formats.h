// The formats of configuration files. Each reads one file, and what it includes,
// and appends what it finds; a line that it can't understand is noted.
//
// Hostile input: memory and time are in proportion to the text; depth is bounded.
// Stateless and thread-safe, but for the source of files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modules/settings/files.h"
#include "modules/settings/setting.h"

namespace dragnet::settings {

// sshd_config(5), as OpenSSH reads it.
void ReadSshd(const std::string& path, std::string_view text, FileSource& files,
              std::vector<Setting>* settings);
// The one name of a keyword: lower case, old names replaced by what they stand for.
std::string FoldSshdKey(std::string_view key);
bool IsRepeatableSshdKey(std::string_view folded_key);
// Seconds of sshd_config's time formats (90, 1m30s, 2h) where `key` takes one.
std::optional<int64_t> SshdSeconds(std::string_view folded_key, std::string_view value);

// KEY value and KEY=value.
void ReadKeyValue(const std::string& path, std::string_view text, FileSource& files,
                  std::vector<Setting>* settings);

// systemd.syntax(7).
void ReadIni(const std::string& path, std::string_view text, FileSource& files,
             std::vector<Setting>* settings);

// pam.d(5), a service's file.
void ReadPam(const std::string& path, std::string_view text, FileSource& files,
             std::vector<Setting>* settings);

// apt.conf(5).
void ReadApt(const std::string& path, std::string_view text, FileSource& files,
             std::vector<Setting>* settings);

// The next line, with those joined to it that a \ at the end continues; `*number` is
// that of its first line. False at the end.
class Lines {
 public:
  Lines(std::string_view text, bool continued) : rest_(text), continued_(continued) {}
  bool Next(std::string* line);
  // Of the last line, from 1.
  uint32_t number() const { return first_; }

 private:
  std::string_view Take();

  std::string_view rest_;
  const bool continued_;
  uint32_t taken_ = 0;
  uint32_t first_ = 0;
};

// Words separated by white space.
std::vector<std::string> SplitWords(std::string_view text);
// Words as sshd's argv_split and a shell take them: quotes join, a \ takes the
// next quote, space or \ as it is, # in front of a word ends the line. Nothing when a quote isn't
// closed.
std::optional<std::vector<std::string>> SplitQuoted(std::string_view text);
std::string JoinWords(const std::vector<std::string>& words);
// Without white space at both ends.
std::string_view Trim(std::string_view text);
// Adds it unless memory is used up, which is then noted: read no further.
bool AddSetting(Setting setting, FileSource& files, std::vector<Setting>* settings);

}  // namespace dragnet::settings
