#include "modules/tls/flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "modules/tls/hello.h"
#include "modules/tls/names.h"
#include "modules/tls/test_bytes.h"
#include "modules/tls/wire.h"

namespace dragnet::tls {
namespace {

using State = FlightReader::State;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint16_t kEcdheRsa = 0xc02f;
constexpr uint16_t kDheRsa = 0x009e;

State StateAfter(std::string_view bytes) { return FlightReader().Read(bytes); }

std::string ReasonAfter(std::string_view bytes) {
  FlightReader reader;
  reader.Read(bytes);
  EXPECT_EQ(reader.state(), State::kBroken);
  return std::string(reader.reason());
}

TEST(FlightReaderTest, ReadsAServersWholeFlight) {
  ServerHelloBytes hello{.version = kTls12, .suite = kEcdheRsa, .compression = 1};
  hello.extensions =
      Extension(0xff01, std::string(1, '\0')) + Extension(35, "") + Extension(23, "");
  FlightReader reader;
  const std::string bytes =
      Record(22, HelloMessage(hello)) +
      Record(22, CertificateMessage({"first certificate", "its issuer"})) +
      Record(22, Message(22, std::string("\x01\0\0\x03", 4) + "abc") +
                     Message(12, std::string("\x03\0\x1d", 3) + "key and signature") +
                     Message(14, ""));
  EXPECT_EQ(reader.Read(bytes), State::kDone);
  const Flight& flight = reader.flight();
  ASSERT_TRUE(flight.hello.has_value());
  EXPECT_EQ(flight.hello->version, kTls12);
  EXPECT_EQ(flight.hello->suite, kEcdheRsa);
  EXPECT_EQ(flight.hello->compression, 1);
  EXPECT_TRUE(flight.hello->secure_renegotiation);
  EXPECT_TRUE(flight.hello->session_ticket);
  EXPECT_TRUE(flight.hello->extended_master_secret);
  EXPECT_FALSE(flight.hello->is_retry);
  EXPECT_THAT(flight.certificates, ElementsAre("first certificate", "its issuer"));
  EXPECT_TRUE(flight.has_ocsp_response);
  EXPECT_EQ(flight.group, 0x001d);
}

TEST(FlightReaderTest, HowTheBytesArePartedDoesNotMatter) {
  const std::string whole = HelloMessage({.version = kTls10, .suite = kDheRsa}) +
                            CertificateMessage({std::string(20000, 'c')}) +
                            Message(12, DhParameters(1023)) + Message(14, "");
  std::string bytes;
  for (size_t i = 0; i < whole.size(); i += 700) bytes += Record(22, whole.substr(i, 700));
  FlightReader reader;
  for (const char byte : bytes) reader.Read(std::string_view(&byte, 1));
  EXPECT_EQ(reader.state(), State::kDone);
  EXPECT_EQ(reader.flight().dh_bits, 1023U);
  ASSERT_EQ(reader.flight().certificates.size(), 1U);
  EXPECT_EQ(reader.flight().certificates[0].size(), 20000U);
}

TEST(FlightReaderTest, AHelloRetryRequestNamesAGroup) {
  ServerHelloBytes hello{.version = kTls12, .suite = 0x1301, .is_retry = true};
  hello.extensions =
      Extension(43, std::string("\x03\x04", 2)) + Extension(51, std::string("\x11\xec", 2));
  FlightReader reader;
  EXPECT_EQ(reader.Read(Record(22, HelloMessage(hello))), State::kDone);
  EXPECT_EQ(reader.flight().hello->version, kTls13);
  EXPECT_TRUE(reader.flight().hello->is_retry);
  EXPECT_EQ(reader.flight().group, 0x11ec);
}

TEST(FlightReaderTest, CurvesWithoutANameAreGroupZero) {
  FlightReader reader;
  reader.Read(Record(22, HelloMessage({.version = kTls12, .suite = kEcdheRsa}) +
                             Message(12, std::string("\x01") + "a prime and more")));
  EXPECT_EQ(reader.flight().group, 0);
}

TEST(FlightReaderTest, WarningsAreNoRefusal) {
  FlightReader reader;
  EXPECT_EQ(reader.Read(Record(21, "\x01\x70")), State::kReading);
  EXPECT_TRUE(reader.is_tls());
  EXPECT_EQ(reader.Read(Record(21, "\x02\x28")), State::kRefused);
  EXPECT_EQ(reader.flight().alert, 40);
  EXPECT_EQ(StateAfter(Record(21, std::string("\x01\0", 2))), State::kRefused);
}

TEST(FlightReaderTest, OtherProtocolsAreNotTls) {
  for (const std::string_view text :
       {"HTTP/1.1 400 Bad Request\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "220 mail ESMTP\r\n",
        "-ERR unknown command\r\n", "\x15\x04", "\x16\x03\x05"}) {
    FlightReader reader;
    EXPECT_EQ(reader.Read(text), State::kNotTls) << text;
    EXPECT_FALSE(reader.is_tls());
  }
  // A record that no one could mean.
  EXPECT_EQ(StateAfter(std::string("\x16\x03\x01\0\0", 5)), State::kNotTls);
  EXPECT_EQ(StateAfter("\x16\x03\x01\xff\xff"), State::kNotTls);
}

TEST(FlightReaderTest, WhatComesOutOfOrderIsBroken) {
  const std::string hello = HelloMessage({.version = kTls12, .suite = kEcdheRsa});
  EXPECT_THAT(ReasonAfter(Record(22, Message(11, ""))), HasSubstr("before the ServerHello"));
  EXPECT_THAT(ReasonAfter(Record(22, hello + hello)), HasSubstr("second ServerHello"));
  EXPECT_THAT(ReasonAfter(Record(22, hello + Message(20, "finished"))),
              HasSubstr("no server sends"));
  EXPECT_THAT(ReasonAfter(Record(22, hello) + Record(23, "data")), HasSubstr("doesn't belong"));
  EXPECT_THAT(ReasonAfter(Record(21, "\x02")), HasSubstr("alert"));
  const std::string certificates = CertificateMessage({"a"});
  EXPECT_THAT(ReasonAfter(Record(22, hello + certificates + certificates)),
              HasSubstr("second Certificate"));
}

TEST(FlightReaderTest, EveryLengthIsBounded) {
  const std::string hello = Record(22, HelloMessage({.version = kTls12, .suite = kEcdheRsa}));
  EXPECT_THAT(ReasonAfter(hello + Record(22, std::string("\x0b\x10\0\0", 4))),
              HasSubstr("more than 128 KiB"));
  EXPECT_THAT(ReasonAfter(hello + std::string("\x16\x03\x03\0\0", 5)), HasSubstr("no length"));
  EXPECT_THAT(
      ReasonAfter(hello + Record(22, CertificateMessage(std::vector<std::string>(17, "c")))),
      HasSubstr("more than 16"));
  std::string endless = hello;
  for (int i = 0; i < 20; ++i) endless += Record(22, Message(13, std::string(16000, 'r')));
  EXPECT_THAT(ReasonAfter(endless), HasSubstr("256 KiB"));
  std::string requests;
  for (int i = 0; i < 65; ++i) requests += Message(0, "");
  EXPECT_THAT(ReasonAfter(Record(22, requests)), HasSubstr("more than 64"));
  std::string warnings;
  for (int i = 0; i < 600; ++i) warnings += Record(21, "\x01\x70");
  EXPECT_THAT(ReasonAfter(warnings), HasSubstr("512 records"));
}

TEST(FlightReaderTest, LengthsThatPointOutsideAreBroken) {
  const std::string good = HelloMessage({.version = kTls12, .suite = kDheRsa});
  const std::string body = good.substr(4);
  for (size_t size = 0; size < body.size(); ++size)
    EXPECT_NE(StateAfter(Record(22, Message(2, body.substr(0, size)))), State::kDone) << size;
  for (const uint8_t type : {11, 12, 22}) {
    EXPECT_EQ(StateAfter(Record(22, good + Message(type, "\xff\xff\xff\xff"))), State::kBroken)
        << static_cast<int>(type);
  }
  ServerHelloBytes hello{.version = kTls12, .suite = kEcdheRsa};
  hello.extensions = std::string("\0\x17\0\x05", 4);
  EXPECT_THAT(ReasonAfter(Record(22, HelloMessage(hello))), HasSubstr("extensions"));
}

// A reader of what ClientHello writes, for looking into it.
struct SentHello {
  uint16_t record_version = 0;
  uint16_t version = 0;
  std::string session;
  std::vector<uint16_t> suites;
  std::string compression;
  std::vector<std::pair<uint16_t, std::string>> extensions;

