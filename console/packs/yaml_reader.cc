#include "console/packs/yaml_reader.h"

#include <exception>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "core/strings.h"
#include "core/text.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/parser.h"

namespace dragnet::console {
namespace {

// Positions further right are in bytes: counting characters of a very long line
// for each of its values would take long.
constexpr int kMaxCountedColumn = 1000;
// Of one mapping: each key is compared with those before it.
constexpr size_t kMaxKeys = 1000;

// yaml-cpp takes a bracket that isn't closed for the beginning of a key.
constexpr char kBadKey[] = "a key must be a single word, or a bracket is not closed";

class Places {
 public:
  Places(std::string_view text, std::string_view file)
      : text_(text), file_(std::make_shared<const std::string>(file)) {
    starts_.push_back(0);
    for (size_t i = 0; i < text.size(); ++i)
      if (text[i] == '\n') starts_.push_back(i + 1);
  }

  Place At(const YAML::Mark& mark) const {
    if (mark.line < 0) return {.file = file_};
    return {.file = file_, .line = mark.line + 1, .column = ColumnOf(mark) + 1};
  }

  Place OfByte(size_t byte) const {
    YAML::Mark mark;
    while (mark.line + 1 < static_cast<int>(starts_.size()) &&
           starts_[mark.line + 1] <= byte) {
      ++mark.line;
    }
    mark.column = static_cast<int>(byte - starts_[mark.line]);
    return At(mark);
  }

  Place Whole() const { return {.file = file_}; }

 private:
  int ColumnOf(const YAML::Mark& mark) const {
    const auto line = static_cast<size_t>(mark.line);
    if (line >= starts_.size() || mark.column > kMaxCountedColumn) return mark.column;
    int characters = 0;
    const std::string_view before =
        text_.substr(starts_[line], static_cast<size_t>(mark.column));
    for (const char c : before)
      if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++characters;
    return characters;
  }

  const std::string_view text_;
  const std::shared_ptr<const std::string> file_;
  std::vector<size_t> starts_;
};

// Leaves yaml-cpp's parser from within its callbacks: it knows no other way out.
struct Refused : std::exception {
  Refused(const YAML::Mark& at, std::string why) : mark(at), message(std::move(why)) {}
  const char* what() const noexcept override { return message.c_str(); }
  YAML::Mark mark;
  std::string message;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const Places& places, Problems* problems) : places_(places), problems_(problems) {}

  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused(mark, "no aliases: use variables and includes");
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    Add(mark, {.place = places_.At(mark)});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    // yaml-cpp gives "?" to plain scalars and "!" to quoted ones and blocks.
    if (tag != "?" && tag != "!") RefuseTag(mark, tag);
    Add(mark, {.kind = tag == "?" ? YamlNode::Kind::kPlain : YamlNode::Kind::kText,
               .text = value,
               .place = places_.At(mark)});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kMapping);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A list or mapping that isn't finished.
  struct Frame {
    YamlNode node;
    YAML::Mark mark;
    std::optional<YamlNode> key = std::nullopt;
  };

  static void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      throw Refused(mark, "no anchors: use variables and includes");
    }
  }
  static void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    throw Refused(mark, StrCat("no tags: ", Shorten(tag, 100)));
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind) {
    RefuseAnchor(mark, anchor);
    if (!tag.empty() && tag != "?") RefuseTag(mark, tag);
    if (ExpectsKey()) throw Refused(mark, kBadKey);
    if (open_.size() >= kMaxYamlDepth) {
      throw Refused(mark, StrCat("nested deeper than ", kMaxYamlDepth, " levels"));
    }
    open_.push_back({.node = {.kind = kind, .place = places_.At(mark)}, .mark = mark});
  }

  void Close() {
    Frame frame = std::move(open_.back());
    open_.pop_back();
    Add(frame.mark, std::move(frame.node));
  }

  bool ExpectsKey() const {
    return !open_.empty() && open_.back().node.is_mapping() && !open_.back().key.has_value();
  }

  void Add(const YAML::Mark& mark, YamlNode node) {
    if (++nodes_ > kMaxYamlNodes) {
      throw Refused(mark, StrCat("more than ", kMaxYamlNodes, " values"));
    }
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = open_.back();
    if (frame.node.is_list()) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.key.has_value()) {
      if (!node.is_scalar()) throw Refused(mark, kBadKey);
      frame.key = std::move(node);
    } else {
      AddEntry(&frame, std::move(node));
    }
  }

  void AddEntry(Frame* frame, YamlNode value) {
    YamlNode key = *std::move(frame->key);
    frame->key.reset();
    if (frame->node.keys.size() >= kMaxKeys) {
      throw Refused(frame->mark, StrCat("more than ", kMaxKeys, " keys"));
    }
    if (frame->node.Find(key.text) != nullptr) {
      problems_->Error(key.place, Shorten(key.text, 100), "this key comes twice");
      return;
    }
    frame->node.keys.push_back(std::move(key));
    frame->node.items.push_back(std::move(value));
  }

  const Places& places_;
  Problems* const problems_;
  YamlNode root_;
  std::vector<Frame> open_;
  size_t nodes_ = 0;
};

// What YAML's c-printable leaves out, and what isn't text at all.
bool CheckCharacters(std::string_view text, const Places& places, Problems* problems) {
  if (!IsValidUtf8(text)) {
    problems->Error(places.Whole(), "", "not valid UTF-8");
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c >= 0x20 && c != 0x7f) || c == '\t' || c == '\n' || c == '\r') continue;
    problems->Error(places.OfByte(i), "", "a control character");
    return false;
  }
  return true;
}

}  // namespace

bool ReadYaml(std::string_view text, std::string_view file, YamlNode* root, Problems* problems) {
  const Places places(text, file);
  if (text.size() > kMaxYamlBytes) {
    problems->Error(places.Whole(), "", "larger than 1 MiB");
    return false;
  }
  if (!CheckCharacters(text, places, problems)) return false;
  TreeBuilder builder(places, problems);
  try {
    // yaml-cpp takes the end of the file for a closing quote, if a line's end comes
    // before it; not so after a comment.
    std::istringstream stream(StrCat(text, "\n#"));
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) {
      problems->Error(places.Whole(), "", "the file is empty");
      return false;
    }
    *root = builder.TakeRoot();
    if (parser) {
      TreeBuilder rest(places, problems);
      if (parser.HandleNextDocument(rest)) {
        problems->Error(rest.TakeRoot().place, "", "a second document (---): one is a file");
        return false;
      }
    }
  } catch (const Refused& refused) {
    problems->Error(places.At(refused.mark), "", refused.message);
    return false;
  } catch (const YAML::Exception& error) {
    problems->Error(places.At(error.mark), "", StrCat("not YAML: ", error.msg));
    return false;
  } catch (const std::exception& error) {
    problems->Error(places.Whole(), "", StrCat("not YAML: ", error.what()));
    return false;
  }
  return true;
}

}  // namespace dragnet::console
