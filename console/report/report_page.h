// `dragnet report`: an investigation as one page of HTML that needs nothing else:
// no scripts, no fonts, no images, nothing from a network, and a policy in the
// page that forbids a browser to load any. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

// All text is as it came, unless it says otherwise: the page makes it safe.
struct Report {
  std::string title;
  // What stands at the head: "Target", "every agent".
  std::vector<std::pair<std::string, std::string>> facts;
  // "cancelled by ida: …"; empty while there is nothing to say.
  std::string notice;
  v1::Progress progress;

  // A host that did not look at everything, or has not answered.
  struct Host {
    std::string state;
    std::string name;
    std::string why;
  };
  // The first of them; how many there are in all.
  std::vector<Host> hosts;
  uint64_t hosts_in_all = 0;

  struct Stack {
    std::string title;
    std::vector<std::string> headers;
    struct Line {
      std::vector<std::string> values;
      uint64_t rows = 0;
      uint64_t agents = 0;
    };
    // The most frequent ones, and of the others the rarest; each from its end.
    std::vector<Line> frequent;
    std::vector<Line> rare;
    uint64_t rows = 0;
    uint64_t different = 0;
  };
  std::vector<Stack> stacks;

  struct Rows {
    std::string module;
    std::vector<std::string> headers;
    std::vector<std::vector<std::string>> lines;
    uint64_t in_all = 0;
  };
  std::vector<Rows> rows;

  // Something is missing in this page that should be there, one line each.
  std::vector<std::string> warnings;

  // The document, as DescribeAction gives it; in JSON, and as the signed envelope.
  std::string document;
  std::string document_json;
  std::string envelope_json;
  // What DescribeVerification and DescribeOrders say.
  std::string signatures;
  std::string orders;
  bool authorized = false;

  // The command that shows all of it: "dragnet results 0198…".
  std::string results_command;
  // "2026-11-28 22:00:00 UTC by dragnet 0.1.0".
  std::string made;
};

std::string RenderReport(const Report& report);

}  // namespace dragnet::console
