// dragnet-worker as the monitor sees it: a program, a job in, frames out.
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "agent/ipc/frame.h"
#include "agent/ipc/ipc.pb.h"
#include "agent/sandbox/spawn.h"
#include "agent/worker/exit_status.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace dragnet {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

struct Result {
  std::vector<ipc::WorkerToMonitor> messages;
  sandbox::ChildExit exit;

  std::vector<std::string> rows() const {
    std::vector<std::string> rows;
    for (const ipc::WorkerToMonitor& message : messages) {
      rows.insert(rows.end(), message.rows().rows().begin(), message.rows().rows().end());
    }
    return rows;
  }
};

class WorkerTest : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/dragnet-worker-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    std::filesystem::permissions(directory_, std::filesystem::perms(0755));
    // Others can execute it there, wherever the build directory is.
    std::filesystem::copy_file(DRAGNET_WORKER, directory_ + "/dragnet-worker");
    std::filesystem::create_directory(directory_ + "/data");
    std::ofstream(directory_ + "/data/evil\x1b[31m.txt") << "x";
    std::ofstream(directory_ + "/data/good.txt") << "x";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  static bool IsRoot() { return ::geteuid() == 0; }

  ipc::Job FileJob(const std::string& name_pattern) const {
    ipc::Job job;
    job.set_module("file");
    job.set_format(ipc::Job::FORMAT_JSON);
    job.set_parameters(StrCat("{\"searches\":[{\"paths\":[\"", directory_, "/data\"],\"names\":[\"",
                              name_pattern, "\"]}]}"));
    return job;
  }

  sandbox::SpawnOptions Options() const {
    sandbox::SpawnOptions options;
    options.program = directory_ + "/dragnet-worker";
    options.allow_missing_walls = true;
    options.limits.address_space_bytes = 512 << 20;
    if (IsRoot()) {
      options.user = sandbox::UserAndGroup{65534, 65534};
      options.capabilities = {CAP_DAC_READ_SEARCH};
      options.network = sandbox::Network::kEmpty;
      options.private_mounts = true;
      options.hidden_directories = {"/var/lib"};
    }
    return options;
  }

  // The worker with `input` on its standard input.
  Result RunOn(sandbox::SpawnOptions options, std::string_view input) {
    absl::StatusOr<sandbox::Pipe> in = sandbox::NewPipe();
    absl::StatusOr<sandbox::Pipe> out = sandbox::NewPipe();
    options.fds.push_back({in->read_end.get(), 0});
    options.fds.push_back({out->write_end.get(), 1});
    absl::StatusOr<sandbox::Child> child = sandbox::Spawn(options);
    EXPECT_TRUE(child.ok()) << child.status();
    if (!child.ok()) return {};
    in->read_end.Reset();
    out->write_end.Reset();
    WriteAll(in->write_end.get(), input).IgnoreError();
    in->write_end.Reset();
    Result result;
    for (;;) {
      ipc::WorkerToMonitor message;
      absl::Status status = ReadFrame(out->read_end.get(), &message);
      if (!status.ok()) {
        EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
        break;
      }
      result.messages.push_back(std::move(message));
    }
    result.exit = *child->Reap();
    return result;
  }

  Result Run(const ipc::Job& job) { return RunOn(Options(), *EncodeFrame(job)); }

  ipc::Failed FailureOf(const ipc::Job& job) {
    Result result = Run(job);
    EXPECT_EQ(result.exit.status, kWorkerDone) << result.exit.ToString();
    EXPECT_THAT(result.messages, SizeIs(1));
    return result.messages.empty() ? ipc::Failed() : result.messages[0].failed();
  }

  std::string directory_;
};

TEST_F(WorkerTest, RowsThenSummary) {
  Result result = Run(FileJob("txt$"));
  EXPECT_EQ(result.exit.status, kWorkerDone) << result.exit.ToString();
  EXPECT_THAT(result.rows(), SizeIs(2));
  ASSERT_FALSE(result.messages.empty());
  ASSERT_TRUE(result.messages.back().has_summary());
  EXPECT_GE(result.messages.back().summary().items_examined(), 2u);
}

TEST_F(WorkerTest, JsonRowsAreOneLineOfPlainText) {
  Result result = Run(FileJob("^evil"));
  ASSERT_THAT(result.rows(), SizeIs(1));
  EXPECT_EQ(result.rows()[0].find_first_of("\n\x1b"), std::string::npos) << result.rows()[0];
  EXPECT_THAT(result.rows()[0], HasSubstr("evil\\u001b[31m.txt"));
}

