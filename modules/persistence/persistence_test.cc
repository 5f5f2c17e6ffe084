// The module as a whole, on roots made here: what each kind of entry looks like, and
// what somebody who wants not to be found may have made of it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "core/ssh_wire.h"
#include "core/strings.h"
#include "core/text.h"
#include "google/protobuf/util/json_util.h"
#include "modules/module.h"
#include "modules/persistence/kernel_modules.h"
#include "modules/persistence/persistence.pb.h"
#include "modules/pkg/test_root.h"
#include "modules/run_context_fake.h"

namespace dragnet::persistence {
namespace {

using pkg::TestRoot;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::UnorderedElementsAre;

const Module& Persistence() { return *FindModule("persistence"); }

v1::PersistenceParameters Parameters(const std::string& json) {
  v1::PersistenceParameters parameters;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &parameters);
  EXPECT_TRUE(status.ok()) << json << ": " << status.ToString();
  return parameters;
}

struct Looked {
  std::vector<v1::PersistenceRow> rows;
  std::map<std::string, std::vector<std::string>> unexamined;

  // The only row of this name, or an empty one.
  v1::PersistenceRow Row(std::string_view name) const {
    std::vector<v1::PersistenceRow> found;
    for (const v1::PersistenceRow& row : rows)
      if (row.name() == name) found.push_back(row);
    EXPECT_EQ(found.size(), 1u) << name;
    return found.empty() ? v1::PersistenceRow() : found[0];
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const v1::PersistenceRow& row : rows) names.push_back(row.name());
    return names;
  }
  std::vector<std::string> Commands() const {
    std::vector<std::string> commands;
    for (const v1::PersistenceRow& row : rows) commands.push_back(row.command());
    return commands;
  }
};

class PersistenceTest : public testing::Test {
 protected:
  PersistenceTest() {
    // So that owners are known; it owns nothing by itself.
    Package("base-files", {});
    root_.File("/etc/passwd",
               "root:x:0:0::/root:/bin/bash\nana:x:1000:1000::/home/ana:/bin/sh\nbroken\n");
    root_.File("/root/.keep", "");
    root_.File("/home/ana/.keep", "");
    for (const char* path : {"/", "/etc", "/root", "/home", "/home/ana"})
      chmod(root_.In(path).c_str(), 0755);
  }

  // `sums` are lines of md5sums.
  void Package(const std::string& name, const std::vector<std::string>& files,
               const std::string& sums = "") {
    status_ +=
        "Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n";
    root_.File("/var/lib/dpkg/status", status_);
    std::string list;
    for (const std::string& file : files) list += file + "\n";
    root_.File("/var/lib/dpkg/info/" + name + ".list", list);
    if (!sums.empty()) root_.File("/var/lib/dpkg/info/" + name + ".md5sums", sums);
  }

  void Fifo(const std::string& path) {
    root_.File(path, "");
    ASSERT_EQ(unlink(root_.In(path).c_str()), 0);
    ASSERT_EQ(mkfifo(root_.In(path).c_str(), 0644), 0);
  }

  // `more` are JSON members, with a comma in front.
  Looked Look(const std::string& kind, const std::string& more = "") {
    v1::PersistenceParameters parameters =
        Parameters(StrCat("{\"kinds\":[\"", kind, "\"]", more, "}"));
    parameters.set_root(root_.path());
    EXPECT_TRUE(Persistence().Validate(parameters).ok()) << Persistence().Validate(parameters);
    FakeRunContext context;
    EXPECT_TRUE(Persistence().Run(parameters, context).ok());
    Looked looked{context.RowsAs<v1::PersistenceRow>(), context.unexamined};
    for (const v1::PersistenceRow& row : looked.rows) {
      EXPECT_EQ(row.kind() == kind || kind == "systemd_timer", true) << row.kind();
      EXPECT_TRUE(IsValidUtf8(row.command()));
      EXPECT_LE(row.command().size(), 2048u);
    }
    return looked;
  }

  TestRoot root_;
  std::string status_;
};

// Any of the bytes that a terminal obeys, and some that aren't UTF-8.
constexpr char kHostile[] = "\x1b]0;x\x07\xff\xfe";

std::string Ed25519Line() {
  std::string blob;
  AppendWireString(&blob, "ssh-ed25519");
  AppendWireString(&blob, std::string(32, 'a'));
  return StrCat("ssh-ed25519 ", absl::Base64Escape(blob));
}

TEST(PersistenceParametersTest, BadOnesAreRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"kinds":["crontab"]})", "kinds[0] 'crontab' is unknown; there are systemd_unit"},
      {R"({"commands":["("]})", "commands[0] '('"},
      {R"({"commands":[""]})", "commands[0] is empty"},
      {R"({"changedSince":"yesterday"})", "changed_since 'yesterday' is neither"},
      {R"({"root":"srv"})", "root 'srv' isn't an absolute path"},
      {R"({"root":"/srv/../etc"})", "has .. in it"},
  };
  for (const auto& [json, words] : cases) {
    const absl::Status status = Persistence().Validate(Parameters(json));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << json;
    EXPECT_THAT(std::string(status.message()), HasSubstr(words)) << json;
  }
  EXPECT_TRUE(Persistence().Validate(Parameters(R"({"changedSince":"7d"})")).ok());
  EXPECT_TRUE(Persistence().Validate(Parameters(R"({"changedSince":"2024-02-03"})")).ok());
}

