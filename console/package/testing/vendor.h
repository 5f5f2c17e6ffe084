// Small packages of an agent, as the vendor's are. Not thread-safe.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <string>
#include <vector>

#include "console/package/archive_writer.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/strings.h"

namespace dragnet::console::testing {

inline constexpr int64_t kVendorTime = 1'700'000'000;

inline std::vector<PackageFile> VendorFiles(const std::string& top = "") {
  std::vector<PackageFile> files;
  for (const char* name : {"dragnet-agent", "dragnet-link", "dragnet-worker"})
    files.push_back({.path = StrCat(top, "usr/bin/", name),
                     .mode = 0755,
                     .content = StrCat("#!/bin/sh\necho ", name, "\n"),
                     .modified = kVendorTime});
  files.push_back({.path = top + "usr/share/doc/dragnet-agent/copyright",
                   .content = "copyright\n",
                   .modified = kVendorTime});
  return files;
}

inline std::string ControlText(const std::string& version = "0.1.0") {
  return StrCat("Package: dragnet-agent\nVersion: ", version,
                "\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.org>\n"
                "Installed-Size: 1\nDepends: libc6\nDescription: answers questions\n Long.\n");
}

inline std::string Ar(const std::vector<PackageFile>& control,
                      const std::vector<PackageFile>& files) {
  return WriteAr({{"debian-binary", "2.0\n"},
                  {"control.tar.xz", *WriteTar(control, "./", Compression::kXz, kVendorTime)},
                  {"data.tar.xz", *WriteTar(files, "./", Compression::kXz, kVendorTime)}},
                 kVendorTime);
}

inline std::string VendorDeb(const std::string& version = "0.1.0",
                             std::vector<PackageFile> more = {}) {
  std::vector<PackageFile> files = VendorFiles();
  files.push_back({.path = "etc/init.d/dragnet-agent",
                   .mode = 0755,
                   .content = "#!/bin/sh\nexit 0\n",
                   .modified = kVendorTime});
  for (PackageFile& file : more) files.push_back(std::move(file));
  return Ar({{.path = "control", .content = ControlText(version)},
             {.path = "conffiles", .content = "/etc/init.d/dragnet-agent\n"},
             {.path = "postinst", .mode = 0755, .content = "#!/bin/sh\nexit 0 # 100%\n"}},
            files);
}

inline std::string VendorTar(std::vector<PackageFile> more = {}) {
  const std::string top = "dragnet-agent-0.1.0-linux-x86_64/";
  std::vector<PackageFile> files = VendorFiles(top);
  files.push_back(
      {.path = top + "install.sh",
       .mode = 0755,
       .content =
           "#!/bin/sh\nset -eu\ncd \"$(dirname \"$0\")\"\n"
           "for p in agent link worker; do\n"
           "if [ \"${1:-}\" = --remove ]; then rm -f \"$DESTDIR/usr/bin/dragnet-$p\"\n"
           "else mkdir -p \"$DESTDIR/usr/bin\"; cp usr/bin/dragnet-$p \"$DESTDIR/usr/bin/\"; fi\n"
           "done\n",
       .modified = kVendorTime});
  for (PackageFile& file : more) files.push_back(std::move(file));
  return *WriteTar(files, "", Compression::kGzip, kVendorTime);
}

// Runs it in a shell; `output` gets what it prints, errors too.
inline int Shell(const std::string& command, std::string* output = nullptr) {
  FILE* pipe = ::popen(StrCat("( ", command, " ) 2>&1 </dev/null").c_str(), "r");
  std::string text;
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, got);
  const int status = ::pclose(pipe);
  if (output != nullptr) *output = text;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/dragnet-package-test-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  std::string operator/(std::string_view name) const { return StrCat(path_, "/", name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// By the real rpmbuild; `script` is the %post. The bytes of the package.
inline std::string VendorRpm(const std::string& script = "echo 100% ready", int release = 1,
                             const std::string& more_spec = "") {
  const TemporaryDirectory work;
  std::string spec = StrCat(
      "Name: dragnet-agent\nVersion: 0.1.0\nRelease: ", release,
      "\nSummary: answers questions\nLicense: none\nAutoReqProv: no\nRequires: /bin/sh\n",
      "%description\nAnswers.\n%install\nmkdir -p %{buildroot}/usr/bin %{buildroot}/etc/dragnet\n");
  for (const PackageFile& file : VendorFiles())
    if (file.path.starts_with("usr/bin/"))
      StrAppend(&spec, "printf '#!/bin/sh\\n' >%{buildroot}/", file.path, "\n");
  StrAppend(&spec, "%post\n", script, "\nexit 0\n", more_spec,
            "\n%files\n%attr(0755,root,root) /usr/bin/*\n%dir /etc/dragnet\n");
  EXPECT_TRUE(WriteFileAtomically(work / "spec", spec, 0644).ok());
  // For "%pre -f script": its lines aren't read as those of a spec.
  EXPECT_TRUE(MakeDirectories(work / "BUILD", 0755).ok());
  EXPECT_TRUE(WriteFileAtomically(work / "BUILD/script", "true\n%files\n/etc/shadow\n", 0644).ok());
  std::string output;
  EXPECT_EQ(Shell(StrCat("HOME=", work.path(), " rpmbuild -bb --define '_topdir ", work.path(),
                         "' --define '_rpmdir ", work.path(), "' --define '_rpmfilename out.rpm' ",
                         work / "spec"),
                  &output),
            0)
      << output;
  auto bytes = ReadFile(work / "out.rpm");
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? *bytes : "";
}

}  // namespace dragnet::console::testing
