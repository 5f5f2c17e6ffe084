#include "modules/accounts/departed.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "core/status_macros.h"
#include "core/strict_json.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/accounts/host_files.h"
#include "modules/accounts/person_fields.h"

namespace dragnet::accounts {
namespace {

using Json = nlohmann::ordered_json;

absl::Status AtLine(uint32_t line, std::string_view what) {
  return absl::InvalidArgumentError(StrCat("line ", line, ": ", what));
}

absl::Status AddPerson(Person person, uint32_t line, std::vector<Person>* people) {
  if (!person.IsKnownBySomething())
    return AtLine(line, "nothing of user, uid, mail and key to know this person by");
  if (people->size() == kMaxPeople)
    return AtLine(line, StrCat("more than ", kMaxPeople, " people"));
  SetLabel(&person);
  people->push_back(std::move(person));
  return absl::OkStatus();
}

absl::Status AddValue(PersonField field, std::string_view value, uint32_t line, Person* person) {
  const absl::Status status = AddToPerson(field, value, person);
  return status.ok() ? status : AtLine(line, ToStd(status.message()));
}

// ---- CSV

// Takes records off a text, one after the other.
class CsvReader {
 public:
  CsvReader(std::string_view text, char separator) : text_(text), separator_(separator) {}

  bool at_end() const { return text_.empty(); }
  // Of the next record.
  uint32_t line() const { return line_; }

  absl::StatusOr<std::vector<std::string>> Next() {
    std::vector<std::string> fields;
    while (true) {
      std::string field;
      DRAGNET_RETURN_IF_ERROR(TakeField(&field));
      fields.push_back(std::move(field));
      if (fields.size() > kMaxFields) return AtLine(line_, "more than 256 columns");
      if (text_.starts_with(separator_)) {
        text_.remove_prefix(1);
        continue;
      }
      if (text_.starts_with('\r')) text_.remove_prefix(1);
      if (text_.starts_with('\n')) {
        text_.remove_prefix(1);
        ++line_;
      }
      return fields;
    }
  }

 private:
  static constexpr size_t kMaxFields = 256;

  absl::Status TakeField(std::string* field) {
    if (!text_.starts_with('"')) {
      size_t end = std::min(text_.find_first_of(separator_ == ','   ? ",\n"
                                                : separator_ == ';' ? ";\n"
                                                                    : "\t\n"),
                            text_.size());
      if (end > 0 && end < text_.size() && text_[end] == '\n' && text_[end - 1] == '\r') --end;
      *field = text_.substr(0, end);
      if (field->find('"') != std::string::npos)
        return AtLine(line_, "a quote within a value; put the value in quotes, and double it");
      text_.remove_prefix(end);
      return absl::OkStatus();
    }
    const uint32_t begin = line_;
    text_.remove_prefix(1);
    while (!text_.empty()) {
      const char c = text_.front();
      text_.remove_prefix(1);
      if (c == '\n') ++line_;
      if (c != '"') {
        field->push_back(c);
      } else if (text_.starts_with('"')) {
        field->push_back('"');
        text_.remove_prefix(1);
      } else if (text_.empty() || text_.front() == separator_ || text_.front() == '\n' ||
                 text_.starts_with("\r\n")) {
        return absl::OkStatus();
      } else {
        return AtLine(line_, "something after a value's closing quote");
      }
    }
    return AtLine(begin, "a quote is not closed");
  }

  std::string_view text_;
  const char separator_;
  uint32_t line_ = 1;
};

char SeparatorOf(std::string_view header) {
  // The one that there is most of.
  char best = ',';
  for (const char c : {';', '\t'}) {
    if (std::count(header.begin(), header.end(), c) >
        std::count(header.begin(), header.end(), best)) {
      best = c;
    }
  }
  return best;
}

absl::Status ParseCsv(std::string_view text, std::vector<Person>* people) {
  CsvReader reader(text, SeparatorOf(text.substr(0, text.find('\n'))));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> header, reader.Next());
  std::vector<std::optional<PersonField>> columns;
  bool knows_someone = false;
  for (const std::string& name : header) {
    columns.push_back(FieldOfColumn(ToStd(absl::StripAsciiWhitespace(name))));
    knows_someone |= columns.back() && columns.back() != PersonField::kName;
  }
  if (!knows_someone) {
    return AtLine(1,
                  "none of the columns is user, uid, mail or key; the first line names the columns "
                  "(or the text is to begin as LDIF or JSON)");
  }
  while (!reader.at_end()) {
    const uint32_t line = reader.line();
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> fields, reader.Next());
    if (fields.size() == 1 && absl::StripAsciiWhitespace(fields[0]).empty()) continue;
    if (fields.size() != columns.size()) {
      return AtLine(
          line, StrCat("there are ", fields.size(), " values for ", columns.size(), " columns"));
    }
    Person person;
    for (size_t i = 0; i < fields.size(); ++i)
      if (columns[i]) DRAGNET_RETURN_IF_ERROR(AddValue(*columns[i], fields[i], line, &person));
    DRAGNET_RETURN_IF_ERROR(AddPerson(std::move(person), line, people));
  }
  return absl::OkStatus();
}