TEST_F(WorkerTest, NothingFoundIsASummaryWithoutRows) {
  Result result = Run(FileJob("^nothing$"));
  EXPECT_THAT(result.rows(), SizeIs(0));
  ASSERT_THAT(result.messages, SizeIs(1));
  EXPECT_TRUE(result.messages[0].has_summary());
}

TEST_F(WorkerTest, CapabilityOfTheManifestReadsWhatItsUserCanNot) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  std::filesystem::permissions(directory_ + "/data", std::filesystem::perms(0700));
  EXPECT_THAT(Run(FileJob("txt$")).rows(), SizeIs(2));

  sandbox::SpawnOptions without = Options();
  without.capabilities = {};
  Result result = RunOn(without, *EncodeFrame(FileJob("txt$")));
  EXPECT_THAT(result.rows(), SizeIs(0));
  ASSERT_FALSE(result.messages.empty());
  // Not found is not: not looked at.
  EXPECT_THAT(result.messages.back().summary().unexamined(), SizeIs(1));
}

TEST_F(WorkerTest, UnknownJsonKeyIsRefused) {
  ipc::Job job = FileJob("x");
  job.set_parameters("{\"searches\":[],\"surprise\":1}");
  ipc::Failed failed = FailureOf(job);
  EXPECT_EQ(failed.kind(), ipc::Failed::KIND_INVALID_PARAMETERS);
  EXPECT_THAT(failed.detail(), HasSubstr("surprise"));
}

TEST_F(WorkerTest, MalformedParametersAreRefused) {
  for (const std::string& parameters :
       {std::string("{\"searches\":"), std::string(), std::string("[1]"), std::string(2000, '['),
        std::string("{\"searches\":\"\xff\"}")}) {
    ipc::Job job = FileJob("x");
    job.set_parameters(parameters);
    EXPECT_EQ(FailureOf(job).kind(), ipc::Failed::KIND_INVALID_PARAMETERS);
  }
}

// ---- inputs by descriptor

class WorkerInputTest : public WorkerTest {
 protected:
  // The worker with `content` open as its first input.
  Result RunWithInput(ipc::Job job, std::string_view field, const std::string& content,
                      const std::string& sha256) {
    UniqueFd file(::memfd_create("input", MFD_CLOEXEC));
    EXPECT_TRUE(WriteAll(file.get(), content).ok());
    ipc::Input* input = job.add_inputs();
    input->set_field(std::string(field));
    input->set_sha256(sha256);
    input->set_size(content.size());
    sandbox::SpawnOptions options = Options();
    options.fds.push_back({file.get(), 3});
    return RunOn(options, *EncodeFrame(job));
  }
  static std::string ErrorOf(const Result& result) {
    EXPECT_THAT(result.messages, SizeIs(1));
    return result.messages.empty() ? "" : result.messages[0].failed().detail();
  }
};

TEST_F(WorkerInputTest, ParametersThatAreTooLargeForAFrameComeByDescriptor) {
  ipc::Job job = FileJob("txt$");
  const std::string parameters = std::exchange(*job.mutable_parameters(), std::string());
  const std::string padded = parameters + std::string(2'000'000, ' ');
  EXPECT_THAT(RunWithInput(job, "", padded, Sha256(padded)).rows(), SizeIs(2));
}

