// What the objects of a document find on the host. Not thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "modules/module.h"
#include "modules/scribe/document.h"
#include "modules/scribe/evr.h"

namespace dragnet::scribe {

// A value that a test compares, and where it comes from.
struct Value {
  std::string identifier;
  std::string text;
  Ordering ordering = Ordering::kRpm;
};

struct ObjectValues {
  std::vector<Value> values;
  // Not OK: there are no values, and why.
  absl::Status status;
};

// By object, in the document's order. Packages are listed once, and files of
// many objects are searched for in one pass. What can't be looked at is noted in
// `context`; a status that isn't OK means that nothing could be done at all.
absl::StatusOr<std::vector<ObjectValues>> FindValues(const Document& document, RunContext& context);

}  // namespace dragnet::scribe
