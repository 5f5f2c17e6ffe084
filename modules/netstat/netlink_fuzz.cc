// libFuzzer target: a datagram as the kernel sends them, read as the answer to
// each question that is asked. Whatever it holds, it is refused or gives facts
// whose text is fit for a row.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/text.h"
#include "modules/netstat/netlink.h"
#include "modules/netstat/raw_sockets.h"
#include "modules/netstat/rtnetlink.h"
#include "modules/netstat/sock_diag.h"

namespace {

using dragnet::netstat::Fact;
using dragnet::netstat::Kind;
using dragnet::netstat::NetlinkMessage;
using dragnet::netstat::Protocol;

void Check(const Fact& fact) {
  for (std::string_view text :
       {std::string_view(fact.path), std::string_view(fact.interface), std::string_view(fact.mac),
        std::string_view(fact.type), std::string_view(fact.protocol_name)}) {
    if (!dragnet::IsValidUtf8(text)) std::abort();
  }
  if (fact.local_prefix > 128 || fact.remote_prefix > 128) std::abort();
}

void ReadAs(Protocol protocol, const NetlinkMessage& message) {
  if (const auto fact = dragnet::netstat::ParseSocket(protocol, message); fact.ok()) Check(*fact);
  if (const auto fact = dragnet::netstat::ParseRawLine(protocol, message.payload); fact.ok())
    Check(*fact);
}

void ReadAs(Kind kind, const NetlinkMessage& message) {
  const auto facts = dragnet::netstat::ParseRouteMessage(kind, message);
  if (!facts.ok()) return;
  for (const Fact& fact : *facts) Check(fact);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view datagram(reinterpret_cast<const char*>(data), size);
  for (;;) {
    const auto message = dragnet::netstat::TakeMessage(&datagram);
    if (!message.ok() || !message->has_value()) return 0;
    for (size_t i = 0; i < std::size(dragnet::netstat::kProtocolNames); ++i)
      ReadAs(static_cast<Protocol>(i), **message);
    for (size_t i = 0; i < std::size(dragnet::netstat::kKindNames); ++i)
      ReadAs(static_cast<Kind>(i), **message);
  }
}
