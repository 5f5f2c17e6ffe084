#include "console/cli/root_key.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "absl/cleanup/cleanup.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/openssl.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"

namespace dragnet::console {
namespace {

constexpr size_t kMaxPassphrase = 1024;

using EvpKeyPtr = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;

// Gone from memory with its owner.
class Secret {
 public:
  Secret() { text_.reserve(kMaxPassphrase); }
  ~Secret() { OPENSSL_cleanse(text_.data(), text_.capacity()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  std::string& text() { return text_; }

 private:
  std::string text_;
};

// From the terminal itself, whatever standard input is.
absl::Status AskPassphrase(const std::string& path, Secret* secret) {
  UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal.valid()) {
    return absl::FailedPreconditionError(
        StrCat(path,
               ": this key is encrypted, and there is no terminal to ask for its passphrase "
               "on"));
  }
  termios before = {};
  if (::tcgetattr(terminal.get(), &before) != 0) return ErrnoStatus("terminal", errno);
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  silent.c_lflag |= ECHONL;
  // Nobody who interrupts is left with a terminal that shows nothing.
  sigset_t held;
  sigset_t previous;
  sigemptyset(&held);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGQUIT}) sigaddset(&held, signal);
  ::pthread_sigmask(SIG_BLOCK, &held, &previous);
  const absl::Cleanup restore = [&] {
    ::tcsetattr(terminal.get(), TCSAFLUSH, &before);
    ::pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  };
  // Signals are held back, so Ctrl-C is read as a character that ends the line.
  silent.c_lflag &= ~static_cast<tcflag_t>(ISIG);
  silent.c_cc[VEOL] = before.c_cc[VINTR];
  if (::tcsetattr(terminal.get(), TCSAFLUSH, &silent) != 0) return ErrnoStatus("terminal", errno);
  DRAGNET_RETURN_IF_ERROR(
      WriteAll(terminal.get(), StrCat("Passphrase of ", ForTerminal(path), ": ")));
  while (true) {
    char c = 0;
    const ssize_t got = ::read(terminal.get(), &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || c == '\n') break;
    if (static_cast<cc_t>(c) == before.c_cc[VINTR])
      return absl::CancelledError("interrupted: nothing was signed");
    if (secret->text().size() == kMaxPassphrase) {
      return absl::InvalidArgumentError(
          StrCat("a passphrase has at most ", kMaxPassphrase, " bytes"));
    }
    secret->text().push_back(c);
  }
  return absl::OkStatus();
}

int GivePassphrase(char* buffer, int size, int, void* secret) {
  const std::string& text = static_cast<Secret*>(secret)->text();
  if (text.size() > static_cast<size_t>(size)) return -1;
  text.copy(buffer, text.size());
  return static_cast<int>(text.size());
}

absl::StatusOr<std::string> Decrypt(const std::string& path, std::string_view pem) {
  Secret passphrase;
  DRAGNET_RETURN_IF_ERROR(AskPassphrase(path, &passphrase));
  ClearOpensslErrors();
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const EvpKeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, GivePassphrase, &passphrase));
  if (key == nullptr) {
    ClearOpensslErrors();
    return absl::InvalidArgumentError(StrCat(path, ": wrong passphrase, or not a private key"));
  }
  const BioPtr plain(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_PKCS8PrivateKey(plain.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1) {
    return OpensslError(StrCat(path, ": read the decrypted key"));
  }
  return BioContent(plain.get());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Signer>> OpenRootKey(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(std::string pem, ReadSecretFile(path));
  const absl::Cleanup forget = [&] { OPENSSL_cleanse(pem.data(), pem.size()); };
  if (pem.find("ENCRYPTED") != std::string::npos) {
    DRAGNET_ASSIGN_OR_RETURN(pem, Decrypt(path, pem));
  }
  absl::StatusOr<PrivateKey> key = PrivateKey::FromPem(pem);
  if (!key.ok()) return Annotate(key.status(), path);
  return std::make_unique<PrivateKey>(*std::move(key));
}

}  // namespace dragnet::console