  const std::string* Find(uint16_t type) const {
    for (const auto& [key, content] : extensions)
      if (key == type) return &content;
    return nullptr;
  }
};

SentHello Sent(const Hello& hello) {
  SentHello sent;
  const std::string bytes = ClientHello(hello, {});
  WireReader record(bytes);
  EXPECT_EQ(record.Number(1), 22U);
  sent.record_version = static_cast<uint16_t>(record.Number(2));
  WireReader message(record.Vector(2));
  EXPECT_TRUE(record.ok() && record.empty());
  EXPECT_EQ(message.Number(1), 1U);
  WireReader body(message.Vector(3));
  EXPECT_TRUE(message.ok() && message.empty());
  sent.version = static_cast<uint16_t>(body.Number(2));
  body.Bytes(32);
  sent.session = std::string(body.Vector(1));
  WireReader suites(body.Vector(2));
  while (!suites.empty()) sent.suites.push_back(static_cast<uint16_t>(suites.Number(2)));
  sent.compression = std::string(body.Vector(1));
  if (!body.empty()) {
    WireReader extensions(body.Vector(2));
    while (!extensions.empty()) {
      const auto type = static_cast<uint16_t>(extensions.Number(2));
      sent.extensions.emplace_back(type, extensions.Vector(2));
    }
    EXPECT_TRUE(extensions.ok());
  }
  EXPECT_TRUE(body.ok() && body.empty());
  return sent;
}

TEST(ClientHelloTest, OffersSsl3WithoutExtensions) {
  const SentHello sent = Sent(HelloOf(kSsl3, "www.example.com"));
  EXPECT_EQ(sent.record_version, kSsl3);
  EXPECT_EQ(sent.version, kSsl3);
  EXPECT_TRUE(sent.extensions.empty());
  EXPECT_EQ(sent.suites.back(), 0x00ff);
  EXPECT_EQ(sent.compression, std::string("\1\0", 2));
}

TEST(ClientHelloTest, OffersTls12WithItsExtensions) {
  const SentHello sent = Sent(HelloOf(kTls12, "www.example.com"));
  EXPECT_EQ(sent.record_version, kTls10);
  EXPECT_EQ(sent.version, kTls12);
  ASSERT_NE(sent.Find(0), nullptr);
  EXPECT_EQ(*sent.Find(0), std::string("\0\x12\0\0\x0f", 5) + "www.example.com");
  for (const uint16_t type : {5, 10, 11, 13, 23, 35, 0xff01}) EXPECT_NE(sent.Find(type), nullptr);
  EXPECT_EQ(sent.Find(43), nullptr);
  EXPECT_GT(sent.suites.size(), 200U);
  EXPECT_EQ(Sent(HelloOf(kTls12, "")).Find(0), nullptr);
}

TEST(ClientHelloTest, OffersTls13WithoutAKeyShare) {
  const SentHello sent = Sent(HelloOf(kTls13, ""));
  EXPECT_EQ(sent.version, kTls12);
  EXPECT_EQ(sent.session.size(), 32U);
  EXPECT_EQ(sent.compression, std::string(1, '\0'));
  EXPECT_THAT(sent.suites, ElementsAre(0x1301, 0x1302, 0x1303, 0x1304, 0x1305));
  ASSERT_NE(sent.Find(43), nullptr);
  EXPECT_EQ(*sent.Find(43), "\x02\x03\x04");
  ASSERT_NE(sent.Find(51), nullptr);
  EXPECT_EQ(*sent.Find(51), std::string(2, '\0'));
}

TEST(ClientHelloTest, OldVersionsAreNotOfferedWhatTheyDontHave) {
  for (const uint16_t code : HelloOf(kTls11, "").suites)
    EXPECT_TRUE(IsOfVersion(*FindSuite(code), kTls11)) << SuiteName(code);
  EXPECT_EQ(Sent(HelloOf(kTls11, "")).Find(13), nullptr);
}

TEST(ClientHelloTest, TheFirstOneOffersEverythingFromTls10On) {
  const SentHello sent = Sent(EverythingHello(""));
  ASSERT_NE(sent.Find(43), nullptr);
  EXPECT_EQ(*sent.Find(43), "\x08\x03\x04\x03\x03\x03\x02\x03\x01");
  EXPECT_EQ(sent.suites.size(), AllSuites().size());
}

}  // namespace
}  // namespace dragnet::tls
