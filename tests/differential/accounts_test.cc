// What module accounts reads in sudoers against what sudo's own cvtsudoers does,
// over files that are made up.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "core/strings.h"
#include "modules/accounts/sudoers.h"
#include "modules/accounts/sudoers_fake.h"
#include "modules/file/temp_tree.h"

namespace dragnet::accounts {
namespace {

using file::OutputOf;
using file::TempTree;

// cvtsudoers puts lists in quotes, and aliases with ! in more of them.
std::string WithoutQuotes(std::string text) {
  std::erase(text, '"');
  return text;
}

std::vector<std::string> ByCvtsudoers(const std::string& path) {
  std::vector<std::string> rules;
  for (std::string& line : OutputOf(StrCat("cvtsudoers -e -f csv '", path, "' 2>&1"), '\n')) {
    if (line.starts_with("rule,") && !line.starts_with("rule,user,"))
      rules.push_back(WithoutQuotes(std::move(line)));
  }
  return rules;
}

// As cvtsudoers' CSV has them, without quotes: the users of one line are one list
// there, and each a right of its own here.
std::vector<std::string> ByModule(const std::string& content) {
  FakeSudoers source(FakeSudoers::Files{{"/sudoers", content}});
  const Sudoers sudoers = ReadSudoers(source, "/sudoers");
  EXPECT_TRUE(source.bad.empty()) << content;
  std::vector<std::string> rules;
  std::string users, rest;
  uint32_t line = 0;
  const auto end_rule = [&] {
    if (!users.empty()) rules.push_back(WithoutQuotes(StrCat("rule,", users, ",", rest)));
    users.clear();
  };
  std::string first;
  for (const SudoRight& right : sudoers.rights) {
    const size_t colon = std::min(right.runas.find(':'), right.runas.size());
    std::string commands;
    for (const std::string& command : right.commands)
      StrAppend(&commands, commands.empty() ? "" : ",", command);
    std::string this_rest = StrCat(right.host, ",", right.runas.substr(0, colon), ",",
                                   right.runas.substr(std::min(colon + 1, right.runas.size())), ",",
                                   right.nopasswd ? "!authenticate" : "", ",", commands);
    // The first user of a list comes again with the next run of commands.
    if (right.line != line || this_rest != rest || right.who == first) {
      end_rule();
      first = right.who;
    }
    line = right.line;
    rest = std::move(this_rest);
    StrAppend(&users, users.empty() ? "" : ",", right.who);
  }
  end_rule();
  return rules;
}

class Author {
 public:
  explicit Author(uint32_t seed) : random_(seed) {}

  std::string File() {
    std::string content =
        "# made up\nUser_Alias UA = a1, !a2, %g1 : UB = UA, #70\n"
        "Cmnd_Alias CA = /bin/a, /bin/b -x\n"
        "Host_Alias HA = h1, 10.0.0.0/8\n";
    for (int i = 0; i < 25; ++i) StrAppend(&content, UserLine(), "\n");
    // Used before it is defined.
    return StrCat(content, "Cmnd_Alias CB = /bin/z, \\\n  CA # both\n");
  }

 private:
  size_t Below(size_t n) { return random_() % n; }
  std::string Pick(std::initializer_list<const char*> choices) {
    return choices.begin()[Below(choices.size())];
  }
  std::string Blank() { return Pick({"", " ", "  ", "\t", " \\\n "}); }
  template <typename Make>
  std::string List(Make make) {
    std::string list = make();
    for (size_t more = Below(3); more > 0; --more) StrAppend(&list, Blank(), ",", Blank(), make());
    return list;
  }
  std::string Command() {
    return StrCat(Pick({"", "", "", "!", "!!"}),
                  Pick({"/bin/ls", "/usr/bin/x -a b", "/bin/y *", "/opt/", "CA", "CB", "ALL",
                        "/bin/q a\\,b\\:c\\=d", "sudoedit /etc/f", "/bin/none \"\"", "list"}));
  }
  std::string Privilege() {
    // Aliases of hosts are told as they are written.
    std::string text = StrCat(List([&] { return Pick({"ALL", "h1", "h2", "!h3", "10.1.0.0/16"}); }),
                              Blank(), "=", Blank());
    if (Below(2) == 0)
      StrAppend(&text, "(", List([&] { return Pick({"root", "op", "#5", "%adm"}); }),
                Pick({"", " : grp", ":#6"}), ")", Blank());
    if (Below(3) == 0) StrAppend(&text, "NOPASSWD", Pick({"", " "}), ":", Blank());
    return text + List([&] { return Command(); });
  }
  std::string UserLine() {
    // No user twice in a list: that is how ByModule tells where it begins anew.
    std::vector<std::string> users = {
        "u1", "u3", "%g2", "#71", "%#72", "+net", Pick({"UA", "UB"}), "d\\ u", "%:nix", "ALL"};
    std::shuffle(users.begin(), users.end(), random_);
    size_t next = 0;
    const std::string list = List([&] { return Pick({"", "", "!"}) + users[next++]; });
    std::string text = StrCat(list, " ", Privilege());
    if (Below(4) == 0) StrAppend(&text, Blank(), ":", Blank(), Privilege());
    if (Below(4) == 0) text += " # words, and : = ALL";
    return text;
  }

  std::mt19937 random_;
};

TEST(AccountsDifferentialTest, SudoersAreReadAsSudoReadsThem) {
  if (system("command -v cvtsudoers >/dev/null") != 0) GTEST_SKIP() << "sudo is not installed";
  const TempTree tree;
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    const std::string content = Author(seed).File();
    const auto expected = ByCvtsudoers(tree.File("sudoers", content));
    ASSERT_GE(expected.size(), 25u) << content;
    ASSERT_EQ(ByModule(content), expected) << content;
  }
}

}  // namespace
}  // namespace dragnet::accounts
