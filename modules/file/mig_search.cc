#include "modules/file/mig_search.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/file/mig_mode.h"

namespace dragnet::file {
namespace {

// MIG's own limit where a search gives none.
constexpr uint32_t kMigMatchLimit = 1000;

struct FilterKindWords {
  std::string_view key;
  // On MIG's command line, in mismatch and, but for bytes, in rows' `matched`.
  std::string_view flag;
};
constexpr FilterKindWords kKinds[kMigFilterKinds] = {
    {"contents", "content"}, {"bytes", "bytes"},  {"names", "name"}, {"sizes", "size"},
    {"modes", "mode"},       {"mtimes", "mtime"}, {"md5", "md5"},    {"sha1", "sha1"},
    {"sha2", "sha2"},        {"sha3", "sha3"},
};

std::string_view Flag(MigFilterKind kind) { return kKinds[static_cast<size_t>(kind)].flag; }
std::string_view OurFlag(MigFilterKind kind) {
  return kind == MigFilterKind::kBytes ? "content" : Flag(kind);
}

absl::Status Invalid(std::string_view what) {
  return absl::InvalidArgumentError(absl::string_view(what.data(), what.size()));
}

std::string Quoted(std::string_view text) {
  return StrCat("'", ForTerminal(Shorten(text, 100)), "'");
}

bool AllDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// MIG's < and > include the size itself.
absl::StatusOr<std::string> SizeOf(std::string_view mig) {
  std::string_view number = mig;
  std::string sign;
  if (!number.empty() && (number[0] == '<' || number[0] == '>')) {
    sign = StrCat(number.substr(0, 1), "=");
    number.remove_prefix(1);
  }
  std::string_view digits = number;
  if (!digits.empty() && std::string_view("kmgt").find(digits.back()) != std::string_view::npos)
    digits.remove_suffix(1);
  if (digits.empty() || !AllDigits(digits)) {
    return Invalid("is no size: write <50k, >1m or 1024, with k, m, g or t for powers of 1024");
  }
  return sign + std::string(number);
}

absl::StatusOr<std::string> MtimeOf(std::string_view mig) {
  const bool well_formed = mig.size() >= 3 && (mig[0] == '<' || mig[0] == '>') &&
                           std::string_view("dhm").find(mig.back()) != std::string_view::npos &&
                           AllDigits(mig.substr(1, mig.size() - 2));
  if (!well_formed) {
    return Invalid(
        "is no age: write <90d for the last 90 days, >5h for more than 5 hours ago; "
        "units d, h, m (minutes)");
  }
  return std::string(mig);
}

absl::StatusOr<std::string> BytesOf(std::string_view mig) {
  std::string bytes;
  if (mig.empty() || !HexDecode(mig, &bytes)) return Invalid("is not in hexadecimal digits");
  std::string regex;
  for (const char c : bytes) {
    if (c == '\n') {
      return Invalid(
          "holds the byte 0a, which ends a line: Dragnet matches within lines. Write "
          "the part before or after it, or a YARA rule");
    }
    StrAppend(&regex, "\\x", HexEncode(std::string_view(&c, 1)));
  }
  return regex;
}

absl::StatusOr<std::string> OursOf(MigFilterKind kind, std::string_view mig) {
  if (mig.empty()) return Invalid("is empty");
  switch (kind) {
    case MigFilterKind::kSize:
      return SizeOf(mig);
    case MigFilterKind::kMtime:
      return MtimeOf(mig);
    case MigFilterKind::kBytes:
      return BytesOf(mig);
    case MigFilterKind::kMode:
      if (mig[0] == '!') {
        return Invalid(
            "begins with !, which MIG's modes take as a character that no mode has: "
            "write the expression without it, and \"mismatch\": [\"mode\"]");
      }
      return LsModeRegex(mig);
    case MigFilterKind::kContent:
    case MigFilterKind::kName:
      // A lone ! inverts nothing in MIG.
      return mig == "!" ? std::string("[!]") : std::string(mig);
    default:
      return std::string(mig);
  }
}

absl::Status AddFilter(MigFilterKind kind, std::string_view mig, std::string_view where,
                       MigSearch* search) {
  absl::StatusOr<std::string> ours = OursOf(kind, mig);
  if (!ours.ok()) return Invalid(StrCat(where, " ", Quoted(mig), " ", ours.status().message()));
  search->filters.push_back({kind, std::string(mig), *std::move(ours)});
  return absl::OkStatus();
}

// Puts the filters into MIG's order and checks what only the whole shows.
absl::Status Finish(std::string_view where, MigSearch* search) {
  if (search->paths.empty()) return Invalid(StrCat(where, "paths: missing: a search needs one"));
  std::ranges::stable_sort(search->filters, {}, &MigFilter::kind);
  for (const std::string& filter : search->mismatch) {
    const bool known = std::any_of(std::begin(kKinds), std::end(kKinds),
                                   [&](const auto& kind) { return kind.flag == filter; });
    if (!known) {
      return Invalid(StrCat(where, "mismatch ", Quoted(filter),
                            " is no filter: write name, size, mode, mtime, content, bytes, md5, "
                            "sha1, sha2 or sha3"));
    }
  }
  const auto has = [&](MigFilterKind kind) {
    return std::ranges::any_of(search->filters, [&](const auto& f) { return f.kind == kind; });
  };
  if (has(MigFilterKind::kBytes)) {
    if (search->macroal) {
      return Invalid(StrCat(where, "bytes: can't be in a search with macroal: write two searches"));
    }
    if (has(MigFilterKind::kContent) &&
        search->Mismatches(MigFilterKind::kBytes) != search->Mismatches(MigFilterKind::kContent)) {
      return Invalid(StrCat(where,
                            "mismatch: both of content and bytes or none, where a search has "
                            "both: write two searches"));
    }
  }
  // A row shows the first 200 bytes of a filter: two that are equal so far
  // could not be told apart.
  if (!search->match_all) {
    for (size_t i = 1; i < search->filters.size(); ++i) {
      const MigFilter& left = search->filters[i - 1];
      const MigFilter& right = search->filters[i];
      if (left.kind == right.kind && left.ours.size() > 190 &&
          left.ours.compare(0, 190, right.ours, 0, 190) == 0) {
        return Invalid(StrCat(where, MigKey(left.kind),
                              ": two of them are equal in their first 190 bytes: put them into "
                              "searches of their own"));
      }
    }
  }
  return absl::OkStatus();
}

// ---- JSON

// Null is what MIG's own results have for an empty list.
absl::StatusOr<std::vector<std::string>> Strings(const MigJson& value, std::string_view where) {
  std::vector<std::string> strings;
  if (value.is_null()) return strings;
  if (!value.is_array()) return Invalid(StrCat(where, ": must be a list of texts"));
  for (const MigJson& item : value) {
    if (!item.is_string()) {
      return Invalid(StrCat(where, "[", strings.size(), "]: must be a text"));
    }
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

absl::StatusOr<bool> Bool(const MigJson& value, std::string_view where) {
  if (value.is_null()) return false;
  if (!value.is_boolean()) return Invalid(StrCat(where, ": must be true or false"));
  return value.get<bool>();
}

absl::StatusOr<uint32_t> WholeNumber(double number, std::string_view where) {
  if (!(number >= 0) || number > 4294967295.0 || std::floor(number) != number) {
    return Invalid(StrCat(where, ": must be a whole number from 0 to 4294967295"));
  }
  return static_cast<uint32_t>(number);
}

absl::StatusOr<uint32_t> Number(const MigJson& value, std::string_view where) {
  if (value.is_null()) return 0u;
  if (!value.is_number()) return Invalid(StrCat(where, ": must be a number"));
  return WholeNumber(value.get<double>(), where);
}

absl::Status ReadOption(const std::string& key, const MigJson& value, std::string_view where,
                        MigSearch* search) {
  const auto flag = [&](bool* to) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(*to, Bool(value, where));
    return absl::OkStatus();
  };
  const auto number = [&](uint32_t* to) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(*to, Number(value, where));
    return absl::OkStatus();
  };
  if (key == "maxdepth") return number(&search->max_depth);
  if (key == "maxerrors") return number(&search->max_errors);
  if (key == "matchlimit") return number(&search->match_limit);
  if (key == "matchall") return flag(&search->match_all);
  if (key == "macroal") return flag(&search->macroal);
  if (key == "remotefs") return flag(&search->remote_fs);
  if (key == "returnsha256") return flag(&search->return_sha256);
  if (key == "decompress") return flag(&search->decompress);
  if (key == "mismatch") {
    DRAGNET_ASSIGN_OR_RETURN(search->mismatch, Strings(value, where));
    return absl::OkStatus();
  }
  if (key == "matchany") {
    // No key of MIG's, but its flag's name; what it says there is the default.
    DRAGNET_ASSIGN_OR_RETURN(const bool match_any, Bool(value, where));
    if (match_any) return absl::OkStatus();
    return Invalid(StrCat(where, ": write \"matchall\": true instead"));
  }
  if (key == "debug") {
    return Invalid(StrCat(where, ": prints on MIG's agent, and has no counterpart: remove it"));
  }
  return Invalid(StrCat(where,
                        ": unknown: the options are maxdepth, maxerrors, remotefs, matchall, "
                        "macroal, mismatch, matchlimit, returnsha256, decompress"));
}

absl::StatusOr<MigSearch> ReadSearch(const std::string& label, const MigJson& json) {
  const std::string where = StrCat("searches.", ForTerminal(Shorten(label, 100)), ".");
  if (label.empty()) return Invalid("searches: a label is empty");
  if (!json.is_object()) return Invalid(StrCat(where, ": must be a JSON object"));
  MigSearch search;
  search.label = label;
  for (const auto& [key, value] : json.items()) {
    const std::string field = where + ForTerminal(Shorten(key, 100));
    if (key == "description") {
      if (!value.is_string()) return Invalid(StrCat(field, ": must be a text"));
      search.description = value.get<std::string>();
      continue;
    }
    if (key == "options") {
      if (value.is_null()) continue;
      if (!value.is_object()) return Invalid(StrCat(field, ": must be a JSON object"));
      if (value.value("matchall", MigJson()) == true && value.value("matchany", MigJson()) == true)
        return Invalid(StrCat(field, ": has both matchall and matchany"));
      for (const auto& [name, option] : value.items()) {
        DRAGNET_RETURN_IF_ERROR(
            ReadOption(name, option, StrCat(field, ".", ForTerminal(Shorten(name, 100))), &search));
      }
      continue;
    }
    if (key == "paths") {
      DRAGNET_ASSIGN_OR_RETURN(search.paths, Strings(value, field));
      continue;
    }
    // What MIG called contents in 2014; it finds nothing for it today.
    const std::string_view current = key == "regexes" ? "contents" : std::string_view(key);
    const auto* kind =
        std::find_if(std::begin(kKinds), std::end(kKinds),
                     [&](const auto& candidate) { return candidate.key == current; });
    if (kind == std::end(kKinds)) {
      return Invalid(StrCat(field,
                            ": unknown: a search has description, paths, contents, bytes, names, "
                            "sizes, modes, mtimes, md5, sha1, sha2, sha3, options"));
    }
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> values, Strings(value, field));
    for (size_t i = 0; i < values.size(); ++i) {
      DRAGNET_RETURN_IF_ERROR(AddFilter(static_cast<MigFilterKind>(kind - std::begin(kKinds)),
                                        values[i], StrCat(field, "[", i, "]"), &search));
    }
  }
  DRAGNET_RETURN_IF_ERROR(Finish(where, &search));
  return search;
}

}  // namespace

