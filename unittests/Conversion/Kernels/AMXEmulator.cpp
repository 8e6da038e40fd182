//===- AMXEmulator.cpp - AMX on a CPU that has none -----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AMXEmulator.h"

#if defined(__x86_64__) && defined(__linux__)

#include <atomic>
#include <cstring>
#include <signal.h>
#include <ucontext.h>

namespace quantc::testing {
namespace {

constexpr int kTiles = 8, kMaxRows = 16, kRowBytes = 64;

/// The tile registers of a thread, and what ldtilecfg said of them.
struct Tiles {
  uint8_t rows[kTiles] = {};
  uint16_t columnBytes[kTiles] = {};
  uint8_t data[kTiles][kMaxRows][kRowBytes] = {};
  bool configured = false;
};
thread_local Tiles tiles;
std::atomic<int64_t> emulated;

/// A decoded instruction: VEX prefix, opcode, ModRM and a memory operand.
struct Instruction {
  int length;
  int prefix; // pp: 0 none, 1 66, 2 F3, 3 F2
  int opcode;
  int reg, rm, vvvv;
  bool isMemory;
  uint64_t base;  // address without the index
  int64_t stride; // index register, scaled: a row's distance from the last
};

int64_t readRegister(const ucontext_t *context, int number) {
  static constexpr int kOrder[] = {
      REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return context->uc_mcontext.gregs[kOrder[number]];
}

/// Decodes three-byte VEX instructions of map 0F38; false for others.
bool decode(const ucontext_t *context, Instruction &result) {
  auto *code =
      reinterpret_cast<const uint8_t *>(context->uc_mcontext.gregs[REG_RIP]);
  if (code[0] != 0xc4 || (code[1] & 0x1f) != 2)
    return false;
  int r = !(code[1] & 0x80), x = !(code[1] & 0x40), b = !(code[1] & 0x20);
  result.vvvv = ~(code[2] >> 3) & 15;
  result.prefix = code[2] & 3;
  result.opcode = code[3];
  int modrm = code[4], mod = modrm >> 6;
  result.reg = ((modrm >> 3) & 7) | r << 3;
  result.rm = modrm & 7;
  result.isMemory = mod != 3;
  result.length = 5;
  result.stride = 0;
  if (!result.isMemory) {
    result.rm |= b << 3;
    return true;
  }
  int64_t address = 0;
  bool hasBase = true;
  int base = result.rm;
  if (result.rm == 4) {
    int sib = code[result.length++];
    int index = ((sib >> 3) & 7) | x << 3;
    if (index != 4)
      result.stride = readRegister(context, index) << (sib >> 6);
    base = sib & 7;
  }
  if (mod == 0 && base == 5) {
    hasBase = false;
    if (result.rm == 5)
      return false; // relative to the next instruction: never a tile's operand
  }
  if (hasBase)
    address = readRegister(context, base | b << 3);
  if (mod == 1) {
    address += static_cast<int8_t>(code[result.length++]);
  } else if (mod == 2 || !hasBase) {
    int32_t displacement;
    std::memcpy(&displacement, code + result.length, 4);
    result.length += 4;
    address += displacement;
  }
  result.base = address;
  return true;
}

void loadConfiguration(const Instruction &in) {
  // ldtilecfg has an ordinary address: the index belongs to it.
  auto *config = reinterpret_cast<const uint8_t *>(in.base + in.stride);
  tiles = Tiles();
  tiles.configured = config[0] == 1;
  for (int t = 0; t < kTiles; ++t) {
    std::memcpy(&tiles.columnBytes[t], config + 16 + 2 * t, 2);
    tiles.rows[t] = config[48 + t];
  }
}

/// `tilestored` with `store`, else `tileloadd`.
void moveTile(const Instruction &in, bool store) {
  int t = in.reg;
  for (int row = 0; row < tiles.rows[t]; ++row) {
    auto *memory = reinterpret_cast<uint8_t *>(in.base + row * in.stride);
    if (store) {
      std::memcpy(memory, tiles.data[t][row], tiles.columnBytes[t]);
    } else {
      std::memset(tiles.data[t][row], 0, kRowBytes);
      std::memcpy(tiles.data[t][row], memory, tiles.columnBytes[t]);
    }
  }
}

/// tdpb{uu,us,su,ss}d: the first letter is the sign of `rm`, the second that of
/// `vvvv`.
bool dotProduct(const Instruction &in) {
  bool leftSigned = in.prefix == 2 || in.prefix == 3;
  bool rightSigned = in.prefix == 1 || in.prefix == 3;
  int c = in.reg, a = in.rm, b = in.vvvv;
  if (tiles.rows[a] != tiles.rows[c] ||
      tiles.columnBytes[a] != 4 * tiles.rows[b] ||
      tiles.columnBytes[b] != tiles.columnBytes[c] || a == b || a == c ||
      b == c)
    return false; // the instruction faults
  auto value = [](uint8_t byte, bool isSigned) {
    return isSigned ? static_cast<int32_t>(static_cast<int8_t>(byte))
                    : static_cast<int32_t>(byte);
  };
  for (int m = 0; m < tiles.rows[c]; ++m)
    for (int n = 0; n < tiles.columnBytes[c] / 4; ++n) {
      int32_t sum;
      std::memcpy(&sum, tiles.data[c][m] + 4 * n, 4);
      for (int k = 0; k < tiles.columnBytes[a]; ++k)
        sum += value(tiles.data[a][m][k], leftSigned) *
               value(tiles.data[b][k / 4][4 * n + k % 4], rightSigned);
      std::memcpy(tiles.data[c][m] + 4 * n, &sum, 4);
    }
  return true;
}

bool execute(const Instruction &in) {
  if (in.opcode == 0x49 && in.prefix == 0 && in.isMemory) {
    loadConfiguration(in);
    return true;
  }
  if (in.opcode == 0x49 && in.prefix == 0) { // tilerelease
    tiles = Tiles();
    return true;
  }
  if (!tiles.configured)
    return false;
  if (in.opcode == 0x49 && in.prefix == 3 && !in.isMemory) { // tilezero
    std::memset(tiles.data[in.reg], 0, sizeof(tiles.data[in.reg]));
    return true;
  }
  if (in.opcode == 0x4b && (in.prefix == 2 || in.prefix == 3)) {
    moveTile(in, /*store=*/in.prefix == 2);
    return true;
  }
  return in.opcode == 0x5e && !in.isMemory && dotProduct(in);
}

void onIllegalInstruction(int signal, siginfo_t *, void *state) {
  auto *context = static_cast<ucontext_t *>(state);
  Instruction instruction;
  if (!decode(context, instruction) || !execute(instruction)) {
    ::signal(signal, SIG_DFL); // not ours: the instruction faults again
    return;
  }
  context->uc_mcontext.gregs[REG_RIP] += instruction.length;
  ++emulated;
}

} // namespace

bool installAMXEmulator() {
  struct sigaction action = {};
  action.sa_sigaction = onIllegalInstruction;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  return sigaction(SIGILL, &action, nullptr) == 0;
}

int64_t emulatedAMXInstructions() { return emulated; }

} // namespace quantc::testing

#else

bool quantc::testing::installAMXEmulator() { return false; }
int64_t quantc::testing::emulatedAMXInstructions() { return 0; }

#endif