TEST_F(WorkerInputTest, AnInputThatIsNotWhatItsDigestSaysIsNeverUsed) {
  const std::string label(20'000, 'x');
  EXPECT_THAT(ErrorOf(RunWithInput(FileJob("txt$"), "searches[0].label", label, Sha256("other"))),
              HasSubstr("not what its SHA-256 says"));
  ipc::Job job = FileJob("txt$");
  const std::string parameters = std::exchange(*job.mutable_parameters(), std::string());
  EXPECT_THAT(ErrorOf(RunWithInput(job, "", parameters, Sha256("other"))),
              HasSubstr("not what its SHA-256 says"));
}

TEST_F(WorkerInputTest, AnInputDoesNotTakeThePlaceOfTheParametersThatWereGiven) {
  const std::string other = R"({"searches":[{"paths":["/etc"]}]})";
  EXPECT_THAT(ErrorOf(RunWithInput(FileJob("txt$"), "", other, Sha256(other))),
              HasSubstr("given twice"));
}

TEST_F(WorkerInputTest, AnInputForAFieldThatIsNotThereIsRefused) {
  EXPECT_THAT(ErrorOf(RunWithInput(FileJob("txt$"), "searches[7].label", "x", Sha256("x"))),
              HasSubstr("no such field"));
  // Validation sees the value: a label that isn't printable.
  EXPECT_THAT(ErrorOf(RunWithInput(FileJob("txt$"), "searches[0].label", "\x01", Sha256("\x01"))),
              HasSubstr("label"));
}

TEST_F(WorkerTest, MigsFormGoesInAndOneDocumentComesOut) {
  ipc::Job job;
  job.set_module("file");
  job.set_format(ipc::Job::FORMAT_MIG);
  job.set_parameters(StrCat(R"({"searches":{"s1":{"paths":[")", directory_,
                            R"(/data"],"names":["^good"],"options":{"matchall":true}}}})"));
  std::string text;
  for (const std::string& piece : Run(job).rows()) text += piece;
  const auto document = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(document.is_object()) << text;
  EXPECT_EQ(document["foundanything"], true);
  EXPECT_EQ(document["success"], true);
  EXPECT_EQ(document["elements"]["s1"][0]["file"], directory_ + "/data/good.txt");
  EXPECT_TRUE(document["errors"].is_null());

  job.set_parameters(R"({"searches":{"s1":{"paths":["/"],"surprise":1}}})");
  EXPECT_THAT(FailureOf(job).detail(), HasSubstr("surprise"));
  job.set_parameters(R"({"searches":{},"searches":{}})");
  EXPECT_THAT(FailureOf(job).detail(), HasSubstr("comes twice"));
  job.set_module("agentdestroy");
  EXPECT_THAT(FailureOf(job).detail(), HasSubstr("agentdestroy"));
}

TEST_F(WorkerTest, InPrivacyModeWhatWouldReturnContentIsRefused) {
  ipc::Job job = FileJob("txt$");
  job.set_parameters(StrCat("{\"searches\":[{\"paths\":[\"", directory_,
                            "/data\"],\"contents\":[\"x\"],\"lines\":3}]}"));
  EXPECT_THAT(Run(job).rows(), SizeIs(2));
  job.set_privacy(true);
  EXPECT_EQ(FailureOf(job).kind(), ipc::Failed::KIND_PRIVACY);

  ipc::Job migs;
  migs.set_module("sshkey");
  migs.set_format(ipc::Job::FORMAT_MIG);
  migs.set_parameters(StrCat("{\"paths\":[\"", directory_, "/data\"]}"));
  EXPECT_FALSE(Run(migs).rows().empty());
  migs.set_privacy(true);
  EXPECT_EQ(FailureOf(migs).kind(), ipc::Failed::KIND_PRIVACY);
}

class WorkerCheckTest : public WorkerTest {
 protected:
  // Of the file job; rows as they come.
  ipc::Job CheckJob(const std::string& name_pattern, check::v1::Expectation::Kind kind,
                    const std::string& where = "") const {
    ipc::Job job = FileJob(name_pattern);
    check::v1::Check& check = *job.mutable_check();
    check.set_id("a-check");
    check.set_title("It is so");
    check.set_severity("low");
    check.mutable_expectation()->set_kind(kind);
    check.mutable_expectation()->set_where(where);
    return job;
  }
  nlohmann::json VerdictOf(const ipc::Job& job, sandbox::SpawnOptions options) {
    const Result result = RunOn(options, *EncodeFrame(job));
    EXPECT_EQ(result.exit.status, kWorkerDone) << result.exit.ToString();
    EXPECT_THAT(result.rows(), SizeIs(1));
    if (result.rows().size() != 1) {
      if (!result.messages.empty()) ADD_FAILURE() << result.messages[0].ShortDebugString();
      return nlohmann::json::object();
    }
    return nlohmann::json::parse(result.rows()[0], nullptr, /*allow_exceptions=*/false);
  }
  nlohmann::json VerdictOf(const ipc::Job& job) { return VerdictOf(job, Options()); }
  ipc::Job InImage(ipc::Job job) const {
    job.set_root(directory_);
    job.set_parameters(R"({"searches":[{"paths":["/"],"names":["^(good.txt|passwd)$"]}]})");
    return job;
  }
};

TEST_F(WorkerCheckTest, OneVerdictComesInPlaceOfTheRows) {
  using check::v1::Expectation;
  EXPECT_EQ(VerdictOf(CheckJob("txt$", Expectation::KIND_FOUND))["status"], "pass");
  auto verdict = VerdictOf(CheckJob("txt$", Expectation::KIND_NOT_FOUND, "size > 0"));
  EXPECT_EQ(verdict["check"], "a-check");
  EXPECT_EQ(verdict["status"], "fail");
  EXPECT_EQ(verdict["reason"], "expected no row where size > 0: 2 found");
  EXPECT_THAT(verdict["evidence"], SizeIs(2));
}

