#include "modules/accounts/person_fields.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/accounts/host_files.h"
#include "modules/sshkey/key_line.h"
#include "modules/sshkey/params.h"

namespace dragnet::accounts {
namespace {

constexpr size_t kMaxValue = 256;
constexpr size_t kMaxValues = 64;

struct FieldName {
  std::string_view name;
  PersonField field;
};
// In lower case.
constexpr FieldName kColumns[] = {
    {"user", PersonField::kUser},  {"username", PersonField::kUser},
    {"login", PersonField::kUser}, {"account", PersonField::kUser},
    {"uid", PersonField::kUid},    {"mail", PersonField::kMail},
    {"email", PersonField::kMail}, {"key", PersonField::kKey},
    {"sshkey", PersonField::kKey}, {"fingerprint", PersonField::kKey},
    {"name", PersonField::kName},
};
constexpr FieldName kAttributes[] = {
    {"uid", PersonField::kUser},
    {"samaccountname", PersonField::kUser},
    {"uidnumber", PersonField::kUid},
    {"mail", PersonField::kMail},
    {"userprincipalname", PersonField::kMail},
    {"sshpublickey", PersonField::kKey},
    {"cn", PersonField::kName},
    {"displayname", PersonField::kName},
};

template <typename Names>
std::optional<PersonField> Find(const Names& names, std::string_view name) {
  const std::string lower = absl::AsciiStrToLower(ToAbsl(name));
  for (const FieldName& known : names)
    if (known.name == lower) return known.field;
  return std::nullopt;
}

std::string Quoted(std::string_view text) {
  return StrCat("'", ForTerminal(Shorten(text, 100)), "'");
}

absl::Status AddUser(std::string_view value, Person* person) {
  if (value.size() > kMaxValue || value.find_first_of(" \t:,/\"") != std::string_view::npos)
    return absl::InvalidArgumentError(StrCat("user ", Quoted(value), " is no name of an account"));
  person->users.emplace_back(value);
  return absl::OkStatus();
}

absl::Status AddUid(std::string_view value, Person* person) {
  const bool is_number = value.find_first_not_of("0123456789") == std::string_view::npos;
  // LDAP's uid is the name.
  if (!is_number) return AddUser(value, person);
  const auto uid = ParseNumber(value, std::numeric_limits<uint32_t>::max());
  if (!uid) return absl::InvalidArgumentError(StrCat("uid ", Quoted(value), " is too large"));
  person->uids.push_back(static_cast<uint32_t>(*uid));
  return absl::OkStatus();
}

absl::Status AddMail(std::string_view value, Person* person) {
  const size_t at = value.find('@');
  if (at == 0 || at == std::string_view::npos || at + 1 == value.size() ||
      value.size() > kMaxValue || value.find_first_of(" \t") != std::string_view::npos) {
    return absl::InvalidArgumentError(StrCat("mail ", Quoted(value), " is no address"));
  }
  person->mails.push_back(absl::AsciiStrToLower(ToAbsl(value)));
  return absl::OkStatus();
}

absl::Status AddKey(std::string_view value, Person* person) {
  if (const auto line = sshkey::ParseKeyLine(value)) {
    person->fingerprints.push_back(line->key.sha256);
    return absl::OkStatus();
  }
  sshkey::v1::SshkeyParameters parameters;
  parameters.add_fingerprints(std::string(value));
  const auto search = sshkey::CompileSearch(parameters);
  if (!search.ok()) {
    return absl::InvalidArgumentError(
        StrCat("key ", Quoted(value),
               " is none; write SHA256:… or MD5:… as ssh-keygen -l prints them, or the line of "
               "its .pub file"));
  }
  person->fingerprints.push_back(*search->fingerprints.begin());
  return absl::OkStatus();
}

}  // namespace

std::optional<PersonField> FieldOfColumn(std::string_view column) { return Find(kColumns, column); }

std::optional<PersonField> FieldOfAttribute(std::string_view attribute) {
  return Find(kAttributes, attribute.substr(0, attribute.find(';')));
}

absl::Status AddToPerson(PersonField field, std::string_view value, Person* person) {
  value = ToStd(absl::StripAsciiWhitespace(ToAbsl(value)));
  if (value.empty()) return absl::OkStatus();
  if (!IsValidUtf8(value)) return absl::InvalidArgumentError("a value is not UTF-8");
  if (person->users.size() + person->uids.size() + person->mails.size() +
          person->fingerprints.size() >=
      kMaxValues) {
    return absl::InvalidArgumentError(StrCat("more than ", kMaxValues, " values for one person"));
  }
  switch (field) {
    case PersonField::kUser:
      return AddUser(value, person);
    case PersonField::kUid:
      return AddUid(value, person);
    case PersonField::kMail:
      return AddMail(value, person);
    case PersonField::kKey:
      return AddKey(value, person);
    case PersonField::kName:
      if (person->label.empty()) person->label = Shorten(value, kMaxValue);
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

void SetLabel(Person* person) {
  if (!person->label.empty()) return;
  if (!person->users.empty()) {
    person->label = person->users.front();
  } else if (!person->mails.empty()) {
    person->label = person->mails.front();
  } else if (!person->uids.empty()) {
    person->label = StrCat("uid ", person->uids.front());
  } else if (!person->fingerprints.empty()) {
    person->label = person->fingerprints.front();
  }
}

}  // namespace dragnet::accounts
