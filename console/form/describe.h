// Signed documents as text that a person reads before signing and afterwards.
// Everything that is set is shown; text goes through ForTerminal. Thread-safe:
// no state.
#pragma once

#include <string>
#include <vector>

#include "console/form/module_catalog.h"
#include "dragnet/v1/action.pb.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

// Every field that is set, one line each, messages indented below their name.
// Fields that the message type doesn't know are shown by number.
std::string DescribeMessage(const google::protobuf::Message& message, size_t indent);

// One line of the header of an action: name and text.
struct DescriptionLine {
  std::string title;
  std::string text;
};

// The whole action. `extra` lines (the target's reach, the signer) come after
// those of the document. Parameters of a module that this build doesn't have
// are shown in hex, and said to be unknown.
std::string DescribeAction(const v1::Action& action, const std::vector<DescriptionLine>& extra,
                           const ModuleCatalog& catalog);

// Titles in one column, texts beside it.
std::string DescribeLines(const std::vector<DescriptionLine>& lines);

}  // namespace dragnet::console
