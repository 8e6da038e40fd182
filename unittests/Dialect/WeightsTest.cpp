//===- WeightsTest.cpp - Weight references of a module ----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QGraph/Weights.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;

namespace {

class WeightsTest : public testing::Test {
protected:
  WeightsTest() : builder(&context) {
    context.loadDialect<QGraphDialect>();
    module = ModuleOp::create(builder.getUnknownLoc());
    builder.setInsertionPointToEnd(module->getBody());
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("weights", directory));
  }
  ~WeightsTest() override { llvm::sys::fs::remove_directories(directory); }

  ConstantOp constant(StringRef store, StringRef name) {
    auto type = RankedTensorType::get(
        {4}, builder.getIntegerType(8, /*isSigned=*/true));
    return ConstantOp::create(builder, builder.getUnknownLoc(),
                              WeightAttr::get(&context, store, name, type));
  }

  std::string path(StringRef name) {
    SmallString<128> path(directory);
    llvm::sys::path::append(path, name);
    return std::string(path);
  }

  MLIRContext context;
  OpBuilder builder;
  OwningOpRef<ModuleOp> module;
  SmallString<128> directory;
};

TEST_F(WeightsTest, SavesWhatIsReferredTo) {
  WeightStores &stores = getWeights(*module);
  WeightType type{"si8", {4}};
  EXPECT_FALSE(stores.overlay()->add("live", type, {1, 2, 3, 4}));
  EXPECT_FALSE(stores.overlay()->add("dead", type, {5, 6, 7, 8}));
  EXPECT_FALSE(refersToNewWeights(*module));
  ConstantOp live = constant(WeightStores::kNew, "live");
  ConstantOp other = constant("there.safetensors", "w");
  EXPECT_TRUE(refersToNewWeights(*module));

  EXPECT_FALSE(saveNewWeights(*module, path("sub.safetensors"), directory));
  auto saved = cast<WeightAttr>(live.getValue());
  EXPECT_EQ(saved.getStore(), "sub.safetensors");
  EXPECT_EQ(saved.getName(), "live");
  EXPECT_EQ(cast<WeightAttr>(other.getValue()).getStore(), "there.safetensors");
  EXPECT_FALSE(refersToNewWeights(*module));

  llvm::Expected<WeightHandle> entry = stores.find("sub.safetensors", "live");
  ASSERT_TRUE(bool(entry));
  EXPECT_EQ((*entry)->bytes, (ArrayRef<char>{1, 2, 3, 4}));
  auto file = WeightStore::openSafetensors(path("sub.safetensors"));
  ASSERT_TRUE(bool(file));
  EXPECT_EQ((*file)->entries().size(), 1u);
}

TEST_F(WeightsTest, MissingEntryIsAnError) {
  constant(WeightStores::kNew, "nothing");
  llvm::Error error = saveNewWeights(*module, path("f.safetensors"), directory);
  EXPECT_NE(llvm::toString(std::move(error)).find("nothing"),
            std::string::npos);
  EXPECT_FALSE(llvm::sys::fs::exists(path("f.safetensors")));
}

TEST_F(WeightsTest, MovesReferences) {
  ConstantOp beside = constant("w.safetensors", "w");
  ConstantOp fresh = constant(WeightStores::kNew, "v");
  ConstantOp absolute = constant("/data/w.safetensors", "w");
  moveWeightReferences(*module, path("in"), path("out/deep"));
  auto store = [](ConstantOp op) {
    return cast<WeightAttr>(op.getValue()).getStore();
  };
  EXPECT_EQ(store(beside), "../../in/w.safetensors");
  EXPECT_EQ(store(fresh), WeightStores::kNew);
  EXPECT_EQ(store(absolute), "/data/w.safetensors");
}

} // namespace
