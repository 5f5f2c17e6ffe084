// apt.conf(5): A::B "value"; A { B "value"; }; A { "member"; }; A:: "member";
// #clear A; comments of # // and /* */.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "core/strings.h"
#include "modules/settings/formats.h"

namespace dragnet::settings {
namespace {

constexpr size_t kMaxDepth = 64;

class AptReader {
 public:
  AptReader(const std::string& path, std::string_view text, FileSource& files,
            std::vector<Setting>* settings)
      : path_(path), text_(text), files_(files), settings_(settings) {}

  void Read() {
    while (SkipToStatement()) {
      const char byte = text_[at_];
      if (byte == '}') {
        ++at_;
        if (scopes_.empty()) return Refuse();
        scopes_.pop_back();
      } else if (byte == ';') {
        ++at_;
      } else if (!ReadStatement()) {
        return Refuse();
      }
    }
    if (!scopes_.empty()) Refuse();
  }

 private:
  // The rest of the file: where one thing isn't understood, nothing after it is.
  void Refuse() { files_.NoteLine("lines that can't be understood", path_, line_); }

  bool StartsWith(std::string_view word) const { return text_.substr(at_).starts_with(word); }

  void Advance(size_t count) {
    count = std::min(count, text_.size() - at_);
    line_ += static_cast<uint32_t>(std::count(text_.begin() + static_cast<ptrdiff_t>(at_),
                                              text_.begin() + static_cast<ptrdiff_t>(at_ + count),
                                              '\n'));
    at_ += count;
  }

  void SkipLine() { Advance(std::min(text_.find('\n', at_), text_.size()) - at_); }

  // Past white space and comments. False at the end.
  bool SkipToStatement() {
    while (at_ < text_.size()) {
      if (absl::ascii_isspace(static_cast<unsigned char>(text_[at_]))) {
        Advance(1);
      } else if (StartsWith("/*")) {
        const size_t end = text_.find("*/", at_ + 2);
        Advance(end == std::string_view::npos ? text_.size() : end + 2 - at_);
      } else if (StartsWith("//")) {
        SkipLine();
      } else if (text_[at_] == '#') {
        ReadDirective();
      } else {
        return true;
      }
    }
    return false;
  }

  void ReadDirective() {
    const size_t end = std::min(text_.find('\n', at_), text_.size());
    std::string_view line = text_.substr(at_, end - at_);
    line = Trim(line.substr(0, line.find(';')));
    const std::vector<std::string> words = SplitWords(line);
    if (!words.empty() && words[0] == "#clear") {
      for (size_t i = 1; i < words.size(); ++i) Clear(words[i]);
    } else if (!words.empty() && words[0] == "#include") {
      files_.NoteLine("#include of apt.conf", path_, line_);
    }
    SkipLine();
  }

  void Clear(std::string_view name) {
    Setting setting = Here(Scoped(name));
    setting.resets = true;
    AddSetting(setting, files_, settings_);
    if (setting.key.ends_with("::")) return;
    setting.key += "::";
    AddSetting(std::move(setting), files_, settings_);
  }

  std::string Scoped(std::string_view name) const {
    std::string whole;
    for (const std::string& scope : scopes_) StrAppend(&whole, scope, "::");
    return StrCat(whole, name);
  }

  Setting Here(std::string key) const {
    Setting setting;
    setting.path = path_;
    setting.line = line_;
    setting.key = std::move(key);
    return setting;
  }

  // NAME [value] ; or NAME { or "member" ;
  bool ReadStatement() {
    std::string name;
    if (text_[at_] != '"') {
      const size_t end = std::min(text_.find_first_of(" \t\r\n\"{};", at_), text_.size());
      name = text_.substr(at_, end - at_);
      Advance(end - at_);
    }
    if (!SkipToStatement()) return false;
    if (text_[at_] == '{') {
      Advance(1);
      if (scopes_.size() == kMaxDepth || name.empty()) return false;
      scopes_.push_back(std::move(name));
      return true;
    }
    const uint32_t line = line_;
    std::string value;
    if (!ReadValue(&value)) return false;
    // Members of a list have no name of their own.
    if (name.empty()) {
      name = Scoped("");
      if (name.empty()) return false;
    } else {
      name = Scoped(name);
    }
    Setting setting = Here(std::move(name));
    setting.line = line;
    setting.values = SplitWords(value);
    setting.value = std::move(value);
    return AddSetting(std::move(setting), files_, settings_);
  }

  // "…" or words, up to ; or the } that ends the scope.
  bool ReadValue(std::string* value) {
    while (SkipToStatement()) {
      const char byte = text_[at_];
      if (byte == ';') {
        Advance(1);
        return true;
      }
      if (byte == '}') return true;
      if (byte == '{') return false;
      if (byte == '"') {
        const size_t end = text_.find('"', at_ + 1);
        if (end == std::string_view::npos) return false;
        value->append(text_.substr(at_ + 1, end - at_ - 1));
        Advance(end + 1 - at_);
        continue;
      }
      const size_t end = std::min(text_.find_first_of(" \t\r\n\"{};", at_), text_.size());
      if (!value->empty()) *value += ' ';
      value->append(text_.substr(at_, end - at_));
      Advance(end - at_);
    }
    return false;
  }

  const std::string& path_;
  const std::string_view text_;
  FileSource& files_;
  std::vector<Setting>* const settings_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  std::vector<std::string> scopes_;
};

}  // namespace

void ReadApt(const std::string& path, std::string_view text, FileSource& files,
             std::vector<Setting>* settings) {
  AptReader(path, text, files, settings).Read();
}

}  // namespace dragnet::settings