TEST(PersistenceParametersTest, PrivacyModeTakesNoTextOnly) {
  EXPECT_FALSE(Persistence().ValidateForPrivacy(Parameters("{}")).ok());
  EXPECT_FALSE(
      Persistence().ValidateForPrivacy(Parameters(R"({"noText":true,"commands":["x"]})")).ok());
  EXPECT_TRUE(Persistence().ValidateForPrivacy(Parameters(R"({"noText":true})")).ok());
}

TEST_F(PersistenceTest, UnitsAreEnabledAsSystemdStartsThem) {
  const std::string lib = "/usr/lib/systemd/system/";
  root_.Link("/lib", "usr/lib");
  root_.File(lib + "on.service", "[Service]\nExecStart=/bin/on\nUser=www\n[Install]\n");
  root_.File(lib + "off.service", "[Service]\nExecStart=/bin/off\n[Install]\nWantedBy=x.target\n");
  root_.File(lib + "alone.service", "[Service]\nExecStart=/bin/alone\n");
  root_.File(lib + "wanted.service", "[Service]\nExecStart=+/bin/wanted\nUser=www\n");
  root_.File(lib + "masked.service", "[Service]\nExecStart=/bin/masked\n");
  root_.File(lib + "some.target", "[Unit]\nWants=wanted.service  other.service\n");
  root_.File(lib + "over.service", "[Service]\nExecStart=/bin/packaged\n");
  root_.File(lib + "inst@.service", "[Service]\nExecStart=/bin/inst %i\n");
  root_.File("/etc/systemd/system/over.service", "[Service]\nExecStart=/bin/mine\n");
  root_.Link("/etc/systemd/system/masked.service", "/dev/null");
  root_.Link("/etc/systemd/system/multi-user.target.wants/on.service", lib + "on.service");
  root_.Link("/etc/systemd/system/multi-user.target.wants/inst@a.service", lib + "inst@.service");
  root_.Link("/etc/systemd/system/alias.service", lib + "alone.service");
  const Looked looked = Look("systemd_unit");
  const auto state = [&](std::string_view name) { return looked.Row(name).state(); };
  EXPECT_EQ(state("on.service"), "enabled");
  EXPECT_TRUE(looked.Row("on.service").enabled());
  EXPECT_EQ(looked.Row("on.service").user(), "www");
  EXPECT_EQ(state("off.service"), "disabled");
  EXPECT_FALSE(looked.Row("off.service").enabled());
  EXPECT_EQ(state("alone.service"), "static");
  EXPECT_EQ(state("wanted.service"), "linked");
  EXPECT_EQ(looked.Row("wanted.service").user(), "root");
  EXPECT_EQ(state("masked.service"), "masked");
  EXPECT_EQ(state("inst@.service"), "enabled");
  for (const v1::PersistenceRow& row : looked.rows) {
    if (row.name() != "over.service") continue;
    EXPECT_EQ(row.state(), row.command() == "/bin/mine" ? "static" : "overridden");
  }
  EXPECT_THAT(looked.Names(), Not(Contains("alias.service")));
}

TEST_F(PersistenceTest, DropInsAddCommandsAndReplaceThem) {
  root_.File("/usr/lib/systemd/system/a.service",
             "[Service]\nExecStart=/bin/first\nExecStartPre=/bin/pre\n");
  root_.File("/etc/systemd/system/a.service.d/9.conf", "[Service]\nExecStart=\nExecStart=/tmp/x\n");
  root_.File("/etc/systemd/system/service.d/all.conf", "[Service]\nExecStartPost=/tmp/y\n");
  const Looked looked = Look("systemd_unit");
  ASSERT_THAT(looked.Commands(),
              UnorderedElementsAre("/bin/first", "/bin/pre", "/tmp/x", "/tmp/y"));
  for (const v1::PersistenceRow& row : looked.rows) {
    if (row.command() == "/bin/first") {
      EXPECT_EQ(row.state(), "replaced");
    }
    if (row.command() == "/tmp/x") {
      EXPECT_EQ(row.name(), "a.service");
      EXPECT_EQ(row.path(), "/etc/systemd/system/a.service.d/9.conf");
      EXPECT_EQ(row.line(), 3u);
    }
    if (row.command() == "/tmp/y") {
      EXPECT_EQ(row.name(), "service");
    }
  }
}

TEST_F(PersistenceTest, ALinkOutOfSystemdsDirectoriesIsAUnitOfItsOwn) {
  root_.File("/tmp/systemd/system/evil.service", "[Service]\nExecStart=/tmp/evil\n");
  root_.Link("/etc/systemd/system/evil.service", "/tmp/systemd/system/evil.service");
  root_.Link("/etc/systemd/system/multi-user.target.wants/evil.service", "../evil.service");
  chmod(root_.In("/tmp").c_str(), 01777);
  const v1::PersistenceRow row = Look("systemd_unit").Row("evil.service");
  EXPECT_EQ(row.path(), "/etc/systemd/system/evil.service");
  EXPECT_EQ(row.link(), "/tmp/systemd/system/evil.service");
  EXPECT_TRUE(row.enabled());
  EXPECT_TRUE(row.world_writable());
  EXPECT_EQ(row.writable_path(), "/tmp");
}

