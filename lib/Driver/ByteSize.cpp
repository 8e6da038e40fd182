//===- ByteSize.cpp - Numbers of bytes on the command line ----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ByteSize.h"

#include "quantc/Support/Errors.h"

#include "llvm/ADT/StringExtras.h"

#include <cmath>

using namespace llvm;

namespace quantc::driver {

Expected<uint64_t> parseByteSize(StringRef option, StringRef text) {
  auto fail = [&] {
    return make_error<UsageError>(
        option + " '" + text +
        "' is no number of bytes: say 1500000, 1.5M or 1.5MiB");
  };
  StringRef digits =
      text.take_while([](char c) { return isDigit(c) || c == '.'; });
  StringRef unit = text.drop_front(digits.size());
  uint64_t whole = 0;
  if (unit.empty() && !digits.getAsInteger(10, whole) && whole != 0 &&
      whole < uint64_t(1) << 63)
    return whole;
  double number = 0;
  if (digits.empty() || digits.getAsDouble(number))
    return fail();
  if (!unit.empty() && unit != "B") {
    constexpr StringLiteral kPrefixes("kmgt");
    size_t power = kPrefixes.find(toLower(unit.front()));
    StringRef rest = unit.drop_front();
    if (power == StringRef::npos ||
        !(rest.empty() || rest == "B" || rest == "iB"))
      return fail();
    number *= std::pow(rest == "iB" ? 1024.0 : 1000.0, power + 1);
  }
  number = std::floor(number);
  if (!(number >= 1 && number < 0x1p63))
    return fail();
  return static_cast<uint64_t>(number);
}

} // namespace quantc::driver
