#include "modules/secrets/file_kind.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "core/strings.h"

namespace dragnet::secrets {
namespace {

// Of programs, where names are assigned all sorts of things.
constexpr std::string_view kCodeEndings[] = {
    "c",    "h",    "cc",    "cpp",    "hpp",   "cxx",   "hh",     "m",     "mm",  "rs",    "go",
    "py",   "pyi",  "rb",    "pl",     "pm",    "t",     "php",    "js",    "mjs", "cjs",   "jsx",
    "ts",   "tsx",  "vue",   "java",   "kt",    "scala", "groovy", "cs",    "fs",  "swift", "lua",
    "ex",   "exs",  "erl",   "hs",     "ml",    "mli",   "el",     "lisp",  "clj", "r",     "jl",
    "tcl",  "awk",  "vim",   "css",    "scss",  "html",  "htm",    "xhtml", "svg", "md",    "rst",
    "txt",  "adoc", "tex",   "po",     "pot",   "1",     "3",      "5",     "7",   "8",     "sql",
    "map",  "d",    "proto", "thrift", "cmake", "mk",    "am",     "in",    "log", "csv",   "xsl",
    "dart", "zig",  "nim",   "asm",    "s",     "diff",  "patch",  "ipynb", "pod", "texi",  "info",
    "pas",  "pp",   "inc",   "dpr",    "lpr",   "vb",    "bas",    "f",     "f90", "adb",   "ads",
    "cob",  "tm",
};

bool IsEnvFile(std::string_view name) {
  if (name != ".env" && !name.starts_with(".env.") && !name.ends_with(".env")) return false;
  for (const std::string_view ending : {".example", ".sample", ".template", ".dist", ".defaults"})
    if (name.ends_with(ending)) return false;
  return true;
}

}  // namespace

FileKind FileKindOf(std::string_view directory, std::string_view name) {
  const size_t slash = directory.rfind('/');
  const std::string_view parent =
      slash == std::string_view::npos ? directory : directory.substr(slash + 1);
  if (IsEnvFile(name)) return FileKind::kEnv;
  if (name.ends_with("_history") || name == ".history" || name == ".lesshst")
    return FileKind::kHistory;
  if (name == ".netrc" || name == "_netrc" || name == ".authinfo") return FileKind::kNetrc;
  if (name == ".pgpass" || name == "pgpass.conf") return FileKind::kPgpass;
  if (name == ".my.cnf" || name == "debian.cnf") return FileKind::kMyCnf;
  if (name == ".git-credentials") return FileKind::kGitCredentials;
  if (name == ".dockercfg" || name == ".dockerconfigjson" ||
      (parent == ".docker" && name == "config.json")) {
    return FileKind::kDockerConfig;
  }
  if ((parent == ".kube" && name.starts_with("config")) || name == "kubeconfig" ||
      name.ends_with(".kubeconfig")) {
    return FileKind::kKubeconfig;
  }
  if (name.starts_with("ssh_host_") && name.ends_with("_key")) return FileKind::kSshHostKey;
  return FileKind::kOther;
}

std::string_view FileKindName(FileKind kind) {
  switch (kind) {
    case FileKind::kOther:
      return {};
    case FileKind::kEnv:
      return "env";
    case FileKind::kHistory:
      return "history";
    case FileKind::kNetrc:
      return "netrc";
    case FileKind::kPgpass:
      return "pgpass";
    case FileKind::kMyCnf:
      return "my-cnf";
    case FileKind::kGitCredentials:
      return "git-credentials";
    case FileKind::kDockerConfig:
      return "docker-config";
    case FileKind::kKubeconfig:
      return "kubeconfig";
    case FileKind::kSshHostKey:
      return "ssh-host-key";
  }
  return {};
}

TextKind TextKindOf(FileKind kind, std::string_view name) {
  if (kind == FileKind::kEnv || kind == FileKind::kMyCnf || kind == FileKind::kGitCredentials)
    return TextKind::kCredentials;
  // As they are typed into a shell.
  if (kind == FileKind::kHistory) return TextKind::kSettings;
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return TextKind::kSettings;
  const std::string ending = absl::AsciiStrToLower(ToAbsl(name.substr(dot + 1)));
  return std::find(std::begin(kCodeEndings), std::end(kCodeEndings), ending) ==
                 std::end(kCodeEndings)
             ? TextKind::kSettings
             : TextKind::kCode;
}

}  // namespace dragnet::secrets
