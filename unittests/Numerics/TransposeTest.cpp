//===- TransposeTest.cpp - Matrices of elements of any width --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/Transpose.h"
#include "quantc/Numerics/Packing.h"

#include "gtest/gtest.h"

#include <vector>

using namespace quantc::numerics;

namespace {

/// Element by element, one code in as many bytes as it needs.
TEST(Transpose, EveryWidth) {
  for (unsigned bits : {1, 2, 4, 8, 16, 32, 64})
    for (auto [batch, rows, columns] :
         {std::tuple(1, 1, 1), std::tuple(1, 3, 5), std::tuple(2, 33, 35),
          std::tuple(3, 1, 7), std::tuple(1, 64, 2), std::tuple(1, 0, 4)}) {
      int64_t count = int64_t(batch) * rows * columns, width = (bits + 7) / 8;
      std::vector<uint8_t> wide(count * width);
      for (size_t i = 0; i < wide.size(); ++i)
        wide[i] = static_cast<uint8_t>((i * 37 + 11) &
                                       ((1u << std::min(bits, 8u)) - 1));
      std::vector<uint8_t> expected(wide.size());
      for (int b = 0; b < batch; ++b)
        for (int i = 0; i < rows; ++i)
          for (int j = 0; j < columns; ++j)
            for (int64_t k = 0; k < width; ++k)
              expected[((b * columns + j) * rows + i) * width + k] =
                  wide[((b * rows + i) * columns + j) * width + k];
      std::vector<uint8_t> from = wide, to(wide.size(), 0xff);
      if (bits < 8) {
        from.assign(packedSize(count, bits), 0);
        to.assign(from.size(), 0xff);
        packBits(wide.data(), count, bits, from.data());
        std::vector<uint8_t> packed(from.size());
        packBits(expected.data(), count, bits, packed.data());
        expected = packed;
      }
      transpose(from.data(), batch, rows, columns, bits, to.data());
      EXPECT_EQ(to, expected) << bits << " bits, " << rows << "x" << columns;
    }
}

} // namespace
