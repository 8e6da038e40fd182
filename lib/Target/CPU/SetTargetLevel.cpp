//===- SetTargetLevel.cpp - Which level a module is compiled for ----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contract: the module has a qkernel.target that names a level of Levels.cpp,
// or the pass fails and lists them.
//
//===----------------------------------------------------------------------===//

#include "quantc/Target/CPU/Passes.h"
#include "llvm/ADT/StringExtras.h"

#define DEBUG_TYPE "set-target-level"

namespace quantc {
#define GEN_PASS_DEF_SETTARGETLEVEL
#include "quantc/Target/CPU/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

qkernel::TargetAttr cpu::getTargetAttr(MLIRContext *context,
                                       const LevelInfo &level, bool shared) {
  SmallVector<qkernel::TileAttr> tiles;
  if (!shared)
    for (const Tile &tile : level.tiles)
      tiles.push_back(
          qkernel::TileAttr::get(context, tile.format, tile.rows, tile.panels));
  return qkernel::TargetAttr::get(
      context, level.arch, shared ? StringRef() : StringRef(level.name),
      /*unsigned_weights=*/level.arch == "x86_64", tiles);
}

namespace {

struct SetTargetLevel : quantc::impl::SetTargetLevelBase<SetTargetLevel> {
  using SetTargetLevelBase::SetTargetLevelBase;

  void runOnOperation() override {
    const cpu::LevelInfo *info = cpu::findLevel(level);
    if (!info) {
      auto names = llvm::map_range(
          cpu::levels(), [](const cpu::LevelInfo &l) { return l.name.str(); });
      getOperation().emitError("there is no instruction set level '")
          << level << "'; there are: " << llvm::join(names, ", ");
      return signalPassFailure();
    }
    getOperation()->setAttr(
        qkernel::TargetAttr::kAttrName,
        cpu::getTargetAttr(&getContext(), *info, /*shared=*/false));
  }
};

} // namespace
