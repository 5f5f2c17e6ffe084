// MIG's module `timedrift`. What differs from MIG on purpose: docs/mig/timedrift.md.
#include "modules/mig.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/timedrift/timedrift.pb.h"

namespace dragnet {

const Module& TimedriftModule();

namespace timedrift {
namespace {

// Asked after the host's own, as MIG does.
constexpr const char* kPool[] = {"time.nist.gov", "0.pool.ntp.org", "1.pool.ntp.org",
                                 "2.pool.ntp.org", "3.pool.ntp.org"};

std::string GoTime(absl::Time time) {
  return std::string(absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone()));
}

absl::Duration Milliseconds(double count) { return absl::Nanoseconds(int64_t(count * 1e6)); }

class TimedriftElements : public MigElements {
 public:
  explicit TimedriftElements(bool checks) : checks_(checks) {}

  void Add(const google::protobuf::Message& message) override {
    const auto& row = dynamic_cast<const v1::TimedriftRow&>(message);
    const absl::Time local = absl::FromUnixSeconds(row.local_time().seconds()) +
                             absl::Nanoseconds(row.local_time().nanos());
    local_time_ = GoTime(local);
    if (row.source() != "ntp") return;
    MigJson server;
    server["host"] = row.server();
    server["time"] = "0001-01-01T00:00:00Z";
    server["latency"] = "";
    server["drift"] = "";
    server["reachable"] = row.has_offset_ms();
    if (row.has_offset_ms()) {
      // MIG's drift is the host's time minus the server's.
      const absl::Duration ahead = -Milliseconds(row.offset_ms());
      server["time"] = GoTime(local - ahead);
      server["latency"] = GoDuration(Milliseconds(row.delay_ms()));
      server["drift"] = GoDuration(ahead);
      has_checked_ = true;
      if (row.verdict() == "over") {
        drifts_.push_back(StrCat("Local time is ",
                                 ahead > absl::ZeroDuration() ? "ahead of" : "behind", " ntp host ",
                                 row.server(), " by ", GoDuration(absl::AbsDuration(ahead))));
      }
    }
    servers_.push_back(std::move(server));
  }

  MigJson Elements() override {
    MigJson elements;
    elements["hascheckeddrift"] = has_checked_;
    if (has_checked_ && drifts_.empty()) elements["iswithindrift"] = true;
    if (!drifts_.empty()) elements["drifts"] = drifts_;
    elements["localtime"] = local_time_;
    return elements;
  }
  std::optional<bool> FoundAnything() const override { return !checks_ || !drifts_.empty(); }
  MigJson Statistics(const MigStatistics& statistics) override {
    MigJson json;
    json["exectime"] = GoDuration(absl::Seconds(statistics.seconds));
    if (!servers_.empty()) json["ntpstats"] = servers_;
    return json;
  }

 private:
  const bool checks_;
  bool has_checked_ = false;
  std::string local_time_;
  MigJson drifts_ = MigJson::array();
  MigJson servers_ = MigJson::array();
};

class TimedriftMigModule : public MigModule {
 public:
  std::string_view name() const override { return "timedrift"; }
  const Module& module() const override { return TimedriftModule(); }

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> TranslateParameters(
      const MigJson& parameters) const override {
    auto ours = std::make_unique<v1::TimedriftParameters>();
    ours->set_no_daemons(true);
    if (!parameters.is_object() && !parameters.is_null())
      return absl::InvalidArgumentError("timedrift: parameters must be an object");
    for (const auto& [key, value] : parameters.items()) {
      if (key != "drift") {
        return absl::InvalidArgumentError(StrCat(
            "timedrift: unknown key '", ForTerminal(Shorten(key, 200)), "'; there is drift"));
      }
      if (!value.is_string())
        return absl::InvalidArgumentError("timedrift: drift must be a string, as in \"5s\"");
      ours->set_max_drift(value.get<std::string>());
    }
    if (ours->max_drift().empty()) return ours;
    ours->set_timeout("5s");
    ours->set_configured(true);
    ours->set_first_answer(true);
    for (const char* server : kPool) ours->add_servers(server);
    return ours;
  }

  std::unique_ptr<MigElements> NewElements(const MigJson& parameters) const override {
    const bool checks =
        parameters.is_object() && parameters.contains("drift") && parameters["drift"] != "";
    return std::make_unique<TimedriftElements>(checks);
  }
};

}  // namespace
}  // namespace timedrift

std::span<const MigModule* const> TimedriftMigModules() {
  static const timedrift::TimedriftMigModule module;
  static const MigModule* const modules[] = {&module};
  return modules;
}

}  // namespace dragnet