TEST_F(PersistenceTest, UnitsOfUsersAreThoseUsers) {
  root_.File("/home/ana/.config/systemd/user/x.service", "[Service]\nExecStart=/home/ana/x\n");
  root_.Link("/home/ana/.config/systemd/user/default.target.wants/x.service", "../x.service");
  root_.File("/usr/lib/systemd/user/y.service", "[Service]\nExecStart=/usr/bin/y\n");
  // What one user replaces is replaced for nobody else.
  root_.File("/home/ana/.config/systemd/user/y.service.d/a.conf", "[Service]\nExecStart=\n");
  const Looked looked = Look("systemd_unit");
  EXPECT_EQ(looked.Row("x.service").user(), "ana");
  EXPECT_TRUE(looked.Row("x.service").enabled());
  EXPECT_EQ(looked.Row("y.service").user(), "*");
  EXPECT_EQ(looked.Row("y.service").state(), "static");
}

TEST_F(PersistenceTest, HostileUnitsNeitherStopNorHideAnything) {
  const std::string etc = "/etc/systemd/system/";
  Fifo(etc + "fifo.service");
  root_.Link(etc + "loop.service", "loop.service");
  root_.Link(etc + "gone.service", "/nowhere/gone.service");
  root_.File(etc + "huge.service",
             "[Service]\nExecStart=" + std::string(1 << 19, 'x') + "\nExecStart=/bin/after\n");
  root_.File(etc + "endless.service",
             "[Service]\nExecStart=/bin/before\n" + std::string(2 << 20, 'y'));
  root_.File(etc + "text.service", StrCat("[Service]\nExecStart=/bin/", kHostile, "\n"));
  // A directory, and one of links to nothing.
  root_.File(etc + "dir.service/x", "");
  root_.Link(etc + "a.target.wants/dangling.service", "/nowhere");
  const Looked looked = Look("systemd_unit");
  EXPECT_THAT(looked.Commands(), Contains("/bin/after"));
  EXPECT_THAT(looked.Commands(), Contains("/bin/before"));
  EXPECT_THAT(looked.Row("text.service").command(), HasSubstr("\xef\xbf\xbd"));
  EXPECT_THAT(looked.unexamined, Contains(Key("not a regular file")));
  EXPECT_THAT(looked.unexamined, Contains(Key("Too many levels of symbolic links")));
  EXPECT_THAT(looked.unexamined, Contains(Key(HasSubstr("larger than 1 MiB"))));
}

TEST_F(PersistenceTest, TimersHaveTheCommandThatTheyStart) {
  const std::string lib = "/usr/lib/systemd/system/";
  root_.File(lib + "a.timer", "[Timer]\nOnCalendar=daily\nOnBootSec=5min\n[Install]\n");
  root_.File(lib + "a.service", "[Service]\nExecStart=/bin/a\nUser=daemon\n");
  root_.File(lib + "b.timer", "[Timer]\nUnit=a.service\nOnFailure=c.service\n");
  root_.Link("/etc/systemd/system/timers.target.wants/a.timer", lib + "a.timer");
  const Looked looked = Look("systemd_timer");
  EXPECT_EQ(looked.Row("a.timer").schedule(), "OnCalendar=daily; OnBootSec=5min");
  EXPECT_EQ(looked.Row("a.timer").command(), "/bin/a");
  EXPECT_EQ(looked.Row("a.timer").activates(), "a.service");
  EXPECT_EQ(looked.Row("a.timer").user(), "daemon");
  EXPECT_TRUE(looked.Row("a.timer").enabled());
  EXPECT_FALSE(looked.Row("b.timer").enabled());
  EXPECT_EQ(Look("systemd_unit").Row("a.service").state(), "triggered");
  // What the pattern of commands has to match is what the timer starts.
  EXPECT_THAT(Look("systemd_timer", R"(,"commands":["^/bin/a$"],"enabled":true)").Names(),
              ElementsAre("a.timer"));
}

TEST_F(PersistenceTest, GeneratorsAreProgramsThatMayBeExecuted) {
  root_.File("/etc/systemd/system-generators/evil", "#!/bin/sh\n", 0755);
  root_.File("/usr/lib/systemd/system-generators/evil", "#!/bin/sh\n", 0755);
  root_.File("/usr/lib/systemd/system-sleep/hook", "#!/bin/sh\n", 0644);
  Fifo("/etc/systemd/system-generators/fifo");
  const Looked looked = Look("systemd_generator");
  ASSERT_EQ(looked.rows.size(), 3u);
  EXPECT_TRUE(looked.rows[0].enabled());
  EXPECT_EQ(looked.rows[0].path(), "/etc/systemd/system-generators/evil");
  EXPECT_EQ(looked.rows[1].state(), "overridden");
  EXPECT_EQ(looked.Row("hook").state(), "not executable");
}

