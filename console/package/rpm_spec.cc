#include "console/package/rpm_spec.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "console/package/site_package.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// rpmds.h
constexpr uint64_t kSenseLess = 1 << 1;
constexpr uint64_t kSenseGreater = 1 << 2;
constexpr uint64_t kSenseEqual = 1 << 3;
constexpr uint64_t kSenseInterpreter = 1 << 8;
constexpr uint64_t kSenseScripts = 0xf << 9;
constexpr uint64_t kSenseRpmlib = 1 << 24;
constexpr uint64_t kSenseConfig = 1 << 28;

// rpm has no obsolete conffiles: when a package of the vendor's, which has no configuration,
// takes this one's place, the old one's is removed with it. So it is kept over that moment.
constexpr std::string_view kKeep =
    "if [ \"$1\" -ge 1 ]; then\n"
    "    rm -rf /etc/dragnet/.kept\n"
    "    mkdir -m 0700 /etc/dragnet/.kept || exit 0\n"
    "    for file in /etc/dragnet/agent.toml /etc/dragnet/ca.pem /etc/dragnet/root-*.pub "
    "/etc/dragnet/enrolment.token; do\n"
    "        if [ -f \"$file\" ]; then cp -p \"$file\" /etc/dragnet/.kept/; fi\n"
    "    done\n"
    "fi\n";
constexpr std::string_view kRestore =
    "if [ -d /etc/dragnet/.kept ]; then\n"
    "    if [ \"$1\" -ge 1 ] && [ ! -e /etc/dragnet/agent.toml ]; then\n"
    "        cp -p /etc/dragnet/.kept/* /etc/dragnet/ || :\n"
    "        for file in /etc/dragnet/*.rpmsave; do\n"
    "            if [ -f \"$file\" ] && cmp -s \"$file\" \"${file%.rpmsave}\"; then rm -f "
    "\"$file\"; "
    "fi\n"
    "        done\n"
    "    fi\n"
    "    rm -rf /etc/dragnet/.kept\n"
    "fi\n";
// On a host that had the vendor's package, which had nothing to start with.
constexpr std::string_view kStart =
    "if [ \"$1\" -ge 2 ] && [ -d /run/systemd/system ]; then\n"
    "    systemctl daemon-reload || :\n"
    "    systemctl start --no-block dragnet-agent.service || :\n"
    "fi\n";

std::string Escape(std::string_view text) {
  return absl::StrReplaceAll(ToAbsl(text), {{"%", "%%"}});
}

// One line of the preamble; nothing without a value.
absl::Status AddField(std::string_view name, const std::string& value, std::string* spec) {
  if (value.empty()) return absl::OkStatus();
  if (ForTerminal(value) != value)
    return absl::InvalidArgumentError(StrCat("its ", name, " is not one line of text"));
  StrAppend(spec, name, ": ", Escape(value), "\n");
  return absl::OkStatus();
}

absl::Status AddRelations(std::string_view field, const RpmHeader& rpm, RpmTag names_tag,
                          RpmTag versions_tag, RpmTag flags_tag, std::string* spec) {
  const std::vector<std::string> names = rpm.Texts(names_tag);
  const std::vector<std::string> versions = rpm.Texts(versions_tag);
  const std::vector<uint64_t> flags = rpm.Numbers(flags_tag);
  if (names.size() != versions.size() || names.size() != flags.size())
    return absl::InvalidArgumentError(StrCat("its lists of ", field, " don't fit each other"));
  std::set<std::string> lines;
  for (size_t i = 0; i < names.size(); ++i) {
    // Those that rpmbuild finds by itself.
    if ((flags[i] & (kSenseInterpreter | kSenseRpmlib | kSenseConfig)) != 0) continue;
    std::string relation;
    if ((flags[i] & kSenseLess) != 0) relation += "<";
    if ((flags[i] & kSenseGreater) != 0) relation += ">";
    if ((flags[i] & kSenseEqual) != 0) relation += "=";
    const std::string value =
        relation.empty() ? names[i] : StrCat(names[i], " ", relation, " ", versions[i]);
    const bool scripts = field == "Requires" && (flags[i] & kSenseScripts) != 0;
    std::string line;
    DRAGNET_RETURN_IF_ERROR(
        AddField(scripts ? "Requires(pre,post,preun,postun)" : field, value, &line));
    if (lines.insert(line).second) *spec += line;
  }
  return absl::OkStatus();
}

struct Script {
  std::string_view section;
  RpmTag text;
  RpmTag program;
  std::string_view before;
};

absl::Status AddScript(const Script& script, const RpmHeader& rpm, std::string* spec) {
  const std::string text = rpm.Text(script.text);
  const std::vector<std::string> program = rpm.Texts(script.program);
  if (program.size() > 1 || (!program.empty() && program[0] != "/bin/sh"))
    return absl::InvalidArgumentError(
        StrCat("its script ", script.section, " is not one of /bin/sh"));
  if (text.empty() && script.before.empty()) return absl::OkStatus();
  // At the beginning of a line it begins another section, escaped or not.
  if (text.starts_with('%') || text.find("\n%") != std::string::npos)
    return absl::InvalidArgumentError(
        StrCat("its script ", script.section, " has a line that begins with %"));
  StrAppend(spec, "\n", script.section, "\n", Escape(script.before), Escape(text), "\n");
  return absl::OkStatus();
}

