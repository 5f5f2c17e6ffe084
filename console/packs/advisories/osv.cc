// OSV's advisories (https://ossf.github.io/osv-schema/).
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "console/packs/advisories/collector.h"
#include "console/packs/advisories/interval.h"
#include "console/packs/advisories/platform.h"
#include "core/status_macros.h"
#include "core/strict_json.h"
#include "core/strings.h"

namespace dragnet::advisories {
namespace {

using Json = nlohmann::ordered_json;

// A member that is a text; empty when there is none.
std::string TextOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json* ArrayOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? &*found : nullptr;
}

absl::StatusOr<std::vector<Event>> EventsOf(const Json& range) {
  const Json* list = ArrayOf(range, "events");
  if (list == nullptr || list->empty()) return absl::InvalidArgumentError("a range has no events");
  std::vector<Event> events;
  for (const Json& each : *list) {
    if (!each.is_object()) return absl::InvalidArgumentError("an event of a range is no object");
    for (const auto& [key, value] : each.items()) {
      Event event;
      if (key == "introduced") {
        event.kind = Event::Kind::kIntroduced;
      } else if (key == "fixed") {
        event.kind = Event::Kind::kFixed;
      } else if (key == "last_affected") {
        event.kind = Event::Kind::kLastAffected;
      } else {
        return absl::InvalidArgumentError(StrCat("event '", key, "' can't be said"));
      }
      if (!value.is_string()) return absl::InvalidArgumentError("an event has no version");
      event.version = value.get<std::string>();
      events.push_back(std::move(event));
    }
  }
  return events;
}

// Of RHEL's modules several streams are current at once: what is fixed in one says
// nothing about a lower version that is another stream's.
bool IsOfModuleStream(const pkg::VersionRange& range) {
  return std::any_of(range.begin(), range.end(), [](const pkg::VersionBound& bound) {
    return bound.version.find(".module") != std::string::npos;
  });
}

// Of one package.
class Affected {
 public:
  Affected(const Json& affected, std::string id, Collector& collector)
      : affected_(affected), id_(std::move(id)), collector_(collector) {}

  void Read() {
    const auto package = affected_.find("package");
    if (package == affected_.end() || !package->is_object())
      return collector_.Leave(id_, "names no package");
    name_ = TextOf(*package, "name");
    const std::string ecosystem = TextOf(*package, "ecosystem");
    const std::optional<Platform> platform = PlatformOfEcosystem(ecosystem);
    if (!platform) return Leave(StrCat("ecosystem '", ecosystem, "' isn't known"));
    type_ = platform->type;
    ReadRanges();
    ReadVersions();
    if (ranges_.empty()) {
      if (!left_) Leave("has no ranges and no versions");
      return;
    }
    for (const pkg::VulnerableEntry& entry : EntriesFor(*platform, id_, name_, ranges_))
      collector_.Add(entry);
  }

 private:
  void Leave(std::string_view why) {
    left_ = true;
    collector_.Leave(id_, StrCat("package ", name_, ": ", why));
  }

  void ReadRanges() {
    const Json* ranges = ArrayOf(affected_, "ranges");
    if (ranges == nullptr) return;
    for (const Json& range : *ranges) {
      const std::string type = range.is_object() ? TextOf(range, "type") : "";
      if (type != "ECOSYSTEM" && type != "SEMVER") {
        // Of commits; the versions are then listed, or aren't known.
        const Json* versions = ArrayOf(affected_, "versions");
        if (type != "GIT" || ((versions == nullptr || versions->empty()) && ranges->size() == 1))
          Leave(StrCat("a range of type '", type, "' can't be said"));
        continue;
      }
      auto events = EventsOf(range);
      auto found = events.ok() ? RangesOf(type_, *std::move(events))
                               : absl::StatusOr<std::vector<pkg::VersionRange>>(events.status());
      if (!found.ok()) {
        Leave(ToStd(found.status().message()));
        continue;
      }
      if (std::any_of(found->begin(), found->end(), IsOfModuleStream)) {
        Leave("is of one stream of a module, which OSV doesn't name");
        continue;
      }
      for (pkg::VersionRange& each : *found) ranges_.push_back(std::move(each));
    }
  }

  // What the ranges don't have already.
  void ReadVersions() {
    const Json* versions = ArrayOf(affected_, "versions");
    if (versions == nullptr) return;
    for (const Json& each : *versions) {
      const std::string version = each.is_string() ? each.get<std::string>() : "";
      if (!pkg::IsVersionOf(type_, version)) {
        Leave(StrCat("version '", version, "' isn't one as ", type_, " has them"));
      } else if (!Contains(type_, ranges_, version)) {
        ranges_.push_back({{pkg::Comparison::kEqual, version}});
      }
    }
  }

  const Json& affected_;
  const std::string id_;
  Collector& collector_;
  std::string name_;
  std::string type_;
  std::vector<pkg::VersionRange> ranges_;
  bool left_ = false;
};

void ReadAdvisory(const Json& advisory, Collector& collector) {
  if (!advisory.is_object()) return collector.Leave("", "an advisory that is no object");
  const std::string id = TextOf(advisory, "id");
  if (id.empty()) return collector.Leave("", "an advisory without an id");
  if (advisory.contains("withdrawn")) return collector.Leave(id, "was withdrawn");
  const Json* affected = ArrayOf(advisory, "affected");
  if (affected == nullptr || affected->empty())
    return collector.Leave(id, "names no affected packages");
  for (const Json& each : *affected) {
    if (collector.full()) return;
    if (!each.is_object()) {
      collector.Leave(id, "an affected package that is no object");
      continue;
    }
    Affected(each, id, collector).Read();
  }
}

}  // namespace

absl::Status ReadOsv(std::string_view content, Collector& collector) {
  DRAGNET_ASSIGN_OR_RETURN(const Json document, ParseStrictJson(content));
  if (!document.is_array()) {
    if (!document.contains("id") && !document.contains("affected"))
      return absl::InvalidArgumentError("is JSON, but no advisory of OSV: it has no id");
    ReadAdvisory(document, collector);
    return absl::OkStatus();
  }
  for (const Json& advisory : document) {
    if (collector.full()) break;
    ReadAdvisory(advisory, collector);
  }
  return absl::OkStatus();
}

}  // namespace dragnet::advisories
