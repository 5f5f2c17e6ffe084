// Parameters of module `file`, as an agent's worker gets them: what passes
// Validate passes it again, and nothing takes the process down.
#include "core/strict_proto.h"
#include "modules/file/file.pb.h"
#include "modules/module.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  file::v1::FileParameters parameters;
  file::v1::Search* search = parameters.add_searches();
  search->add_paths("/etc");
  seeds.push_back(parameters.SerializeAsString());
  search->add_names("^passwd$");
  search->add_names("!\\.bak$");
  search->add_sizes(">1k");
  search->add_sizes("<=10m");
  search->add_modes("^-..s");
  search->add_mtimes("<7d");
  search->add_mtimes("after 2024-02-03T04:05:06Z");
  search->add_contents("(?i)password\\s*=");
  search->add_md5("d41d8cd98f00b204e9800998ecf8427e");
  search->add_sha2(std::string(64, 'a'));
  search->add_types("file");
  search->set_match_any(true);
  search->set_max_depth(3);
  seeds.push_back(parameters.SerializeAsString());
  search->set_label("label");
  search->add_contents("!\\xff{1000}");
  *parameters.add_searches() = file::v1::Search(*search);
  seeds.push_back(parameters.SerializeAsString());
  return seeds;
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  const Module* module = FindModule("file");
  const auto parameters = module->NewParameters();
  if (!ParseStrict(fuzz::ToView(data, size), 1 << 20, parameters.get()).ok()) return 0;
  const absl::Status first = module->Validate(*parameters);
  fuzz::Must(module->Validate(*parameters).code() == first.code(), "the answer is the same again");
  if (!first.ok()) fuzz::Must(!first.message().empty(), "an error has words");
  return 0;
}