TEST_F(WorkerCheckTest, WhatItMayNotLookAtMakesItUnknown) {
  std::filesystem::create_directory(directory_ + "/data/locked");
  std::filesystem::permissions(directory_ + "/data/locked", std::filesystem::perms::none);
  sandbox::SpawnOptions options = Options();
  options.capabilities = {};
  auto verdict = VerdictOf(CheckJob("^none$", check::v1::Expectation::KIND_NOT_FOUND), options);
  EXPECT_EQ(verdict["status"], "unknown");
  EXPECT_EQ(verdict["reason"],
            StrCat("could not look at ", directory_, "/data/locked: Permission denied (1)"));
  std::filesystem::permissions(directory_ + "/data/locked", std::filesystem::perms::owner_all);
}

TEST_F(WorkerCheckTest, AConditionThatDoesNotCompileIsRefused) {
  EXPECT_THAT(FailureOf(CheckJob("x", check::v1::Expectation::KIND_FOUND, "nothing = 1")).detail(),
              HasSubstr("expectation.where"));
}

TEST_F(WorkerCheckTest, PrivacyHoldsForChecks) {
  ipc::Job job = CheckJob("txt$", check::v1::Expectation::KIND_FOUND);
  job.set_parameters(StrCat("{\"searches\":[{\"paths\":[\"", directory_,
                            "/data\"],\"contents\":[\"x\"],\"lines\":3}]}"));
  EXPECT_EQ(VerdictOf(job)["status"], "pass");
  job.set_privacy(true);
  EXPECT_EQ(FailureOf(job).kind(), ipc::Failed::KIND_PRIVACY);
}

TEST_F(WorkerCheckTest, AnImageIsLookedAtAsIfItWereTheHost) {
  std::filesystem::create_symlink("/etc/passwd", directory_ + "/data/passwd");
  std::filesystem::create_directory_symlink("/", directory_ + "/data/host");
  std::vector<sandbox::SpawnOptions> ways;
  if (IsRoot()) {
    ways.push_back(Options());
    ways.back().capabilities = {CAP_DAC_READ_SEARCH, CAP_SYS_CHROOT};
  }
  // As the worker of an agent that isn't root.
  ways.push_back(Options());
  ways.back().capabilities = {};
  ways.back().private_mounts = false;
  ways.back().hidden_directories = {};
  for (const sandbox::SpawnOptions& options : ways) {
    const ipc::Job job = InImage(CheckJob("", check::v1::Expectation::KIND_COUNT, "type = 'file'"));
    ipc::Job one = job;
    one.mutable_check()->mutable_expectation()->set_min(1);
    one.mutable_check()->mutable_expectation()->set_max(1);
    auto verdict = VerdictOf(one, options);
    EXPECT_EQ(verdict["status"], "pass") << verdict.dump();
    EXPECT_THAT(verdict["evidence"].dump(), HasSubstr("/data/good.txt"));
  }
}

TEST_F(WorkerCheckTest, ARootThatCanNotBeTakenIsAnErrorInWords) {
  ipc::Job job = InImage(CheckJob("", check::v1::Expectation::KIND_FOUND));
  job.set_root(directory_ + "/none");
  EXPECT_EQ(FailureOf(job).kind(), ipc::Failed::KIND_SANDBOX);
  EXPECT_THAT(FailureOf(job).detail(), HasSubstr("/none: No such file or directory"));
  // What stood there when the path was resolved may be a link to the host by now.
  std::filesystem::create_directory_symlink("/", directory_ + "/link");
  job.set_root(directory_ + "/link");
  EXPECT_EQ(FailureOf(job).kind(), ipc::Failed::KIND_SANDBOX);
  EXPECT_THAT(FailureOf(job).detail(), HasSubstr("/link: Not a directory"));
  job.set_root(directory_ + "/link/etc");
  EXPECT_THAT(FailureOf(job).detail(), HasSubstr("/link/etc: Not a directory"));
  job.set_root("data");
  EXPECT_THAT(FailureOf(job).detail(), HasSubstr("not an absolute path"));
  job.set_root(directory_);
  job.set_module("netstat");
  EXPECT_THAT(FailureOf(job).detail(), HasSubstr("no running system"));
}