// ---- LDIF

// A line with those that continue it.
struct LdifLine {
  uint32_t number = 0;
  std::string text;
};

absl::StatusOr<std::vector<LdifLine>> UnfoldLdif(std::string_view text) {
  std::vector<LdifLine> lines;
  for (const NumberedLine& line : LinesOf(text)) {
    std::string_view content = line.text;
    if (content.ends_with('\r')) content.remove_suffix(1);
    if (!content.starts_with(' ')) {
      lines.push_back({line.number, std::string(content)});
    } else if (lines.empty() || lines.back().text.empty()) {
      return AtLine(line.number, "a line that begins with a space continues none");
    } else {
      lines.back().text += content.substr(1);
    }
  }
  return lines;
}

struct LdifAttribute {
  std::string_view name;
  std::string value;
};

absl::StatusOr<LdifAttribute> ParseAttribute(const LdifLine& line) {
  const std::string_view text = line.text;
  const size_t colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos)
    return AtLine(line.number, "no attribute: LDIF has NAME: VALUE in each line");
  LdifAttribute attribute{text.substr(0, colon), {}};
  std::string_view value = text.substr(colon + 1);
  if (value.starts_with('<'))
    return AtLine(line.number, "a value that is in another file (:<) is not read");
  const bool is_base64 = value.starts_with(':');
  if (is_base64) value.remove_prefix(1);
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  if (!is_base64) {
    attribute.value = value;
  } else if (!absl::Base64Unescape(ToAbsl(value), &attribute.value)) {
    return AtLine(line.number, "the value is not the base64 that :: announces");
  }
  return attribute;
}

absl::Status ParseLdif(std::string_view text, std::vector<Person>* people) {
  DRAGNET_ASSIGN_OR_RETURN(std::vector<LdifLine> lines, UnfoldLdif(text));
  lines.push_back({});
  Person person;
  uint32_t begin = 0;
  for (const LdifLine& line : lines) {
    if (line.text.starts_with('#')) continue;
    if (line.text.empty()) {
      // Organisations and the like have nothing of a person.
      if (person.IsKnownBySomething())
        DRAGNET_RETURN_IF_ERROR(AddPerson(std::move(person), begin, people));
      person = {};
      begin = 0;
      continue;
    }
    DRAGNET_ASSIGN_OR_RETURN(const LdifAttribute attribute, ParseAttribute(line));
    const std::string name = absl::AsciiStrToLower(ToAbsl(attribute.name));
    // What ldapsearch adds at the end.
    const bool is_outside = name == "version" || name == "search" || name == "result";
    if (begin == 0 && !is_outside && name != "dn")
      return AtLine(line.number, "an entry begins with dn:");
    if (begin == 0 && name == "dn") begin = line.number;
    if (name == "changetype" && attribute.value != "add")
      return AtLine(line.number, "changes are not read, only entries");
    if (const auto field = FieldOfAttribute(attribute.name); field && begin != 0)
      DRAGNET_RETURN_IF_ERROR(AddValue(*field, attribute.value, line.number, &person));
  }
  if (people->empty() && text.find("dn:") != std::string_view::npos)
    return AtLine(1, "no entry has uid, uidNumber, mail or sshPublicKey");
  return absl::OkStatus();
}

bool LooksLikeLdif(std::string_view text) {
  for (const NumberedLine& line : LinesOf(text.substr(0, 64 << 10))) {
    std::string_view content = line.text;
    if (content.ends_with('\r')) content.remove_suffix(1);
    if (content.empty() || content.front() == '#') continue;
    const std::string lower = absl::AsciiStrToLower(ToAbsl(content.substr(0, 8)));
    return lower.starts_with("dn:") || lower.starts_with("version:");
  }
  return false;
}

// ---- JSON

// Lines that the elements of the list begin in which `text`, valid JSON, consists
// of, or has at its top as `people`. Counts brackets outside of strings.
std::vector<uint32_t> LinesOfElements(std::string_view text) {
  const int level = text.starts_with('[') ? 1 : 2;
  std::vector<uint32_t> lines;
  uint32_t line = 1;
  int depth = 0;
  bool quoted = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n') ++line;
    if (quoted) {
      if (c == '\\') ++at;
      quoted = c != '"';
      continue;
    }
    if (c == '"') quoted = true;
    if ((c == '{' || c == '[') && depth++ == level) lines.push_back(line);
    if (c == '}' || c == ']') --depth;
  }
  return lines;
}

