// MIG's module `sshkey`. What differs from MIG on purpose: docs/mig/sshkey.md.
#include "modules/mig.h"

#include "core/strings.h"
#include "core/text.h"
#include "modules/sshkey/sshkey.pb.h"

namespace dragnet {

const Module& SshkeyModule();

namespace sshkey {
namespace {

constexpr uint32_t kDefaultDepth = 8;
constexpr uint32_t kMaxDepth = 1000;

class SshkeyElements : public MigElements {
 public:
  void Add(const google::protobuf::Message& message) override {
    const auto& row = dynamic_cast<const v1::SshkeyRow&>(message);
    MigJson key;
    // MIG's MD5 has no name in front.
    constexpr std::string_view kMd5 = "MD5:";
    key["fingerprint_md5"] =
        row.md5().starts_with(kMd5) ? row.md5().substr(kMd5.size()) : row.md5();
    key["fingerprint_sha256"] = row.sha256();
    key["path"] = row.path();
    key["encrypted"] = row.encrypted() == "yes";
    key["type"] = row.kind() == "authorized_key" ? "authorizedkeys"
                  : row.kind() == "private"      ? "private"
                                                 : "public";
    keys_.push_back(std::move(key));
  }

  MigJson Elements() override {
    MigJson elements;
    elements["keys"] = keys_.empty() ? MigJson(nullptr) : keys_;
    return elements;
  }
  MigJson Statistics(const MigStatistics&) override { return nullptr; }

 private:
  MigJson keys_ = MigJson::array();
};

class SshkeyMigModule : public MigModule {
 public:
  std::string_view name() const override { return "sshkey"; }
  const Module& module() const override { return SshkeyModule(); }

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> TranslateParameters(
      const MigJson& parameters) const override {
    auto ours = std::make_unique<v1::SshkeyParameters>();
    ours->set_max_depth(kDefaultDepth);
    if (!parameters.is_object() && !parameters.is_null())
      return absl::InvalidArgumentError("sshkey: parameters must be an object");
    for (const auto& [key, value] : parameters.items()) {
      if (key == "paths") {
        if (value.is_null()) continue;
        if (!value.is_array()) return absl::InvalidArgumentError("sshkey: paths must be a list");
        for (const auto& path : value) {
          if (!path.is_string())
            return absl::InvalidArgumentError("sshkey: paths must be a list of strings");
          ours->add_paths(path.get<std::string>());
        }
      } else if (key == "maxdepth") {
        if (!value.is_number_unsigned() || value.get<uint64_t>() > kMaxDepth)
          return absl::InvalidArgumentError("sshkey: maxdepth must be a number from 0 to 1000");
        if (value.get<uint32_t>() != 0) ours->set_max_depth(value.get<uint32_t>());
      } else {
        return absl::InvalidArgumentError(StrCat("sshkey: unknown key '",
                                                 ForTerminal(Shorten(key, 200)),
                                                 "'; there are paths and maxdepth"));
      }
    }
    if (ours->paths().empty())
      for (const char* path : {"/root", "/home"}) ours->add_paths(path);
    return ours;
  }

  std::unique_ptr<MigElements> NewElements(const MigJson&) const override {
    return std::make_unique<SshkeyElements>();
  }
};

}  // namespace
}  // namespace sshkey

std::span<const MigModule* const> SshkeyMigModules() {
  static const sshkey::SshkeyMigModule module;
  static const MigModule* const modules[] = {&module};
  return modules;
}

}  // namespace dragnet
