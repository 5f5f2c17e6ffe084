// A batch is a POST of lines of JSON; any answer of 200 to 299 confirms it.
#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "core/file_io.h"
#include "core/openssl.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/version.h"
#include "scheduler/export/receiver.h"

namespace dragnet::scheduler {
namespace {

constexpr long kConnectSeconds = 10;
constexpr long kTotalSeconds = 60;
// Of the answer, head and body; nothing of it is used.
constexpr size_t kMaxAnswer = 64 * 1024;
constexpr size_t kMinSecret = 16;
constexpr size_t kMaxSecret = 4096;

using CurlPtr = std::unique_ptr<CURL, OpensslDeleter<curl_easy_cleanup>>;
using HeadersPtr = std::unique_ptr<curl_slist, OpensslDeleter<curl_slist_free_all>>;

struct Call {
  const std::atomic<bool>& stop;
  size_t received = 0;
};

size_t OnAnswer(char*, size_t size, size_t count, void* data) {
  Call* call = static_cast<Call*>(data);
  call->received += size * count;
  return call->received > kMaxAnswer ? 0 : size * count;
}

int OnProgress(void* data, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Call*>(data)->stop ? 1 : 0;
}

std::string HmacSha256(std::string_view key, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return HexEncode(std::string_view(reinterpret_cast<const char*>(digest), size));
}

std::string Sha256(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  return HexEncode(std::string_view(reinterpret_cast<const char*>(digest), size));
}

class WebhookReceiver : public Receiver {
 public:
  WebhookReceiver(const ExportSettings& settings, std::string secret, CurlPtr curl)
      : settings_(settings), secret_(std::move(secret)), curl_(std::move(curl)) {}

  absl::Status Deliver(const std::vector<std::string>& events,
                       const std::atomic<bool>& stop) override {
    const std::string body = StrCat(absl::StrJoin(events, "\n"), "\n");
    const std::string time = StrCat(absl::ToUnixSeconds(absl::Now()));
    HeadersPtr headers;
    DRAGNET_RETURN_IF_ERROR(Add("Content-Type: application/x-ndjson", &headers));
    // Nothing is gained by asking first.
    DRAGNET_RETURN_IF_ERROR(Add("Expect:", &headers));
    DRAGNET_RETURN_IF_ERROR(Add(StrCat("Dragnet-Timestamp: ", time), &headers));
    DRAGNET_RETURN_IF_ERROR(
        Add(StrCat("Dragnet-Signature: sha256=", HmacSha256(secret_, StrCat(time, ".", body))),
            &headers));
    DRAGNET_RETURN_IF_ERROR(Add(StrCat("Idempotency-Key: ", Sha256(body)), &headers));
    Call call{.stop = stop};
    Set(&call, body, headers.get());
    char words[CURL_ERROR_SIZE] = {};
    curl_easy_setopt(curl_.get(), CURLOPT_ERRORBUFFER, words);
    const CURLcode code = curl_easy_perform(curl_.get());
    curl_easy_setopt(curl_.get(), CURLOPT_ERRORBUFFER, nullptr);
    if (stop && code != CURLE_OK) return absl::CancelledError("the scheduler stops");
    if (call.received > kMaxAnswer)
      return absl::UnavailableError(StrCat("its answer is larger than ", kMaxAnswer, " bytes"));
    if (code != CURLE_OK)
      return absl::UnavailableError(
          Shorten(ForTerminal(words[0] != 0 ? words : curl_easy_strerror(code)), 300));
    long status = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) return absl::OkStatus();
    return absl::UnavailableError(
        StrCat("it answered with status ", status,
               status >= 300 && status < 400 ? " (redirections aren't followed)" : ""));
  }

  // Path and query are what many receivers know their senders by: a secret, and this
  // is shown to everyone who may read, and logged.
  std::string address() const override {
    const size_t host = settings_.url.find("://") + 3;
    return settings_.url.substr(0, settings_.url.find_first_of("/?#", host));
  }

 private:
  static absl::Status Add(const std::string& header, HeadersPtr* headers) {
    curl_slist* longer = curl_slist_append(headers->get(), header.c_str());
    if (longer == nullptr) return absl::ResourceExhaustedError("no memory");
    // The same list, unless it was empty.
    static_cast<void>(headers->release());
    headers->reset(longer);
    return absl::OkStatus();
  }

  void Set(Call* call, const std::string& body, curl_slist* headers) {
    CURL* curl = curl_.get();
    // The connection stays; everything else is set anew.
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, settings_.url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR,
                     settings_.url.starts_with("https://") ? "https" : "http");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    // What the environment says of proxies isn't configured by who runs the fleet.
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!settings_.ca.empty()) {
      curl_easy_setopt(curl, CURLOPT_CAINFO, settings_.ca.c_str());
      curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
    }
    if (!settings_.certificate.empty()) {
      curl_easy_setopt(curl, CURLOPT_SSLCERT, settings_.certificate.c_str());
      curl_easy_setopt(curl, CURLOPT_SSLKEY, settings_.key.c_str());
    }
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, kTotalSeconds);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, StrCat("dragnet-scheduler/", kVersion).c_str());
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &OnAnswer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &OnAnswer);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &OnProgress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, call);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  }

  const ExportSettings settings_;
  const std::string secret_;
  const CurlPtr curl_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Receiver>> NewWebhookReceiver(const ExportSettings& settings) {
  // Before threads of exports run: it is not thread-safe in itself.
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) return absl::InternalError("libcurl can't be used");
  DRAGNET_ASSIGN_OR_RETURN(std::string secret, ReadSecretFile(settings.secret, kMaxSecret));
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.size() < kMinSecret)
    return absl::InvalidArgumentError(
        StrCat(settings.secret, ": a secret of at least ", kMinSecret, " bytes is needed"));
  // Read here, so that what is missing is said at the start and not with each batch.
  if (!settings.ca.empty()) DRAGNET_RETURN_IF_ERROR(ReadFile(settings.ca).status());
  if (!settings.certificate.empty()) {
    DRAGNET_RETURN_IF_ERROR(ReadFile(settings.certificate).status());
    DRAGNET_RETURN_IF_ERROR(ReadSecretFile(settings.key).status());
  }
  CurlPtr curl(curl_easy_init());
  if (curl == nullptr) return absl::ResourceExhaustedError("no memory");
  return std::make_unique<WebhookReceiver>(settings, std::move(secret), std::move(curl));
}

}  // namespace dragnet::scheduler
