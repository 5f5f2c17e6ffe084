#include "console/cli/mig_target.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/target.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr int kMaxDepth = 64;

// os-release and uname, in the words that MIG's agents used.
constexpr char kIdent[] =
    "(iif(distribution='ubuntu','Ubuntu ',iif(distribution='debian','Debian ',"
    "iif(distribution='rhel','Red Hat Enterprise Linux release ',"
    "iif(distribution='centos','CentOS Linux release ',"
    "iif(distribution='fedora','Fedora release ',distribution||' ')))))||distribution_version)";
constexpr char kArch[] =
    "iif(arch='x86_64','amd64',iif(arch='aarch64','arm64',iif(arch like 'i_86','386',arch)))";
constexpr char kQueueloc[] = "(os||'.'||name||'.'||id)";

absl::Status Refused(std::string_view what) {
  return absl::InvalidArgumentError(StrCat(what, "; or give --target"));
}

struct Token {
  enum class Kind { kWord, kText, kNumber, kSymbol, kEnd };
  Kind kind = Kind::kEnd;
  // A word in lower case; a text without its quotes.
  std::string text;
};

absl::StatusOr<std::vector<Token>> Tokens(std::string_view condition) {
  std::vector<Token> tokens;
  size_t i = 0;
  const auto take_while = [&](auto holds) {
    const size_t start = i;
    while (i < condition.size() && holds(static_cast<unsigned char>(condition[i]))) ++i;
    return condition.substr(start, i - start);
  };
  while (i < condition.size()) {
    const auto c = static_cast<unsigned char>(condition[i]);
    if (absl::ascii_isspace(c)) {
      ++i;
    } else if (absl::ascii_isalpha(c) || c == '_') {
      const std::string_view word = take_while(
          [](unsigned char d) { return absl::ascii_isalnum(d) || d == '_' || d == '.'; });
      tokens.push_back({Token::Kind::kWord, absl::AsciiStrToLower(ToAbsl(word))});
    } else if (absl::ascii_isdigit(c)) {
      const std::string_view number =
          take_while([](unsigned char d) { return absl::ascii_isdigit(d) || d == '.'; });
      tokens.push_back({Token::Kind::kNumber, std::string(number)});
    } else if (c == '\'') {
      std::string text;
      for (++i;; ++i) {
        if (i >= condition.size()) return Refused("a ' is not closed");
        if (condition[i] == '\'' && i + 1 < condition.size() && condition[i + 1] == '\'')
          ++i;
        else if (condition[i] == '\'')
          break;
        text.push_back(condition[i]);
      }
      ++i;
      tokens.push_back({Token::Kind::kText, std::move(text)});
    } else {
      std::string symbol(1, condition[i]);
      for (const std::string_view longer : {"#>>", "->>", "!~*", "->", "#>", "<>",
                                            "!=", "<=", ">=", "::", "!~", "~*", "||", "--", "/*"}) {
        if (condition.substr(i).starts_with(longer)) {
          symbol = std::string(longer);
          break;
        }
      }
      i += symbol.size();
      tokens.push_back({Token::Kind::kSymbol, std::move(symbol)});
    }
  }
  tokens.push_back({});
  return tokens;
}

std::string SqlText(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    quoted.push_back(c);
    if (c == '\'') quoted.push_back(c);
  }
  return quoted + "'";
}

// A LIKE of PostgreSQL distinguishes upper and lower case, SQLite's does not;
// its GLOB does.
absl::StatusOr<std::string> GlobOfLike(std::string_view pattern) {
  std::string glob;
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    bool escaped = false;
    if (c == '\\') {
      if (++i == pattern.size()) return Refused("a pattern of LIKE ends in \\");
      c = pattern[i];
      escaped = true;
    }
    if (c == '%' && !escaped) {
      glob.push_back('*');
    } else if (c == '_' && !escaped) {
      glob.push_back('?');
    } else if (c == '*' || c == '?' || c == '[') {
      StrAppend(&glob, "[", std::string(1, c), "]");
    } else {
      glob.push_back(c);
    }
  }
  return glob;
}

struct Operand {
  enum class Kind {
    kPlain,
    // A text or number.
    kLiteral,
    // Columns whose comparisons are judged, not translated.
    kStatus,
    kHeartbeat,
    kQueueloc,
    kAddresses,
  };
  Kind kind = Kind::kPlain;
  std::string sql;
  // As MIG has it.
  std::string name;
};

class Translator {
 public:
  Translator(std::vector<Token> tokens, std::vector<std::string>* notes)
      : tokens_(std::move(tokens)), notes_(notes) {}