std::string_view MigKey(MigFilterKind kind) { return kKinds[static_cast<size_t>(kind)].key; }

bool MigSearch::Mismatches(MigFilterKind kind) const {
  return std::ranges::find(mismatch, Flag(kind)) != mismatch.end();
}

absl::StatusOr<std::vector<MigSearch>> ReadMigSearches(const MigJson& parameters) {
  if (!parameters.is_object()) return Invalid("parameters: must be a JSON object");
  const auto searches = parameters.find("searches");
  for (const auto& [key, value] : parameters.items()) {
    if (key == "searches") continue;
    if (searches == parameters.end()) {
      return Invalid(StrCat(Quoted(key),
                            ": a form of MIG from before \"searches\": write {\"searches\": "
                            "{LABEL: {\"paths\": […], \"names\": […], \"contents\": […]}}}"));
    }
    return Invalid(StrCat(Quoted(key), ": unknown: the parameters have one key, \"searches\""));
  }
  if (searches == parameters.end()) return Invalid("searches: missing");
  if (!searches->is_object() || searches->empty()) {
    return Invalid("searches: must be a JSON object of searches by label, with one at least");
  }
  std::vector<MigSearch> read;
  for (const auto& [label, json] : searches->items()) {
    DRAGNET_ASSIGN_OR_RETURN(MigSearch search, ReadSearch(label, json));
    read.push_back(std::move(search));
  }
  return read;
}

