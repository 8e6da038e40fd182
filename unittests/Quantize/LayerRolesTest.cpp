//===- LayerRolesTest.cpp - Formats by what layers do -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../../lib/Quantize/LayerRoles.h"

#include "gtest/gtest.h"

using namespace quantc;
using namespace quantc::qgraph;

namespace {

/// The layers of 30 that a place takes.
std::vector<int64_t> takenBy(const std::string &where, int64_t count = 30) {
  std::vector<MixRule> rules =
      llvm::cantFail(parseMix("down" + where + "=q6_k", false));
  EXPECT_EQ(rules.size(), 1u);
  EXPECT_EQ(rules[0].format->name, "q6_k");
  std::vector<int64_t> taken;
  for (int64_t i = 0; i < count; ++i) {
    EXPECT_FALSE(rules[0].holds({LayerRole::Values, i, count}));
    if (rules[0].holds({LayerRole::Down, i, count}))
      taken.push_back(i);
  }
  return taken;
}

TEST(LayerRoles, Places) {
  using List = std::vector<int64_t>;
  EXPECT_EQ(takenBy("").size(), 30u);
  EXPECT_EQ(takenBy("@first-4"), (List{0, 1, 2, 3}));
  EXPECT_EQ(takenBy("@first-eighth"), (List{0, 1, 2}));
  EXPECT_EQ(takenBy("@first-eighth", 7), List{});
  // As Q4_K_M files of a model of 30 layers have it.
  EXPECT_EQ(takenBy("@more-bits"),
            (List{0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 26, 27, 28, 29}));
  EXPECT_EQ(takenBy("@more-bits", 3), (List{2}));
}

TEST(LayerRoles, SeveralRules) {
  std::vector<MixRule> rules =
      llvm::cantFail(parseMix("values@first-2=si8,output=float", false));
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].format->name, "si8");
  EXPECT_FALSE(rules[1].format);
  EXPECT_TRUE(rules[1].holds({LayerRole::Output, 0, 1}));
  EXPECT_TRUE(llvm::cantFail(parseMix("", false)).empty());
}

} // namespace
