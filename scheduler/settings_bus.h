// The bus as the settings say it. Pure function.
#pragma once

#include "scheduler/bus/nats_options.h"
#include "scheduler/settings.h"

namespace dragnet::scheduler {

// Of a clustered() scheduler, which may make no stream itself.
NatsOptions NatsOptionsOf(const Settings& settings);

}  // namespace dragnet::scheduler