TEST_F(PersistenceTest, CronJobsAreFoundWhereverTheyAre) {
  root_.File("/etc/crontab", "SHELL=/tmp/sh\n17 * * * * root cd / && x\n# c\n");
  root_.File("/etc/cron.d/ok", "@daily ana /usr/bin/ok\n");
  root_.File("/etc/cron.d/not.run", "@daily root /usr/bin/no\n");
  root_.File("/etc/debian_version", "12\n");
  root_.File("/etc/cron.daily/job", "#!/bin/sh\n", 0755);
  root_.File("/etc/cron.daily/off", "#!/bin/sh\n", 0644);
  root_.File("/etc/anacrontab", "1 5 cron.daily run-parts /etc/cron.daily\n");
  root_.File("/var/spool/cron/crontabs/ana", "*/5 * * * * /home/ana/beacon\n", 0600);
  const Looked looked = Look("cron");
  EXPECT_THAT(looked.Commands(),
              UnorderedElementsAre("/tmp/sh", "cd / && x", "/usr/bin/ok", "/usr/bin/no",
                                   "/etc/cron.daily/job", "/etc/cron.daily/off",
                                   "run-parts /etc/cron.daily", "/home/ana/beacon"));
  EXPECT_EQ(looked.Row("ok").user(), "ana");
  EXPECT_EQ(looked.Row("ok").schedule(), "@daily");
  EXPECT_EQ(looked.Row("not.run").state(), "ignored");
  EXPECT_EQ(looked.Row("job").schedule(), "daily");
  EXPECT_EQ(looked.Row("off").state(), "not executable");
  EXPECT_EQ(looked.Row("ana").user(), "ana");
  EXPECT_EQ(looked.Row("ana").line(), 1u);
  EXPECT_THAT(looked.unexamined, IsEmpty());
}

TEST_F(PersistenceTest, HostileCrontabsAreBounded) {
  std::string many;
  for (int i = 0; i < 30000; ++i) many += "* * * * * x\n";
  root_.File("/var/spool/cron/crontabs/ana", many);
  root_.File("/etc/cron.d/odd", StrCat("* * * * * root ", kHostile, "\nnonsense\n"));
  Fifo("/etc/cron.d/fifo");
  Fifo("/etc/cron.daily/fifo");
  root_.Link("/var/spool/cron/crontabs/loop", "loop");
  const Looked looked = Look("cron");
  EXPECT_EQ(looked.rows.size(), 2001u);
  EXPECT_THAT(looked.Row("odd").command(), HasSubstr("\x1b]0;x"));
  EXPECT_THAT(looked.unexamined, Contains(Key("line that isn't a crontab's")));
  EXPECT_EQ(looked.unexamined.at("not a regular file").size(), 2u);
  EXPECT_THAT(looked.unexamined, Contains(Key("Too many levels of symbolic links")));
  EXPECT_THAT(looked.unexamined, Contains(Key("more than 2,000 entries of one file")));
}

TEST_F(PersistenceTest, ManyFilesAreBoundedToo) {
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "* * * * * x\n";
  for (int i = 0; i < 11; ++i) root_.File(StrCat("/etc/cron.d/", i), "");
  for (int i = 0; i < 11; ++i) root_.File(StrCat("/var/spool/cron/crontabs/u", i), many);
  const Looked looked = Look("cron");
  EXPECT_EQ(looked.rows.size(), 20000u);
  EXPECT_THAT(looked.unexamined, Contains(Key(HasSubstr("more than 20,000 entries"))));
}

TEST_F(PersistenceTest, JobsOfAtSayWhenAndWhat) {
  root_.File("/var/spool/cron/atjobs/a0000a01b2c3d4",
             "#!/bin/sh\numask 22\nHOME=/root; export HOME\ncd /root || {\n echo x\n exit 1\n}\n"
             "${SHELL:-/bin/sh} << 'marcinDELIMITER0aa'\n/tmp/x\n/tmp/y\nmarcinDELIMITER0aa\n");
  root_.File("/var/spool/cron/atjobs/.SEQ", "1");
  Fifo("/var/spool/cron/atjobs/a0000b01b2c3d4");
  const Looked looked = Look("at");
  ASSERT_EQ(looked.rows.size(), 1u);
  EXPECT_EQ(looked.rows[0].command(), "/tmp/x\n/tmp/y\n");
  EXPECT_EQ(looked.rows[0].schedule(), "2024-03-04T15:16Z");
  EXPECT_THAT(looked.unexamined, Contains(Key("not a regular file")));
}

