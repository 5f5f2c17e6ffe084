#include "core/status_macros.h"

#include <gtest/gtest.h>

#include "absl/strings/cord.h"

namespace dragnet {
namespace {

TEST(AnnotateTest, PutsTheContextInFrontAndKeepsTheCode) {
  const absl::Status annotated = Annotate(absl::NotFoundError("no such file"), "policy p.dsse");
  EXPECT_TRUE(absl::IsNotFound(annotated));
  EXPECT_EQ(annotated.message(), "policy p.dsse: no such file");
}

TEST(AnnotateTest, SuccessHasNothingToSay) {
  EXPECT_TRUE(Annotate(absl::OkStatus(), "policy p.dsse").ok());
}

// An exit status, for one, follows from them.
TEST(AnnotateTest, KeepsEveryPayload) {
  absl::Status status = absl::UnavailableError("no scheduler");
  status.SetPayload("dragnet.dev/a", absl::Cord("1"));
  status.SetPayload("dragnet.dev/b", absl::Cord());
  const absl::Status annotated = Annotate(Annotate(status, "read"), "action 7");
  EXPECT_EQ(annotated.message(), "action 7: read: no scheduler");
  EXPECT_EQ(annotated.GetPayload("dragnet.dev/a"), absl::Cord("1"));
  EXPECT_EQ(annotated.GetPayload("dragnet.dev/b"), absl::Cord());
  EXPECT_FALSE(annotated.GetPayload("dragnet.dev/c").has_value());
}

}  // namespace
}  // namespace dragnet
