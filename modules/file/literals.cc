#include "modules/file/literals.h"

#include <hs/hs.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "core/strings.h"

namespace dragnet::file {
namespace {

// As a regular expression of escapes: hs_compile_lit_multi takes a literal that
// begins with a NUL byte for an empty one.
std::string Escape(std::string_view bytes) {
  std::string text;
  for (unsigned char byte : bytes) StrAppend(&text, "\\x", absl::Hex(byte, absl::kZeroPad2));
  return text;
}

}  // namespace

std::unique_ptr<const Literals> Literals::Create(std::span<const std::string> literals) {
  if (literals.empty() || hs_valid_platform() != HS_SUCCESS) return nullptr;
  std::vector<std::string> escaped;
  std::vector<const char*> expressions;
  std::vector<unsigned> ids;
  for (const std::string& literal : literals) escaped.push_back(Escape(literal));
  for (const std::string& text : escaped) {
    ids.push_back(static_cast<unsigned>(ids.size()));
    expressions.push_back(text.c_str());
  }
  const std::vector<unsigned> flags(ids.size(), HS_FLAG_CASELESS);
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_multi(expressions.data(), flags.data(), ids.data(),
                       static_cast<unsigned>(ids.size()), HS_MODE_BLOCK, nullptr, &database,
                       &error) != HS_SUCCESS) {
    hs_free_compile_error(error);
    return nullptr;
  }
  return std::unique_ptr<const Literals>(new Literals(database));
}

Literals::~Literals() { hs_free_database(database_); }

void Literals::ScratchDeleter::operator()(hs_scratch* scratch) const { hs_free_scratch(scratch); }

Literals::Scratch Literals::NewScratch() const {
  hs_scratch_t* scratch = nullptr;
  if (hs_alloc_scratch(database_, &scratch) != HS_SUCCESS) return nullptr;
  return Scratch(scratch);
}

bool Literals::Find(std::string_view text, hs_scratch* scratch, OnHit hit) const {
  const auto on_hit = [](unsigned id, unsigned long long, unsigned long long to, unsigned,
                         void* context) { return (*static_cast<OnHit*>(context))(id, to) ? 0 : 1; };
  // Lengths fit: blocks and windows are far below 4 GiB.
  return hs_scan(database_, text.data(), static_cast<unsigned>(text.size()), 0, scratch, on_hit,
                 &hit) == HS_SUCCESS;
}

}  // namespace dragnet::file
