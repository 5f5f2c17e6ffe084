// YaraMatch as a message, for rows.
#pragma once

#include "modules/scan/yara.h"
#include "modules/scan/yara_match.pb.h"

namespace dragnet::scan {

// Bytes of names, tags and metadata that are not UTF-8 become U+FFFD.
void ToProto(const YaraMatch& match, v1::YaraRuleMatch* message);

}  // namespace dragnet::scan
