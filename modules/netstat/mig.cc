// MIG's module netstat: each value of its parameters is a search of ours, named
// by the parameter and the value, and an entry of its elements.
#include "modules/mig.h"

#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/netstat/netstat.pb.h"
#include "modules/netstat/search.h"

namespace dragnet {

const Module& NetstatModule();

namespace netstat {
namespace {

// In the order of MIG's elements.
constexpr std::string_view kKeys[] = {"localmac",   "localip",     "neighbormac",
                                      "neighborip", "connectedip", "listeningport"};
constexpr std::string_view kNamespacesKey = "namespaces";

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError(ToAbsl(message));
}

bool IsKey(std::string_view key) {
  for (std::string_view each : kKeys)
    if (each == key) return true;
  return false;
}

// Labels are short and printable; values need not be. "connectedip[3]"
std::string Label(std::string_view key, size_t index) { return StrCat(key, "[", index, "]"); }

void FillSearch(std::string_view key, const std::string& value, v1::Search* search) {
  if (key == "localmac") {
    search->add_kinds("interface");
    search->add_macs(value);
  } else if (key == "localip") {
    search->add_kinds("address");
    search->add_local(value);
  } else if (key == "neighbormac" || key == "neighborip") {
    search->add_kinds("neighbour");
    // /proc/net/arp, which MIG reads, leaves them out.
    search->add_states("!noarp");
    if (key == "neighbormac") {
      search->add_macs(value);
    } else {
      search->add_remote(value);
    }
  } else {
    for (std::string_view protocol : {"tcp", "tcp6", "udp", "udp6"})
      search->add_protocols(std::string(protocol));
    if (key == "connectedip") {
      search->add_remote(value);
    } else {
      search->add_local_ports(value);
      search->set_listening(true);
      search->set_bound_udp(true);
    }
  }
}

// A leading ! inverts in our filters, and is a character of a regular expression
// in MIG's. No address or port begins with one; a hardware address doesn't hold one.
absl::Status CheckValue(std::string_view key, const MigJson& value) {
  if (!value.is_string()) return Invalid(StrCat(key, ": takes a list of strings, as [\"22\"]"));
  const std::string& text = value.get_ref<const std::string&>();
  if (text.starts_with('!')) {
    return Invalid(StrCat(key, " '", ForTerminal(Shorten(text, 100)),
                          "' begins with !, which no address has: take it away"));
  }
  if (key == "listeningport" && text.find('-') != std::string::npos) {
    return Invalid(
        StrCat(key, " '", ForTerminal(Shorten(text, 100)), "' is not a port from 0 to 65535"));
  }
  return absl::OkStatus();
}

absl::Status AddSearches(std::string_view key, const MigJson& values, bool host_only,
                         v1::NetstatParameters* parameters) {
  // MIG writes an absent list as null.
  if (values.is_null()) return absl::OkStatus();
  if (!values.is_array()) return Invalid(StrCat(key, ": takes a list of strings, as [\"22\"]"));
  for (size_t i = 0; i < values.size(); ++i) {
    DRAGNET_RETURN_IF_ERROR(CheckValue(key, values[i]));
    v1::Search* search = parameters->add_searches();
    search->set_label(Label(key, i));
    search->set_host_only(host_only);
    FillSearch(key, values[i].get_ref<const std::string&>(), search);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ReadNamespaces(const MigJson& parameters) {
  const auto found = parameters.find(kNamespacesKey);
  if (found == parameters.end() || found->is_null()) return false;
  if (!found->is_boolean()) return Invalid("namespaces: is true or false");
  return found->get<bool>();
}

// Omits what is empty or 0, as MIG does.
class ElementBuilder {
 public:
  void Add(std::string_view key, const std::string& text) {
    if (!text.empty()) element_[std::string(key)] = text;
  }
  void Add(std::string_view key, uint32_t number) {
    if (number != 0) element_[std::string(key)] = number;
  }
  MigJson Take() { return std::move(element_); }

 private:
  MigJson element_ = MigJson::object();
};

// "default" or "net:[4026532177]".
std::string NamespaceText(const v1::NetstatRow& row, bool all) {
  return all ? StrCat("net:[", row.namespace_inode(), "]") : "default";
}

MigJson Element(std::string_view key, const v1::NetstatRow& row, bool all_namespaces) {
  ElementBuilder element;
  if (key == "localmac") {
    element.Add("localmacaddr", row.mac());
  } else if (key == "localip") {
    element.Add("localaddr", row.local_address());
  } else if (key == "neighbormac" || key == "neighborip") {
    // An address that was not resolved is zeros in /proc/net/arp.
    element.Add("remotemacaddr", row.mac().empty() ? "00:00:00:00:00:00" : row.mac());
    element.Add("remoteaddr", row.remote_address());
    element.Add("namespace", NamespaceText(row, all_namespaces));
  } else {
    element.Add("localaddr", row.local_address());
    element.Add("localport", row.local_port());
    if (key == "connectedip") {
      element.Add("remoteaddr", row.remote_address());
      element.Add("remoteport", row.remote_port());
    }
    element.Add("namespace", NamespaceText(row, all_namespaces));
  }
  return element.Take();
}

class NetstatElements : public MigElements {
 public:
  explicit NetstatElements(const MigJson& parameters)
      : all_namespaces_(ReadNamespaces(parameters).value_or(false)) {
    for (std::string_view key : kKeys) {
      const auto values = parameters.find(key);
      if (values == parameters.end() || !values->is_array() || values->empty()) continue;
      // Go writes maps by their sorted keys; a value without a finding is null.
      std::set<std::string> sorted;
      for (size_t i = 0; i < values->size(); ++i) {
        const auto& value = (*values)[i].get_ref<const std::string&>();
        // A value given twice is one entry.
        if (!sorted.insert(value).second) continue;
        places_[Label(key, i)] = {std::string(key), value};
      }
      for (const std::string& value : sorted) elements_[std::string(key)][value] = nullptr;
    }
  }

  void Add(const google::protobuf::Message& row) override {
    const auto& typed = dynamic_cast<const v1::NetstatRow&>(row);
    const auto place = places_.find(typed.search());
    if (place == places_.end()) return;
    const auto& [key, value] = place->second;
    elements_[key][value].push_back(Element(key, typed, all_namespaces_));
  }

  MigJson Elements() override { return elements_; }

  MigJson Statistics(const MigStatistics& statistics) override {
    // MIG never counts its hits; the field is there, and 0.
    return {{"examined", statistics.items_examined},
            {"exectime", GoDuration(statistics.seconds)},
            {"totalhits", 0}};
  }

 private:
  const bool all_namespaces_;
  MigJson elements_ = MigJson::object();
  // Parameter and value by the label of their search.
  std::map<std::string, std::pair<std::string, std::string>> places_;
};

class NetstatMigModule : public MigModule {
 public:
  std::string_view name() const override { return "netstat"; }
  const Module& module() const override { return NetstatModule(); }

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> TranslateParameters(
      const MigJson& parameters) const override {
    if (!parameters.is_object()) return Invalid("parameters of netstat are a JSON object");
    for (const auto& [key, value] : parameters.items()) {
      if (IsKey(key) || key == kNamespacesKey) continue;
      if (key == "searchnamespaces") return Invalid("searchnamespaces: write namespaces");
      return Invalid(StrCat("netstat has no parameter '", ForTerminal(Shorten(key, 100)),
                            "': it takes localmac, localip, neighbormac, neighborip, "
                            "connectedip, listeningport, namespaces"));
    }
    DRAGNET_ASSIGN_OR_RETURN(const bool all_namespaces, ReadNamespaces(parameters));
    auto translated = std::make_unique<v1::NetstatParameters>();
    for (std::string_view key : kKeys) {
      const auto values = parameters.find(key);
      if (values == parameters.end()) continue;
      DRAGNET_RETURN_IF_ERROR(AddSearches(key, *values, !all_namespaces, translated.get()));
    }
    if (translated->searches().empty()) {
      return Invalid(
          "netstat: asks for nothing; give localmac, localip, neighbormac, neighborip, "
          "connectedip or listeningport a value");
    }
    DRAGNET_RETURN_IF_ERROR(CompileSearches(*translated).status());
    return translated;
  }

  std::unique_ptr<MigElements> NewElements(const MigJson& parameters) const override {
    return std::make_unique<NetstatElements>(parameters);
  }
};

}  // namespace
}  // namespace netstat

std::span<const MigModule* const> NetstatMigModules() {
  static const netstat::NetstatMigModule module;
  static const MigModule* const modules[] = {&module};
  return modules;
}

}  // namespace dragnet
