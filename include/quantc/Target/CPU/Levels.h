//===- Levels.h - The instruction set levels of CPUs ------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_TARGET_CPU_LEVELS_H
#define QUANTC_TARGET_CPU_LEVELS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace quantc::cpu {

/// The register tile for one weight format: rows of activations by panels of 16
/// columns.
struct Tile {
  llvm::StringLiteral format;
  int rows, panels;
};

/// One instruction set level. Adding one is a row in Levels.cpp and a file that
/// says how it adds four products (TileDot.h).
struct LevelInfo {
  llvm::StringLiteral name; ///< what QUANTC_ISA takes
  llvm::StringLiteral arch; ///< "x86_64", "aarch64"
  int rank;                 ///< the highest that runs is taken
  /// LLVM's feature names, all that the level uses: never a CPU's name, which
  /// promises more than every machine of that name has.
  llvm::ArrayRef<llvm::StringLiteral> features;
  llvm::ArrayRef<Tile> tiles;
};

/// All levels, lowest rank first within an architecture.
llvm::ArrayRef<LevelInfo> levels();
const LevelInfo *findLevel(llvm::StringRef name);

} // namespace quantc::cpu

#endif // QUANTC_TARGET_CPU_LEVELS_H
