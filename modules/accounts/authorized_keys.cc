#include "modules/accounts/authorized_keys.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "core/strings.h"
#include "modules/file/glob.h"
#include "modules/sshkey/key_file.h"

namespace dragnet::accounts {
namespace {

constexpr std::string_view kSshd = "/etc/ssh/sshd_config";
constexpr int kMaxIncludeDepth = 16;
constexpr size_t kMaxConfigFiles = 256;
constexpr size_t kMaxPatterns = 64;

// KEYWORD ARGUMENT…, or KEYWORD=ARGUMENT…; arguments may be in quotes.
std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  while (true) {
    const std::string_view between = words.size() == 1 ? " \t\r=" : " \t\r";
    line.remove_prefix(std::min(line.find_first_not_of(between), line.size()));
    if (line.empty() || line.front() == '#') return words;
    const bool quoted = line.front() == '"';
    if (quoted) line.remove_prefix(1);
    const size_t end = std::min(line.find_first_of(quoted          ? "\""
                                                   : words.empty() ? " \t\r="
                                                                   : " \t\r"),
                                line.size());
    words.emplace_back(line.substr(0, end));
    line.remove_prefix(std::min(end + (quoted ? 1 : 0), line.size()));
  }
}

class SshdConfigReader {
 public:
  explicit SshdConfigReader(HostFiles& files) : files_(files) {}

  SshdKeys Read() {
    ReadFile(std::string(kSshd), 0);
    if (!global_files_) {
      keys_.files.emplace_back(".ssh/authorized_keys");
      keys_.files.emplace_back(".ssh/authorized_keys2");
    }
    return std::move(keys_);
  }

 private:
  void ReadFile(const std::string& path, int depth) {
    if (depth > kMaxIncludeDepth || ++files_read_ > kMaxConfigFiles)
      return files_.NotLookedAt("more files of sshd's configuration than are read", path);
    const auto content = files_.Read(path);
    if (!content) return;
    // What an included file matches ends with it.
    const bool matching_before = matching_;
    for (const NumberedLine& line : LinesOf(*content)) TakeLine(line, path, depth);
    matching_ = matching_before;
  }

  void TakeLine(const NumberedLine& line, const std::string& path, int depth) {
    std::vector<std::string> words = Words(line.text);
    if (words.size() < 2) return;
    const std::string keyword = absl::AsciiStrToLower(words[0]);
    words.erase(words.begin());
    if (keyword == "match") matching_ = true;
    if (keyword == "include")
      for (const std::string& pattern : words) Include(pattern, depth);
    if (keyword == "authorizedkeysfile") TakeFiles(words);
    if (words[0] == "none") return;
    if (keyword == "authorizedkeyscommand")
      keys_.commands.push_back(StrCat(path, ":", line.number));
    if (keyword == "trustedusercakeys" && keys_.authorities.size() < kMaxPatterns)
      keys_.authorities.push_back(words[0]);
  }

  // The first one counts.
  void TakeFiles(const std::vector<std::string>& words) {
    if (!matching_ && std::exchange(global_files_, true)) return;
    for (const std::string& word : words)
      if (word != "none" && keys_.files.size() < kMaxPatterns) keys_.files.push_back(word);
  }

  void Include(std::string pattern, int depth) {
    if (!pattern.starts_with('/')) pattern = StrCat("/etc/ssh/", pattern);
    const size_t slash = pattern.rfind('/');
    const std::string directory = pattern.substr(0, slash);
    const std::string name = pattern.substr(slash + 1);
    if (!file::HasWildcard(pattern)) return ReadFile(pattern, depth + 1);
    if (file::HasWildcard(directory) || !file::CheckGlobName(name).ok())
      return files_.NotLookedAt("include of sshd's configuration is not understood", pattern);
    for (const std::string& entry : files_.List(directory, kMaxConfigFiles)) {
      if (entry.starts_with('.') && !name.starts_with('.')) continue;
      if (file::GlobNameMatches(name, entry)) ReadFile(StrCat(directory, "/", entry), depth + 1);
    }
  }

  HostFiles& files_;
  SshdKeys keys_;
  bool matching_ = false;
  bool global_files_ = false;
  size_t files_read_ = 0;
};

sshkey::Search AllAuthorizedKeys() {
  sshkey::Search search;
  search.kinds = {"authorized_key"};
  return search;
}

}  // namespace

SshdKeys ReadSshdConfig(HostFiles& files) { return SshdConfigReader(files).Read(); }

std::string KeyFileOf(std::string_view pattern, const PasswdEntry& entry) {
  const std::string home = entry.home.empty() ? "/" : entry.home;
  std::string path;
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '%') {
      path.push_back(pattern[at]);
      continue;
    }
    switch (++at < pattern.size() ? pattern[at] : '\0') {
      case '%':
        path.push_back('%');
        break;
      case 'h':
        path += home;
        break;
      case 'u':
        path += entry.name;
        break;
      case 'U':
        StrAppend(&path, entry.uid);
        break;
      default:
        return {};
    }
  }
  if (path.starts_with('/')) return path;
  return StrCat(home, home.ends_with('/') ? "" : "/", path);
}

AuthorizedKeys::AuthorizedKeys(HostFiles& files)
    : files_(files), sshd_(ReadSshdConfig(files)), all_(AllAuthorizedKeys()) {}

void AuthorizedKeys::ForEach(const PasswdEntry& entry, const OnKey& on_key) {
  if (!files_.IsLocal(entry.home)) return;
  std::set<std::string> paths;
  for (const std::string& pattern : sshd_.files) {
    std::string path = KeyFileOf(pattern, entry);
    if (path.empty()) {
      if (read_.insert(pattern).second)
        files_.NotLookedAt("AuthorizedKeysFile is not understood", pattern);
    } else if (paths.insert(path).second) {
      ReadKeys(path, on_key);
    }
  }
}

void AuthorizedKeys::ForEachAuthority(const OnKey& on_key) {
  for (const std::string& path : sshd_.authorities) ReadKeys(path, on_key);
}

void AuthorizedKeys::ReportCommands() {
  for (const std::string& place : sshd_.commands)
    files_.NotLookedAt("keys that sshd's AuthorizedKeysCommand gives", place);
}

void AuthorizedKeys::ReadKeys(const std::string& path, const OnKey& on_key) {
  const bool is_first = read_.insert(path).second;
  const auto content = files_.Read(path);
  if (!content) return;
  sshkey::KeyFileEvents events;
  events.key = [&](sshkey::v1::SshkeyRow key) {
    key.set_path(Text(path, 4096));
    return on_key(key);
  };
  events.damaged = [&](std::string_view reason, uint32_t line) {
    if (is_first) files_.NotLookedAt(reason, path, line);
  };
  events.beside = [] { return std::string(); };
  FindKeys(*content, sshkey::FileRole::kAuthorizedKeys, all_, events);
}

}  // namespace dragnet::accounts
