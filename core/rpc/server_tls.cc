#include "core/rpc/server_tls.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <optional>
#include <utility>
#include <vector>

#include "grpcpp/security/auth_context.h"
#include "grpcpp/security/auth_metadata_processor.h"

namespace dragnet::rpc {
namespace {

class NoProperty : public grpc::AuthPropertyIterator {
 public:
  NoProperty() = default;
};

// What C++ knows of a peer, over what C knows.
class PeerProperties : public grpc::AuthContext {
 public:
  explicit PeerProperties(grpc_auth_context* context) : context_(context) {}

  bool IsPeerAuthenticated() const override {
    return grpc_auth_context_peer_is_authenticated(context_) != 0;
  }
  std::vector<grpc::string_ref> GetPeerIdentity() const override {
    return All(grpc_auth_context_peer_identity(context_));
  }
  std::string GetPeerIdentityPropertyName() const override {
    const char* name = grpc_auth_context_peer_identity_property_name(context_);
    return name == nullptr ? "" : name;
  }
  std::vector<grpc::string_ref> FindPropertyValues(const std::string& name) const override {
    return All(grpc_auth_context_find_properties_by_name(context_, name.c_str()));
  }
  grpc::AuthPropertyIterator begin() const override { return NoProperty(); }
  grpc::AuthPropertyIterator end() const override { return NoProperty(); }
  void AddProperty(const std::string&, const grpc::string_ref&) override {}
  bool SetPeerIdentityPropertyName(const std::string&) override { return false; }

 private:
  static std::vector<grpc::string_ref> All(grpc_auth_property_iterator properties) {
    std::vector<grpc::string_ref> values;
    while (const grpc_auth_property* property = grpc_auth_property_iterator_next(&properties))
      values.emplace_back(property->value, property->value_length);
    return values;
  }

  grpc_auth_context* context_;
};

grpc::string_ref Text(const grpc_slice& slice) {
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

void ProcessCall(void* state, grpc_auth_context* context, const grpc_metadata* metadata,
                 size_t count, grpc_process_auth_metadata_done_cb done, void* argument) {
  auto& processor = **static_cast<std::shared_ptr<grpc::AuthMetadataProcessor>*>(state);
  grpc::AuthMetadataProcessor::InputMetadata input;
  for (size_t i = 0; i < count; ++i) input.emplace(Text(metadata[i].key), Text(metadata[i].value));
  grpc::AuthMetadataProcessor::OutputMetadata consumed;
  grpc::AuthMetadataProcessor::OutputMetadata response;
  PeerProperties peer(context);
  const grpc::Status status = processor.Process(input, &peer, &consumed, &response);
  done(argument, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.error_code()),
       status.error_message().c_str());
}

void ForgetProcessor(void* state) {
  std::unique_ptr<std::shared_ptr<grpc::AuthMetadataProcessor>>(
      static_cast<std::shared_ptr<grpc::AuthMetadataProcessor>*>(state));
}

class ReplaceableCredentials : public grpc::ServerCredentials {
 public:
  explicit ReplaceableCredentials(ServerTls& tls) {
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY, &Fetch, &tls));
  }
  ~ReplaceableCredentials() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& processor) override {
    auto kept = std::make_unique<std::shared_ptr<grpc::AuthMetadataProcessor>>(processor);
    grpc_server_credentials_set_auth_metadata_processor(
        credentials_, {&ProcessCall, &ForgetProcessor, kept.release()});
  }

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // gRPC asks with each connection, under a lock of its own.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* tls, grpc_ssl_server_certificate_config** config) {
    const std::optional<ServerTls::Material> material = static_cast<ServerTls*>(tls)->TakeNew();
    if (!material.has_value()) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair = {material->identity.private_key.c_str(),
                                             material->identity.certificate_chain.c_str()};
    *config =
        grpc_ssl_server_certificate_config_create(material->ca_certificates.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  grpc_server_credentials* credentials_;
};

}  // namespace

void ServerTls::Replace(std::string ca_certificates, TlsIdentity identity) {
  absl::MutexLock lock(&mutex_);
  ca_certificates_ = std::move(ca_certificates);
  identity_ = std::move(identity);
  is_new_ = true;
}

std::optional<ServerTls::Material> ServerTls::TakeNew() {
  absl::MutexLock lock(&mutex_);
  if (!std::exchange(is_new_, false)) return std::nullopt;
  return Material{ca_certificates_, identity_};
}

std::shared_ptr<grpc::ServerCredentials> NewServerCredentials(ServerTls& tls) {
  return std::make_shared<ReplaceableCredentials>(tls);
}

}  // namespace dragnet::rpc
