#include "modules/sshkey/key_line.h"

#include <utility>

#include "core/ssh_wire.h"
#include "core/text.h"

namespace dragnet::sshkey {
namespace {

constexpr size_t kMaxOptions = 64;
constexpr size_t kMaxText = 1024;
constexpr std::string_view kSpace = " \t";

std::string Text(std::string_view bytes) {
  return Shorten(ToValidUtf8(bytes.substr(0, 2 * kMaxText)), kMaxText);
}

std::string_view Trim(std::string_view line) {
  const size_t begin = line.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(" \t\r") + 1 - begin);
}

// The word in front of `line`, and the rest without the space between.
std::string_view TakeWord(std::string_view* line) {
  const size_t end = std::min(line->find_first_of(kSpace), line->size());
  const std::string_view word = line->substr(0, end);
  *line = Trim(line->substr(end));
  return word;
}

// TYPE BASE64 [COMMENT]; the type that is written is the one that is encoded.
std::optional<KeyLine> ParseKey(std::string_view text) {
  const std::string_view type = TakeWord(&text);
  if (!IsKeyType(type)) return std::nullopt;
  std::string blob;
  if (!DecodeBase64(TakeWord(&text), &blob) || WireReader(blob).String() != type)
    return std::nullopt;
  auto key = ParsePublicKey(blob);
  if (!key.ok()) return std::nullopt;
  KeyLine line;
  line.key = *std::move(key);
  line.comment = Text(text);
  return line;
}

// Takes the options off `line`: parted by commas, ended by space outside quotes.
// False when a quote isn't closed.
bool TakeOptions(std::string_view* line, std::vector<std::string>* options) {
  std::string option;
  bool quoted = false;
  size_t at = 0;
  const auto end_option = [&] {
    if (options->size() < kMaxOptions) {
      options->push_back(Text(option));
    } else if (options->size() == kMaxOptions) {
      options->push_back("…");
    }
    option.clear();
  };
  for (; at < line->size(); ++at) {
    const char c = (*line)[at];
    if (quoted && c == '\\' && at + 1 < line->size() && (*line)[at + 1] == '"') {
      option.push_back('"');
      ++at;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',') {
      end_option();
    } else if (!quoted && (c == ' ' || c == '\t')) {
      break;
    } else {
      option.push_back(c);
    }
  }
  if (quoted) return false;
  end_option();
  *line = Trim(line->substr(at));
  return true;
}

}  // namespace

bool IsBlankLine(std::string_view line) {
  line = Trim(line);
  return line.empty() || line == "\r" || line.front() == '#';
}

std::optional<KeyLine> ParseKeyLine(std::string_view line) {
  if (IsBlankLine(line)) return std::nullopt;
  line = Trim(line);
  if (auto plain = ParseKey(line)) return plain;
  std::vector<std::string> options;
  if (!TakeOptions(&line, &options)) return std::nullopt;
  auto parsed = ParseKey(line);
  if (parsed) parsed->options = std::move(options);
  return parsed;
}

std::optional<KeyLine> ParseKnownHostLine(std::string_view line) {
  if (IsBlankLine(line)) return std::nullopt;
  line = Trim(line);
  std::string_view marker;
  if (line.starts_with('@')) marker = TakeWord(&line);
  const std::string_view hosts = TakeWord(&line);
  auto parsed = ParseKey(line);
  if (!parsed) return std::nullopt;
  parsed->hosts = Text(hosts);
  if (!marker.empty()) parsed->options.push_back(Text(marker));
  return parsed;
}

}  // namespace dragnet::sshkey
