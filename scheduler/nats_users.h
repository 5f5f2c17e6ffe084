// What the users of NATS may do there, as its configuration says it: as little as each
// needs. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dragnet::scheduler {

// An `authorization` block for users that are named by their certificates
// (verify_and_map): `schedulers`, and `owner`, who makes the streams.
std::string NatsUsers(std::string_view fleet_id, const std::vector<std::string>& schedulers,
                      std::string_view owner);

}  // namespace dragnet::scheduler
