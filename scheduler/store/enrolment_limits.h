// How much of the queue of hosts that wait to be let in (store.h) one token can take.
#pragma once

namespace dragnet::scheduler {

// Of kMaxEnrolmentRequests, that wait for one token: a thief of a token for a whole fleet
// takes no more than this part of the places.
inline constexpr int kMaxEnrolmentRequestsOfToken = 1'000;

}  // namespace dragnet::scheduler
