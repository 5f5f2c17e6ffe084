#include "modules/scan/yara_proto.h"

#include "core/text.h"

namespace dragnet::scan {

void ToProto(const YaraMatch& match, v1::YaraRuleMatch* message) {
  message->Clear();
  message->set_rule(ToValidUtf8(match.rule));
  message->set_namespace_(ToValidUtf8(match.rule_namespace));
  for (const std::string& tag : match.tags) message->add_tags(ToValidUtf8(tag));
  for (const auto& [name, value] : match.meta) {
    v1::YaraMeta* meta = message->add_meta();
    meta->set_name(ToValidUtf8(name));
    meta->set_value(ToValidUtf8(value));
  }
  for (const YaraStringMatch& string : match.strings) {
    v1::YaraStringMatch* out = message->add_strings();
    out->set_identifier(ToValidUtf8(string.identifier));
    out->set_offset(string.offset);
    out->set_length(string.length);
    out->set_bytes(string.bytes);
  }
  message->set_strings_cut(match.strings_cut);
}

}  // namespace dragnet::scan