MigJson MigSearch::Echo(const std::vector<std::string>& shown_paths,
                        const std::vector<const MigFilter*>& shown, bool whole) const {
  MigJson echo = MigJson::object();
  if (whole && !description.empty()) echo["description"] = description;
  echo["paths"] = shown_paths;
  for (const MigFilter* filter : shown)
    echo[std::string(MigKey(filter->kind))].push_back(filter->mig);
  MigJson options = MigJson::object();
  // MIG sets the numbers back before it shows them, and shows of a filter's own
  // match only whether it was one of all.
  options["maxdepth"] = 0;
  options["maxerrors"] = 0;
  if (whole && remote_fs) options["remotefs"] = true;
  options["matchall"] = match_all;
  options["macroal"] = whole && macroal;
  options["mismatch"] = whole && !mismatch.empty() ? MigJson(mismatch) : MigJson();
  options["matchlimit"] = 0;
  if (whole && return_sha256) options["returnsha256"] = true;
  if (whole && decompress) options["decompress"] = true;
  echo["options"] = std::move(options);
  return echo;
}

v1::Search ToSearch(const MigSearch& search) {
  std::vector<const MigFilter*> all;
  for (const MigFilter& filter : search.filters) all.push_back(&filter);
  return ToSearch(search, all);
}

