// Target expressions: SQL from whoever may launch, evaluated in three programs.
#include "core/target.h"
#include "tests/fuzz/fixed_fleet.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {

std::vector<std::string> Seeds() {
  return {
      "true",
      "os='linux' and tags->>'env'='prod'",
      "name like 'web-%' or name glob 'db*'",
      "(select 1)",
      "exists(select * from sqlite_master)",
      "json_extract(environment, '$.init') = 'systemd'",
      "boot_time < 1700000000 and arch in ('x86_64', 'aarch64')",
      "case when os='linux' then version >= '0.1' else null end",
      "1); drop table facts; --",
      "load_extension('x')",
      "randomblob(1000000000) is not null",
      "'a' regexp 'b'",
      "length(hex(zeroblob(1000)))",
  };
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  static const v1::Facts facts = fuzz::FixedFleet().Facts();
  static const std::unique_ptr<TargetTable> table = [] {
    auto made = *TargetTable::Create();
    made->Upsert(facts).IgnoreError();
    return made;
  }();
  const std::string_view expression = fuzz::ToView(data, size);
  const bool valid = ValidateTarget(expression).ok();
  const absl::StatusOr<bool> matches = TargetMatches(expression, facts);
  const auto selected = table->Select(expression);
  if (!valid) {
    fuzz::Must(!matches.ok() && !selected.ok(), "what isn't valid is not evaluated");
  } else {
    fuzz::Must(matches.ok() == selected.ok(), "one decision in all programs");
    if (matches.ok()) fuzz::Must(*matches == !selected->empty(), "the same decision");
  }
  // Nothing that an expression says changes what is there.
  fuzz::Must(table->Select("true")->size() == 1, "expressions only read");
  return 0;
}
