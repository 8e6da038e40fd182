//===- CostModelTest.cpp - The roofline of linear layers ------------------===//

#include "quantc/Support/CostModel.h"

#include <gtest/gtest.h>

using namespace quantc;

namespace {

LinearFormat integers(unsigned bits, int64_t group, unsigned scaleBits) {
  LinearFormat format;
  format.weightBits = bits;
  format.group = group;
  format.scaleBits = scaleBits;
  format.activationBits = 8;
  return format;
}

TEST(CostModel, CountsBytesAndTileOps) {
  auto model = createRooflineCostModel(coreRates("avx512vnni"));
  Cost real = model->linear({2, 16, 64}, {});
  EXPECT_EQ(real.bytes, 16 * 64 * 4 + 2 * 64 * 4 + 2 * 16 * 4);
  EXPECT_EQ(real.tileOps, 2 * 16 * 64);
  // A short last group has a scale too; the float input is read to be
  // quantized.
  Cost stored = model->linear({1, 16, 70}, integers(4, 32, 16));
  EXPECT_EQ(stored.bytes, 16 * 35 + 16 * 3 * 2 + 70 + 16 * 4 + 70 * 4);
}

TEST(CostModel, OneRowIsBoundByBytes) {
  auto model = createRooflineCostModel(coreRates("avx2"));
  LinearShape shape{1, 4096, 4096};
  double real = model->linear(shape, {}).seconds;
  double eight = model->linear(shape, integers(8, 0, 32)).seconds;
  double four = model->linear(shape, integers(4, 32, 16)).seconds;
  EXPECT_GT(real / eight, 3);
  EXPECT_GT(eight / four, 1.5);
}

TEST(CostModel, ManyRowsAreBoundByDotProducts) {
  LinearShape shape{512, 4096, 4096};
  auto time = [&](llvm::StringRef level, const LinearFormat &format) {
    return createRooflineCostModel(coreRates(level))
        ->linear(shape, format)
        .seconds;
  };
  LinearFormat eight = integers(8, 0, 32);
  EXPECT_GT(time("avx512vnni", {}) / time("avx512vnni", eight), 3);
  EXPECT_GT(time("avx512", eight) / time("avx512vnni", eight), 2);
  EXPECT_GT(time("avx512vnni", eight) / time("amx", eight), 2);
}

TEST(CostModel, TinyLayersDoNotPay) {
  for (const char *level :
       {"avx2", "avx512vnni", "amx", "neon", "dotprod", ""}) {
    auto model = createRooflineCostModel(coreRates(level));
    LinearFormat eight = integers(8, 0, 32);
    EXPECT_LT(model->linear({1, 2, 384}, {}).seconds,
              model->linear({1, 2, 384}, eight).seconds)
        << level;
    EXPECT_GT(model->linear({1, 384, 384}, {}).seconds,
              model->linear({1, 384, 384}, eight).seconds)
        << level;
  }
}

} // namespace