  absl::StatusOr<std::string> Whole() {
    DRAGNET_ASSIGN_OR_RETURN(std::string sql, Or(0));
    if (Next().kind != Token::Kind::kEnd) return Unexpected();
    return sql;
  }

 private:
  const Token& Next() const { return tokens_[at_]; }
  bool IsWord(std::string_view word) const {
    return Next().kind == Token::Kind::kWord && Next().text == word;
  }
  bool IsSymbol(std::string_view symbol) const {
    return Next().kind == Token::Kind::kSymbol && Next().text == symbol;
  }
  bool TakeWord(std::string_view word) {
    if (!IsWord(word)) return false;
    ++at_;
    return true;
  }
  bool TakeSymbol(std::string_view symbol) {
    if (!IsSymbol(symbol)) return false;
    ++at_;
    return true;
  }
  absl::Status Unexpected() const {
    if (Next().kind == Token::Kind::kEnd) return Refused("it ends where more was expected");
    if (IsWord("select")) {
      return Refused(
          "a subquery: Dragnet's targets ask one agent's own facts. For the agents that another "
          "action found something on, take their ids from dragnet results: id in ('…','…')");
    }
    return Refused(StrCat("'", ForTerminal(Shorten(Next().text, 60)), "' has no counterpart here"));
  }
  void Note(std::string note) {
    if (std::ranges::find(*notes_, note) == notes_->end()) notes_->push_back(std::move(note));
  }

  absl::StatusOr<std::string> Or(int depth) {
    DRAGNET_ASSIGN_OR_RETURN(std::string sql, And(depth));
    while (TakeWord("or")) {
      DRAGNET_ASSIGN_OR_RETURN(const std::string right, And(depth));
      StrAppend(&sql, " or ", right);
    }
    return sql;
  }

  absl::StatusOr<std::string> And(int depth) {
    DRAGNET_ASSIGN_OR_RETURN(std::string sql, Not(depth));
    while (TakeWord("and")) {
      DRAGNET_ASSIGN_OR_RETURN(const std::string right, Not(depth));
      StrAppend(&sql, " and ", right);
    }
    return sql;
  }

  absl::StatusOr<std::string> Not(int depth) {
    if (depth > kMaxDepth) return Refused("it is nested too deeply");
    if (TakeWord("not")) {
      DRAGNET_ASSIGN_OR_RETURN(const std::string sql, Not(depth + 1));
      return StrCat("not ", sql);
    }
    if (TakeSymbol("(")) {
      DRAGNET_ASSIGN_OR_RETURN(const std::string sql, Or(depth + 1));
      if (!TakeSymbol(")")) return Unexpected();
      return StrCat("(", sql, ")");
    }
    if (TakeWord("true")) return std::string("true");
    if (TakeWord("false")) return std::string("false");
    return Comparison();
  }

