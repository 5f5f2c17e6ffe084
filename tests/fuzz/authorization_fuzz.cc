// The decision that everything stands on, over a fixed fleet.
//   0…  an envelope as a scheduler sends it: no change of what alice signed runs
//   1…  a payload that alice signs whatever it is: what runs keeps every rule
#include "core/action.h"
#include "core/authorization.h"
#include "core/envelope.h"
#include "core/schedule.h"
#include "tests/fuzz/fixed_fleet.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {
namespace {

struct Fixture {
  const testing::Fleet fleet = FixedFleet();
  const TrustPolicy policy = fleet.Policy();
  const v1::Facts facts = fleet.Facts();
  const std::string payload = FixedAction(fleet).SerializeAsString();

  AuthorizationContext Context() const {
    AuthorizationContext context;
    context.policy = &policy;
    context.fleet_id = fleet.id;
    context.now = fleet.now;
    context.weights_needed = [](const v1::Operation& operation) {
      const std::string& module = operation.module();
      return module == "file" || module == "memory" ? std::vector<std::string>{module}
                                                    : std::vector<std::string>();
    };
    context.facts = &facts;
    context.already_ran = [](std::string_view id) { return id.ends_with('9'); };
    return context;
  }
};

const Fixture& TheFixture() {
  static const Fixture fixture;
  return fixture;
}

void CheckRules(const v1::Action& action) {
  const Fixture& fixture = TheFixture();
  Must(action.fleet_id() == fixture.fleet.id, "it runs only for its fleet");
  Must(*ToTime(action.not_before()) <= fixture.fleet.now &&
           fixture.fleet.now <= *ToTime(action.expires()),
       "it runs only while it is valid");
  Must(!action.id().ends_with('9'), "it runs once");
  Must(action.operations_size() > 0, "there is something to run");
  for (const v1::Operation& operation : action.operations()) {
    Must(operation.module() == "file", "alice alone may only use file");
  }
  if (!action.has_recurrence()) return;
  const v1::Recurrence& recurrence = action.recurrence();
  const auto schedule = Schedule::Parse(recurrence.cron(), recurrence.time_zone());
  Must(schedule.ok(), "a schedule that runs can be kept");
  const absl::Duration jitter = ToDuration(recurrence.jitter());
  Must(jitter >= absl::ZeroDuration() && jitter <= kMaxJitter &&
           jitter < schedule->ShortestInterval(),
       "an occurrence is due before the next one");
  Must(!recurrence.has_until() || *ToTime(recurrence.until()) <= *ToTime(action.expires()),
       "a schedule ends with its action");
  Must(action.extra_run_of().empty(), "an extra run has no schedule of its own");
}

}  // namespace

std::vector<std::string> Seeds() {
  const testing::Fleet& fleet = TheFixture().fleet;
  std::vector<std::string> seeds;
  v1::Action action = FixedAction(fleet);
  seeds.push_back("0" + fleet.SignedAction(action, {&fleet.alice}));
  seeds.push_back("0" + fleet.SignedAction(action, {&fleet.carol, &fleet.bob, &fleet.alice}));
  seeds.push_back("0" + fleet.SignedAction(action, {}));
  seeds.push_back("1" + action.SerializeAsString());
  action.mutable_threat()->set_level("high");
  action.mutable_operations(0)->mutable_limits()->set_rows(10);
  *action.add_operations() = v1::Operation(action.operations(0));
  seeds.push_back("1" + action.SerializeAsString());
  action.mutable_recurrence()->set_cron("*/10 * * * mon-fri");
  action.mutable_recurrence()->set_time_zone("UTC");
  action.mutable_recurrence()->mutable_jitter()->set_seconds(60);
  *action.mutable_recurrence()->mutable_until() = action.expires();
  seeds.push_back("1" + action.SerializeAsString());
  action.mutable_operations(1)->set_module("memory");
  seeds.push_back("1" + action.SerializeAsString());
  return seeds;
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  if (size == 0) return 0;
  const fuzz::Fixture& fixture = fuzz::TheFixture();
  const bool sign = data[0] == '1';
  std::string bytes(fuzz::ToView(data + 1, size - 1));
  if (sign) {
    v1::Envelope envelope = NewEnvelope(kActionPayloadType, bytes);
    AddSignature(fixture.fleet.alice, &envelope).IgnoreError();
    bytes = envelope.SerializeAsString();
  }
  const auto decision = AuthorizeAction(bytes, fixture.Context());
  if (const auto* refused = std::get_if<RefusedAction>(&decision)) {
    fuzz::Must(refused->reason != v1::Refusal::REASON_UNSPECIFIED, "a refusal has a reason");
    fuzz::Must(!refused->detail.empty(), "a refusal has words");
    return 0;
  }
  const auto& authorized = std::get<AuthorizedAction>(decision);
  fuzz::CheckRules(authorized.action);
  if (!sign) {
    v1::Envelope envelope;
    envelope.ParseFromString(bytes);
    fuzz::Must(envelope.payload() == fixture.payload, "only what was signed runs");
  }
  return 0;
}