TEST_F(PersistenceTest, InitScriptsHaveTheirRunlevels) {
  root_.File("/etc/init.d/a", "#!/bin/sh\n", 0755);
  root_.File("/etc/init.d/b", "#!/bin/sh\n", 0755);
  root_.Link("/etc/rc2.d/S01a", "../init.d/a");
  root_.Link("/etc/rc3.d/S01a", "../init.d/a");
  root_.Link("/etc/rc0.d/K01a", "../init.d/a");
  root_.File("/etc/rc2.d/S99evil", "#!/bin/sh\n", 0755);
  root_.Link("/etc/rc2.d/S98out", "/tmp/out");
  root_.File("/tmp/out", "#!/bin/sh\n", 0755);
  root_.Link("/etc/rc2.d/S97loop", "S97loop");
  root_.File("/etc/rc.local", "#!/bin/sh\n", 0644);
  root_.File("/etc/inittab", StrCat("x:23:respawn:/tmp/x ", kHostile, "\noff::off:/bin/o\nbad\n"));
  Fifo("/etc/init.d/fifo");
  const Looked looked = Look("init");
  EXPECT_EQ(looked.Row("a").schedule(), "runlevels 2 3");
  EXPECT_TRUE(looked.Row("a").enabled());
  EXPECT_EQ(looked.Row("b").state(), "disabled");
  EXPECT_TRUE(looked.Row("evil").enabled());
  EXPECT_EQ(looked.Row("out").path(), "/tmp/out");
  EXPECT_EQ(looked.Row("rc.local").state(), "not executable");
  EXPECT_EQ(looked.Row("x").directive(), "respawn");
  EXPECT_EQ(looked.Row("off").state(), "disabled");
  EXPECT_THAT(looked.unexamined, Contains(Key("not a regular file")));
  EXPECT_THAT(looked.unexamined, Contains(Key("line that isn't inittab's")));
}

TEST_F(PersistenceTest, PreloadedLibrariesAreListedOneByOne) {
  root_.File("/etc/ld.so.preload", "/usr/lib/good.so:/tmp/evil.so  missing.so # comment\n");
  root_.File("/usr/lib/good.so", "x");
  root_.File("/tmp/evil.so", "x", 0666);
  Package("good", {"/usr/lib/good.so"});
  const Looked looked = Look("ld_preload");
  EXPECT_THAT(looked.Names(), ElementsAre("good.so", "evil.so", "missing.so"));
  EXPECT_THAT(looked.Row("good.so").unowned_programs(), IsEmpty());
  EXPECT_THAT(looked.Row("evil.so").unowned_programs(), ElementsAre("/tmp/evil.so"));
  EXPECT_TRUE(looked.Row("evil.so").world_writable());
  EXPECT_THAT(looked.Row("missing.so").programs(), IsEmpty());
  ASSERT_EQ(unlink(root_.In("/etc/ld.so.preload").c_str()), 0);
  Fifo("/etc/ld.so.preload");
  EXPECT_THAT(Look("ld_preload").unexamined, Contains(Key("not a regular file")));
}

TEST_F(PersistenceTest, DirectoriesOfLibrariesAreLookedAtForWhoCanWrite) {
  root_.File("/etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\ninclude /tmp/*.conf\n");
  root_.File("/etc/ld.so.conf.d/a.conf", "# c\n/opt/lib\n/usr/ok\n");
  root_.File("/etc/ld.so.conf.d/not-read", "/nowhere\n");
  root_.File("/opt/lib/x", "");
  root_.File("/usr/ok/x", "");
  chmod(root_.In("/opt/lib").c_str(), 0777);
  root_.Link("/etc/ld.so.conf.d/loop.conf", "loop.conf");
  const Looked looked = Look("ld_path");
  EXPECT_THAT(looked.Commands(), ElementsAre("/tmp/*.conf", "/opt/lib", "/usr/ok"));
  EXPECT_EQ(looked.rows[0].directive(), "include");
  EXPECT_EQ(looked.rows[1].writable_path(), "/opt/lib");
  EXPECT_FALSE(looked.rows[2].world_writable());
  EXPECT_THAT(looked.unexamined, Contains(Key("Too many levels of symbolic links")));
}

TEST_F(PersistenceTest, KernelModulesOfAnImageAreThoseOfItsFiles) {
  root_.File("/etc/modules", "# c\nloop max=8\n");
  root_.Link("/etc/modules-load.d/modules.conf", "../modules");
  root_.File("/usr/lib/modules-load.d/fwupd.conf", "msr\n");
  root_.File("/etc/modprobe.d/evil.conf",
             StrCat("blacklist pcspkr\ninstall usb-storage /tmp/x ", kHostile, "\n"));
  root_.File("/proc/modules", "host_module 1 0 - Live 0x0 (OE)\n");
  Fifo("/etc/modprobe.d/fifo.conf");
  const Looked looked = Look("kernel_module");
  EXPECT_THAT(looked.Names(), UnorderedElementsAre("loop", "msr", "usb-storage"));
  EXPECT_EQ(looked.Row("loop").directive(), "load");
  EXPECT_THAT(looked.Row("usb-storage").command(), HasSubstr("/tmp/x"));
  EXPECT_THAT(looked.unexamined, Contains(Key("not a regular file")));
}

