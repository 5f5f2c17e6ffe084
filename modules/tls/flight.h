// What a server sends upon a ClientHello, in the clear: ServerHello, and before TLS
// 1.3 Certificate, CertificateStatus and ServerKeyExchange (RFC 5246, 7.4; RFC 8446,
// 4.1.3). Every byte is a stranger's: sizes are bounded, and what isn't TLS to the
// letter ends the reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet::tls {

// Of all that a server sends. Chains of certificates have some kilobytes.
inline constexpr size_t kMaxFlightBytes = 256 * 1024;
inline constexpr size_t kMaxCertificates = 16;

struct ServerHello {
  uint16_t version = 0;
  uint16_t suite = 0;
  uint8_t compression = 0;
  // TLS 1.3: it asks for another ClientHello, with a key of `group`.
  bool is_retry = false;
  bool secure_renegotiation = false;
  bool session_ticket = false;
  bool extended_master_secret = false;
};

struct Flight {
  std::optional<ServerHello> hello;
  // That a HelloRetryRequest asks for, or of an ECDHE ServerKeyExchange; 0 is a
  // curve without a name (explicit parameters).
  std::optional<uint16_t> group;
  // Of a DHE ServerKeyExchange's modulus.
  std::optional<uint32_t> dh_bits;
  // DER; the server's own first.
  std::vector<std::string> certificates;
  bool has_ocsp_response = false;
  // The fatal alert that ended it.
  std::optional<uint8_t> alert;
};

class FlightReader {
 public:
  enum class State {
    // More bytes can come.
    kReading,
    // All that there is in the clear has come (see Flight).
    kDone,
    // A fatal alert came.
    kRefused,
    // The first bytes are no TLS record.
    kNotTls,
    // It began as TLS and went on as something else, or grew too large.
    kBroken,
  };

  // Takes what came next; no more once the state is not kReading.
  State Read(std::string_view bytes);

  State state() const { return state_; }
  const Flight& flight() const { return flight_; }
  // Why the state is kBroken.
  std::string_view reason() const { return reason_; }
  // Whether any record has come: the peer speaks TLS.
  bool is_tls() const { return records_ > 0; }

 private:
  // False when nothing more can be done with what is there.
  bool ReadRecord();
  void ReadAlert(std::string_view record);
  void ReadHandshake(std::string_view record);
  void ReadMessage(uint8_t type, std::string_view body);
  void ReadServerHello(std::string_view body);
  void ReadExtensions(std::string_view bytes, ServerHello* hello);
  void ReadCertificates(std::string_view body);
  void ReadCertificateStatus(std::string_view body);
  void ReadKeyExchange(std::string_view body);
  void Break(std::string_view reason);

  State state_ = State::kReading;
  std::string_view reason_;
  Flight flight_;
  size_t total_ = 0;
  size_t records_ = 0;
  size_t messages_ = 0;
  // Bytes of records, and of handshake messages, that aren't whole yet.
  std::string pending_;
  std::string message_;
};

}  // namespace dragnet::tls
