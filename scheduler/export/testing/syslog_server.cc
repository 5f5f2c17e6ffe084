#include "scheduler/export/testing/syslog_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace dragnet::scheduler::testing {
namespace {

// Nothing in a test can go on without these.
void Need(bool condition, const char* what) {
  if (condition) return;
  std::perror(what);
  std::abort();
}

}  // namespace

void MakeServerCertificate(const std::string& directory, const std::string& ip) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("receiver"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  for (const auto& [nid, value] :
       {std::pair<int, std::string>{NID_subject_alt_name, "IP:" + ip},
        std::pair<int, std::string>{NID_basic_constraints, "critical,CA:TRUE"}}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    Need(extension != nullptr, "extension");
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  Need(X509_sign(certificate, key, EVP_sha256()) != 0, "sign");
  std::FILE* pem = std::fopen((directory + "/server.pem").c_str(), "w");
  std::FILE* key_file = std::fopen((directory + "/server.key").c_str(), "w");
  Need(pem != nullptr && key_file != nullptr, "open");
  PEM_write_X509(pem, certificate);
  PEM_write_PrivateKey(key_file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(pem);
  std::fclose(key_file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

SyslogServer::SyslogServer(const std::string& directory, SyslogServerOptions options)
    : directory_(directory), options_(std::move(options)) {
  listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listening_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(options_.port));
  socklen_t size = sizeof address;
  Need(::bind(listening_, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
  Need(::listen(listening_, 16) == 0, "listen");
  ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  Need(::pipe2(wake_, O_CLOEXEC) == 0, "pipe");
  thread_ = std::thread([this] { Loop(); });
}

SyslogServer::~SyslogServer() {
  Stop();
  ::close(listening_);
  ::close(wake_[0]);
}

void SyslogServer::Stop() {
  if (!thread_.joinable()) return;
  ::close(wake_[1]);
  thread_.join();
}

void SyslogServer::WaitForConnection() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return connections_ > 0; });
}

std::vector<std::string> SyslogServer::messages() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return messages_;
}

void SyslogServer::Loop() {
  while (true) {
    pollfd items[] = {{listening_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    ::poll(items, 2, -1);
    // Connections that are there already come first.
    if (items[0].revents == 0 && items[1].revents != 0) return;
    if (items[0].revents == 0) continue;
    const int fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++connections_;
    }
    changed_.notify_all();
    Serve(fd);
    ::close(fd);
  }
}

bool SyslogServer::TakeFrames(std::string* buffer) {
  while (true) {
    const size_t space = buffer->find(' ');
    if (space == std::string::npos) return buffer->size() < 10;
    char* end = nullptr;
    const size_t length = std::strtoul(buffer->c_str(), &end, 10);
    if (end != buffer->c_str() + space || length == 0) return false;
    if (buffer->size() < space + 1 + length) return true;
    const std::string message = buffer->substr(space + 1, length);
    buffer->erase(0, space + 1 + length);
    if (options_.on_message) options_.on_message(message);
    const std::lock_guard<std::mutex> lock(mutex_);
    messages_.push_back(message);
  }
}

void SyslogServer::Serve(int fd) {
  if (options_.hang) {
    pollfd item{wake_[0], POLLIN, 0};
    ::poll(&item, 1, -1);
    return;
  }
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  // Also for versions that only a test speaks.
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  if (options_.max_version != 0) SSL_CTX_set_max_proto_version(context, options_.max_version);
  SSL_CTX_use_certificate_file(context, (directory_ + "/server.pem").c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_use_PrivateKey_file(context, (directory_ + "/server.key").c_str(), SSL_FILETYPE_PEM);
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  std::string buffer;
  size_t total = 0;
  if (SSL_accept(ssl) == 1) {
    char part[16384];
    while (options_.die_after == 0 || total < options_.die_after) {
      const int got = SSL_read(ssl, part, sizeof part);
      if (got <= 0) {
        if (SSL_get_error(ssl, got) == SSL_ERROR_ZERO_RETURN && options_.say_end && buffer.empty())
          SSL_shutdown(ssl);
        break;
      }
      total += static_cast<size_t>(got);
      buffer.append(part, static_cast<size_t>(got));
      if (!TakeFrames(&buffer)) break;
      if (options_.end_after == 0 || total < options_.end_after) continue;
      SSL_shutdown(ssl);
      while (::recv(fd, part, sizeof part, 0) > 0) {
      }
      break;
    }
  }
  SSL_free(ssl);
  SSL_CTX_free(context);
}

}  // namespace dragnet::scheduler::testing
