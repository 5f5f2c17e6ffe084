#include "modules/scribe/values.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <set>

#include "absl/strings/numbers.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"
#include "modules/file/file.pb.h"
#include "modules/file/open.h"
#include "modules/pkg/pkg.pb.h"

namespace dragnet {

const Module& FileModule();
const Module& PkgModule();

namespace scribe {
namespace {

// As MIG searches for files.
constexpr uint32_t kLevels = 10;
constexpr uint32_t kMaxFiles = 1000;
// What one run of module file takes.
constexpr size_t kSearchesAtOnce = 100;
constexpr size_t kMaxLineBytes = 1 << 20;
constexpr size_t kReadBytes = 64 << 10;
// Of all values together.
constexpr size_t kMaxValueBytes = 16 << 20;
constexpr size_t kMaxValues = 200'000;

// Runs another module: its rows come here, all else goes to the real context.
class InnerContext : public RunContext {
 public:
  using Sink = std::function<void(const google::protobuf::Message&)>;
  InnerContext(RunContext& outer, Sink sink) : outer_(outer), sink_(std::move(sink)) {}

  bool EmitRow(const google::protobuf::Message& row) override {
    const std::lock_guard lock(mutex_);
    sink_(row);
    return !outer_.stopping();
  }
  void AddExamined(uint64_t items, uint64_t bytes) override { outer_.AddExamined(items, bytes); }
  void NoteUnexamined(std::string_view reason, std::string_view example) override {
    outer_.NoteUnexamined(reason, example);
  }
  void NoteLimitHit(std::string_view what) override { outer_.NoteLimitHit(what); }
  bool stopping() const override { return outer_.stopping(); }