v1::Search ToSearch(const MigSearch& search, const std::vector<const MigFilter*>& only) {
  v1::Search to;
  to.set_label(search.label);
  for (const std::string& path : search.paths) to.add_paths(path);
  for (const MigFilter* filter : only) {
    switch (filter->kind) {
      case MigFilterKind::kContent:
      case MigFilterKind::kBytes:
        to.add_contents(filter->ours);
        break;
      case MigFilterKind::kName:
        to.add_names(filter->ours);
        break;
      case MigFilterKind::kSize:
        to.add_sizes(filter->ours);
        break;
      case MigFilterKind::kMode:
        to.add_modes(filter->ours);
        break;
      case MigFilterKind::kMtime:
        to.add_mtimes(filter->ours);
        break;
      case MigFilterKind::kMd5:
        to.add_md5(filter->ours);
        break;
      case MigFilterKind::kSha1:
        to.add_sha1(filter->ours);
        break;
      case MigFilterKind::kSha2:
        to.add_sha2(filter->ours);
        break;
      case MigFilterKind::kSha3:
        to.add_sha3(filter->ours);
        break;
    }
    // Only of filters that are there: the others invert nothing.
    const std::string flag(OurFlag(filter->kind));
    const auto& inverted = to.mismatch();
    if (search.Mismatches(filter->kind) &&
        std::find(inverted.begin(), inverted.end(), flag) == inverted.end()) {
      to.add_mismatch(flag);
    }
  }
  // One filter is all of them: the row then needs no judging of each.
  to.set_match_any(!search.match_all && !only.empty());
  to.set_macroal(search.macroal);
  to.set_max_depth(search.max_depth);
  to.set_match_limit(search.match_limit == 0 ? kMigMatchLimit : search.match_limit);
  to.set_return_sha256(search.return_sha256);
  to.set_decompress(search.decompress);
  to.set_network_filesystems(search.remote_fs);
  return to;
}

bool IsEntryOf(std::string_view entry, const MigSearch& search, const MigFilter& filter) {
  const std::string_view flag = OurFlag(filter.kind);
  if (!entry.starts_with(flag)) return false;
  entry.remove_prefix(flag.size());
  const std::string_view sign = search.Mismatches(filter.kind) ? "!=" : "=";
  if (!entry.starts_with(sign)) return false;
  entry.remove_prefix(sign.size());
  const bool is_hash = filter.kind >= MigFilterKind::kMd5;
  // A set of hashes inverts as a whole.
  if (is_hash && sign == "!=") return true;
  if (is_hash) return absl::AsciiStrToLower(filter.ours) == entry;
  if (entry == filter.ours) return true;
  constexpr std::string_view kCut = "…";
  if (!entry.ends_with(kCut)) return false;
  entry.remove_suffix(kCut.size());
  return std::string_view(filter.ours).starts_with(entry);
}

// ---- MIG's command line

