// Verdicts as JUnit XML, as build servers read it: a testsuite for each host. Not
// thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "console/output/sink.h"
#include "console/sweeps/sweep.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

// A fail is a failure, unknown an error, not applicable skipped. A silent host has one
// error more, of the class "silent", also when it never told a verdict. Holds one host's verdicts
// at a time, so they must come host by host.
class JunitWriter {
 public:
  // Both outlive this.
  JunitWriter(const Sweep& sweep, Sink* sink);
  // Verdicts on checks that aren't in the document are left out.
  void Add(const v1::SweepVerdict& verdict);
  // Call once, after the last one.
  void Finish();

 private:
  void PutHost();

  const Sweep& sweep_;
  Sink* const sink_;
  std::vector<v1::SweepVerdict> host_;
};

// Text for element content and attribute values in double quotes: safe for a terminal,
// and free of what XML 1.0 doesn't allow.
std::string XmlText(std::string_view text);

}  // namespace dragnet::console
