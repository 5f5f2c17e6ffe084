// MIG's module `scribe`, in its form. What differs: docs/mig/scribe.md.
#include "modules/mig.h"

#include "absl/time/time.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/scribe/scribe.pb.h"

namespace dragnet {

const Module& ScribeModule();

namespace scribe {
namespace {

class ScribeElements : public MigElements {
 public:
  ScribeElements(bool human, bool json) : human_(human), json_(json) {}

  void Add(const google::protobuf::Message& message) override {
    const auto* row = dynamic_cast<const v1::ScribeRow*>(&message);
    if (row == nullptr) return;
    MigJson result = MigJson::object();
    result["testid"] = row->test();
    result["name"] = row->name();
    result["description"] = row->description();
    for (const v1::Tag& tag : row->tags()) {
      MigJson pair = MigJson::object();
      if (!tag.key().empty()) pair["key"] = tag.key();
      if (!tag.value().empty()) pair["value"] = tag.value();
      result["tags"].push_back(std::move(pair));
    }
    result["iserror"] = !row->error().empty();
    result["error"] = row->error();
    result["masterresult"] = row->result();
    result["hastrueresults"] = row->has_true_results();
    MigJson subs;  // null, as MIG has it, when there is none
    for (const v1::SubResult& sub : row->results()) {
      MigJson json = MigJson::object();
      json["result"] = sub.result();
      json["identifier"] = sub.identifier();
      subs.push_back(std::move(json));
    }
    result["results"] = std::move(subs);
    results_.push_back(std::move(result));
  }

  MigJson Elements() override {
    MigJson elements = MigJson::object();
    elements["results"] = std::move(results_);
    elements["humanoutput"] = human_;
    elements["jsonoutput"] = json_;
    return elements;
  }

  MigJson Statistics(const MigStatistics& statistics) override {
    MigJson json = MigJson::object();
    // As Go writes it, which says µs where Abseil says us.
    json["execruntime"] = GoDuration(statistics.seconds);
    return json;
  }

 private:
  const bool human_;
  const bool json_;
  MigJson results_ = MigJson::array();
};

class MigScribe : public MigModule {
 public:
  std::string_view name() const override { return "scribe"; }
  const Module& module() const override { return ScribeModule(); }

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> TranslateParameters(
      const MigJson& parameters) const override {
    if (!parameters.is_object())
      return absl::InvalidArgumentError("parameters: must be a JSON object");
    auto translated = std::make_unique<v1::ScribeParameters>();
    for (const auto& [key, value] : parameters.items()) {
      if (key == "scribedoc") {
        if (!value.is_object())
          return absl::InvalidArgumentError("scribedoc: must be a JSON object");
        translated->set_document(
            value.dump(-1, ' ', /*ensure_ascii=*/false, MigJson::error_handler_t::replace));
        continue;
      }
      // The last two only say how MIG's client prints; the answer has them.
      if (key != "onlytrue" && key != "humanoutput" && key != "jsonoutput") {
        return absl::InvalidArgumentError(
            StrCat(ForTerminal(Shorten(key, 100)),
                   ": unknown: scribe has the keys scribedoc, onlytrue, humanoutput, jsonoutput"));
      }
      if (!value.is_boolean())
        return absl::InvalidArgumentError(StrCat(key, ": must be true or false"));
      if (key == "onlytrue") translated->set_only_true(value.get<bool>());
    }
    if (translated->document().empty())
      return absl::InvalidArgumentError("scribedoc: missing: the document");
    return translated;
  }

  std::unique_ptr<MigElements> NewElements(const MigJson& parameters) const override {
    const auto flag = [&](const char* key) {
      const auto found = parameters.find(key);
      return found != parameters.end() && found->is_boolean() && found->get<bool>();
    };
    return std::make_unique<ScribeElements>(flag("humanoutput"), flag("jsonoutput"));
  }
};

}  // namespace
}  // namespace scribe

std::span<const MigModule* const> ScribeMigModules() {
  static const scribe::MigScribe scribe;
  static const MigModule* const modules[] = {&scribe};
  return modules;
}

}  // namespace dragnet
