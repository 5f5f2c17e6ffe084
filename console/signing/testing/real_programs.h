// For tests: a directory, OpenSSH's own agent, and a software token (softhsm2) in
// it. Header-only, tests only. Not thread-safe.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <p11-kit/pkcs11.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include "console/signing/signing.h"
#include "console/signing/ssh_agent.h"
#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::console::testing {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    char pattern[] = "/tmp/dragnet-signing-XXXXXX";
    path_ = ::mkdtemp(pattern);
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }
  std::string Path(const std::string& name) const { return StrCat(path_, "/", name); }
  std::string Content(const std::string& name) const { return *ReadFile(Path(name)); }
  void Write(const std::string& name, std::string_view content, mode_t mode = 0600) const {
    EXPECT_TRUE(WriteFileAtomically(Path(name), content, mode).ok());
  }
  // By the shell, in the directory; what it printed.
  std::string Run(const std::string& command) const {
    const int status =
        ::system(StrCat("cd ", path_, " && (", command, ") > out 2>&1 < /dev/null").c_str());
    EXPECT_EQ(status, 0) << command << "\n" << Content("out");
    return Content("out");
  }

 private:
  std::string path_;
};

class RealSshAgent {
 public:
  explicit RealSshAgent(std::string socket) : socket_(std::move(socket)) {
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::execlp("ssh-agent", "ssh-agent", "-D", "-a", socket_.c_str(), nullptr);
      ::_exit(127);
    }
    // It listens as soon as it can be connected to.
    for (int i = 0; i < 3000 && !SshAgent::Connect(socket_).ok(); ++i) ::poll(nullptr, 0, 10);
    EXPECT_TRUE(SshAgent::Connect(socket_).ok());
  }
  ~RealSshAgent() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

  const std::string& socket() const { return socket_; }

 private:
  const std::string socket_;
  pid_t pid_;
};

// SSH_AUTH_SOCK and nothing else.
inline Environment AgentEnvironment(std::string socket) {
  return [socket](std::string_view name) -> std::optional<std::string> {
    if (name == "SSH_AUTH_SOCK" && !socket.empty()) return socket;
    return std::nullopt;
  };
}

// A token "dragnet" of PIN 1234-5678 in `directory`, with the keys "ed" (id 01)
// and "ec" (id 02).
class SoftToken {
 public:
  static constexpr char kModule[] = "/usr/lib/softhsm/libsofthsm2.so";
  static constexpr char kPin[] = "1234-5678";

  explicit SoftToken(const ScratchDirectory& directory) : config_(directory.Path("softhsm2.conf")) {
    std::filesystem::create_directory(directory.Path("tokens"));
    directory.Write("softhsm2.conf",
                    StrCat("directories.tokendir = ", directory.Path("tokens"), "\n"));
    ::setenv("SOFTHSM2_CONF", config_.c_str(), 1);
    directory.Run(
        StrCat("softhsm2-util --init-token --free --label dragnet --so-pin 87654321 "
               "--pin ",
               kPin));
    const std::string tool = StrCat("pkcs11-tool --module ", kModule, " --login --pin ", kPin,
                                    " --keypairgen --usage-sign --key-type ");
    directory.Run(tool + "EC:edwards25519 --label ed --id 01");
    directory.Run(tool + "EC:prime256v1 --label ec --id 02");
  }

  ~SoftToken() { EndModule(); }
  // The module of this process reads its configuration and its tokens once: what
  // another program changes, or the next test, is seen after this.
  static void EndModule() {
    void* module = ::dlopen(kModule, RTLD_NOW | RTLD_NOLOAD);
    if (module == nullptr) return;
    const auto finalize = reinterpret_cast<CK_C_Finalize>(::dlsym(module, "C_Finalize"));
    if (finalize != nullptr) finalize(nullptr);
    ::dlclose(module);
  }
  SoftToken(const SoftToken&) = delete;
  SoftToken& operator=(const SoftToken&) = delete;

  const std::string& config() const { return config_; }
  static std::string Uri(const std::string& path, const std::string& more = "") {
    return StrCat("pkcs11:", path, "?module-path=", kModule, more);
  }

 private:
  const std::string config_;
};

}  // namespace dragnet::console::testing
