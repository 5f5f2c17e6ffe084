// MIG's module `ping`. What differs from MIG on purpose: docs/mig/ping.md.
#include "modules/mig.h"

#include "absl/time/time.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/ping/ping.pb.h"

namespace dragnet {

const Module& PingModule();

namespace ping {
namespace {

// MIG's numbers for what has no latency.
constexpr double kTimeout = 9999999;
constexpr double kRefused = -1;
constexpr double kFailed = 0;

constexpr uint32_t kDefaultPort = 80;

class PingElements : public MigElements {
 public:
  void Add(const google::protobuf::Message& message) override {
    const auto& row = dynamic_cast<const v1::PingRow&>(message);
    protocol_ = row.protocol();
    host_ = row.destination();
    if (row.port() != 0) StrAppend(&host_, ":", row.port());
    StrAppend(&host_, " (", row.address(), ")");
    for (const v1::Probe& probe : row.probes()) {
      latencies_.push_back(Latency(probe));
      found_ |=
          probe.status() == "reachable" || (probe.status() == "timeout" && row.protocol() == "udp");
    }
    if (row.probes().empty()) failures_.push_back(row.error());
  }

  MigJson Elements() override {
    MigJson elements;
    elements["latencies"] = latencies_.empty() ? MigJson(nullptr) : latencies_;
    elements["protocol"] = protocol_;
    elements["resolvedhost"] = host_;
    elements["failures"] = failures_.empty() ? MigJson(nullptr) : failures_;
    return elements;
  }
  std::optional<bool> FoundAnything() const override { return found_; }
  MigJson Statistics(const MigStatistics&) override { return nullptr; }

 private:
  double Latency(const v1::Probe& probe) {
    if (probe.status() == "reachable") return probe.rtt_ms();
    if (probe.status() == "timeout") return kTimeout;
    if (probe.status() == "refused") return kRefused;
    failures_.push_back(
        StrCat("ping #", latencies_.size() + 1, " failed with error: ", probe.error()));
    return kFailed;
  }

  MigJson latencies_ = MigJson::array();
  MigJson failures_ = MigJson::array();
  std::string protocol_;
  std::string host_;
  bool found_ = false;
};

absl::Status Wrong(std::string_view key, std::string_view what) {
  return absl::InvalidArgumentError(StrCat("ping: ", key, " must be ", what));
}

class PingMigModule : public MigModule {
 public:
  std::string_view name() const override { return "ping"; }
  const Module& module() const override { return PingModule(); }

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> TranslateParameters(
      const MigJson& parameters) const override {
    if (!parameters.is_object())
      return absl::InvalidArgumentError("ping: parameters must be an object");
    auto ours = std::make_unique<v1::PingParameters>();
    for (const auto& [key, value] : parameters.items()) {
      if (key == "destination") {
        if (!value.is_string()) return Wrong(key, "a string");
        ours->add_destinations(value.get<std::string>());
      } else if (key == "protocol") {
        if (!value.is_string()) return Wrong(key, "a string");
        ours->set_protocol(value.get<std::string>());
      } else if (key == "destinationport" || key == "count" || key == "timeout") {
        if (!value.is_number() || value.get<double>() < 0 || value.get<double>() > 65535)
          return Wrong(key, "a number from 0 to 65535");
        const auto number = value.get<double>();
        if (key == "timeout") {
          if (number != 0)
            ours->set_timeout(std::string(absl::FormatDuration(absl::Seconds(number))));
        } else if (number != static_cast<uint32_t>(number)) {
          return Wrong(key, "a whole number");
        } else if (key == "count") {
          ours->set_count(static_cast<uint32_t>(number));
        } else {
          ours->set_port(static_cast<uint32_t>(number));
        }
      } else {
        return absl::InvalidArgumentError(
            StrCat("ping: unknown key '", ForTerminal(Shorten(key, 200)),
                   "'; there are destination, destinationport, protocol, count and timeout"));
      }
    }
    if (ours->protocol() != "icmp" && ours->protocol() != "tcp" && ours->protocol() != "udp")
      return Wrong("protocol", "icmp, tcp or udp");
    if (ours->protocol() != "icmp" && ours->port() == 0) ours->set_port(kDefaultPort);
    return ours;
  }

  std::unique_ptr<MigElements> NewElements(const MigJson&) const override {
    return std::make_unique<PingElements>();
  }
};

}  // namespace
}  // namespace ping

std::span<const MigModule* const> PingMigModules() {
  static const ping::PingMigModule module;
  static const MigModule* const modules[] = {&module};
  return modules;
}

}  // namespace dragnet
