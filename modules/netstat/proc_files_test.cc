#include "modules/netstat/proc_files.h"

#include <gtest/gtest.h>

#include "modules/netstat/namespaces.h"
#include "modules/netstat/users.h"

namespace dragnet::netstat {
namespace {

constexpr char kId[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

TEST(ContainerOfCgroupTest, KnowsTheFormsOfContainerEngines) {
  const std::string id = kId;
  EXPECT_EQ(ContainerOfCgroup("0::/system.slice/docker-" + id + ".scope\n"), id);
  EXPECT_EQ(ContainerOfCgroup("12:pids:/docker/" + id + "\n0::/\n"), id);
  EXPECT_EQ(
      ContainerOfCgroup("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope\n"),
      id);
  EXPECT_EQ(ContainerOfCgroup("0::/lxc.payload.web/init.scope\n"), "web");
  EXPECT_EQ(ContainerOfCgroup("0::/machine.slice/machine-web.scope\n"), "web");
  EXPECT_EQ(ContainerOfCgroup("0::/user.slice/user-0.slice/session-1.scope\n"), "");
  EXPECT_EQ(ContainerOfCgroup("0::/docker/" + id + "0\n"), "");
  EXPECT_EQ(ContainerOfCgroup(id), "");
  EXPECT_EQ(ContainerOfCgroup(""), "");
}

TEST(InodeOfLinkTest, OnlyTheKernelsFormIsANumber) {
  EXPECT_EQ(InodeOfLink("socket:[12]", "socket"), 12u);
  EXPECT_EQ(InodeOfLink("net:[4026531840]", "net"), 4026531840u);
  for (const char* link :
       {"socket:[]", "socket:[12", "socket:12]", "socket:[-1]", "socket:[1 ]", "/tmp/socket:[1]",
        "socket:[1] (deleted)", "pipe:[1]", "", "socket:[99999999999999999999]"}) {
    EXPECT_EQ(InodeOfLink(link, "socket"), std::nullopt) << link;
  }
}

TEST(MountedNamespacesTest, FindsThemInMountinfo) {
  const auto mounted = MountedNamespaces(
      "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
      "30 22 0:4 net:[4026532177] /run/netns/a\\040b rw shared:5 - nsfs nsfs rw\n"
      "31 22 0:4 mnt:[4026532178] /run/snapd/ns/x rw - nsfs nsfs rw\n"
      "garbage\n");
  ASSERT_EQ(mounted.size(), 1u);
  EXPECT_EQ(mounted[0].inode, 4026532177u);
  EXPECT_EQ(mounted[0].path, "/run/netns/a b");
}

TEST(UserNamesTest, TheFirstNameOfANumberCounts) {
  const UserNames users = UserNames::Parse(
      "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\nbad\n:x:5:\nx:y:z:1\nwww\xff:x:33:33::/:/\n");
  EXPECT_EQ(users.NameOf(0), "root");
  EXPECT_EQ(users.NameOf(33), "www\xef\xbf\xbd");
  EXPECT_EQ(users.NameOf(5), "5");
  EXPECT_EQ(UserNames::Load("/nonexistent").NameOf(0), "0");
}

}  // namespace
}  // namespace dragnet::netstat
