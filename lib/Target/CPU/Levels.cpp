//===- Levels.cpp - The instruction set levels of CPUs --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Register budgets. Accumulators take rows * panels vectors of 16 lanes: one
// register each with 512 bits (32 of them), two with 256 (16), four on AArch64
// (32). An si4 tile with group scales holds as many floats again. What is left
// is for weights, their unpacked halves and one activation.
//
//===----------------------------------------------------------------------===//

#include "quantc/Target/CPU/Levels.h"

namespace quantc::cpu {

using llvm::StringLiteral;

// x86-64-v3.
static constexpr StringLiteral kAVX2[] = {
    "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx",  "avx2",
    "fma",  "f16c",  "bmi",    "bmi2",   "lzcnt",  "movbe"};
static constexpr StringLiteral kAVX2VNNI[] = {
    "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx",   "avx2",
    "fma",  "f16c",  "bmi",    "bmi2",   "lzcnt",  "movbe", "avxvnni"};
// x86-64-v4.
static constexpr StringLiteral kAVX512[] = {
    "sse3",  "ssse3",   "sse4.1",   "sse4.2",   "popcnt",   "avx",
    "avx2",  "fma",     "f16c",     "bmi",      "bmi2",     "lzcnt",
    "movbe", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"};
static constexpr StringLiteral kAVX512VNNI[] = {
    "sse3",     "ssse3",    "sse4.1",   "sse4.2",    "popcnt",
    "avx",      "avx2",     "fma",      "f16c",      "bmi",
    "bmi2",     "lzcnt",    "movbe",    "avx512f",   "avx512bw",
    "avx512dq", "avx512vl", "avx512cd", "avx512vnni"};
static constexpr StringLiteral kAMX[] = {
    "sse3",       "ssse3",    "sse4.1",   "sse4.2",   "popcnt",   "avx",
    "avx2",       "fma",      "f16c",     "bmi",      "bmi2",     "lzcnt",
    "movbe",      "avx512f",  "avx512bw", "avx512dq", "avx512vl", "avx512cd",
    "avx512vnni", "amx-tile", "amx-int8"};
static constexpr StringLiteral kNEON[] = {"neon", "fp-armv8"};
static constexpr StringLiteral kDotProd[] = {"neon", "fp-armv8", "dotprod"};

static constexpr Tile kAVX2Tiles[] = {
    {"f32", 6, 1}, {"si8", 4, 1}, {"si4", 2, 1}};
static constexpr Tile kAVX2VNNITiles[] = {
    {"f32", 6, 1}, {"si8", 6, 1}, {"si4", 2, 1}};
static constexpr Tile kAVX512Tiles[] = {
    {"f32", 14, 2}, {"si8", 8, 2}, {"si4", 4, 2}};
static constexpr Tile kAVX512VNNITiles[] = {
    {"f32", 14, 2}, {"si8", 14, 2}, {"si4", 6, 2}};
static constexpr Tile kAMXTiles[] = {
    {"f32", 14, 2}, {"si8", 16, 2}, {"si4", 6, 2}};
static constexpr Tile kNEONTiles[] = {
    {"f32", 6, 1}, {"si8", 2, 1}, {"si4", 2, 1}};
static constexpr Tile kDotProdTiles[] = {
    {"f32", 6, 1}, {"si8", 5, 1}, {"si4", 3, 1}};

// Oldest first: the rank decides which of those that run is taken.
static constexpr LevelInfo kLevels[] = {
    {"avx2", "x86_64", 10, kAVX2, kAVX2Tiles},
    {"avx2vnni", "x86_64", 20, kAVX2VNNI, kAVX2VNNITiles},
    {"avx512", "x86_64", 30, kAVX512, kAVX512Tiles},
    {"avx512vnni", "x86_64", 40, kAVX512VNNI, kAVX512VNNITiles},
    {"amx", "x86_64", 50, kAMX, kAMXTiles},
    {"neon", "aarch64", 10, kNEON, kNEONTiles},
    {"dotprod", "aarch64", 20, kDotProd, kDotProdTiles},
};

llvm::ArrayRef<LevelInfo> levels() { return kLevels; }

const LevelInfo *findLevel(llvm::StringRef name) {
  for (const LevelInfo &level : kLevels)
    if (level.name == name)
      return &level;
  return nullptr;
}

} // namespace quantc::cpu
