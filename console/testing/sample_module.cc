#include "console/testing/sample_module.h"

#include "console/testing/sample.pb.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "modules/mig.h"

namespace dragnet::console::testing {
namespace {

constexpr std::string_view kUses[] = {"file"};
const ModuleManifest kManifest = {.name = "sample",
                                  .summary = "Looks for samples",
                                  .capabilities = {},
                                  .network = NetworkAccess::kNone,
                                  .uses_powers_of = kUses};

class Sample : public Module {
 public:
  const ModuleManifest& manifest() const override { return kManifest; }
  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<SampleParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<SampleRow>();
  }
  absl::Status Validate(const google::protobuf::Message& message) const override {
    const auto& parameters = static_cast<const SampleParameters&>(message);
    for (const SampleSearch& search : parameters.searches()) {
      for (int i = 0; i < search.name_size(); ++i) {
        if (search.name(i).find('(') == std::string::npos) continue;
        return absl::InvalidArgumentError(
            StrCat("name[", i, "] '", search.name(i), "' misses a closing )"));
      }
    }
    return absl::OkStatus();
  }
  absl::Status Run(const google::protobuf::Message&, RunContext&) const override {
    return absl::UnimplementedError("the sample module runs nowhere");
  }
};

// As MIG calls it: oldsample, with {"paths": [PATH, …]}.
class SampleMig : public MigModule {
 public:
  std::string_view name() const override { return "oldsample"; }
  const Module& module() const override { return SampleModule(); }
  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> TranslateParameters(
      const MigJson& parameters) const override {
    auto translated = std::make_unique<SampleParameters>();
    for (const auto& [key, value] : parameters.items()) {
      if (key != "paths") return absl::InvalidArgumentError(StrCat(key, ": unknown"));
      for (const MigJson& path : value) translated->add_path(path.get<std::string>());
    }
    return translated;
  }
  // The console gathers no results in this form.
  std::unique_ptr<MigElements> NewElements(const MigJson&) const override { return nullptr; }
};

}  // namespace

const Module& SampleModule() {
  static const Sample module;
  return module;
}

const ModuleCatalog& SampleCatalog() {
  static const Module* const modules[] = {&SampleModule()};
  static const std::string descriptor = *ReadFile(SAMPLE_DESCRIPTOR);
  static const SampleMig mig;
  static const ModuleCatalog catalog{
      modules, [](std::string_view) { return std::string_view(descriptor); }, {&mig}};
  return catalog;
}

}  // namespace dragnet::console::testing
