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

/// The value behind `'key':` in the header, up to where the next one starts.
StringRef headerValue(StringRef header, StringRef key) {
  size_t at = header.find(("'" + key + "'").str());
  if (at == StringRef::npos)
    return "";
  return header.drop_front(at + key.size() + 2).ltrim(" :");
}

struct NpyHeader {
  std::string descr; ///< `<f4`
  bool fortran = false;
  std::vector<int64_t> shape;
  size_t dataOffset = 0;
};

Expected<NpyHeader> parseHeader(StringRef bytes, const Twine &what) {
  auto damaged = [&](StringRef why) {
    return createStringError(what + " is no NumPy array: " + why);
  };
  if (!bytes.starts_with(kNpyMagic) || bytes.size() < 12)
    return damaged("it does not begin like a .npy file");
  bool wide = bytes[6] != 1;
  size_t length =
      wide ? read32le(bytes.data() + 8) : read16le(bytes.data() + 8);
  NpyHeader header;
  size_t begin = wide ? 12 : 10;
  header.dataOffset = begin + length;
  if (header.dataOffset > bytes.size())
    return damaged("it is cut off");
  StringRef text = bytes.substr(begin, length);

  StringRef descr = headerValue(text, "descr");
  if (!descr.consume_front("'"))
    return damaged("arrays of structures are not supported");
  header.descr = descr.take_until([](char c) { return c == '\''; }).str();
  header.fortran = headerValue(text, "fortran_order").starts_with("True");
  StringRef shape = headerValue(text, "shape");
  if (!shape.consume_front("("))
    return damaged("its header has no shape");
  SmallVector<StringRef, 8> extents;
  shape.take_until([](char c) { return c == ')'; })
      .split(extents, ',', -1, /*KeepEmpty=*/false);
  for (StringRef extent : extents) {
    extent = extent.trim();
    if (extent.empty())
      continue;
    int64_t value;
    if (extent.getAsInteger(10, value) || value < 0)
      return damaged("its header has a bad shape");
    header.shape.push_back(value);
  }
  return header;
}

/// A type that NumPy writes.
struct NpyType {
  int64_t code, bits;
};

Expected<NpyType> npyType(StringRef descr, const Twine &what) {
  unsigned size = 0;
  char order = descr.empty() ? ' ' : descr[0];
  if (descr.size() < 3 || descr.drop_front(2).getAsInteger(10, size) ||
      !StringRef("<|=").contains(order) || size == 0 || size > 16)
    return createStringError(
        what + " has elements of type '" + descr +
        "', which cannot be read: convert them with astype, to little-endian "
        "numbers");
  int64_t bits = 8 * int64_t(size);
  switch (descr[1]) {
  case 'f':
    return NpyType{kDLFloat, bits};
  case 'i':
    return NpyType{kDLInt, bits};
  case 'u':
    return NpyType{kDLUInt, bits};
  case 'b':
    return NpyType{kDLBool, bits};
  case 'c':
    return NpyType{kDLComplex, bits};
  case 'V':
    return NpyType{-1, bits};
  default:
    return createStringError(what + " has elements of type '" + descr +
                             "', which no tensor has");
  }
}

/// True for what NumPy has no type for.
bool lacksNpyType(int64_t code, int64_t bits) {
  return bits < 8 || !(code == kDLFloat || code == kDLInt || code == kDLUInt ||
                       code == kDLBool || code == kDLComplex);
}

/// Column-major elements to row-major ones.
void fromFortran(const char *from, const Array &to) {
  size_t width = to.bits / 8;
  std::vector<int64_t> index(to.shape.size(), 0), stride(to.shape.size());
  int64_t step = 1;
  for (auto [i, extent] : enumerate(to.shape)) {
    stride[i] = step;
    step *= extent;
  }
  int64_t count = to.count();
  for (int64_t at = 0; at < count; ++at) {
    int64_t source = 0;
    for (size_t i = 0; i < index.size(); ++i)
      source += index[i] * stride[i];
    std::memcpy(to.data() + at * width, from + source * width, width);
    for (size_t i = index.size(); i-- > 0;) {
      if (++index[i] < to.shape[i])
        break;
      index[i] = 0;
    }
  }
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

Expected<Array> parseNpy(StringRef bytes, const Twine &what, int64_t code,
                         int64_t bits) {
  Expected<NpyHeader> header = parseHeader(bytes, what);
  if (!header)
    return header.takeError();
  Expected<NpyType> type = npyType(header->descr, what);
  if (!type)
    return type.takeError();
  if (!Array::fits(type->bits, header->shape))
    return createStringError(what + " has a shape beyond any memory");
  Array array(type->code, type->bits, header->shape);
  StringRef data = bytes.drop_front(header->dataOffset);
  if (data.size() < array.bytes())
    return createStringError(what + " is cut off: it has " +
                             Twine(data.size()) +
                             " bytes of data and its "
                             "shape asks for " +
                             Twine(array.bytes()));
  if (header->fortran && header->shape.size() > 1)
    fromFortran(data.data(), array);
  else
    std::memcpy(array.data(), data.data(), array.bytes());

  if (lacksNpyType(code, bits) && type->code != kDLFloat) {
    if (bits < 8 && type->bits == 8)
      return packed(array, code, bits);
    if (bits == type->bits)
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
