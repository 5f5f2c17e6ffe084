// KEY=value: on its own, and in sections.
#include <algorithm>

#include "modules/settings/formats.h"

namespace dragnet::settings {
namespace {

// Up to a # that begins a word outside of quotes.
std::string_view WithoutComment(std::string_view text) {
  char quote = '\0';
  for (size_t i = 0; i < text.size(); ++i) {
    const char byte = text[i];
    if (quote != '\0') {
      if (byte == quote) quote = '\0';
    } else if (byte == '"' || byte == '\'') {
      quote = byte;
    } else if (byte == '#' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t')) {
      return text.substr(0, i);
    }
  }
  // A lone quote is a character as any other (don't); then # may be one, too.
  return text;
}

std::string Unquoted(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.find(text.front(), 1) == text.size() - 1) {
    text = text.substr(1, text.size() - 2);
  }
  return std::string(text);
}

}  // namespace

void ReadKeyValue(const std::string& path, std::string_view text, FileSource& files,
                  std::vector<Setting>* settings) {
  Lines lines(text, /*continued=*/true);
  for (std::string whole; lines.Next(&whole);) {
    std::string_view line = Trim(whole);
    if (line.empty() || line.starts_with('#') || line.starts_with(';')) continue;
    constexpr std::string_view kExport = "export ";
    if (line.starts_with(kExport) && line.find('=') != std::string_view::npos)
      line = Trim(line.substr(kExport.size()));
    const size_t end = std::min(line.find_first_of(" \t="), line.size());
    if (end == 0) {
      files.NoteLine("lines that can't be understood", path, lines.number());
      continue;
    }
    std::string_view rest = Trim(line.substr(end));
    if (rest.starts_with('=')) rest = Trim(rest.substr(1));
    Setting setting;
    setting.path = path;
    setting.line = lines.number();
    setting.key = line.substr(0, end);
    setting.value = Unquoted(Trim(WithoutComment(rest)));
    setting.values = SplitWords(setting.value);
    if (!AddSetting(std::move(setting), files, settings)) return;
  }
}

void ReadIni(const std::string& path, std::string_view text, FileSource& files,
             std::vector<Setting>* settings) {
  Lines lines(text, /*continued=*/true);
  std::string section;
  for (std::string whole; lines.Next(&whole);) {
    const std::string_view line = Trim(whole);
    if (line.empty() || line.starts_with('#') || line.starts_with(';')) continue;
    if (line.starts_with('[') && line.ends_with(']')) {
      section = line.substr(1, line.size() - 2);
      continue;
    }
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      files.NoteLine("lines that can't be understood", path, lines.number());
      continue;
    }
    Setting setting;
    setting.path = path;
    setting.line = lines.number();
    setting.section = section;
    setting.key = Trim(line.substr(0, equals));
    setting.value = Unquoted(Trim(line.substr(equals + 1)));
    setting.values = SplitWords(setting.value);
    setting.resets = setting.value.empty();
    if (!AddSetting(std::move(setting), files, settings)) return;
  }
}

}  // namespace dragnet::settings
