// Finds short literals, whatever the case of their ASCII letters, in a text: all
// of them at once.
//
// They are given to Vectorscan as what they are, so that its matchers for
// literals alone do the work: no automaton of a regular expression, and none of
// the flags that tell it to report less. literals_test.cc compares every hit
// with a naive search; what was seen to lose hits in such a comparison,
// HS_FLAG_SINGLEMATCH, isn't used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"

struct hs_database;
struct hs_scratch;

namespace dragnet::file {

// Immutable and thread-safe once made.
class Literals {
 public:
  // None of them empty. Null if the processor or the memory doesn't do.
  static std::unique_ptr<const Literals> Create(std::span<const std::string> literals);
  ~Literals();
  Literals(const Literals&) = delete;
  Literals& operator=(const Literals&) = delete;

  // What one thread needs to search.
  struct ScratchDeleter {
    void operator()(hs_scratch* scratch) const;
  };
  using Scratch = std::unique_ptr<hs_scratch, ScratchDeleter>;
  // Null without memory.
  Scratch NewScratch() const;

  // Calls `hit(literal, end)` for every occurrence, by its index and where it ends
  // in `text`, until that says false. False if the search was not finished.
  using OnHit = absl::FunctionRef<bool(uint32_t literal, size_t end)>;
  bool Find(std::string_view text, hs_scratch* scratch, OnHit hit) const;

 private:
  explicit Literals(hs_database* database) : database_(database) {}
  hs_database* const database_;
};

}  // namespace dragnet::file
