#include "scheduler/settings_bus.h"

#include "absl/strings/str_join.h"

namespace dragnet::scheduler {

NatsOptions NatsOptionsOf(const Settings& settings) {
  NatsOptions options;
  options.url = absl::StrJoin(settings.bus, ",");
  options.fleet_id = settings.fleet_id;
  options.scheduler = settings.scheduler_name;
  options.ca_file = settings.bus_ca;
  options.certificate_file = settings.bus_certificate;
  options.key_file = settings.bus_key;
  options.replicas = settings.bus_replicas;
  options.max_record_bytes = static_cast<int64_t>(settings.bus_max_bytes);
  // Its user may not, either: dragnet-scheduler bus init.
  options.create_streams = false;
  return options;
}

}  // namespace dragnet::scheduler
