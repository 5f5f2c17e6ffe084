#include "console/form/describe_checks.h"

#include <memory>
#include <string_view>

#include "console/form/describe.h"
#include "core/action.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

using check::v1::Check;
using check::v1::CheckParameters;
using check::v1::Expectation;

constexpr size_t kInside = 4;

// One line, whatever `text` holds.
void AppendLine(size_t indent, std::string_view name, std::string_view text, std::string* lines) {
  if (!text.empty())
    StrAppend(lines, std::string(indent, ' '), name, ": ", ForTerminal(text), "\n");
}

// "is found where …", "are found".
std::string Where(std::string_view rows, const Expectation& expectation) {
  return StrCat(rows, expectation.where().empty() ? "" : " where ", expectation.where());
}

std::string CountWords(const Expectation& expectation) {
  if (!expectation.has_max()) return StrCat("at least ", expectation.min(), " rows");
  if (expectation.min() == expectation.max()) return StrCat("exactly ", expectation.max(), " rows");
  if (expectation.min() == 0) return StrCat("at most ", expectation.max(), " rows");
  return StrCat("from ", expectation.min(), " to ", expectation.max(), " rows");
}

std::string Operation(const Check& check, const ModuleCatalog& catalog) {
  std::string text = StrCat("    runs: ", ForTerminal(check.module()), "\n");
  const Module* module = catalog.Find(check.module());
  if (module == nullptr) {
    return StrCat(text, "      (this version has no such module; parameters in hex)\n      ",
                  HexEncode(check.parameters()), "\n");
  }
  const std::unique_ptr<google::protobuf::Message> parameters = module->NewParameters();
  const absl::Status parsed = ParseStrict(check.parameters(), kMaxParameterBytes, parameters.get());
  if (!parsed.ok()) {
    return StrCat(text, "      (parameters that this version can't read: ",
                  ForTerminal(ToStd(parsed.message())), "; in hex)\n      ",
                  HexEncode(check.parameters()), "\n");
  }
  const std::string lines = DescribeMessage(*parameters, kInside + 2);
  return StrCat(text, lines.empty() ? "      (no parameters)\n" : lines);
}

std::string DescribeCheck(const Check& check, int number, const ModuleCatalog& catalog) {
  std::string text = StrCat("\n  [", number, "] ", ForTerminal(check.id()), " (",
                            ForTerminal(check.severity()), "): ", ForTerminal(check.title()), "\n");
  text.append(Operation(check, catalog));
  AppendLine(kInside, "passes when", ExpectationWords(check.expectation()), &text);
  AppendLine(kInside, "applies when", check.applies_when(), &text);
  for (const std::string& reference : check.references())
    AppendLine(kInside, "reference", reference, &text);
  AppendLine(kInside, "remediation", check.remediation(), &text);
  if (check.has_limits())
    StrAppend(&text, "    limits\n", DescribeMessage(check.limits(), kInside + 2));
  return text;
}

}  // namespace

std::string ExpectationWords(const Expectation& expectation) {
  switch (expectation.kind()) {
    case Expectation::KIND_FOUND:
      return Where("a row is found", expectation);
    case Expectation::KIND_NOT_FOUND:
      return Where("no row is found", expectation);
    case Expectation::KIND_COUNT:
      return Where(StrCat(CountWords(expectation), " are found"), expectation);
    case Expectation::KIND_ALL:
      return StrCat(
          expectation.where().empty() ? "" : StrCat("every row is so: ", expectation.where(), "; "),
          expectation.min() == 0 ? "no rows at all pass, too"
                                 : StrCat("there are at least ", expectation.min(), " rows"));
    default:
      return StrCat("(kind ", static_cast<int>(expectation.kind()), ", unknown to this version)");
  }
}

std::string DescribeChecks(const CheckParameters& pack, const ModuleCatalog& catalog) {
  std::string text;
  AppendLine(2, "pack", pack.pack(), &text);
  AppendLine(2, "title", pack.title(), &text);
  AppendLine(2, "version", pack.version(), &text);
  StrAppend(&text, "  checks: ", pack.checks_size(), "\n");
  for (int i = 0; i < pack.checks_size(); ++i)
    text.append(DescribeCheck(pack.checks(i), i + 1, catalog));
  return text;
}

}  // namespace dragnet::console
