// One entry of the list of people who left, filled field by field. Not
// thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "modules/accounts/departed.h"

namespace dragnet::accounts {

enum class PersonField { kUser, kUid, kMail, kKey, kName };

// By the name of a column of CSV, or a key of JSON, whatever its case.
std::optional<PersonField> FieldOfColumn(std::string_view column);
// By the description of an attribute of LDIF, options and all.
std::optional<PersonField> FieldOfAttribute(std::string_view attribute);

// Takes a value; an empty one is none. InvalidArgument says why it can't be one.
absl::Status AddToPerson(PersonField field, std::string_view value, Person* person);
// The label of a person without a name.
void SetLabel(Person* person);

}  // namespace dragnet::accounts