absl::Status AddFile(const PackageFile& file, uint64_t flags, std::string* spec) {
  if (file.path.find_first_of("\"\\%*?[]{}$ ") != std::string::npos)
    return absl::InvalidArgumentError(
        StrCat(file.path, ": a name with a character that means something in a spec"));
  if ((flags & kRpmGhost) != 0)
    return absl::InvalidArgumentError(StrCat(file.path, ": %ghost files are not supported"));
  if ((flags & kRpmDocumentation) != 0) *spec += "%doc ";
  if ((flags & kRpmLicense) != 0) *spec += "%license ";
  if ((flags & kRpmConfig) != 0)
    *spec += (flags & kRpmNoReplace) != 0 ? "%config(noreplace) " : "%config ";
  if (file.type == PackageFile::Type::kDirectory) *spec += "%dir ";
  if (file.type != PackageFile::Type::kLink)
    *spec += absl::StrFormat("%%attr(%04o,%s,%s) ", file.mode, file.user, file.group);
  StrAppend(spec, "\"/", file.path, "\"\n");
  return absl::OkStatus();
}

}  // namespace

std::string RpmRelease(const Package& vendor, absl::Time made) {
  return StrCat(vendor.rpm.Text(RpmTag::kRelease), ".", SiteSuffix(made));
}

absl::StatusOr<std::string> RpmSpec(const Package& vendor, const std::vector<PackageFile>& files,
                                    const std::vector<PackageFile>& added,
                                    const std::string& fleet_id, absl::Time made,
                                    const std::string& tree) {
  const RpmHeader& rpm = vendor.rpm;
  for (const RpmTag tag :
       {RpmTag::kTriggerName, RpmTag::kFileTriggerName, RpmTag::kTransactionFileTriggerName})
    if (rpm.Has(tag)) return absl::InvalidArgumentError("has triggers, which are not supported");

  std::string spec;
  DRAGNET_RETURN_IF_ERROR(AddField("Name", vendor.name, &spec));
  DRAGNET_RETURN_IF_ERROR(AddField("Version", vendor.version, &spec));
  DRAGNET_RETURN_IF_ERROR(AddField("Release", RpmRelease(vendor, made), &spec));
  if (const std::vector<uint64_t> epoch = rpm.Numbers(RpmTag::kEpoch); !epoch.empty())
    DRAGNET_RETURN_IF_ERROR(AddField("Epoch", StrCat(epoch[0]), &spec));
  DRAGNET_RETURN_IF_ERROR(AddField("Summary", rpm.Text(RpmTag::kSummary), &spec));
  DRAGNET_RETURN_IF_ERROR(AddField("License", rpm.Text(RpmTag::kLicense), &spec));
  DRAGNET_RETURN_IF_ERROR(AddField("URL", rpm.Text(RpmTag::kUrl), &spec));
  DRAGNET_RETURN_IF_ERROR(AddField("Vendor", rpm.Text(RpmTag::kVendor), &spec));
  DRAGNET_RETURN_IF_ERROR(AddField("Packager", rpm.Text(RpmTag::kPackager), &spec));
  spec += "AutoReqProv: no\n";
  DRAGNET_RETURN_IF_ERROR(AddRelations("Requires", rpm, RpmTag::kRequireName,
                                       RpmTag::kRequireVersion, RpmTag::kRequireFlags, &spec));
  DRAGNET_RETURN_IF_ERROR(AddRelations("Conflicts", rpm, RpmTag::kConflictName,
                                       RpmTag::kConflictVersion, RpmTag::kConflictFlags, &spec));

  spec += "\n%description\n";
  std::string description = rpm.Text(RpmTag::kDescription);
  if (description.starts_with('%') || description.find("\n%") != std::string::npos)
    description = "";
  StrAppend(&spec, Escape(description), "\n\nThis package makes the host one of the fleet ",
            fleet_id, ".\n\n%install\ncp -a ", tree, "/. %{buildroot}/\n");

  for (const Script& script : std::initializer_list<Script>{
           {"%pre", RpmTag::kPreInstall, RpmTag::kPreInstallProgram, ""},
           {"%post", RpmTag::kPostInstall, RpmTag::kPostInstallProgram, kStart},
           {"%preun", RpmTag::kPreUninstall, RpmTag::kPreUninstallProgram, kKeep},
           {"%postun", RpmTag::kPostUninstall, RpmTag::kPostUninstallProgram, kRestore},
           {"%pretrans", RpmTag::kPreTransaction, RpmTag::kPreTransactionProgram, ""},
           {"%posttrans", RpmTag::kPostTransaction, RpmTag::kPostTransactionProgram, ""}})
    DRAGNET_RETURN_IF_ERROR(AddScript(script, rpm, &spec));

  DRAGNET_ASSIGN_OR_RETURN(const std::vector<RpmHeader::File> listed, rpm.Files());
  std::map<std::string, uint64_t> flags;
  for (const RpmHeader::File& file : listed) {
    if ((file.flags & kRpmGhost) != 0)
      return absl::InvalidArgumentError(StrCat(file.path, ": %ghost files are not supported"));
    flags[file.path.substr(1)] = file.flags;
  }
  for (const PackageFile& file : added) {
    if (file.type != PackageFile::Type::kFile) continue;
    flags[file.path] = file.path == kTokenPath ? 0 : kRpmConfig | kRpmNoReplace;
  }
  spec += "\n%files\n";
  for (const PackageFile& file : files)
    DRAGNET_RETURN_IF_ERROR(AddFile(file, flags[file.path], &spec));
  return spec;
}

}  // namespace dragnet::console