TEST_F(PersistenceTest, LoadedModulesHaveTheFilesThatTheyComeFrom) {
  const auto root = pkg::Root::Open(root_.path());
  ASSERT_TRUE(root.ok());
  root_.File("/lib/modules/6.1/modules.dep",
             "kernel/fs/nf-x.ko.xz: kernel/y.ko\nextra/odd.ko:\n\n:\n");
  FakeRunContext context;
  Host host(*root, context);
  Findings findings(context);
  AddLoadedModules(host, findings, "nf_x 1 0 - Live 0x0\nrootkit 1 0 - Live 0x0 (OE)\nbad\n",
                   "6.1");
  ASSERT_EQ(findings.all().size(), 2u);
  EXPECT_EQ(findings.all()[0].path, "/lib/modules/6.1/kernel/fs/nf-x.ko.xz");
  // Without a file it is nobody's.
  EXPECT_EQ(findings.all()[1].path, "");
  EXPECT_EQ(findings.all()[1].state, "loaded");
  EXPECT_THAT(findings.all()[1].taints, ElementsAre("out_of_tree", "unsigned"));
  EXPECT_THAT(context.unexamined, Contains(Key("line that isn't of the list of modules")));
  // As in a container: that whose they are can't be told is said.
  FakeRunContext contained;
  Host other(*root, contained);
  Findings unknown(contained);
  AddLoadedModules(other, unknown, "nf_x 1 0 - Live 0x0\n", "6.2");
  EXPECT_EQ(unknown.all().size(), 1u);
  EXPECT_THAT(contained.unexamined, Contains(Key(HasSubstr("aren't in this file system"))));
}

TEST_F(PersistenceTest, UdevRulesThatRunSomething) {
  root_.File("/etc/udev/rules.d/99.rules", StrCat("ACTION==\"add\", RUN+=\"/tmp/x ", kHostile,
                                                  "\"\nRUN+=\"helper --a\"\n", "bad\n"));
  root_.File("/usr/lib/udev/rules.d/99.rules", "RUN+=\"/bin/hidden\"\n");
  root_.File("/usr/lib/udev/rules.d/50.rules",
             "RUN+=\"" + std::string(1 << 19, 'z') + "\"\nPROGRAM=\"/bin/p\"\n");
  root_.File("/usr/lib/udev/helper", "x", 0755);
  root_.Link("/etc/udev/rules.d/loop.rules", "loop.rules");
  const Looked looked = Look("udev");
  ASSERT_EQ(looked.rows.size(), 5u);
  EXPECT_EQ(looked.rows[0].schedule(), "ACTION==\"add\"");
  EXPECT_THAT(looked.rows[1].programs(), ElementsAre("/usr/lib/udev/helper"));
  EXPECT_EQ(looked.rows[4].state(), "overridden");
  EXPECT_THAT(looked.unexamined, Contains(Key("line that isn't a rule of udev")));
  EXPECT_THAT(looked.unexamined, Contains(Key("Too many levels of symbolic links")));
}

TEST_F(PersistenceTest, PamModulesAreTheFilesThatTheyAre) {
  root_.File("/etc/pam.d/sshd",
             "auth [success=1 default=ignore] pam_unix.so nullok\n@include common\n"
             "-session optional pam_exec.so /tmp/evil # c\nauth include other\nbad\n"
             "account required \\\n /opt/pam_x.so conf=/etc/passwd\n");
  const std::string security = "/usr/lib/x86_64-linux-gnu/security/";
  root_.File(security + "pam_unix.so", "x");
  root_.File(security + "pam_exec.so", "x");
  root_.File("/opt/pam_x.so", "x");
  Package("libpam", {security + "pam_exec.so"});
  Fifo("/etc/pam.d/fifo");
  const Looked looked = Look("pam");
  ASSERT_EQ(looked.rows.size(), 3u);
  EXPECT_EQ(looked.rows[0].directive(), "auth");
  EXPECT_EQ(looked.rows[0].schedule(), "auth [success=1 default=ignore]");
  EXPECT_THAT(looked.rows[0].unowned_programs(), ElementsAre(security + "pam_unix.so"));
  EXPECT_EQ(looked.rows[1].command(), "pam_exec.so /tmp/evil");
  EXPECT_THAT(looked.rows[1].unowned_programs(), IsEmpty());
  EXPECT_THAT(looked.rows[2].programs(), ElementsAre("/opt/pam_x.so"));
  EXPECT_THAT(looked.unexamined, Contains(Key("line that isn't of PAM's form")));
  EXPECT_THAT(looked.unexamined, Contains(Key("not a regular file")));
}

TEST_F(PersistenceTest, ShellProfilesTellWhatUsersChanged) {
  root_.File("/etc/skel/.bashrc", "default\n");
  root_.File("/root/.bashrc", "default\n");
  root_.File("/home/ana/.bashrc", "default\nevil\n");
  root_.File("/home/other/.zshrc", "x\n");
  root_.Link("/home/ana/.profile", "/etc/../../../..//etc/shadow-of-the-host");
  Fifo("/home/ana/.zshrc");
  root_.Link("/home/ana/.bash_profile", ".bash_profile");
  const Looked looked = Look("shell_profile");
  std::vector<std::string> altered;
  for (const v1::PersistenceRow& row : looked.rows)
    altered.push_back(StrCat(row.path(), " ", row.user(), " ", row.altered()));
  EXPECT_THAT(altered,
              UnorderedElementsAre("/etc/skel/.bashrc * ", "/root/.bashrc root no",
                                   "/home/ana/.bashrc ana yes", "/home/other/.zshrc other "));
  EXPECT_EQ(looked.rows[0].sha256().size(), 64u);
  EXPECT_THAT(looked.unexamined, Contains(Key("not a regular file")));
  EXPECT_THAT(looked.unexamined, Contains(Key("can't be looked at")));
}

