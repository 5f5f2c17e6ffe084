#include "modules/accounts/departed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "core/ssh_wire.h"
#include "core/strings.h"

namespace dragnet::accounts {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string KeyLine(char seed) {
  std::string blob;
  AppendWireString(&blob, "ssh-ed25519");
  AppendWireString(&blob, std::string(32, seed));
  return StrCat("ssh-ed25519 ", absl::Base64Escape(blob), " somebody");
}

DepartedList Parsed(std::string_view text) {
  auto list = DepartedList::Parse(text);
  EXPECT_TRUE(list.ok()) << list.status();
  return list.ok() ? *std::move(list) : DepartedList();
}

std::string Refusal(std::string_view text) {
  return std::string(DepartedList::Parse(text).status().message());
}

std::string Label(const Person* person) { return person == nullptr ? "" : person->label; }

constexpr std::string_view kFingerprint = "SHA256:l1YVOp4VpXN4KxyMGoJP8N6gySWEAXqyhNzGPNvaPWA";

TEST(DepartedCsvTest, ColumnsAreKnownByTheirNames) {
  const auto list = Parsed(
      "\xEF\xBB\xBFName;Department;USER;uid;E-Mail;mail;key\r\n"
      "\"Alice \"\"A\"\"; Smith\";x;alice;1001;y;Alice@Example.org;\r\n"
      ";\"two\r\nlines\";;bob;;;SHA256:l1YVOp4VpXN4KxyMGoJP8N6gySWEAXqyhNzGPNvaPWA\r\n"
      "\r\n");
  ASSERT_EQ(list.people().size(), 2u);
  EXPECT_EQ(Label(list.ByUser("alice")), "Alice \"A\"; Smith");
  EXPECT_EQ(Label(list.ByUid(1001)), "Alice \"A\"; Smith");
  EXPECT_EQ(Label(list.ByMail("alice@example.ORG")), "Alice \"A\"; Smith");
  // LDAP's uid.
  EXPECT_EQ(Label(list.ByUser("bob")), "bob");
  EXPECT_EQ(Label(list.ByFingerprint(kFingerprint)), "bob");
  EXPECT_EQ(list.ByUser("Alice"), nullptr);
  EXPECT_EQ(list.ByUser(""), nullptr);
}

TEST(DepartedCsvTest, AKeyMayBeItsPubLine) {
  const auto list = Parsed(StrCat("name,key\nCarol,", KeyLine('c'), "\n"));
  ASSERT_EQ(list.people().size(), 1u);
  EXPECT_THAT(list.people()[0].fingerprints, ElementsAre(testing::StartsWith("SHA256:")));
}

TEST(DepartedCsvTest, MistakesAreToldByLine) {
  EXPECT_THAT(Refusal(""), HasSubstr("nothing in it"));
  EXPECT_THAT(Refusal("person,team\nalice,x\n"), HasSubstr("line 1: none of the columns"));
  EXPECT_THAT(Refusal("user,team\nalice\n"), HasSubstr("line 2: there are 1 values for 2"));
  EXPECT_THAT(Refusal("user,team\nalice,\"a\nb\"\n,x\n"), HasSubstr("line 4: nothing of user"));
  EXPECT_THAT(Refusal("user,team\nalice,\"x\nbob,y\n"), HasSubstr("line 2: a quote is not closed"));
  EXPECT_THAT(Refusal("user\nal\"ice\n"), HasSubstr("line 2: a quote within"));
  EXPECT_THAT(Refusal("user\n\"alice\"x\n"), HasSubstr("line 2: something after"));
  EXPECT_THAT(Refusal("user\nok\nAlice Smith\n"), HasSubstr("line 3: user 'Alice Smith'"));
  EXPECT_THAT(Refusal("uid\n4294967296\n"), HasSubstr("line 2: uid '4294967296' is too large"));
  EXPECT_THAT(Refusal("mail\nalice\n"), HasSubstr("line 2: mail 'alice' is no address"));
  EXPECT_THAT(Refusal("key\nSHA256:abc\n"), HasSubstr("line 2: key 'SHA256:abc' is none"));
  EXPECT_THAT(Refusal("user\n\xff\xfe\n"), HasSubstr("line 2: a value is not UTF-8"));
}

TEST(DepartedCsvTest, NobodyLeftIsAList) { EXPECT_EQ(Parsed("user,mail\n").people().size(), 0u); }

TEST(DepartedLdifTest, EntriesArePeople) {
  const auto list = Parsed(
      "version: 1\n# people\n\n"
      "dn: ou=people,dc=example\nobjectClass: organizationalUnit\nou: people\n\n"
      "dn: uid=alice,ou=people,dc=example\nuid: alice\ncn;lang-de: Alice\n  Smith\n"
      "uidNumber: 1001\nmail: alice@example.org\nmail: a.smith@example.org\n"
      "description:: YWJj\n\n\n"
      "dn: uid=bob,ou=people,dc=example\nuid:: Ym9i\n\n"
      "# search result\nsearch: 2\nresult: 0 Success\n");
  ASSERT_EQ(list.people().size(), 2u);
  EXPECT_EQ(Label(list.ByUser("alice")), "Alice Smith");
  EXPECT_EQ(Label(list.ByUid(1001)), "Alice Smith");
  EXPECT_EQ(Label(list.ByMail("a.smith@example.org")), "Alice Smith");
  EXPECT_EQ(Label(list.ByUser("bob")), "bob");
}

TEST(DepartedLdifTest, MistakesAreToldByLine) {
  EXPECT_THAT(Refusal("dn: x\nuid alice\n"), HasSubstr("line 2: no attribute"));
  EXPECT_THAT(Refusal("dn: x\nchangetype: delete\n"), HasSubstr("line 2: changes are not read"));
  EXPECT_THAT(Refusal("dn: x\nuid: a\n\nuid: b\n"), HasSubstr("line 4: an entry begins with dn"));
  EXPECT_THAT(Refusal("dn: x\njpegPhoto:< file:///etc/passwd\n"), HasSubstr("line 2"));
  EXPECT_THAT(Refusal("dn: x\nuid:: ***\n"), HasSubstr("line 2: the value is not the base64"));
  EXPECT_THAT(Refusal("dn: x\nuidNumber: 99999999999\n"), HasSubstr("line 2: uid"));
  EXPECT_THAT(Refusal("dn: x\n\n continued\n"), HasSubstr("line 3"));
  EXPECT_THAT(Refusal("dn: x\nou: people\n"), HasSubstr("no entry has"));
}

TEST(DepartedJsonTest, ListsOfObjectsArePeople) {
  const auto list = Parsed(
      "[{\"name\": \"Alice\", \"user\": [\"alice\", \"asmith\"], \"uid\": 1001, \"team\": {}},\n"
      " {\"email\": \"bob@example.org\", \"key\": null}]");
  ASSERT_EQ(list.people().size(), 2u);
  EXPECT_EQ(Label(list.ByUser("asmith")), "Alice");
  EXPECT_EQ(Label(list.ByUid(1001)), "Alice");
  EXPECT_EQ(Label(list.ByMail("bob@example.org")), "bob@example.org");
  EXPECT_EQ(Parsed("{\"people\": [{\"user\": \"x\"}]}").people().size(), 1u);
  EXPECT_EQ(Parsed("[]").people().size(), 0u);
}

TEST(DepartedJsonTest, MistakesAreToldByLine) {
  EXPECT_THAT(Refusal("[\n{\"user\": \"a\"},\n{\"user\" \"b\"}]"), HasSubstr("line 3"));
  EXPECT_THAT(Refusal("[\n{\"user\": \"a\", \"x\": \"[ }\"},\n\n{\"team\": \"b\"}]"),
              HasSubstr("line 4: nothing of user"));
  EXPECT_THAT(Refusal("{\"people\":\n[{\"user\": \"a\"},\n{\"uid\": -1}]}"), HasSubstr("line 3"));
  EXPECT_THAT(Refusal("[\n{\"user\": [[\"a\"]]}]"), HasSubstr("line 2: a value that is no text"));
  EXPECT_THAT(Refusal("[\"alice\"]"), HasSubstr("line 1: person 1 is no object"));
  EXPECT_THAT(Refusal("{\"users\": []}"), HasSubstr("people"));
}

TEST(DepartedTest, CommentsNameAPersonByWholeWords) {
  const auto list = Parsed("user,mail\nalice,a.smith@example.org\n");
  for (const char* comment : {"alice", "alice@laptop", "work key <A.Smith@example.org>", "x alice"})
    EXPECT_NE(list.ByComment(comment), nullptr) << comment;
  for (const char* comment :
       {"", "malice", "alice2@laptop", "smith@example.org", "@", "host-alice"})
    EXPECT_EQ(list.ByComment(comment), nullptr) << comment;
}

}  // namespace
}  // namespace dragnet::accounts
