#include "modules/tls/flight.h"

#include <bit>

#include "modules/tls/names.h"
#include "modules/tls/wire.h"

namespace dragnet::tls {
namespace {

constexpr size_t kRecordHeader = 5;
// 2^14 bytes, and what compression and encryption may add to them (RFC 5246, 6.2.3).
constexpr size_t kMaxRecord = 16384 + 2048;
constexpr size_t kMessageHeader = 4;
constexpr size_t kMaxMessage = 128 * 1024;
constexpr size_t kMaxCertificate = 64 * 1024;
constexpr size_t kMaxRecords = 512;
constexpr size_t kMaxMessages = 64;

constexpr uint8_t kAlertRecord = 21;
constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kFatal = 2;

enum MessageType : uint8_t {
  kHelloRequest = 0,
  kServerHello = 2,
  kCertificate = 11,
  kServerKeyExchange = 12,
  kCertificateRequest = 13,
  kServerHelloDone = 14,
  kCertificateStatus = 22,
};

enum Extension : uint16_t {
  kExtendedMasterSecret = 23,
  kSessionTicket = 35,
  kSupportedVersions = 43,
  kKeyShare = 51,
  kRenegotiationInfo = 0xff01,
};

// A ServerHello with this random is a HelloRetryRequest (RFC 8446, 4.1.3).
constexpr std::string_view kRetryRandom(
    "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
    "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c",
    32);

// Whether it can be the beginning of a record that a server answers with.
bool LooksLikeRecord(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  return (at(0) == kAlertRecord || at(0) == kHandshakeRecord) && (bytes.size() < 2 || at(1) == 3) &&
         (bytes.size() < 3 || at(2) <= 4);
}

uint32_t BitsOf(std::string_view number) {
  while (!number.empty() && number.front() == '\0') number.remove_prefix(1);
  if (number.empty()) return 0;
  return static_cast<uint32_t>(number.size() - 1) * 8 +
         static_cast<uint32_t>(std::bit_width(static_cast<unsigned char>(number.front())));
}

}  // namespace

void FlightReader::Break(std::string_view reason) {
  state_ = State::kBroken;
  reason_ = reason;
}

FlightReader::State FlightReader::Read(std::string_view bytes) {
  if (state_ != State::kReading) return state_;
  total_ += bytes.size();
  if (total_ > kMaxFlightBytes) {
    Break("more than 256 KiB of handshake");
    return state_;
  }
  pending_.append(bytes);
  while (state_ == State::kReading && ReadRecord()) {
  }
  return state_;
}

bool FlightReader::ReadRecord() {
  if (pending_.empty()) return false;
  if (!LooksLikeRecord(pending_)) {
    if (records_ == 0) {
      state_ = State::kNotTls;
    } else {
      Break("a record that doesn't belong into a handshake");
    }
    return false;
  }
  if (pending_.size() < kRecordHeader) return false;
  WireReader header(pending_);
  const uint8_t type = static_cast<uint8_t>(header.Number(1));
  header.Number(2);
  const size_t length = header.Number(2);
  if (length == 0 || length > kMaxRecord) {
    if (records_ == 0) {
      state_ = State::kNotTls;
    } else {
      Break("a record of no length that TLS has");
    }
    return false;
  }
  if (pending_.size() < kRecordHeader + length) return false;
  if (++records_ > kMaxRecords) {
    Break("more than 512 records");
    return false;
  }
  const std::string record = pending_.substr(kRecordHeader, length);
  pending_.erase(0, kRecordHeader + length);
  if (type == kAlertRecord) {
    ReadAlert(record);
  } else {
    ReadHandshake(record);
  }
  return true;
}

void FlightReader::ReadAlert(std::string_view record) {
  WireReader reader(record);
  const uint32_t level = reader.Number(1);
  const uint8_t alert = static_cast<uint8_t>(reader.Number(1));
  if (!reader.ok() || !reader.empty()) return Break("an alert of another length than 2");
  // Warnings, such as unrecognized_name, go in front of a ServerHello.
  constexpr uint8_t kCloseNotify = 0;
  if (level != kFatal && alert != kCloseNotify) return;
  flight_.alert = alert;
  state_ = State::kRefused;
}

void FlightReader::ReadHandshake(std::string_view record) {
  message_.append(record);
  while (state_ == State::kReading && message_.size() >= kMessageHeader) {
    WireReader header(message_);
    const uint8_t type = static_cast<uint8_t>(header.Number(1));
    const size_t length = header.Number(3);
    if (length > kMaxMessage) return Break("a handshake message of more than 128 KiB");
    if (messages_ == kMaxMessages) return Break("more than 64 handshake messages");
    if (message_.size() < kMessageHeader + length) return;
    const std::string body = message_.substr(kMessageHeader, length);
    message_.erase(0, kMessageHeader + length);
    ++messages_;
    ReadMessage(type, body);
  }
}

void FlightReader::ReadMessage(uint8_t type, std::string_view body) {
  if (type == kHelloRequest) return;
  if (type == kServerHello) {
    if (flight_.hello) return Break("a second ServerHello");
    return ReadServerHello(body);
  }
  if (!flight_.hello) return Break("a handshake message before the ServerHello");
  switch (type) {
    case kCertificate:
      return ReadCertificates(body);
    case kCertificateStatus:
      return ReadCertificateStatus(body);
    case kServerKeyExchange:
      return ReadKeyExchange(body);
    case kCertificateRequest:
      return;
    case kServerHelloDone:
      state_ = State::kDone;
      return;
    default:
      return Break("a handshake message that no server sends here");
  }
}

void FlightReader::ReadServerHello(std::string_view body) {
  WireReader reader(body);
  ServerHello hello;
  hello.version = static_cast<uint16_t>(reader.Number(2));
  const std::string_view random = reader.Bytes(32);
  const std::string_view session = reader.Vector(1);
  hello.suite = static_cast<uint16_t>(reader.Number(2));
  hello.compression = static_cast<uint8_t>(reader.Number(1));
  const std::string_view extensions = reader.empty() ? std::string_view() : reader.Vector(2);
  if (!reader.ok() || !reader.empty() || session.size() > 32)
    return Break("a ServerHello that can't be read");
  if (hello.version < kSsl3 || hello.version > kTls12)
    return Break("a ServerHello of an unknown version");
  hello.is_retry = random == kRetryRandom;
  ReadExtensions(extensions, &hello);
  if (state_ != State::kReading) return;
  flight_.hello = hello;
  // All that follows is encrypted, or waits for another ClientHello.
  if (hello.version == kTls13) state_ = State::kDone;
}

void FlightReader::ReadExtensions(std::string_view bytes, ServerHello* hello) {
  WireReader reader(bytes);
  while (reader.ok() && !reader.empty()) {
    const uint32_t type = reader.Number(2);
    WireReader content(reader.Vector(2));
    switch (type) {
      case kSupportedVersions:
        hello->version = static_cast<uint16_t>(content.Number(2));
        if (!content.ok() || hello->version != kTls13)
          return Break("a ServerHello that selects an unknown version");
        break;
      case kKeyShare:
        flight_.group = static_cast<uint16_t>(content.Number(2));
        if (!content.ok()) return Break("a key_share that can't be read");
        break;
      case kRenegotiationInfo:
        hello->secure_renegotiation = true;
        break;
      case kSessionTicket:
        hello->session_ticket = true;
        break;
      case kExtendedMasterSecret:
        hello->extended_master_secret = true;
        break;
      default:
        break;
    }
  }
  if (!reader.ok()) Break("extensions that can't be read");
}

void FlightReader::ReadCertificates(std::string_view body) {
  if (!flight_.certificates.empty()) return Break("a second Certificate");
  WireReader reader(body);
  WireReader list(reader.Vector(3));
  if (!reader.ok() || !reader.empty()) return Break("a Certificate that can't be read");
  while (!list.empty()) {
    const std::string_view der = list.Vector(3);
    if (!list.ok() || der.empty() || der.size() > kMaxCertificate)
      return Break("a certificate of no length, or of more than 64 KiB");
    if (flight_.certificates.size() == kMaxCertificates) return Break("more than 16 certificates");
    flight_.certificates.emplace_back(der);
  }
}

void FlightReader::ReadCertificateStatus(std::string_view body) {
  constexpr uint32_t kOcsp = 1;
  WireReader reader(body);
  const uint32_t type = reader.Number(1);
  const std::string_view response = reader.Vector(3);
  if (!reader.ok()) return Break("a CertificateStatus that can't be read");
  flight_.has_ocsp_response = type == kOcsp && !response.empty();
}

void FlightReader::ReadKeyExchange(std::string_view body) {
  const Suite* suite = FindSuite(flight_.hello->suite);
  if (suite == nullptr) return;
  WireReader reader(body);
  switch (KeyExchangeOf(*suite)) {
    case KeyExchange::kEcdhe: {
      constexpr uint32_t kNamedCurve = 3;
      const bool is_named = reader.Number(1) == kNamedCurve;
      const uint32_t group = is_named ? reader.Number(2) : 0;
      if (!reader.ok()) return Break("a ServerKeyExchange that can't be read");
      flight_.group = static_cast<uint16_t>(group);
      break;
    }
    case KeyExchange::kDhe: {
      const std::string_view modulus = reader.Vector(2);
      reader.Vector(2);
      reader.Vector(2);
      if (!reader.ok()) return Break("a ServerKeyExchange that can't be read");
      flight_.dh_bits = BitsOf(modulus);
      break;
    }
    default:
      // Export ciphers with RSA send a short-lived key of 512 bits.
      break;
  }
}

}  // namespace dragnet::tls
