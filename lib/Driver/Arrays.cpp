//===- Arrays.cpp - Arrays, and NumPy's files of one ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Npy.h"

#include "quantc/Numerics/Packing.h"
#include "quantc/dlpack.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>
#include <new>

using namespace llvm;
using namespace llvm::support::endian;

namespace quantc::driver {

Array::Array(int64_t code, int64_t bits, std::vector<int64_t> shape)
    : code(code), bits(bits), shape(std::move(shape)) {
  size_t size = alignTo(bytes() + 1, 64);
  storage.reset(static_cast<char *>(std::aligned_alloc(64, size)));
  if (!storage)
    throw std::bad_alloc();
  std::memset(storage.get(), 0, size);
}

bool Array::fits(int64_t bits, ArrayRef<int64_t> shape) {
  int64_t size = bits;
  for (int64_t extent : shape)
    if (extent < 0 || MulOverflow(size, extent, size) ||
        size > (int64_t(1) << 52))
      return false;
  return true;
}

int64_t Array::count() const {
  int64_t product = 1;
  for (int64_t extent : shape)
    product *= extent;
  return product;
}

std::string typeText(int64_t code, int64_t bits) {
  switch (code) {
  case kDLInt:
    return "int" + itostr(bits);
  case kDLUInt:
    return "uint" + itostr(bits);
  case kDLFloat:
    return "float" + itostr(bits);
  case kDLBfloat:
    return "bfloat" + itostr(bits);
  case kDLComplex:
    return "complex" + itostr(bits);
  case kDLBool:
    return "bool";
  default:
    return "float" + itostr(bits) + " (DLPack type " + itostr(code) + ")";
  }
}

std::string shapeText(ArrayRef<int64_t> shape) {
  std::string text = "[";
  ListSeparator comma;
  for (int64_t extent : shape) {
    text += comma;
    text += itostr(extent);
  }
  return text + "]";
}

namespace {

/// The DLPack type of an array's elements; -1 where they have none.
int64_t codeOf(const NpyArray &array) {
  switch (array.kind) {
  case 'f':
    return kDLFloat;
  case 'i':
    return kDLInt;
  case 'u':
    return kDLUInt;
  case 'b':
    return kDLBool;
  case 'c':
    return kDLComplex;
  default:
    return -1;
  }
}

/// True for what NumPy has no type for.
bool lacksNpyType(int64_t code, int64_t bits) {
  return bits < 8 || !(code == kDLFloat || code == kDLInt || code == kDLUInt ||
                       code == kDLBool || code == kDLComplex);
}

/// One element a byte to packed ones.
Array packed(const Array &wide, int64_t code, int64_t bits) {
  Array array(code, bits, wide.shape);
  numerics::packBits(reinterpret_cast<const uint8_t *>(wide.data()),
                     wide.count(), bits,
                     reinterpret_cast<uint8_t *>(array.data()));
  return array;
}

} // namespace

Expected<Array> readNpy(StringRef bytes, const Twine &what, int64_t code,
                        int64_t bits) {
  Expected<NpyArray> found = parseNpy(bytes, what);
  if (!found)
    return found.takeError();
  Array array(codeOf(*found), found->bits, found->shape);
  found->copyTo(array.data());
  if (lacksNpyType(code, bits) && array.code != kDLFloat) {
    if (bits < 8 && array.bits == 8)
      return packed(array, code, bits);
    if (bits == array.bits)
      array.code = code;
  }
  return std::move(array);
}

std::string npyText(const Array &array) {
  int64_t code = array.code, bits = array.bits;
  std::string data(array.data(), array.bytes());
  if (bits < 8) {
    bool isSigned = code == kDLInt;
    data.assign(array.count(), 0);
    numerics::unpackBits(reinterpret_cast<const uint8_t *>(array.data()),
                         array.count(), bits, isSigned,
                         reinterpret_cast<uint8_t *>(data.data()));
    code = isSigned ? kDLInt : kDLUInt;
    bits = 8;
  } else if (lacksNpyType(code, bits)) {
    code = kDLUInt;
  }
  char letter = code == kDLFloat     ? 'f'
                : code == kDLInt     ? 'i'
                : code == kDLUInt    ? 'u'
                : code == kDLComplex ? 'c'
                                     : 'b';
  std::string header = "{'descr': '";
  header += bits == 8 ? '|' : '<';
  header += letter;
  header += itostr(bits / 8) + "', 'fortran_order': False, 'shape': (";
  for (int64_t extent : array.shape)
    header += itostr(extent) + ",";
  header += "), }";
  size_t begin = kNpyMagic.size() + 4;
  header.append(
      alignTo(begin + header.size() + 1, 64) - begin - 1 - header.size(), ' ');
  header += '\n';

  std::string text = kNpyMagic.str();
  text += std::string("\x01\x00", 2);
  char length[2];
  write16le(length, header.size());
  text.append(length, 2);
  return text + header + data;
}

} // namespace quantc::driver
