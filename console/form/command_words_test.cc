#include "console/form/command_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/testing/sample.pb.h"
#include "console/testing/sample_module.h"

namespace dragnet::console {
namespace {

using ::testing::ElementsAre;
using testing::SampleCatalog;
using testing::SampleParameters;

v1::Action With(const SampleParameters& parameters) {
  v1::Action action;
  v1::Operation* operation = action.add_operations();
  operation->set_module("sample");
  operation->set_parameters(parameters.SerializeAsString());
  return action;
}

TEST(CommandWordsTest, AreWhatWasTyped) {
  SampleParameters parameters;
  parameters.add_path("/etc");
  parameters.add_path("/usr");
  parameters.add_searches()->add_name("^a b$");
  parameters.mutable_searches(0)->set_hash(testing::SAMPLE_HASH_SHA2_256);
  parameters.mutable_searches(0)->set_invert(true);
  parameters.set_max_depth(3);
  parameters.mutable_patience()->set_seconds(90);
  (*parameters.mutable_label())["k"] = "v=w";
  const auto words = CommandWords(With(parameters), SampleCatalog(), absl::Now());
  ASSERT_TRUE(words.ok()) << words.status();
  EXPECT_THAT(*words, ElementsAre("sample", "--path", "/etc", "--path", "/usr", "--name", "^a b$",
                                  "--hash", "sha2-256", "--invert", "--max-depth", "3",
                                  "--patience", "1m30s", "--label", "k=v=w"));
}

TEST(CommandWordsTest, WhatNoFlagSaysIsNotLeftOut) {
  SampleParameters hidden;
  hidden.set_secret_knob("x");
  EXPECT_TRUE(absl::IsFailedPrecondition(
      CommandWords(With(hidden), SampleCatalog(), absl::Now()).status()));
  // The flags are about the first search only.
  SampleParameters two;
  two.add_searches()->add_name("a");
  two.add_searches()->add_name("b");
  EXPECT_TRUE(
      absl::IsFailedPrecondition(CommandWords(With(two), SampleCatalog(), absl::Now()).status()));
}

TEST(CommandWordsTest, FieldsThatThisVersionDoesntKnowAreNotLeftOut) {
  v1::Action action = With(SampleParameters());
  // Field 100, a varint.
  action.mutable_operations(0)->set_parameters(std::string("\xa0\x06\x01", 3));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(CommandWords(action, SampleCatalog(), absl::Now()).status()));
}

TEST(CommandWordsTest, SeveralOperationsAreNoOneLine) {
  v1::Action action = With(SampleParameters());
  *action.add_operations() = action.operations(0);
  EXPECT_TRUE(
      absl::IsFailedPrecondition(CommandWords(action, SampleCatalog(), absl::Now()).status()));
}

}  // namespace
}  // namespace dragnet::console