TEST_F(WorkerTest, UnknownFieldInSerialisedParametersIsRefused) {
  ipc::Job job = FileJob("x");
  job.set_format(ipc::Job::FORMAT_PROTO);
  job.set_parameters("\xf8\x07\x01");  // field 127, varint 1
  EXPECT_EQ(FailureOf(job).kind(), ipc::Failed::KIND_INVALID_PARAMETERS);
}

TEST_F(WorkerTest, ParametersThatDoNotValidateAreRefused) {
  EXPECT_EQ(FailureOf(FileJob("(")).kind(), ipc::Failed::KIND_INVALID_PARAMETERS);
}

TEST_F(WorkerTest, UnknownModuleIsRefused) {
  ipc::Job job = FileJob("x");
  job.set_module("no-such-module");
  EXPECT_THAT(FailureOf(job).detail(), HasSubstr("no-such-module"));
}

TEST_F(WorkerTest, JobWithoutAFormatIsRefused) {
  ipc::Job job = FileJob("x");
  job.clear_format();
  EXPECT_EQ(FailureOf(job).kind(), ipc::Failed::KIND_INVALID_PARAMETERS);
}

TEST_F(WorkerTest, RubbishInsteadOfAJobEndsIt) {
  std::string job = *EncodeFrame(FileJob("x"));
  for (std::string_view input :
       {std::string_view(), std::string_view("\xff\xff\xff\xff"),
        std::string_view(job).substr(0, job.size() - 1), std::string_view("\0\0\0\2\xff\xff", 6)}) {
    Result result = RunOn(Options(), input);
    EXPECT_EQ(result.exit.status, kWorkerProtocol) << result.exit.ToString();
    EXPECT_THAT(result.messages, SizeIs(0));
  }
}

TEST_F(WorkerTest, UnknownArgumentIsRefused) {
  sandbox::SpawnOptions options = Options();
  options.arguments = {"--help"};
  EXPECT_EQ(RunOn(options, *EncodeFrame(FileJob("x"))).exit.status, 2);
}

TEST_F(WorkerTest, EndsByItselfWhenItsReaderIsGone) {
  absl::StatusOr<sandbox::Pipe> in = sandbox::NewPipe();
  absl::StatusOr<sandbox::Pipe> out = sandbox::NewPipe();
  sandbox::SpawnOptions options = Options();
  options.fds = {{in->read_end.get(), 0}, {out->write_end.get(), 1}};
  absl::StatusOr<sandbox::Child> child = sandbox::Spawn(options);
  ASSERT_TRUE(child.ok()) << child.status();
  out->read_end.Reset();
  out->write_end.Reset();
  // Would go on for a while.
  ipc::Job job = FileJob("x");
  job.set_parameters("{\"searches\":[{\"paths\":[\"/\"]}]}");
  ASSERT_TRUE(WriteFrame(in->write_end.get(), job).ok());
  EXPECT_EQ(child->Reap()->status, kWorkerProtocol);
}

TEST_F(WorkerTest, ShortOfMemoryItNeverClaimsToHaveLookedAtEverything) {
  // So long that holding it is what takes the memory.
  ipc::Job job = FileJob("txt$");
  job.mutable_parameters()->append(900'000, ' ');
  int out_of_memory = 0;
  int complete = 0;
  // From what doesn't even load to what is plenty.
  for (uint64_t kilobytes = 8 << 10; kilobytes <= 64 << 10; kilobytes += 256) {
    sandbox::SpawnOptions options = Options();
    options.limits.address_space_bytes = kilobytes << 10;
    Result result = RunOn(options, *EncodeFrame(job));
    if (result.exit.status == kWorkerOutOfMemory) ++out_of_memory;
    // Once main() is reached no shortage is a crash: "terminate called" is SIGABRT.
    EXPECT_NE(result.exit.signal, SIGABRT) << kilobytes;
    EXPECT_TRUE(!result.exit.signal.has_value() || out_of_memory == 0)
        << kilobytes << ": " << result.exit.ToString();
    bool summary = !result.messages.empty() && result.messages.back().has_summary();
    if (result.exit.status != kWorkerDone || !summary) continue;
    bool incomplete = result.messages.back().summary().unexamined_size() > 0;
    EXPECT_TRUE(incomplete || result.rows().size() == 2) << kilobytes;
    ++complete;
  }
  EXPECT_GT(out_of_memory, 0);
  EXPECT_GT(complete, 0);
}

}  // namespace
}  // namespace dragnet
