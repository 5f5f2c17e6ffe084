#include "tests/packs/cases.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "console/packs/problems.h"
#include "console/packs/yaml_reader.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "tests/harness/files.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

using console::Place;
using console::Problems;
using console::YamlNode;

constexpr std::string_view kVerdicts[] = {"pass", "fail", "unknown", "not_applicable"};

std::string Parent(const std::string& path) { return path.substr(0, path.rfind('/')); }

class Reader {
 public:
  explicit Reader(Problems* problems) : problems_(problems) {}

  Cases Read(const YamlNode& document) {
    Cases cases;
    ForEach(document, [&](const std::string& key, const YamlNode& node) {
      if (key == "base") {
        ReadTree(node, &base_);
      } else if (key == "pass_on_empty_root") {
        cases.pass_on_empty_root = Texts(node);
      } else if (key != "cases") {
        Error(node, key, "unknown key: base, pass_on_empty_root and cases are known");
      }
    });
    const YamlNode* checks = document.Find("cases");
    if (checks == nullptr) {
      Error(document, "", "there are no cases");
      return cases;
    }
    ForEach(*checks, [&](const std::string& check, const YamlNode& node) {
      ForEach(node, [&](const std::string& verdict, const YamlNode& trees) {
        ReadVerdict(check, verdict, trees, &cases.cases);
      });
    });
    return cases;
  }

 private:
  template <typename Visitor>
  void ForEach(const YamlNode& node, const Visitor& visit) {
    if (!node.is_mapping()) return Error(node, "", "must be a mapping");
    for (size_t i = 0; i < node.items.size(); ++i) visit(node.keys[i].text, node.items[i]);
  }

  void Error(const YamlNode& node, std::string_view where, std::string_view what) {
    problems_->Error(node.place, where, what);
  }

  std::string Text(const YamlNode& node) {
    if (node.is_scalar()) return node.text;
    if (!node.is_null()) Error(node, "", "must be a text");
    return "";
  }

  std::vector<std::string> Texts(const YamlNode& node) {
    if (!node.is_list()) return {Text(node)};
    std::vector<std::string> texts;
    for (const YamlNode& item : node.items) texts.push_back(Text(item));
    return texts;
  }

  std::string FileText(const YamlNode& node) {
    std::string text = Text(node);
    if (!text.empty() && text.back() != '\n') text += '\n';
    return text;
  }

  uint32_t Number(const YamlNode& node, std::string_view text, int base) {
    char* end = nullptr;
    const std::string copy(text);
    const unsigned long number = std::strtoul(copy.c_str(), &end, base);
    if (copy.empty() || *end != '\0' || number > 0xffffffffUL) {
      Error(node, "", StrCat("\"", text, "\" is no number"));
    }
    return static_cast<uint32_t>(number);
  }

  void ReadVerdict(const std::string& check, const std::string& verdict, const YamlNode& trees,
                   std::vector<Case>* cases) {
    if (std::find(std::begin(kVerdicts), std::end(kVerdicts), verdict) == std::end(kVerdicts)) {
      return Error(trees, StrCat(check, ".", verdict),
                   "is none of: pass, fail, unknown, not_applicable");
    }
    int number = 0;
    const auto add = [&](const YamlNode& tree) {
      Case one;
      one.check = check;
      one.verdict = verdict;
      one.number = ++number;
      one.place = tree.place.ToString();
      one.tree = base_;
      if (!tree.is_null()) ReadCase(tree, &one);
      cases->push_back(std::move(one));
    };
    if (!trees.is_list()) return add(trees);
    for (const YamlNode& tree : trees.items) add(tree);
  }

  void ReadCase(const YamlNode& node, Case* one) {
    ForEach(node, [&](const std::string& key, const YamlNode& value) {
      if (key.starts_with('/')) return ReadEntry(key, value, &one->tree);
      if (key == "setup") {
        one->setup = Text(value);
      } else if (key == "because") {
        one->because = Text(value);
      } else if (key == "user") {
        one->user = Number(value, Text(value), 10);
      } else if (key == "set") {
        ForEach(value, [&](const std::string& name, const YamlNode& text) {
          one->variables.push_back(StrCat(name, "=", Text(text)));
        });
      } else if (key == "pack_files") {
        ForEach(value, [&](const std::string& name, const YamlNode& text) {
          one->pack_files[name] = FileText(text);
        });
      } else {
        Error(value, key, "is neither a path nor one of: setup, because, user, set, pack_files");
      }
    });
  }

  void ReadTree(const YamlNode& node, Entries* entries) {
    ForEach(node, [&](const std::string& path, const YamlNode& value) {
      ReadEntry(path, value, entries);
    });
  }

