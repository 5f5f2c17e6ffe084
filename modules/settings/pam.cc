// pam.d(5): TYPE CONTROL MODULE ARGUMENTS, @include FILE, and the controls include
// and substack, which take a type's lines from another service.
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "core/strings.h"
#include "modules/settings/formats.h"

namespace dragnet::settings {
namespace {

// As PAM_SUBSTACK_MAX_LEVEL, a little more than it takes.
constexpr int kMaxDepth = 16;
// Of all includes of one service: two that include each other twice would be
// read 2^16 times.
constexpr int kMaxIncludes = 256;

std::string_view TakeWord(std::string_view* text) {
  *text = Trim(*text);
  size_t end = std::min(text->find_first_of(" \t"), text->size());
  if (text->starts_with('[')) {
    // [success=1 default=ignore] is one; \] is a character of it.
    for (end = 1; end < text->size(); ++end) {
      if ((*text)[end] == '\\') {
        ++end;
      } else if ((*text)[end] == ']') {
        break;
      }
    }
    if (end >= text->size()) return {};
    ++end;
  }
  const std::string_view word = text->substr(0, end);
  text->remove_prefix(end);
  return word;
}

std::vector<std::string> Arguments(std::string_view rest) {
  std::vector<std::string> arguments;
  for (rest = Trim(rest); !rest.empty(); rest = Trim(rest)) {
    std::string_view word = TakeWord(&rest);
    if (word.empty()) {
      arguments.emplace_back(rest);
      break;
    }
    // [query=select x from y] is one argument without the brackets.
    if (word.size() >= 2 && word.starts_with('[')) word = word.substr(1, word.size() - 2);
    arguments.emplace_back(word);
  }
  return arguments;
}

std::string BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  // A path that ends with a slash has no name but itself.
  return std::string(
      slash == std::string_view::npos || slash + 1 == path.size() ? path : path.substr(slash + 1));
}

std::string DirectoryOf(std::string_view path) {
  return std::string(path.substr(0, std::min(path.rfind('/'), path.size())));
}

bool IsType(std::string_view type) {
  if (type.starts_with('-')) type.remove_prefix(1);
  return type == "auth" || type == "account" || type == "password" || type == "session";
}

class PamReader {
 public:
  PamReader(std::string service, const std::string& path, FileSource& files,
            std::vector<Setting>* settings)
      : service_(std::move(service)),
        directory_(DirectoryOf(path)),
        files_(files),
        settings_(settings) {}

  // Of one type, or all when it is empty.
  void ReadFile(const std::string& path, std::string_view text, const std::string& only_type,
                int depth) {
    Lines lines(text, /*continued=*/true);
    for (std::string line; !full_ && lines.Next(&line);)
      ReadLine(path, line.substr(0, line.find('#')), lines.number(), only_type, depth);
  }

 private:
  void ReadLine(const std::string& path, std::string_view line, uint32_t number,
                const std::string& only_type, int depth) {
    std::string_view rest = Trim(line);
    if (rest.empty()) return;
    const std::string_view first = TakeWord(&rest);
    if (first == "@include") return Include(path, number, Trim(rest), only_type, depth);
    const std::string type = absl::AsciiStrToLower(ToAbsl(first));
    const std::string control(TakeWord(&rest));
    const std::string module(TakeWord(&rest));
    if (!IsType(type) || control.empty() || module.empty()) {
      files_.NoteLine("lines that can't be understood", path, number);
      return;
    }
    const std::string plain_type = type.starts_with('-') ? type.substr(1) : type;
    if (!only_type.empty() && plain_type != only_type) return;
    if (control == "include" || control == "substack")
      return Include(path, number, module, plain_type, depth);

    Setting setting;
    setting.path = path;
    setting.line = number;
    setting.section = service_;
    setting.key = BaseName(module);
    setting.type = type;
    setting.control = control;
    setting.module = module;
    setting.values = Arguments(rest);
    setting.value = JoinWords(setting.values);
    setting.position = ++positions_[plain_type];
    setting.effective = true;
    full_ = !AddSetting(std::move(setting), files_, settings_);
  }

  void Include(const std::string& from, uint32_t number, std::string_view name,
               const std::string& only_type, int depth) {
    if (depth == kMaxDepth || includes_ == kMaxIncludes) {
      files_.NoteLine("includes too deep or too many", from, number);
      return;
    }
    ++includes_;
    std::vector<std::string> places;
    if (name.starts_with('/')) {
      places = {std::string(name)};
    } else {
      // The vendor's are looked for last, whichever file includes.
      if (directory_ != "/usr/lib/pam.d") places.push_back(StrCat(directory_, "/", name));
      for (std::string_view directory : {"/etc/pam.d", "/usr/lib/pam.d"})
        if (directory != directory_ || places.empty())
          places.push_back(StrCat(directory, "/", name));
    }
    for (const std::string& place : places) {
      const auto text = files_.Read(place, /*required=*/false);
      if (!text) continue;
      return ReadFile(place, *text, only_type, depth + 1);
    }
    files_.NoteLine("included files that are not there", from, number);
  }

  const std::string service_;
  const std::string directory_;
  FileSource& files_;
  std::vector<Setting>* const settings_;
  std::map<std::string, uint32_t> positions_;
  int includes_ = 0;
  bool full_ = false;
};

}  // namespace

void ReadPam(const std::string& path, std::string_view text, FileSource& files,
             std::vector<Setting>* settings) {
  PamReader(BaseName(path), path, files, settings).ReadFile(path, text, "", 0);
}

}  // namespace dragnet::settings
