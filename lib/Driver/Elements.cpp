//===- Elements.cpp - The elements of a tensor as text --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Elements.h"

#include "quantc/Numerics/Formats.h"
#include "quantc/dlpack.h"

#include "llvm/ADT/StringExtras.h"

#include <charconv>
#include <cstring>
#include <optional>

using namespace llvm;

namespace quantc::driver {

using numerics::Format;

static std::optional<Format> floatFormat(int64_t code, int64_t bits) {
  switch (code) {
  case kDLFloat:
    return bits == 16   ? std::optional(Format::F16)
           : bits == 32 ? std::optional(Format::F32)
                        : std::nullopt;
  case kDLBfloat:
    return Format::BF16;
  case kDLFloat8_e4m3fn:
    return Format::F8E4M3FN;
  case kDLFloat8_e4m3fnuz:
    return Format::F8E4M3FNUZ;
  case kDLFloat8_e5m2:
    return Format::F8E5M2;
  case kDLFloat8_e5m2fnuz:
    return Format::F8E5M2FNUZ;
  case kDLFloat8_e8m0fnu:
    return Format::F8E8M0FNU;
  case kDLFloat6_e2m3fn:
    return Format::F6E2M3FN;
  case kDLFloat6_e3m2fn:
    return Format::F6E3M2FN;
  case kDLFloat4_e2m1fn:
    return Format::F4E2M1FN;
  default:
    return std::nullopt;
  }
}

template <typename T>
static std::string shortest(T value) {
  char text[64];
  std::to_chars_result end = std::to_chars(text, text + sizeof text, value);
  return std::string(text, end.ptr);
}

/// The `bits` bits of element `index`.
static uint64_t codeAt(const void *data, int64_t bits, int64_t index) {
  const char *bytes = static_cast<const char *>(data);
  uint64_t code = 0;
  if (bits >= 8) {
    std::memcpy(&code, bytes + index * (bits / 8), bits / 8);
    return code;
  }
  // 6 bits may lie in two bytes.
  int64_t first = index * bits, last = (first + bits - 1) / 8;
  code = static_cast<uint8_t>(bytes[first / 8]);
  if (last != first / 8)
    code |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[last])) << 8;
  return code >> first % 8 & ((1u << bits) - 1);
}

std::string elementText(const void *data, int64_t code, int64_t bits,
                        int64_t index) {
  if (code == kDLComplex) {
    int64_t half = bits / 2;
    return elementText(data, kDLFloat, half, 2 * index) + "+" +
           elementText(data, kDLFloat, half, 2 * index + 1) + "j";
  }
  uint64_t raw = codeAt(data, bits, index);
  if (code == kDLBool)
    return raw ? "true" : "false";
  if (code == kDLUInt)
    return utostr(raw);
  if (code == kDLInt)
    return itostr(static_cast<int64_t>(raw << (64 - bits)) >> (64 - bits));
  if (code == kDLFloat && bits == 64) {
    double value;
    std::memcpy(&value, &raw, sizeof value);
    return shortest(value);
  }
  if (std::optional<Format> format = floatFormat(code, bits))
    return shortest(numerics::decode(*format, static_cast<uint32_t>(raw)));
  return "0x" + utohexstr(raw, /*LowerCase=*/true);
}

} // namespace quantc::driver