absl::Status AddJsonValue(PersonField field, const Json& value, uint32_t line, bool in_list,
                          Person* person) {
  if (value.is_null()) return absl::OkStatus();
  if (value.is_string()) return AddValue(field, value.get_ref<const std::string&>(), line, person);
  if (value.is_number_unsigned())
    return AddValue(field, StrCat(value.get<uint64_t>()), line, person);
  if (!value.is_array() || in_list)
    return AtLine(line, "a value that is no text, number, or list of them");
  for (const Json& element : value)
    DRAGNET_RETURN_IF_ERROR(AddJsonValue(field, element, line, /*in_list=*/true, person));
  return absl::OkStatus();
}

absl::Status ParseJson(std::string_view text, std::vector<Person>* people) {
  DRAGNET_ASSIGN_OR_RETURN(const Json document, ParseStrictJson(text));
  const Json* list = &document;
  if (document.is_object()) {
    const auto found = document.find("people");
    if (found == document.end() || document.size() != 1)
      return AtLine(1, "the object is to have one key, people: the list of them");
    list = &*found;
  }
  if (!list->is_array()) return AtLine(1, "people is to be a list of objects");
  const std::vector<uint32_t> lines = LinesOfElements(text);
  for (size_t i = 0; i < list->size(); ++i) {
    const Json& element = (*list)[i];
    // Elements that are no objects or lists have no line of their own.
    const uint32_t line = i < lines.size() ? lines[i] : lines.empty() ? 1 : lines.back();
    if (!element.is_object()) return AtLine(line, StrCat("person ", i + 1, " is no object"));
    Person person;
    for (const auto& [key, value] : element.items())
      if (const auto field = FieldOfColumn(key))
        DRAGNET_RETURN_IF_ERROR(AddJsonValue(*field, value, line, /*in_list=*/false, &person));
    DRAGNET_RETURN_IF_ERROR(AddPerson(std::move(person), line, people));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DepartedList> DepartedList::Parse(std::string_view text) {
  if (text.size() > kMaxDepartedBytes) return absl::InvalidArgumentError("is larger than 8 MiB");
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  DepartedList list;
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return AtLine(1, "there is nothing in it");
  if (text[first] == '[' || text[first] == '{') {
    // Blank lines in front count as lines.
    const auto blank_lines = std::count(text.begin(), text.begin() + first, '\n');
    if (blank_lines > 0) return AtLine(1, "JSON is to begin in the first line");
    DRAGNET_RETURN_IF_ERROR(ParseJson(text.substr(first), &list.people_));
  } else if (LooksLikeLdif(text)) {
    DRAGNET_RETURN_IF_ERROR(ParseLdif(text, &list.people_));
  } else {
    DRAGNET_RETURN_IF_ERROR(ParseCsv(text, &list.people_));
  }
  for (uint32_t i = 0; i < list.people_.size(); ++i) {
    const Person& person = list.people_[i];
    for (const std::string& user : person.users) list.users_.try_emplace(user, i);
    for (const uint32_t uid : person.uids) list.uids_.try_emplace(uid, i);
    for (const std::string& mail : person.mails) list.mails_.try_emplace(mail, i);
    for (const std::string& print : person.fingerprints) list.fingerprints_.try_emplace(print, i);
  }
  return list;
}

template <typename Key, typename Wanted>
const Person* DepartedList::Find(const Index<Key>& index, const Wanted& key) const {
  const auto found = index.find(key);
  return found == index.end() ? nullptr : &people_[found->second];
}

const Person* DepartedList::ByUser(std::string_view user) const {
  return Find(users_, std::string(user));
}
const Person* DepartedList::ByUid(uint32_t uid) const { return Find(uids_, uid); }
const Person* DepartedList::ByMail(std::string_view mail) const {
  return Find(mails_, absl::AsciiStrToLower(ToAbsl(mail)));
}
const Person* DepartedList::ByFingerprint(std::string_view fingerprint) const {
  return Find(fingerprints_, std::string(fingerprint));
}

const Person* DepartedList::ByComment(std::string_view comment) const {
  constexpr std::string_view kBetween = " \t<>(),;\"'";
  while (true) {
    comment.remove_prefix(std::min(comment.find_first_not_of(kBetween), comment.size()));
    if (comment.empty()) return nullptr;
    const std::string_view word = comment.substr(0, comment.find_first_of(kBetween));
    comment.remove_prefix(word.size());
    if (const Person* person = ByMail(word)) return person;
    if (const Person* person = ByUser(word.substr(0, word.find('@')))) return person;
  }
}

}  // namespace dragnet::accounts
