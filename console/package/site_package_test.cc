#include "console/package/site_package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console/package/testing/site.h"
#include "console/package/testing/vendor.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Shell;
using testing::TemporaryDirectory;
using testing::TestSite;
using testing::VendorDeb;
using testing::VendorRpm;
using testing::VendorTar;

const absl::Time kMade = absl::FromUnixSeconds(1'800'000'000);

std::optional<std::string> RealEnvironment(std::string_view name) {
  const char* value = ::getenv(std::string(name).c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Package Parsed(const std::string& bytes) {
  auto package = ParsePackage(bytes);
  EXPECT_TRUE(package.ok()) << package.status();
  return package.ok() ? *std::move(package) : Package();
}

std::string Deb(const std::string& vendor = VendorDeb(), absl::Time made = kMade) {
  auto package = MakeSiteDeb(Parsed(vendor), TestSite(), made);
  EXPECT_TRUE(package.ok()) << package.status();
  return package.ok() ? *std::move(package) : "";
}

std::string Rpm(const std::string& vendor, absl::Time made = kMade) {
  auto package = MakeSiteRpm(Parsed(vendor), TestSite(), made, RealEnvironment);
  EXPECT_TRUE(package.ok()) << package.status();
  return package.ok() ? *std::move(package) : "";
}

// dpkg and rpm give files to root, and enter a directory.
std::string AsRoot() { return ::geteuid() == 0 ? "" : "unshare --map-root-user "; }

class SitePackageTest : public ::testing::Test {
 protected:
  std::string Put(const std::string& name, const std::string& content) {
    EXPECT_TRUE(WriteFileAtomically(work_ / name, content, 0600).ok());
    return work_ / name;
  }
  std::string Run(const std::string& command, int expected = 0) {
    std::string output;
    EXPECT_EQ(Shell(command, &output), expected) << command << "\n" << output;
    return output;
  }
  mode_t ModeOf(const std::string& path) {
    struct stat info = {};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
  }
  TemporaryDirectory work_;
};

TEST_F(SitePackageTest, DpkgReadsTheDeb) {
  EXPECT_EQ(SiteFileName(Parsed(VendorDeb()), kMade),
            "dragnet-agent_0.1.0+site20270115080000_amd64.deb");
  const std::string path = Put("site.deb", Deb());
  const std::string info = Run("dpkg-deb -I " + path);
  EXPECT_THAT(info, HasSubstr("Version: 0.1.0+site20270115080000"));
  EXPECT_THAT(info, HasSubstr("Depends: libc6"));
  EXPECT_THAT(info, HasSubstr("one of the fleet " + TestSite().fleet_id));
  const std::string contents = Run("dpkg-deb -c " + path);
  EXPECT_THAT(contents, HasSubstr("-rwxr-xr-x root/root"));
  EXPECT_THAT(contents, ::testing::ContainsRegex("-rw------- root/root +65 .*enrolment.token"));
  EXPECT_THAT(contents, ::testing::ContainsRegex("-rw-r--r-- root/root .*agent.toml"));
  // The vendor's own, unchanged.
  EXPECT_EQ(Run("dpkg-deb --ctrl-tarfile " + path + " | tar -xO ./postinst"),
            "#!/bin/sh\nexit 0 # 100%\n");
}

TEST_F(SitePackageTest, ConffilesAreTheVendorsAndTheSitesButNotTheToken) {
  const std::string path = Put("site.deb", Deb());
  EXPECT_EQ(Run("dpkg-deb --ctrl-tarfile " + path + " | tar -xO ./conffiles"),
            "/etc/init.d/dragnet-agent\n/etc/dragnet/agent.toml\n/etc/dragnet/ca.pem\n"
            "/etc/dragnet/root-1.pub\n/etc/dragnet/root-2.pub\n");
}

TEST_F(SitePackageTest, SameInputsGiveTheSameBytes) {
  EXPECT_EQ(Deb(), Deb());
  EXPECT_EQ(*MakeSiteTar(Parsed(VendorTar()), TestSite(), kMade),
            *MakeSiteTar(Parsed(VendorTar()), TestSite(), kMade));
  const std::string vendor = VendorRpm();
  EXPECT_EQ(Rpm(vendor), Rpm(vendor));
}

// Installs into a directory, as dpkg does it on a host.
class DpkgTest : public SitePackageTest {
 protected:
  DpkgTest() {
    Run("mkdir -p " + root_ + "/var/lib/dpkg/updates " + root_ + "/var/lib/dpkg/info && touch " +
        root_ + "/var/lib/dpkg/status");
  }
  std::string Dpkg(const std::string& arguments, int expected = 0) {
    return Run(AsRoot() + "dpkg --root=" + root_ +
                   " --force-script-chrootless --force-not-root --force-depends "
                   "--force-architecture --log=/dev/null " +
                   arguments,
               expected);
  }
  std::string Installed() {
    return Run("dpkg-query --admindir=" + root_ + "/var/lib/dpkg -W -f '${Version}' dragnet-agent");
  }
  std::string Etc(const std::string& name) { return root_ + "/etc/dragnet/" + name; }
  bool Exists(const std::string& path) { return std::filesystem::exists(path); }

  const std::string root_ = work_ / "root";
};

TEST_F(DpkgTest, InstallsWithItsModes) {
  Dpkg("-i " + Put("site.deb", Deb()));
  EXPECT_EQ(*ReadFile(Etc("agent.toml")), AgentToml(TestSite()));
  EXPECT_EQ(ModeOf(Etc("enrolment.token")), 0600u);
  EXPECT_EQ(ModeOf(Etc("agent.toml")), 0644u);
  EXPECT_EQ(ModeOf(root_ + "/usr/bin/dragnet-agent"), 0755u);
}

TEST_F(DpkgTest, VendorsUpgradeKeepsTheConfigurationAndTakesTheTokenAway) {
  Dpkg("-i " + Put("site.deb", Deb()));
  Dpkg("-i " + Put("vendor.deb", VendorDeb("0.1.1")));
  EXPECT_EQ(Installed(), "0.1.1");
  EXPECT_EQ(*ReadFile(Etc("agent.toml")), AgentToml(TestSite()));
  EXPECT_TRUE(Exists(Etc("ca.pem")));
  EXPECT_TRUE(Exists(Etc("root-2.pub")));
  EXPECT_FALSE(Exists(Etc("enrolment.token")));
}

TEST_F(DpkgTest, NewerSitePackageReplacesConfigurationAndATokenThatWasRemoved) {
  Dpkg("-i " + Put("site.deb", Deb()));
  ASSERT_TRUE(std::filesystem::remove(Etc("enrolment.token")));
  SiteConfig site = TestSite();
  site.schedulers = {"other.example.org:7443"};
  site.token = std::string(64, 'b');
  const auto newer = MakeSiteDeb(Parsed(VendorDeb()), site, kMade + absl::Seconds(1));
  ASSERT_TRUE(newer.ok()) << newer.status();
  Dpkg("-i " + Put("newer.deb", *newer));
  EXPECT_EQ(*ReadFile(Etc("agent.toml")), AgentToml(site));
  EXPECT_EQ(*ReadFile(Etc("enrolment.token")), site.token + "\n");
}

TEST_F(DpkgTest, ConfigurationThatWasChangedOnTheHostStays) {
  Dpkg("-i " + Put("site.deb", Deb()));
  ASSERT_TRUE(WriteFileAtomically(Etc("agent.toml"), "# mine\n", 0644).ok());
  SiteConfig site = TestSite();
  site.schedulers = {"other.example.org:7443"};
  const auto newer = MakeSiteDeb(Parsed(VendorDeb()), site, kMade + absl::Seconds(1));
  Dpkg("--force-confold -i " + Put("newer.deb", *newer));
  EXPECT_EQ(*ReadFile(Etc("agent.toml")), "# mine\n");
}

TEST_F(DpkgTest, RemovalTakesTheTokenAndPurgeTheRest) {
  Dpkg("-i " + Put("site.deb", Deb()));
  Dpkg("-r dragnet-agent");
  EXPECT_FALSE(Exists(Etc("enrolment.token")));
  EXPECT_TRUE(Exists(Etc("agent.toml")));
  Dpkg("-P dragnet-agent");
  EXPECT_FALSE(Exists(root_ + "/etc/dragnet"));
}

TEST_F(SitePackageTest, DpkgPutsTheVersionBetweenTheVendorsAndItsNext) {
  for (const std::string vendor : {"0.1.0", "0.1.0-1", "1:0.1.0~rc.1"}) {
    const std::string site = SiteVersion(Parsed(VendorDeb(vendor)), kMade);
    const std::string later = SiteVersion(Parsed(VendorDeb(vendor)), kMade + absl::Seconds(1));
    for (const std::string& order :
         {vendor + " lt " + site, site + " lt " + later, site + " lt 1:0.1.1",
          later + " lt " + (vendor == "0.1.0" ? "0.1.1" : vendor + ".1")})
      Run("dpkg --compare-versions " + order);
  }
}

TEST_F(SitePackageTest, RpmPutsTheReleaseBetweenTheVendorsAndItsNext) {
  const std::string site = "1." + SiteSuffix(kMade);
  const std::string later = "1." + SiteSuffix(kMade + absl::Seconds(1));
  for (const auto& [older, newer] : std::vector<std::pair<std::string, std::string>>{
           {"1", site}, {site, later}, {later, "2"}, {later, "1.1"}, {later, "10"}})
    EXPECT_EQ(Run("rpm --eval \"%{lua:print(rpm.vercmp('" + older + "', '" + newer + "'))}\""),
              "-1\n")
        << older << " " << newer;
}

// Installs into a directory, without scripts: these would run in it, where there is no shell.
class RpmTest : public SitePackageTest {
 protected:
  std::string Rpm4(const std::string& arguments) {
    return Run(AsRoot() + "rpm --root " + root_ + " --dbpath /var/lib/rpm " + arguments);
  }
  const std::string root_ = work_ / "root";
};

TEST_F(RpmTest, RpmReadsIt) {
  const std::string vendor = VendorRpm();
  EXPECT_THAT(SiteFileName(Parsed(vendor), kMade),
              HasSubstr("dragnet-agent-0.1.0-1.site20270115080000."));
  const std::string path = Put("site.rpm", Rpm(vendor));
  const std::string list = Run("rpm -qplv " + path);
  EXPECT_THAT(list, ::testing::ContainsRegex("-rw------- .*root +root +65 .*enrolment.token"));
  EXPECT_THAT(list, ::testing::ContainsRegex("-rwxr-xr-x .*root +root .*/usr/bin/dragnet-agent"));
  EXPECT_EQ(Run("rpm -qp --qf '[%{FILENAMES} %{FILEFLAGS:fflags}\\n]' " + path + " | grep ' cn'"),
            "/etc/dragnet/agent.toml cn\n/etc/dragnet/ca.pem cn\n/etc/dragnet/root-1.pub cn\n"
            "/etc/dragnet/root-2.pub cn\n");
  // The vendor's scripts, with ours in front.
  EXPECT_THAT(Run("rpm -qp --scripts " + path), HasSubstr("echo 100% ready"));
  EXPECT_THAT(Run("rpm -qp --requires " + path), HasSubstr("/bin/sh"));
  EXPECT_THAT(Run("rpm -K --nosignature " + path), HasSubstr("OK"));
}

TEST_F(RpmTest, InstallsIntoADirectory) {
  Run("mkdir -p " + root_);
  Rpm4("--initdb");
  Rpm4("-i --nodeps --noscripts " + Put("site.rpm", Rpm(VendorRpm())));
  EXPECT_EQ(*ReadFile(root_ + "/etc/dragnet/agent.toml"), AgentToml(TestSite()));
  EXPECT_EQ(ModeOf(root_ + "/etc/dragnet/enrolment.token"), 0600u);
}

TEST_F(RpmTest, VendorsUpgradeKeepsTheConfiguration) {
  // With scripts, so the directory needs a shell and what they call.
  Run("mkdir -p " + root_ + "/bin " + root_ +
      "/dev; for p in sh cp rm mkdir cmp true; do "
      "f=$(command -v $p || echo /bin/$p); [ $p != true ] || f=/bin/true; cp $f " +
      root_ + "/bin/$p; for l in $(ldd $f | grep -o '/[^ ]*'); do mkdir -p " + root_ +
      "$(dirname $l); cp $l " + root_ + "$l; done; done");
  Rpm4("--initdb");
  Rpm4("-i --nodeps " + Put("site.rpm", Rpm(VendorRpm("true"))));
  const std::string agent_toml = root_ + "/etc/dragnet/agent.toml";
  // Another site package first: rpm itself goes from one configuration to the next.
  Rpm4("-U --nodeps " + Put("later.rpm", Rpm(VendorRpm("true"), kMade + absl::Seconds(1))));
  EXPECT_EQ(*ReadFile(agent_toml), AgentToml(TestSite()));
  EXPECT_FALSE(std::filesystem::exists(root_ + "/etc/dragnet/.kept"));
  Rpm4("-U --nodeps " + Put("vendor.rpm", VendorRpm("true", 2)));
  EXPECT_EQ(Rpm4("-q dragnet-agent --qf '%{RELEASE}'"), "2");
  EXPECT_EQ(*ReadFile(agent_toml), AgentToml(TestSite()));
  EXPECT_TRUE(std::filesystem::exists(root_ + "/etc/dragnet/root-2.pub"));
  EXPECT_EQ(ModeOf(root_ + "/etc/dragnet/enrolment.token"), 0600u);
  EXPECT_FALSE(std::filesystem::exists(root_ + "/etc/dragnet/.kept"));
}

TEST_F(RpmTest, WhatASpecCantSayIsRefused) {
  const auto refusal = [](const std::string& vendor) {
    const auto package = MakeSiteRpm(Parsed(vendor), TestSite(), kMade, RealEnvironment);
    return package.ok() ? "" : std::string(package.status().message());
  };
  EXPECT_THAT(refusal(VendorRpm("true", 1, "%triggerin -- bash\ntrue\n")), HasSubstr("triggers"));
  EXPECT_THAT(refusal(VendorRpm("true", 1, "%pre -f script\n")), HasSubstr("begins with %"));
}

TEST_F(RpmTest, WithoutRpmbuildItSaysWhatToInstall) {
  const auto package =
      MakeSiteRpm(Parsed(VendorRpm()), TestSite(), kMade,
                  [&](std::string_view) -> std::optional<std::string> { return work_.path(); });
  EXPECT_TRUE(absl::IsFailedPrecondition(package.status()));
  EXPECT_THAT(package.status().message(), HasSubstr("apt install rpm"));
}

class TarTest : public SitePackageTest {
 protected:
  void Unpack(const SiteConfig& site, absl::Time made) {
    const auto package = MakeSiteTar(Parsed(VendorTar()), site, made);
    ASSERT_TRUE(package.ok()) << package.status();
    Run("rm -rf " + work_ / "unpacked" + " && mkdir " + work_ / "unpacked" + " && tar -xzf " +
        Put("site.tar.gz", *package) + " -C " + work_ / "unpacked");
  }
  std::string Install(const std::string& arguments = "", int expected = 0) {
    return Run(
        "DESTDIR=" + root_ + " sh " + work_ / "unpacked/dragnet-agent-*/install.sh " + arguments,
        expected);
  }
  std::string Etc(const std::string& name) { return root_ + "/etc/dragnet/" + name; }
  const std::string root_ = work_ / "root";
};

TEST_F(TarTest, InstallsAgainAndAgainAndUninstalls) {
  Unpack(TestSite(), kMade);
  EXPECT_EQ(ModeOf(work_ / "unpacked/dragnet-agent-0.1.0+site20270115080000-linux-x86_64/site"),
            0700u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Install(), HasSubstr("is installed for the fleet " + TestSite().fleet_id));
    EXPECT_EQ(*ReadFile(Etc("agent.toml")), AgentToml(TestSite()));
    EXPECT_EQ(ModeOf(Etc("enrolment.token")), 0600u);
    EXPECT_EQ(ModeOf(Etc("agent.toml")), 0644u);
    EXPECT_TRUE(std::filesystem::exists(root_ + "/usr/bin/dragnet-agent"));
  }
  for (int i = 0; i < 2; ++i) {
    Install("--uninstall");
    EXPECT_FALSE(std::filesystem::exists(root_ + "/etc/dragnet"));
    EXPECT_FALSE(std::filesystem::exists(root_ + "/usr/bin/dragnet-agent"));
  }
  EXPECT_THAT(Install("--remove-everything", 2), HasSubstr("there is no option"));
}

TEST_F(TarTest, NewerOneReplacesAConfigurationThatNoOneChanged) {
  Unpack(TestSite(), kMade);
  Install();
  SiteConfig site = TestSite();
  site.schedulers = {"other.example.org:7443"};
  Unpack(site, kMade + absl::Seconds(1));
  Install();
  EXPECT_EQ(*ReadFile(Etc("agent.toml")), AgentToml(site));
}

TEST_F(TarTest, ConfigurationThatWasChangedOnTheHostStays) {
  Unpack(TestSite(), kMade);
  Install();
  ASSERT_TRUE(WriteFileAtomically(Etc("agent.toml"), "# mine\n", 0644).ok());
  SiteConfig site = TestSite();
  site.schedulers = {"other.example.org:7443"};
  Unpack(site, kMade + absl::Seconds(1));
  EXPECT_THAT(Install(), HasSubstr("was changed on this host"));
  EXPECT_EQ(*ReadFile(Etc("agent.toml")), "# mine\n");
  EXPECT_EQ(*ReadFile(Etc("agent.toml.new")), AgentToml(site));
}

TEST_F(TarTest, ScriptIsPosix) {
  Unpack(TestSite(), kMade);
  Run("dash -n " + work_ / "unpacked/dragnet-agent-*/install.sh");
}

TEST_F(SitePackageTest, WhatIsNotTheVendorsAgentIsRefused) {
  const auto refusal = [](const std::string& bytes, PackageKind kind = PackageKind::kDeb) {
    return std::string(CheckVendor(Parsed(bytes), kind).message());
  };
  EXPECT_EQ(refusal(VendorDeb()), "");
  EXPECT_THAT(refusal(VendorDeb(), PackageKind::kRpm), HasSubstr("is a deb"));
  EXPECT_THAT(refusal(Deb()), HasSubstr("is a site package already"));
  EXPECT_THAT(refusal(testing::Ar({{.path = "control",
                                    .content = "Package: bash\nVersion: 1\n"
                                               "Architecture: all\n"}},
                                  testing::VendorFiles())),
              HasSubstr("is the package bash"));
  EXPECT_THAT(refusal(testing::Ar({{.path = "control", .content = testing::ControlText("1/../x")}},
                                  testing::VendorFiles())),
              HasSubstr("version"));
  EXPECT_THAT(refusal(testing::Ar({{.path = "control", .content = testing::ControlText()}}, {})),
              HasSubstr("has no program /usr/bin/dragnet-agent"));
}

}  // namespace
}  // namespace dragnet::console
