// sshd_config(5) as servconf.c of OpenSSH reads it: the first value of a keyword
// counts; in a Match block it counts for whom the block is, over what stands
// outside; an Include within a block is part of it, and a block that an included
// file opens ends with that file.
#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "modules/settings/formats.h"

namespace dragnet::settings {
namespace {

// As SERVCONF_MAX_DEPTH.
constexpr int kMaxDepth = 16;
// Where relative paths of Include begin.
constexpr std::string_view kDirectory = "/etc/ssh/";

struct Alias {
  std::string_view old_name;
  std::string_view name;
};
constexpr Alias kAliases[] = {
    {"challengeresponseauthentication", "kbdinteractiveauthentication"},
    {"dsaauthentication", "pubkeyauthentication"},
    {"hostbasedacceptedkeytypes", "hostbasedacceptedalgorithms"},
    {"hostdsakey", "hostkey"},
    {"keepalive", "tcpkeepalive"},
    {"pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms"},
    {"skeyauthentication", "kbdinteractiveauthentication"},
};

constexpr std::string_view kRepeatable[] = {
    "acceptenv", "allowgroups",   "allowusers", "denygroups", "denyusers", "hostcertificate",
    "hostkey",   "listenaddress", "logverbose", "port",       "setenv",    "subsystem",
};

// Lists of names with commas between them.
constexpr std::string_view kLists[] = {
    "casignaturealgorithms", "ciphers", "hostbasedacceptedalgorithms", "hostkeyalgorithms",
    "kexalgorithms",         "macs",    "pubkeyacceptedalgorithms",    "pubkeyauthoptions",
};

constexpr std::string_view kTimes[] = {"clientaliveinterval", "logingracetime"};

// Words that sshd takes in any case.
constexpr std::string_view kSwitches[] = {
    "yes",
    "no",
    "prohibit-password",
    "without-password",
    "forced-commands-only",
    "none",
    "any",
    "delayed",
    "local",
    "remote",
    "all",
    "sandbox",
    "clientspecified",
    "inet",
    "inet6",
    "point-to-point",
    "ethernet",
};

template <size_t kSize>
bool Contains(const std::string_view (&words)[kSize], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(ToAbsl(text)); }

// A value of one word, the way that sshd itself would write it.
std::string NormaliseWord(std::string_view folded_key, std::string_view word) {
  if (folded_key == "loglevel" || folded_key == "syslogfacility")
    return absl::AsciiStrToUpper(ToAbsl(word));
  const std::string lower = Lower(word);
  if (!Contains(kSwitches, lower)) return std::string(word);
  if (folded_key == "permitrootlogin" && lower == "without-password") return "prohibit-password";
  return lower;
}

std::vector<std::string> ListMembers(const std::vector<std::string>& words) {
  std::vector<std::string> members;
  for (const std::string& word : words)
    for (absl::string_view member : absl::StrSplit(word, ',', absl::SkipEmpty()))
      members.emplace_back(member);
  return members;
}

class SshdReader {
 public:
  SshdReader(FileSource& files, std::vector<Setting>* settings)
      : files_(files), settings_(settings) {}

  void ReadFile(const std::string& path, std::string_view text, int depth) {
    // What an included file opens ends with it.
    const Block outside = block_;
    Lines lines(text, /*continued=*/false);
    for (std::string line; !full_ && lines.Next(&line);)
      ReadLine(path, line, lines.number(), depth);
    block_ = outside;
  }

 private:
  struct Block {
    // Empty: none.
    std::string scope;
    bool for_all = false;
  };