 private:
  RunContext& outer_;
  std::mutex mutex_;
  const Sink sink_;
};

// The path means itself, whatever it holds.
std::string Literal(std::string_view path) {
  std::string literal;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') literal.push_back('\\');
    literal.push_back(c);
  }
  return literal;
}

// What was searched for is named by its real path: a link in it came later.
UniqueFd OpenReal(const std::string& path) {
  UniqueFd directory(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  size_t begin = 1;
  for (size_t slash; (slash = path.find('/', begin)) != std::string::npos; begin = slash + 1) {
    if (slash == begin) continue;
    const std::string name = path.substr(begin, slash - begin);
    directory = UniqueFd(
        openat(directory.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory.valid()) return directory;
  }
  return file::OpenForReading(directory.get(), path.c_str() + begin, 0);
}

class Finder {
 public:
  Finder(const Document& document, RunContext& context)
      : document_(document), context_(context), found_(document.objects.size()) {}

  absl::StatusOr<std::vector<ObjectValues>> Find() {
    DRAGNET_RETURN_IF_ERROR(ListPackages());
    DRAGNET_RETURN_IF_ERROR(SearchFiles());
    for (size_t i = 0; i < document_.objects.size() && !context_.stopping(); ++i) {
      const Object& object = document_.objects[i];
      if (object.IsChain()) {
        found_[i].status = absl::FailedPreconditionError("object not prepared");
        continue;
      }
      if (object.kind == ObjectKind::kPackage) continue;
      found_[i].values = ValuesOf(object, files_[i]);
    }
    return std::move(found_);
  }

 private:
  void Add(Value value, std::vector<Value>* values) {
    value_bytes_ += value.identifier.size() + value.text.size();
    if (++value_count_ > kMaxValues || value_bytes_ > kMaxValueBytes) {
      if (!full_) context_.NoteLimitHit("values of all objects: 200,000, or 16 MiB");
      full_ = true;
      return;
    }
    values->push_back(std::move(value));
  }

  absl::Status ListPackages() {
    std::multimap<std::string, size_t> by_name;
    std::vector<size_t> by_regex;
    for (size_t i = 0; i < document_.objects.size(); ++i) {
      const Object& object = document_.objects[i];
      if (object.kind != ObjectKind::kPackage) continue;
      if (object.collect_match == nullptr) {
        by_name.emplace(object.package, i);
      } else {
        by_regex.push_back(i);
      }
    }
    if (by_name.empty() && by_regex.empty()) return absl::OkStatus();
    const auto take = [&](size_t index, const pkg::v1::PkgRow& row) {
      const Ordering ordering = row.type() == "dpkg"  ? Ordering::kDpkg
                                : row.type() == "apk" ? Ordering::kApk
                                                      : Ordering::kRpm;
      const Object& object = document_.objects[index];
      std::vector<Value>& values = found_[index].values;
      if (object.only_newest && !values.empty()) {
        if (CompareVersions(ordering, values[0].text, row.version()) < 0)
          values[0] = {object.package, row.version(), ordering};
        return;
      }
      Add({object.package, row.version(), ordering}, &values);
    };
    InnerContext inner(context_, [&](const google::protobuf::Message& message) {
      const auto* row = dynamic_cast<const pkg::v1::PkgRow*>(&message);
      if (row == nullptr) return;
      const auto [begin, end] = by_name.equal_range(row->name());
      for (auto it = begin; it != end; ++it) take(it->second, *row);
      for (const size_t index : by_regex)
        if (RE2::PartialMatch(row->name(), *document_.objects[index].collect_match))
          take(index, *row);
    });
    const std::unique_ptr<google::protobuf::Message> parameters = PkgModule().NewParameters();
    return PkgModule().Run(*parameters, inner);
  }

  absl::Status SearchFiles() {
    files_.resize(document_.objects.size());
    std::vector<size_t> pending;
    const auto search = [&]() -> absl::Status {
      if (pending.empty()) return absl::OkStatus();
      file::v1::FileParameters parameters;
      for (const size_t index : pending) {
        AddSearch(StrCat(index), document_.objects[index].path, document_.objects[index],
                  &parameters);
      }
      pending.clear();
      return RunSearches(parameters, [&](size_t index, std::string path) {
        files_[index].push_back(std::move(path));
      });
    };
    for (size_t i = 0; i < document_.objects.size(); ++i) {
      const Object& object = document_.objects[i];
      if (!object.UsesFiles() || object.IsChain()) continue;
      pending.push_back(i);
      if (pending.size() == kSearchesAtOnce) DRAGNET_RETURN_IF_ERROR(search());
    }
    DRAGNET_RETURN_IF_ERROR(search());
    for (std::vector<std::string>& paths : files_) std::ranges::sort(paths);
    return absl::OkStatus();
  }

  static void AddSearch(std::string label, std::string_view path, const Object& object,
                        file::v1::FileParameters* parameters) {
    file::v1::Search* search = parameters->add_searches();
    search->set_label(std::move(label));
    search->add_paths(Literal(path));
    search->add_names(object.file);
    search->set_max_depth(kLevels);
    search->set_match_limit(kMaxFiles);
    // Not those of processes: they say nothing of how a host is set up, and
    // most of them can't be read.
    for (const char* process : {"/proc/[0-9]*", "/proc/self", "/proc/thread-self"})
      search->add_excludes(process);
  }

  absl::Status RunSearches(const file::v1::FileParameters& parameters,
                           const std::function<void(size_t, std::string)>& take) {
    InnerContext inner(context_, [&](const google::protobuf::Message& message) {
      const auto* row = dynamic_cast<const file::v1::FileRow*>(&message);
      size_t index = 0;
      if (row == nullptr || !absl::SimpleAtoi(row->search(), &index)) return;
      take(index, row->path_raw().empty() ? row->path() : row->path_raw());
    });
    DRAGNET_RETURN_IF_ERROR(FileModule().Validate(parameters));
    return FileModule().Run(parameters, inner);
  }

  std::vector<Value> ValuesOf(const Object& object, const std::vector<std::string>& files) {
    std::vector<Value> values;
    if (object.kind == ObjectKind::kRaw) {
      for (const auto& [identifier, text] : object.raw) Add({identifier, text}, &values);
      return values;
    }
    std::vector<std::string> with_values;
    for (const std::string& path : files) {
      if (context_.stopping()) break;
      const size_t before = values.size();
      if (object.kind == ObjectKind::kFileName) {
        NameOf(object, path, &values);
      } else {
        ContentOf(object, path, &values);
      }
      if (values.size() > before) with_values.push_back(path);
    }
    for (const std::string& path : with_values) Chain(object, path, &values);
    if (!object.concat.empty() && !values.empty()) return {Joined(object.concat, values)};
    return values;
  }

  void NameOf(const Object& object, const std::string& path, std::vector<Value>* values) {
    const std::string name = path.substr(path.rfind('/') + 1);
    std::string group;
    for (const std::string& text : {name, path}) {
      if (!RE2::PartialMatch(ToValidUtf8(text), *object.file_regex, &group)) continue;
      Add({ToValidUtf8(path), group}, values);
      return;
    }
  }

  void ContentOf(const Object& object, const std::string& path, std::vector<Value>* values) {
    const UniqueFd fd = OpenReal(path);
    struct stat status = {};
    if (!fd.valid() || fstat(fd.get(), &status) != 0) {
      // What is gone by now holds nothing.
      if (errno != ENOENT)
        context_.NoteUnexamined(file::IsReplaced(errno) ? file::kReplaced : file::ErrorWords(errno),
                                ToValidUtf8(path));
      return;
    }
    if (!S_ISREG(status.st_mode)) {
      context_.NoteUnexamined(file::kReplaced, ToValidUtf8(path));
      return;
    }
    const bool only_whether = object.kind == ObjectKind::kHasLine;
    bool matched = false;
    ForEachLine(fd.get(), path, [&](std::string_view line) {
      matched = TakeLine(object, path, line, only_whether ? nullptr : values) || matched;
      return !(only_whether && matched) && !full_ && !context_.stopping();
    });
    if (only_whether) Add({ToValidUtf8(path), matched ? "true" : "false"}, values);
  }

  // Lines without their ends, \n or \r\n.
  void ForEachLine(int fd, const std::string& path,
                   const std::function<bool(std::string_view)>& visit) {
    std::string line;
    bool too_long = false;
    uint64_t bytes = 0;
    std::string buffer(kReadBytes, '\0');
    const auto end_line = [&] {
      if (too_long) context_.NoteUnexamined("line over 1 MiB", ToValidUtf8(path));
      bool more = true;
      if (!too_long) {
        if (line.ends_with('\r')) line.pop_back();
        more = visit(line);
      }
      line.clear();
      too_long = false;
      return more;
    };
    for (bool more = true; more;) {
      const ssize_t size = read(fd, buffer.data(), buffer.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) context_.NoteUnexamined(file::ErrorWords(errno), ToValidUtf8(path));
      if (size <= 0) {
        if (size == 0 && (!line.empty() || too_long)) end_line();
        break;
      }
      bytes += static_cast<uint64_t>(size);
      std::string_view piece(buffer.data(), static_cast<size_t>(size));
      while (more && !piece.empty()) {
        const size_t newline = piece.find('\n');
        const std::string_view part = piece.substr(0, newline);
        if (!too_long && line.size() + part.size() <= kMaxLineBytes) {
          line.append(part);
        } else {
          too_long = true;
        }
        if (newline == std::string_view::npos) break;
        piece.remove_prefix(newline + 1);
        more = end_line();
      }
    }
    context_.AddExamined(0, bytes);
  }

  // Adds what the groups catch. Whether the expression matches.
  bool TakeLine(const Object& object, const std::string& path, std::string_view bytes,
                std::vector<Value>* values) {
    std::string valid;
    if (!IsValidUtf8(bytes)) {
      valid = ToValidUtf8(bytes);
      bytes = valid;
    }
    const int groups = values == nullptr ? 0 : object.expression->NumberOfCapturingGroups();
    std::vector<re2::StringPiece> caught(static_cast<size_t>(groups) + 1);
    const re2::StringPiece line(bytes.data(), bytes.size());
    if (!object.expression->Match(line, 0, line.size(), RE2::UNANCHORED, caught.data(),
                                  static_cast<int>(caught.size()))) {
      return false;
    }
    for (size_t i = 1; i < caught.size(); ++i) {
      Add({ToValidUtf8(path),
           std::string(caught[i].data() == nullptr ? "" : caught[i].data(), caught[i].size())},
          values);
    }
    return true;
  }

  // Values of the objects in the chain, for one file of this one.
  void Chain(const Object& object, const std::string& path, std::vector<Value>* values) {
    const std::string directory = path.substr(0, path.rfind('/') + 1);
    for (const size_t index : object.import_chain) {
      if (context_.stopping()) return;
      const Object& next = document_.objects[index];
      std::vector<Value> more;
      if (next.kind == ObjectKind::kPackage) {
        more = found_[index].values;
      } else {
        std::vector<std::string> files;
        if (next.UsesFiles()) files = FilesInChain(next, directory);
        more = ValuesOf(next, files);
      }
      for (Value& value : more) {
        value.identifier = ToValidUtf8(path);
        values->push_back(std::move(value));
      }
    }
  }

  std::vector<std::string> FilesInChain(const Object& object, const std::string& directory) {
    std::string root = object.path;
    if (object.IsChain()) root = directory + root.substr(kChainRoot.size());
    std::vector<std::string> files;
    if (!IsValidUtf8(root)) {
      context_.NoteUnexamined("a directory in a chain whose name is not UTF-8", ToValidUtf8(root));
      return files;
    }
    file::v1::FileParameters parameters;
    AddSearch("0", root, object, &parameters);
    const absl::Status status = RunSearches(
        parameters, [&](size_t, std::string path) { files.push_back(std::move(path)); });
    if (!status.ok()) context_.NoteUnexamined(ToStd(status.message()), root);
    std::ranges::sort(files);
    return files;
  }

  static Value Joined(std::string_view between, const std::vector<Value>& values) {
    Value joined;
    for (const Value& value : values) {
      if (joined.text.empty()) {
        joined.identifier = StrCat("concat:", value.identifier);
        joined.text = value.text;
      } else {
        StrAppend(&joined.identifier, ",", value.identifier);
        StrAppend(&joined.text, between, value.text);
      }
    }
    return joined;
  }

  const Document& document_;
  RunContext& context_;
  std::vector<ObjectValues> found_;
  std::vector<std::vector<std::string>> files_;
  size_t value_bytes_ = 0;
  size_t value_count_ = 0;
  bool full_ = false;
};

}  // namespace

absl::StatusOr<std::vector<ObjectValues>> FindValues(const Document& document,
                                                     RunContext& context) {
  return Finder(document, context).Find();
}

}  // namespace scribe
}  // namespace dragnet
