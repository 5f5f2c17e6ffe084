// A worker that doesn't do what it should, for the monitor's tests only. Speaks
// the same protocol as dragnet-worker, but its module is this: find
// "misbehave:WORD" anywhere in the job's parameters (so it fits in any string
// field of any message), and do that. Words: see kBehaviours.
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <thread>

#include "agent/ipc/frame.h"
#include "agent/ipc/ipc.pb.h"
#include "agent/worker/exit_status.h"
#include "core/file_io.h"

namespace dragnet {
namespace {

void Send(const ipc::WorkerToMonitor& message) {
  if (!WriteFrame(STDOUT_FILENO, message).ok()) ::_exit(kWorkerProtocol);
}

void SendRows(int count, std::string_view row = "row") {
  ipc::WorkerToMonitor message;
  for (int i = 0; i < count; ++i) message.mutable_rows()->add_rows(std::string(row));
  Send(message);
}

void SendSummary() {
  ipc::WorkerToMonitor message;
  message.mutable_summary()->set_items_examined(1);
  Send(message);
}

// The id of the job's check, when it has one.
std::string check_id;

check::v1::Verdict VerdictThat(std::string_view status) {
  check::v1::Verdict verdict;
  verdict.set_check(check_id);
  verdict.set_status(std::string(status));
  verdict.set_severity("of the worker's own");
  verdict.set_title("of the worker's own");
  verdict.set_reason("so it is");
  verdict.add_evidence("{}");
  verdict.set_wall_time_ms(1'000'000'000);
  return verdict;
}

void SendVerdict(const check::v1::Verdict& verdict) {
  SendRows(1, verdict.SerializeAsString());
  SendSummary();
}

void SendRaw(std::string_view bytes) { WriteAll(STDOUT_FILENO, bytes).IgnoreError(); }

// 10,000 of 200 bytes, no two alike: what a host with much to say sends.
void SendManyRows() {
  for (int message = 0; message < 100; ++message) {
    ipc::WorkerToMonitor rows;
    for (int i = 0; i < 100; ++i) {
      std::string row = std::to_string(message * 100 + i);
      row.resize(200, 'r');
      rows.mutable_rows()->add_rows(std::move(row));
    }
    Send(rows);
  }
  SendSummary();
}

[[noreturn]] void Hang() {
  for (;;) ::pause();
}

[[noreturn]] void Burn() {
  for (;;) asm volatile("");
}

void BurnFor(int cpu_seconds) {
  timespec used{};
  while (used.tv_sec < cpu_seconds) ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
}

void EatMemory() {
  constexpr size_t kStep = 16 << 20;
  for (;;) {
    void* memory = ::mmap(nullptr, kStep, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) ::_exit(kWorkerOutOfMemory);
  }
}

struct Behaviour {
  std::string_view word;
  void (*act)();
};

const Behaviour kBehaviours[] = {
    // Well, for once: two rows and a summary.
    {"not",
     [] {
       SendRows(2);
       SendSummary();
     }},
    {"clean", [] { SendSummary(); }},
    // Verdicts on checks, of which the first three are well.
    {"pass", [] { SendVerdict(VerdictThat("pass")); }},
    {"fail", [] { SendVerdict(VerdictThat("fail")); }},
    {"pass-later",
     [] {
       ::sleep(1);
       SendVerdict(VerdictThat("pass"));
     }},
    {"unknown",
     [] {
       SendRows(1, VerdictThat("unknown").SerializeAsString());
       ipc::WorkerToMonitor message;
       v1::Unexamined* unexamined = message.mutable_summary()->add_unexamined();
       unexamined->set_reason("Permission denied");
       unexamined->set_count(2);
       unexamined->add_examples("/etc/shadow");
       Send(message);
     }},
    {"pass-unlooked",
     [] {
       SendRows(1, VerdictThat("pass").SerializeAsString());
       ipc::WorkerToMonitor message;
       message.mutable_summary()->add_unexamined()->set_reason("Permission denied");
       Send(message);
     }},
    {"pass-and-crash",
     [] {
       SendRows(1, VerdictThat("pass").SerializeAsString());
       ::abort();
     }},
    {"pass-and-hang",
     [] {
       SendRows(1, VerdictThat("pass").SerializeAsString());
       Hang();
     }},
    {"pass-twice",
     [] {
       SendRows(2, VerdictThat("pass").SerializeAsString());
       SendSummary();
     }},
    {"pass-of-another",
     [] {
       check_id = "another";
       SendVerdict(VerdictThat("pass"));
     }},
    {"not-applicable", [] { SendVerdict(VerdictThat("not_applicable")); }},
    {"passed", [] { SendVerdict(VerdictThat("passed")); }},
    {"pass-with-a-long-reason",
     [] {
       check::v1::Verdict verdict = VerdictThat("pass");
       verdict.set_reason(std::string(1025, 'x'));
       SendVerdict(verdict);
     }},
    {"pass-with-much-evidence",
     [] {
       check::v1::Verdict verdict = VerdictThat("pass");
       for (int i = 0; i < 10; ++i) verdict.add_evidence("{}");
       SendVerdict(verdict);
     }},
    {"pass-with-an-unknown-field",
     [] {
       SendRows(1, VerdictThat("pass").SerializeAsString() + "\xf8\x07\x01");
       SendSummary();
     }},
    // Ends.
    {"crash",
     [] {
       SendRows(1);
       ::signal(SIGSEGV, SIG_DFL);  // sanitizers catch it
       ::raise(SIGSEGV);
     }},
    {"abort", [] { ::abort(); }},
    {"forbidden-call", [] { ::raise(SIGSYS); }},
    {"exit-without-summary",
     [] {
       SendRows(1);
       ::_exit(0);
     }},
    {"exit-at-once", [] { ::_exit(0); }},
    {"exit-with-failure",
     [] {
       SendSummary();
       ::_exit(9);
     }},
    {"crash-after-summary",
     [] {
       SendSummary();
       ::abort();
     }},
    {"out-of-memory", [] { ::_exit(kWorkerOutOfMemory); }},
    {"module-error",
     [] {
       ipc::WorkerToMonitor message;
       message.mutable_failed()->set_kind(ipc::Failed::KIND_MODULE_ERROR);
       message.mutable_failed()->set_detail("so it is\x1b[31m");
       Send(message);
     }},
    {"hang-after-failed",
     [] {
       ipc::WorkerToMonitor message;
       message.mutable_failed()->set_kind(ipc::Failed::KIND_MODULE_ERROR);
       Send(message);
       Hang();
     }},
    // Takes its time.
    {"hang",
     [] {
       SendRows(1);
       Hang();
     }},
    {"hang-after-summary",
     [] {
       SendSummary();
       Hang();
     }},
    {"hang-with-output-closed",
     [] {
       SendRows(1);
       ::close(STDOUT_FILENO);
       Hang();
     }},
    {"burn-cpu", [] { Burn(); }},
    {"burn-cpu-in-threads",
     [] {
       for (int i = 0; i < 3; ++i) std::thread([] { Burn(); }).detach();
       Burn();
     }},
    // For some seconds, then well.
    {"burn-and-end",
     [] {
       BurnFor(2);
       SendRows(1);
       SendSummary();
     }},
    {"eat-memory", EatMemory},
    {"hold-memory",
     [] {
       const size_t size = 256 << 20;
       ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
              0);
       Hang();
     }},
    {"many-rows", SendManyRows},
    // Without using the CPU, of which a busy machine has little.
    {"many-rows-later",
     [] {
       ::sleep(3);
       SendManyRows();
     }},
    {"endless-rows",
     [] {
       for (;;) SendRows(100);
     }},
    {"endless-errors",
     [] {
       for (;;) ::dprintf(STDERR_FILENO, "\x1b[2Jerror\n");
     }},
    // Writes what is not a worker's message.
    {"rubbish",
     [] {
       SendRaw("\x01\x02rubbish that is longer than a header");
       Hang();
     }},
    {"oversized-frame",
     [] {
       SendRaw("\x7f\xff\xff\xff");
       Hang();
     }},
    {"truncated-frame",
     [] {
       SendRows(1);
       SendRaw(
           std::string_view("\0\0\0\x10"
                            "abc",
                            7));
     }},
    {"empty-message",
     [] {
       Send(ipc::WorkerToMonitor());
       Hang();
     }},
    {"no-rows",
     [] {
       SendRows(0);
       Send([] {
         ipc::WorkerToMonitor message;
         message.mutable_rows();
         return message;
       }());
       SendSummary();
     }},
    {"huge-row",
     [] {
       SendRows(1, std::string(200'000, 'x'));
       SendSummary();
     }},
    {"oversized-rows",
     [] {
       SendRows(10, std::string(60'000, 'x'));
       SendSummary();
     }},
    {"two-summaries",
     [] {
       SendSummary();
       SendSummary();
     }},
    {"rows-after-summary",
     [] {
       SendSummary();
       SendRows(1);
     }},
};

int Misbehave(std::string_view parameters) {
  constexpr std::string_view kMarker = "misbehave:";
  size_t marker = parameters.find(kMarker);
  if (marker == std::string_view::npos) return kWorkerProtocol;
  std::string_view word = parameters.substr(marker + kMarker.size());
  word = word.substr(0, word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"));
  for (const Behaviour& behaviour : kBehaviours) {
    if (behaviour.word != word) continue;
    behaviour.act();
    return kWorkerDone;
  }
  return kWorkerProtocol;
}

}  // namespace
}  // namespace dragnet

int main() {
  dragnet::ipc::Job job;
  if (!dragnet::ReadFrame(STDIN_FILENO, &job).ok()) return dragnet::kWorkerProtocol;
  dragnet::check_id = job.check().id();
  return dragnet::Misbehave(job.parameters());
}