TEST_F(PersistenceTest, CommandsOfAuthorizedKeys) {
  root_.File("/home/ana/.ssh/authorized_keys",
             StrCat(Ed25519Line(), " plain command\n", "command=\"/tmp/x ", kHostile, "\",no-pty ",
                    Ed25519Line(), "\n", "command=\"open ", Ed25519Line(), "\n"));
  root_.File("/etc/keys/ana", StrCat("Command=\"/tmp/y\" ", Ed25519Line(), "\n"));
  root_.File("/etc/ssh/sshd_config",
             "AuthorizedKeysFile /etc/keys/%u .ssh/authorized_keys\n"
             "authorizedkeyscommand=/tmp/keys %u\nMatch User ana\n  ForceCommand /tmp/forced\n");
  root_.File("/home/ana/.ssh/rc", "x");
  Fifo("/root/.ssh/authorized_keys");
  const Looked looked = Look("ssh");
  EXPECT_THAT(looked.Commands(),
              UnorderedElementsAre("/tmp/keys %u", "/tmp/forced", HasSubstr("/tmp/x "), "/tmp/y",
                                   "/home/ana/.ssh/rc"));
  for (const v1::PersistenceRow& row : looked.rows) {
    if (row.directive() == "command") {
      EXPECT_EQ(row.user(), "ana");
      EXPECT_THAT(row.name(), testing::StartsWith("SHA256:"));
    }
    if (row.directive() == "forcecommand") {
      EXPECT_THAT(row.schedule(), HasSubstr("match User ana"));
    }
  }
  EXPECT_THAT(looked.unexamined, Contains(Key("line that isn't an authorized key")));
  EXPECT_THAT(looked.unexamined, Contains(Key("not a regular file")));
}

TEST_F(PersistenceTest, HooksOfOtherPrograms) {
  root_.File("/etc/update-motd.d/10-x", "#!/bin/sh\n", 0755);
  Fifo("/etc/update-motd.d/fifo");
  Looked looked = Look("motd");
  EXPECT_TRUE(looked.Row("10-x").enabled());
  EXPECT_THAT(looked.unexamined, Contains(Key("not a regular file")));

  root_.File("/etc/NetworkManager/dispatcher.d/01-x", "#!/bin/sh\n", 0755);
  root_.File("/etc/dhcp/dhclient-exit-hooks.d/y", "x", 0644);
  root_.File("/etc/network/interfaces",
             StrCat("iface eth0 inet dhcp\n  post-up /tmp/x ", kHostile, "\n"));
  root_.Link("/etc/network/if-up.d/loop", "loop");
  looked = Look("network_hook");
  EXPECT_TRUE(looked.Row("01-x").enabled());
  EXPECT_TRUE(looked.Row("y").enabled());
  EXPECT_EQ(looked.Row("eth0").directive(), "post-up");

  root_.File("/etc/apt/apt.conf.d/99x", "DPkg::Post-Invoke {\"/tmp/x\";};\nAPT::Color \"1\";\n");
  root_.File("/etc/apt/apt.conf.d/98bad", "APT { Update { Pre-Invoke:: \"/tmp/y\"; };");
  root_.File("/etc/dpkg/dpkg.cfg.d/a", "post-invoke=/tmp/z\nlog /var/log/dpkg.log\n");
  Fifo("/etc/apt/apt.conf.d/fifo");
  looked = Look("package_hook");
  EXPECT_THAT(looked.Commands(), UnorderedElementsAre("/tmp/x", "/tmp/y", "/tmp/z"));
  EXPECT_THAT(looked.unexamined, Contains(Key("configuration of apt that isn't of its form")));
  EXPECT_THAT(looked.unexamined, Contains(Key("not a regular file")));

  root_.File("/home/ana/.config/autostart/x.desktop",
             StrCat("[Desktop Entry]\nExec=/tmp/x ", kHostile, "\n[Desktop Action]\nExec=/no\n"));
  root_.File("/etc/xdg/autostart/y.desktop", "[Desktop Entry]\nExec=/bin/y\nHidden=true\n");
  root_.Link("/etc/xdg/autostart/loop.desktop", "loop.desktop");
  looked = Look("xdg_autostart");
  EXPECT_THAT(looked.Row("x.desktop").command(), HasSubstr("/tmp/x"));
  EXPECT_EQ(looked.Row("x.desktop").user(), "ana");
  EXPECT_FALSE(looked.Row("y.desktop").enabled());
  EXPECT_THAT(looked.unexamined, Contains(Key("Too many levels of symbolic links")));
}