  void ReadLine(const std::string& path, std::string_view line, uint32_t number, int depth) {
    line = Trim(line);
    if (line.empty() || line.starts_with('#')) return;
    const size_t end = std::min(line.find_first_of(" \t="), line.size());
    std::string key(line.substr(0, end));
    if (key.size() > 1 && key.front() == '"' && key.back() == '"') key = key.substr(1, end - 2);
    std::string_view rest = Trim(line.substr(end));
    if (rest.starts_with('=')) rest = Trim(rest.substr(1));
    const auto words = SplitQuoted(rest);
    if (!words || words->empty() || key.empty()) {
      files_.NoteLine("lines that can't be understood", path, number);
      return;
    }
    const std::string folded = FoldSshdKey(key);
    if (folded == "match") return OpenBlock(*words);
    if (folded == "include") return Include(path, *words, number, depth);
    Add(path, number, std::move(key), folded, *words);
  }

  void OpenBlock(const std::vector<std::string>& criteria) {
    const bool all = criteria.size() == 1 && Lower(criteria[0]) == "all";
    // Inside of a block whose Include we are in, only who is in that is meant.
    const bool nested = !outer_.empty();
    block_.scope = StrCat(nested ? outer_ + " " : std::string(), "Match ", JoinWords(criteria));
    block_.for_all = all && !nested;
  }

  void Include(const std::string& from, const std::vector<std::string>& patterns, uint32_t number,
               int depth) {
    if (depth == kMaxDepth) {
      files_.NoteLine("includes deeper than 16", from, number);
      return;
    }
    const std::string outer = outer_;
    if (!block_.for_all) outer_ = block_.scope;
    for (const std::string& pattern : patterns) {
      const std::string path = pattern.starts_with('/') ? pattern : StrCat(kDirectory, pattern);
      for (const std::string& file : files_.Expand(path)) {
        if (full_) break;
        if (const auto text = files_.Read(file, /*required=*/false))
          ReadFile(file, *text, depth + 1);
      }
    }
    outer_ = outer;
  }

  void Add(const std::string& path, uint32_t number, std::string key, const std::string& folded,
           std::vector<std::string> words) {
    Setting setting;
    setting.path = path;
    setting.line = number;
    setting.scope = block_.scope;
    setting.conditional = !block_.scope.empty() && !block_.for_all;
    setting.overrides = block_.for_all;
    setting.key = std::move(key);
    for (std::string& word : words) word = NormaliseWord(folded, word);
    setting.value = JoinWords(words);
    setting.values = Contains(kLists, folded) ? ListMembers(words) : std::move(words);
    full_ = !AddSetting(std::move(setting), files_, settings_);
  }

  FileSource& files_;
  std::vector<Setting>* const settings_;
  bool full_ = false;
  Block block_;
  // The block that the Include was in which led to this file.
  std::string outer_;
};

}  // namespace

std::string FoldSshdKey(std::string_view key) {
  std::string folded = Lower(key);
  for (const Alias& alias : kAliases)
    if (folded == alias.old_name) return std::string(alias.name);
  return folded;
}

bool IsRepeatableSshdKey(std::string_view folded_key) { return Contains(kRepeatable, folded_key); }

std::optional<int64_t> SshdSeconds(std::string_view folded_key, std::string_view value) {
  if (!Contains(kTimes, folded_key) || value.empty()) return std::nullopt;
  int64_t total = 0;
  while (!value.empty()) {
    int64_t count = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
    if (error != std::errc() || count < 0 || count > std::numeric_limits<int32_t>::max())
      return std::nullopt;
    value.remove_prefix(static_cast<size_t>(end - value.data()));
    int64_t unit = 1;
    if (!value.empty()) {
      constexpr std::string_view kUnits = "smhdw";
      constexpr std::array<int64_t, 5> kSeconds = {1, 60, 3600, 86400, 604800};
      const size_t at = kUnits.find(absl::ascii_tolower(static_cast<unsigned char>(value[0])));
      if (at == std::string_view::npos) return std::nullopt;
      unit = kSeconds[at];
      value.remove_prefix(1);
    }
    total += count * unit;
    if (total > std::numeric_limits<int32_t>::max()) return std::nullopt;
  }
  return total;
}

void ReadSshd(const std::string& path, std::string_view text, FileSource& files,
              std::vector<Setting>* settings) {
  SshdReader(files, settings).ReadFile(path, text, 0);
}

}  // namespace dragnet::settings