namespace {

// Words as a shell takes them apart: blanks separate; '…' as it is; in "…" and
// outside, \ takes the next character as it is (in "…" only \ and ").
absl::StatusOr<std::vector<std::string>> ShellWords(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
      continue;
    }
    in_word = true;
    if (c == '\'' || c == '"') {
      size_t end = i + 1;
      for (; end < line.size() && line[end] != c; ++end) {
        if (c == '"' && line[end] == '\\' && end + 1 < line.size() &&
            (line[end + 1] == '"' || line[end + 1] == '\\')) {
          ++end;
        }
        word.push_back(line[end]);
      }
      if (end >= line.size()) return Invalid(StrCat("a ", std::string(1, c), " is not closed"));
      i = end;
    } else if (c == '\\' && i + 1 < line.size() &&
               std::string_view(" \t'\"\\").find(line[i + 1]) != std::string_view::npos) {
      // Only where it must: \.conf without quotes is an expression in MIG.
      word.push_back(line[++i]);
    } else {
      word.push_back(c);
    }
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

absl::StatusOr<bool> FlagBool(std::string_view text, std::string_view flag) {
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"})
    if (text == yes) return true;
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"})
    if (text == no) return false;
  return Invalid(StrCat("-", flag, "=", Quoted(text), ": write true or false"));
}

absl::Status TakeFlag(const std::string& flag, const std::string& value, bool* match_any,
                      MigSearch* search) {
  const auto number = [&](uint32_t* to) -> absl::Status {
    if (value.empty() || !AllDigits(value) || value.size() > 10) {
      return Invalid(StrCat("-", flag, " ", Quoted(value), ": must be a whole number"));
    }
    DRAGNET_ASSIGN_OR_RETURN(*to, WholeNumber(std::stod(value), StrCat("-", flag)));
    return absl::OkStatus();
  };
  const auto boolean = [&](bool* to) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(*to, FlagBool(value, flag));
    return absl::OkStatus();
  };
  if (flag == "path") {
    search->paths.push_back(value);
    return absl::OkStatus();
  }
  if (flag == "mismatch") {
    search->mismatch.push_back(value);
    return absl::OkStatus();
  }
  if (flag == "maxdepth") return number(&search->max_depth);
  if (flag == "maxerrors") return number(&search->max_errors);
  if (flag == "matchlimit") return number(&search->match_limit);
  if (flag == "matchall") return boolean(&search->match_all);
  if (flag == "matchany") return boolean(match_any);
  if (flag == "macroal") return boolean(&search->macroal);
  if (flag == "returnsha256") return boolean(&search->return_sha256);
  if (flag == "decompress") return boolean(&search->decompress);
  for (size_t i = 0; i < kMigFilterKinds; ++i) {
    if (kKinds[i].flag == flag) {
      return AddFilter(static_cast<MigFilterKind>(i), value, StrCat("-", flag), search);
    }
  }
  return Invalid(StrCat("-", flag, ": unknown"));
}

}  // namespace

absl::StatusOr<MigSearch> ReadMigFlags(std::string_view flags) {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> words, ShellWords(flags));
  MigSearch search;
  search.label = "s1";
  search.match_all = true;
  search.max_depth = 1000;
  search.max_errors = 30;
  bool match_any = false;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (!word.starts_with("-") || word == "-" || word == "--") {
      return Invalid(StrCat(Quoted(word), ": a flag was expected here, like -path or -name"));
    }
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    const size_t equals = word.find('=');
    const std::string flag(word.substr(0, equals));
    if (flag == "verbose") {
      return Invalid("-verbose: prints on MIG's agent, and has no counterpart: remove it");
    }
    std::string value;
    const bool is_switch = flag == "matchall" || flag == "matchany" || flag == "macroal" ||
                           flag == "returnsha256" || flag == "decompress";
    if (equals != std::string_view::npos) {
      value = std::string(word.substr(equals + 1));
    } else if (is_switch) {
      value = "true";
    } else if (i + 1 < words.size()) {
      value = words[++i];
    } else {
      return Invalid(StrCat("-", Quoted(flag), ": its value is missing, or it is unknown"));
    }
    DRAGNET_RETURN_IF_ERROR(TakeFlag(flag, value, &match_any, &search));
  }
  if (match_any) search.match_all = false;
  DRAGNET_RETURN_IF_ERROR(Finish("", &search));
  return search;
}

}  // namespace dragnet::file