  void ReadEntry(std::string path, const YamlNode& node, Entries* entries) {
    Entry entry;
    if (path.size() > 1 && path.ends_with('/')) {
      path.pop_back();
      entry.kind = Entry::Kind::kDirectory;
      entry.mode = 0755;
    }
    if (!path.starts_with('/')) return Error(node, path, "must be an absolute path");
    if (node.is_mapping()) {
      ReadFields(node, &entry);
    } else if (entry.kind == Entry::Kind::kFile) {
      entry.content = FileText(node);
      if (node.is_null()) entry.kind = Entry::Kind::kAbsent;
    } else if (!node.is_null()) {
      Error(node, path, "a directory has no content");
    }
    (*entries)[path] = std::move(entry);
  }

  void ReadFields(const YamlNode& node, Entry* entry) {
    ForEach(node, [&](const std::string& key, const YamlNode& value) {
      const std::string text = Text(value);
      if (key == "content") {
        entry->content = FileText(value);
      } else if (key == "mode") {
        entry->mode = Number(value, text, 8);
      } else if (key == "owner") {
        const size_t colon = text.find(':');
        entry->uid = Number(value, text.substr(0, colon), 10);
        if (colon != std::string::npos) entry->gid = Number(value, text.substr(colon + 1), 10);
      } else if (key == "link") {
        entry->kind = Entry::Kind::kLink;
        entry->content = text;
      } else if (key == "fifo") {
        entry->kind = Entry::Kind::kFifo;
      } else {
        Error(value, key, "is none of: content, mode, owner, link, fifo");
      }
    });
  }

  Problems* const problems_;
  Entries base_;
};

absl::StatusOr<YamlNode> ReadDocument(std::string_view text, std::string_view file) {
  YamlNode document;
  Problems problems;
  const bool read = console::ReadYaml(text, file, &document, &problems);
  DRAGNET_RETURN_IF_ERROR(problems.ToStatus());
  if (!read) return absl::InvalidArgumentError(StrCat(file, ": can't be read"));
  return document;
}

void MakeEntry(const std::string& path, const Entry& entry) {
  switch (entry.kind) {
    case Entry::Kind::kFile:
      Write(path, entry.content);
      break;
    case Entry::Kind::kDirectory:
      MakeDirectory(path);
      break;
    case Entry::Kind::kLink:
      Need(::symlink(entry.content.c_str(), path.c_str()) == 0, "symlink", path);
      break;
    case Entry::Kind::kFifo:
      Need(::mkfifo(path.c_str(), entry.mode) == 0, "mkfifo", path);
      break;
    case Entry::Kind::kAbsent:
      return;
  }
  Need(::lchown(path.c_str(), entry.uid, entry.gid) == 0, "chown", path);
  // After chown(2), which takes setuid away.
  if (entry.kind == Entry::Kind::kLink) return;
  Need(::chmod(path.c_str(), entry.mode) == 0, "chmod", path);
}

}  // namespace

absl::StatusOr<Cases> ParseCases(std::string_view text, std::string_view file) {
  DRAGNET_ASSIGN_OR_RETURN(const YamlNode document, ReadDocument(text, file));
  Problems problems;
  Cases cases = Reader(&problems).Read(document);
  DRAGNET_RETURN_IF_ERROR(problems.ToStatus());
  return cases;
}

absl::StatusOr<std::vector<std::string>> OwnChecks(std::string_view text, std::string_view file) {
  DRAGNET_ASSIGN_OR_RETURN(const YamlNode document, ReadDocument(text, file));
  std::vector<std::string> ids;
  const YamlNode* checks = document.Find("checks");
  if (checks == nullptr) return ids;
  for (const YamlNode& check : checks->items) {
    const YamlNode* id = check.Find("id");
    if (id == nullptr) return absl::InvalidArgumentError(StrCat(file, ": a check without id"));
    ids.push_back(id->text);
  }
  return ids;
}

void MakeTree(const Entries& entries, const std::string& root) {
  // What has none of etc, usr and bin is no image: nothing is checked there.
  std::error_code etc;
  std::filesystem::create_directories(root + "/etc", etc);
  Need(!etc, "mkdir", root + "/etc");
  // In the order of paths a directory comes before what is in it.
  for (const auto& [path, entry] : entries) {
    if (entry.kind == Entry::Kind::kAbsent) continue;
    std::error_code error;
    std::filesystem::create_directories(root + Parent(path), error);
    Need(!error, "mkdir", root + path);
    MakeEntry(root + path, entry);
  }
}

}  // namespace dragnet::testing
