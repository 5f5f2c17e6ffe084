#include "modules/scribe/evr.h"

#include "modules/pkg/version_compare.h"

namespace dragnet::scribe {
namespace {

struct Evr {
  std::string_view epoch;
  std::string_view version;
  std::string_view release;
};

Evr Split(std::string_view text) {
  Evr evr;
  const size_t digits = text.find_first_not_of("0123456789");
  if (digits != std::string_view::npos && text[digits] == ':') {
    evr.epoch = text.substr(0, digits);
    text.remove_prefix(digits + 1);
  }
  if (evr.epoch.empty()) evr.epoch = "0";
  const size_t dash = text.rfind('-');
  evr.version = text.substr(0, dash);
  if (dash != std::string_view::npos) evr.release = text.substr(dash + 1);
  return evr;
}

}  // namespace

int CompareVersions(Ordering ordering, std::string_view a, std::string_view b) {
  if (ordering == Ordering::kDpkg) return pkg::CompareDpkg(a, b);
  if (ordering == Ordering::kApk) return pkg::CompareApk(a, b);
  const Evr left = Split(a);
  const Evr right = Split(b);
  if (const int epoch = pkg::CompareRpmSegment(left.epoch, right.epoch); epoch != 0) return epoch;
  if (const int version = pkg::CompareRpmSegment(left.version, right.version); version != 0)
    return version;
  return pkg::CompareRpmSegment(left.release, right.release);
}

}  // namespace dragnet::scribe
