// With libFuzzer: writes the seeds to the directory $DRAGNET_FUZZ_SEEDS, which
// fuzz.sh gives it as its corpus, before the corpus is read.
#include <cstdlib>
#include <fstream>

#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* directory = std::getenv("DRAGNET_FUZZ_SEEDS");
  if (directory == nullptr) return 0;
  int number = 0;
  for (const std::string& seed : dragnet::fuzz::Seeds()) {
    std::ofstream file(std::string(directory) + "/seed-" + std::to_string(++number));
    file.write(seed.data(), static_cast<std::streamsize>(seed.size()));
  }
  return 0;
}
