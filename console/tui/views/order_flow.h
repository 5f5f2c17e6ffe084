// A signed order about an action, from the key that asks for it to the
// scheduler's answer: the action and who signed it are looked at anew, the person
// gives a reason, reads what will be signed and says yes. Nothing blocks. Call on
// the loop's thread.
#pragma once

#include <string>

#include "console/tui/shell.h"
#include "dragnet/v1/order.pb.h"

namespace dragnet::console::tui {

// Says by itself what came of it. Goes on when the view that asked for it is gone.
//
// About an action that no one in the trust policy signed nothing is signed, but
// for a cancellation after its whole id was typed (investigation/orders.h).
void GiveOrder(Shell& shell, v1::Order::Kind kind, const std::string& action_id);

}  // namespace dragnet::console::tui