  absl::StatusOr<std::string> Comparison() {
    DRAGNET_ASSIGN_OR_RETURN(const Operand left, ReadOperand());
    switch (left.kind) {
      case Operand::Kind::kStatus:
        return Status();
      case Operand::Kind::kHeartbeat:
        return Heartbeat(left);
      default:
        break;
    }
    for (const std::string_view compare : {"=", "!=", "<>", "<", ">", "<=", ">="}) {
      if (!TakeSymbol(compare)) continue;
      DRAGNET_ASSIGN_OR_RETURN(const Operand right, ReadOperand());
      if (left.kind == Operand::Kind::kQueueloc || right.kind == Operand::Kind::kQueueloc) {
        return Refused(
            "queueloc: names one agent by MIG's queue, which Dragnet's have not: write "
            "name='HOST'");
      }
      if (left.kind == Operand::Kind::kAddresses || right.kind == Operand::Kind::kAddresses) {
        return Refused("addresses: a list: write addresses like '%\"10.1.2.3\"%'");
      }
      if (right.kind == Operand::Kind::kStatus || right.kind == Operand::Kind::kHeartbeat)
        return Refused(StrCat(right.name, ": write it on the left side"));
      return StrCat(left.sql, compare, right.sql);
    }
    if (TakeWord("is")) {
      const bool negated = TakeWord("not");
      if (!TakeWord("null")) return Unexpected();
      return StrCat(left.sql, negated ? " is not null" : " is null");
    }
    const bool negated = TakeWord("not");
    if (TakeWord("in")) {
      if (left.kind == Operand::Kind::kQueueloc || left.kind == Operand::Kind::kAddresses)
        return Refused(StrCat(left.name, ": can't be in a list: write conditions with like"));
      DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> list, List());
      std::vector<std::string> quoted;
      for (const std::string& text : list) quoted.push_back(SqlText(text));
      return StrCat(left.sql, negated ? " not in (" : " in (", absl::StrJoin(quoted, ","), ")");
    }
    if (IsWord("like") || IsWord("ilike")) return Like(left, negated);
    return Unexpected();
  }

  absl::StatusOr<std::string> Like(const Operand& left, bool negated) {
    const bool ignore_case = IsWord("ilike");
    ++at_;
    if (Next().kind != Token::Kind::kText) return Unexpected();
    const std::string pattern = Next().text;
    ++at_;
    if (IsWord("escape")) return Refused("like … escape");
    if (left.kind == Operand::Kind::kQueueloc) {
      if (!pattern.ends_with("%")) {
        return Refused(
            "queueloc: names one agent by MIG's queue, which Dragnet's have not: write "
            "name='HOST'");
      }
      // 'linux.%': the operating system and nothing else.
      const std::string_view os = std::string_view(pattern).substr(0, pattern.find('.'));
      if (pattern == StrCat(os, ".%") && os.find_first_of("%_\\") == std::string_view::npos) {
        const std::string value =
            SqlText(ignore_case ? absl::AsciiStrToLower(ToAbsl(os)) : std::string(os));
        return StrCat("os", negated ? "!=" : "=", value);
      }
      Note("queueloc is compared as OS.NAME.ID of Dragnet's agent");
    }
    if (left.kind == Operand::Kind::kAddresses && pattern.find('/') != std::string::npos)
      return Refused("addresses: Dragnet's have no prefix length: write the pattern without /");
    if (ignore_case) {
      if (pattern.find('\\') != std::string::npos) return Refused("ilike with a \\ in its pattern");
      return StrCat(left.sql, negated ? " not like " : " like ", SqlText(pattern));
    }
    DRAGNET_ASSIGN_OR_RETURN(const std::string glob, GlobOfLike(pattern));
    return StrCat(left.sql, negated ? " not glob " : " glob ", SqlText(glob));
  }

  absl::StatusOr<std::vector<std::string>> List() {
    if (!TakeSymbol("(")) return Unexpected();
    std::vector<std::string> list;
    do {
      if (Next().kind != Token::Kind::kText && Next().kind != Token::Kind::kNumber)
        return Unexpected();
      list.push_back(Next().text);
      ++at_;
    } while (TakeSymbol(","));
    if (!TakeSymbol(")")) return Unexpected();
    return list;
  }

  // An agent decides about a target when it is connected: then it is online.
  absl::StatusOr<std::string> Status() {
    std::vector<std::string> list;
    bool negated = false;
    if (IsSymbol("=") || IsSymbol("!=") || IsSymbol("<>")) {
      negated = !IsSymbol("=");
      ++at_;
      if (Next().kind != Token::Kind::kText) return Unexpected();
      list.push_back(Next().text);
      ++at_;
    } else {
      negated = TakeWord("not");
      if (!TakeWord("in")) return Unexpected();
      DRAGNET_ASSIGN_OR_RETURN(list, List());
    }
    const bool online = std::ranges::find(list, "online") != list.end();
    if (online == negated) {
      return Refused(
          "status: asks for agents that are not online, and an agent that decides about "
          "a target is: leave it out");
    }
    Note(
        "status is left out: an agent that decides about a target is online; agents that connect "
        "before the action expires run it, too");
    return std::string("true");
  }

  // heartbeattime > now() - interval '5 minutes'
  absl::StatusOr<std::string> Heartbeat(const Operand& column) {
    if (!TakeSymbol(">") && !TakeSymbol(">=")) {
      return Refused(StrCat(column.name,
                            ": only its newness (> now() - interval '…') says "
                            "something of an agent that decides about a target"));
    }
    const bool now = TakeWord("now") && TakeSymbol("(") && TakeSymbol(")") && TakeSymbol("-") &&
                     TakeWord("interval");
    if (!now || Next().kind != Token::Kind::kText) {
      return Refused(StrCat(column.name, ": only > now() - interval '…' is understood"));
    }
    ++at_;
    Note(StrCat(column.name,
                " is left out: an agent that decides about a target is connected; "
                "agents that connect before the action expires run it, too"));
    return std::string("true");
  }

  absl::StatusOr<Operand> ReadOperand() {
    Operand operand;
    const Token token = Next();
    if (token.kind == Token::Kind::kText || token.kind == Token::Kind::kNumber) {
      ++at_;
      operand.kind = Operand::Kind::kLiteral;
      operand.sql = token.kind == Token::Kind::kText ? SqlText(token.text) : token.text;
      return operand;
    }
    if (token.kind != Token::Kind::kWord) return Unexpected();
    for (const std::string_view function : {"lower", "upper", "length"}) {
      if (token.text != function) continue;
      ++at_;
      if (!TakeSymbol("(")) return Unexpected();
      DRAGNET_ASSIGN_OR_RETURN(const Operand inner, ReadOperand());
      if (!TakeSymbol(")")) return Unexpected();
      if (inner.kind != Operand::Kind::kPlain && inner.kind != Operand::Kind::kLiteral)
        return Refused(StrCat(inner.name, ": can't be in ", function, "()"));
      operand.sql = StrCat(function, "(", inner.sql, ")");
      return operand;
    }
    return Column();
  }

  absl::StatusOr<Operand> Column() {
    Operand operand;
    std::string name = Next().text;
    if (name.starts_with("agents.")) name.erase(0, 7);
    operand.name = name;
    if (name == "select") return Unexpected();
    ++at_;
    if (name == "name" || name == "os") {
      operand.sql = name;
      return Cast(operand);
    }
    if (name == "queueloc") {
      operand.kind = Operand::Kind::kQueueloc;
      operand.sql = kQueueloc;
      return operand;
    }
    if (name == "mode") {
      Note("mode is taken as 'daemon', which every Dragnet agent is");
      operand.sql = "'daemon'";
      return operand;
    }
    if (name == "status" || name == "heartbeattime" || name == "refreshtime") {
      operand.kind = name == "status" ? Operand::Kind::kStatus : Operand::Kind::kHeartbeat;
      return operand;
    }
    if (name == "environment" || name == "tags") return Member(name);
    for (const std::string_view own :
         {"id", "version", "pid", "starttime", "destructiontime", "loadername"}) {
      if (name != own) continue;
      return Refused(StrCat(name,
                            ": MIG's own of its agents: Dragnet's have others (dragnet agents "
                            "lists them)"));
    }
    return Refused(StrCat("'", ForTerminal(Shorten(name, 60)),
                          "': no column that is understood: name, os, queueloc, mode, status, "
                          "heartbeattime, environment->>'…', tags->>'…'"));
  }

  absl::StatusOr<Operand> Member(const std::string& column) {
    bool path = false;
    if (TakeSymbol("#>>")) {
      path = true;
    } else if (!TakeSymbol("->>")) {
      return Refused(StrCat(column, ": only ", column, "->>'KEY' is understood"));
    }
    if (Next().kind != Token::Kind::kText) return Unexpected();
    std::string key = Next().text;
    ++at_;
    if (path) {
      if (key.size() < 3 || !key.starts_with("{") || !key.ends_with("}") ||
          key.find(',') != std::string::npos) {
        return Refused(StrCat(column, "#>>: only '{KEY}' is understood"));
      }
      key = key.substr(1, key.size() - 2);
    }
    Operand operand;
    operand.name = StrCat(column, "->>'", ForTerminal(Shorten(key, 60)), "'");
    if (column == "tags" || key == "init") {
      operand.sql = StrCat(column, "->>", SqlText(key));
    } else if (key == "os") {
      operand.sql = "os";
    } else if (key == "arch") {
      operand.sql = kArch;
    } else if (key == "ident") {
      operand.sql = kIdent;
      Note(
          "environment->>'ident' is compared with the distribution and its version, as in 'Ubuntu "
          "22.04', 'Debian 12' or 'Red Hat Enterprise Linux release 9.4'");
    } else if (key == "addresses") {
      operand.kind = Operand::Kind::kAddresses;
      operand.sql = "addresses";
    } else {
      return Refused(StrCat(operand.name,
                            ": no fact of Dragnet's: there are os, arch, ident, init, "
                            "addresses, and tags->>'…'"));
    }
    return Cast(operand);
  }

  // x::text is x.
  absl::StatusOr<Operand> Cast(Operand operand) {
    while (TakeSymbol("::")) {
      if (!TakeWord("text") && !TakeWord("varchar")) return Unexpected();
    }
    return operand;
  }

  const std::vector<Token> tokens_;
  size_t at_ = 0;
  std::vector<std::string>* notes_;
};

}  // namespace

absl::StatusOr<std::string> TargetFromMig(std::string_view condition,
                                          std::vector<std::string>* notes) {
  if (condition.size() > kMaxTargetBytes) return Refused("it is too long");
  DRAGNET_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokens(condition));
  DRAGNET_ASSIGN_OR_RETURN(std::string sql, Translator(std::move(tokens), notes).Whole());
  DRAGNET_RETURN_IF_ERROR(ValidateTarget(sql));
  return sql;
}

}  // namespace dragnet::console
