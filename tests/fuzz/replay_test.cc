// Runs a fuzz target without libFuzzer: its seeds, then mutations of them that
// are the same on every run.
#include <gtest/gtest.h>

#include <random>

#include "tests/fuzz/target.h"

namespace dragnet::fuzz {
namespace {

constexpr int kMutations = 4000;
constexpr size_t kMaxBytes = 16 * 1024;

class Mutator {
 public:
  explicit Mutator(std::vector<std::string> seeds) : seeds_(std::move(seeds)), random_(20240203) {}

  std::string Next() {
    std::string input = Any();
    const size_t steps = 1 + Below(6);
    for (size_t i = 0; i < steps; ++i) Mutate(&input);
    if (input.size() > kMaxBytes) input.resize(kMaxBytes);
    return input;
  }

 private:
  size_t Below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }
  const std::string& Any() { return seeds_[Below(seeds_.size())]; }

  void Mutate(std::string* input) {
    const size_t at = Below(input->size() + 1);
    const size_t length = Below(std::min<size_t>(input->size() - at, 64) + 1);
    switch (Below(7)) {
      case 0:  // a bit
        if (at < input->size()) (*input)[at] ^= static_cast<char>(1 << Below(8));
        break;
      case 1:  // a byte that means something to many formats
        if (at < input->size()) (*input)[at] = "\0\x01\x7f\x80\xff\n\"'"[Below(8)];
        break;
      case 2:
        input->insert(at, 1, static_cast<char>(random_()));
        break;
      case 3:
        input->erase(at, length);
        break;
      case 4:  // a piece again
        input->insert(at, input->substr(at, length));
        break;
      case 5:
        input->resize(at);
        break;
      case 6: {  // a piece of another seed
        const std::string& other = Any();
        const size_t from = Below(other.size() + 1);
        input->insert(at, other.substr(from, Below(256)));
        break;
      }
    }
  }

  const std::vector<std::string> seeds_;
  std::mt19937 random_;
};

void Try(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

TEST(FuzzTargetTest, HoldsForNothingAndForItsSeeds) {
  Try("");
  for (const std::string& seed : Seeds()) Try(seed);
}

TEST(FuzzTargetTest, HoldsForMutationsOfItsSeeds) {
  Mutator mutator(Seeds());
  for (int i = 0; i < kMutations; ++i) Try(mutator.Next());
}

}  // namespace
}  // namespace dragnet::fuzz
