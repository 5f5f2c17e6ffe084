// libFuzzer target: what pretends to be a TLS server's answer, and the certificates in
// it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "modules/tls/certificate.h"
#include "modules/tls/flight.h"
#include "modules/tls/listeners.h"

namespace {

using dragnet::tls::FlightReader;

void Must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  FlightReader whole;
  whole.Read(bytes);
  FlightReader parted;
  for (size_t i = 0; i < size; i += 7) parted.Read(bytes.substr(i, 7));
  Must(whole.state() == parted.state());
  Must(whole.flight().certificates == parted.flight().certificates);
  Must(whole.reason() == parted.reason());
  Must(whole.flight().certificates.size() <= dragnet::tls::kMaxCertificates);
  Must(whole.state() != FlightReader::State::kDone || whole.flight().hello.has_value());

  for (const std::string& der : whole.flight().certificates)
    (void)dragnet::tls::ReadCertificate(der, "www.example.com");
  const auto facts = dragnet::tls::ReadCertificate(bytes, "www.example.com");
  if (facts.ok()) {
    Must(facts->names.size() <= 64 && facts->subject.size() <= 600);
    (void)dragnet::tls::LifespanDays(*facts);
  }
  std::vector<dragnet::tls::Listener> listeners;
  dragnet::tls::ParseListeners(bytes, size % 2 == 0, &listeners);
  return 0;
}