TEST_F(PersistenceTest, OwnersAreThoseOfTheFilesAndOfWhatTheyRun) {
  root_.Link("/lib", "usr/lib");
  root_.Link("/bin", "usr/bin");
  root_.File("/usr/lib/systemd/system/a.service", "[Service]\nExecStart=/bin/a\n");
  root_.File("/etc/systemd/system/b.service", "[Service]\nExecStart=/bin/sh -c '/opt/evil;id'\n");
  root_.File("/usr/bin/a", "a", 0755);
  root_.File("/usr/bin/sh", "a", 0755);
  root_.File("/opt/evil", "a", 0755);
  Package("pkg-a", {"/lib/systemd/system/a.service", "/bin/a", "/usr/bin/sh"});
  const Looked looked = Look("systemd_unit");
  EXPECT_EQ(looked.Row("a.service").package(), "pkg-a");
  EXPECT_THAT(looked.Row("a.service").unowned_programs(), IsEmpty());
  EXPECT_EQ(looked.Row("b.service").package(), "");
  EXPECT_THAT(looked.Row("b.service").programs(), UnorderedElementsAre("/bin/sh", "/opt/evil"));
  EXPECT_THAT(looked.Row("b.service").unowned_programs(), ElementsAre("/opt/evil"));
  EXPECT_THAT(Look("systemd_unit", R"(,"unowned":true)").Names(), ElementsAre("b.service"));
}

TEST_F(PersistenceTest, VerifyTellsWhatWasAltered) {
  const std::string lib = "/usr/lib/systemd/system/";
  root_.File(lib + "same.service", "[Service]\nExecStart=/bin/a\n");
  root_.File(lib + "altered.service", "[Service]\nExecStart=/tmp/evil\n");
  root_.File(lib + "unknown.service", "[Service]\nExecStart=/bin/u\n");
  root_.File(lib + "unowned.service", "[Service]\nExecStart=/bin/u\n");
  Package("p", {lib + "same.service", lib + "altered.service", lib + "unknown.service"},
          "4bf31b5ccbc0675d78de442284b5fc98  usr/lib/systemd/system/same.service\n"
          "4bf31b5ccbc0675d78de442284b5fc98  usr/lib/systemd/system/altered.service\n");
  Looked looked = Look("systemd_unit", R"(,"verify":true)");
  EXPECT_EQ(looked.Row("same.service").altered(), "no");
  EXPECT_EQ(looked.Row("altered.service").altered(), "yes");
  EXPECT_EQ(looked.Row("unknown.service").altered(), "");
  EXPECT_EQ(looked.Row("unowned.service").altered(), "");
  EXPECT_EQ(Look("systemd_unit").Row("altered.service").altered(), "");
}

TEST_F(PersistenceTest, ChangedSinceLooksAtBothTimes) {
  root_.File("/etc/update-motd.d/x", "x", 0755);
  EXPECT_EQ(Look("motd", R"(,"changedSince":"1h")").rows.size(), 1u);
  EXPECT_EQ(Look("motd", R"(,"changedSince":"2200-01-01")").rows.size(), 0u);
  // That an mtime can be set back doesn't help.
  const timespec long_ago[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, root_.In("/etc/update-motd.d/x").c_str(), long_ago, 0), 0);
  EXPECT_EQ(Look("motd", R"(,"changedSince":"1h")").rows.size(), 1u);
  EXPECT_EQ(Look("motd").rows[0].mtime().seconds(), 1);
}

TEST_F(PersistenceTest, NoTextLeavesOutWhatFilesSay) {
  root_.File("/var/spool/cron/crontabs/ana", "* * * * * curl -u me:secret x\n");
  const v1::PersistenceRow row = Look("cron", R"(,"noText":true)").Row("ana");
  EXPECT_EQ(row.command(), "…");
  EXPECT_EQ(row.user(), "ana");
}

TEST_F(PersistenceTest, WithoutADatabaseOfPackagesOwnersAreUnknown) {
  std::filesystem::remove_all(root_.In("/var/lib/dpkg"));
  root_.File("/etc/update-motd.d/x", "x", 0755);
  const Looked looked = Look("motd");
  EXPECT_EQ(looked.rows.size(), 1u);
  EXPECT_THAT(looked.unexamined, Contains(Key(HasSubstr("owners aren't known"))));
}

TEST_F(PersistenceTest, WorldWritableTakesOnlyWhatAnybodyCanChange) {
  root_.File("/etc/update-motd.d/x", "x", 0755);
  root_.File("/etc/update-motd.d/y", "x", 0777);
  EXPECT_THAT(Look("motd", R"(,"worldWritable":true)").Names(), ElementsAre("y"));
  chmod(root_.In("/etc").c_str(), 0777);
  EXPECT_EQ(Look("motd", R"(,"worldWritable":true)").Row("x").writable_path(), "/etc");
}

TEST(PersistenceRunTest, ARootThatIsNotThereIsAnError) {
  v1::PersistenceParameters parameters;
  parameters.set_root("/nonexistent-root");
  FakeRunContext context;
  EXPECT_FALSE(Persistence().Run(parameters, context).ok());
}

// On whatever this test runs: nothing may fail, everything has a kind and UTF-8.
TEST(PersistenceRunTest, ThisHostIsListed) {
  FakeRunContext context;
  ASSERT_TRUE(Persistence().Run(v1::PersistenceParameters(), context).ok());
  for (const v1::PersistenceRow& row : context.RowsAs<v1::PersistenceRow>()) {
    EXPECT_NE(row.kind(), "");
    EXPECT_TRUE(IsValidUtf8(row.path()));
  }
}

}  // namespace
}  // namespace dragnet::persistence
