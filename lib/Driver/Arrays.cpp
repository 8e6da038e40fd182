//===- Arrays.cpp - NumPy's files -----------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"

#include "quantc/Numerics/Packing.h"
#include "quantc/Support/AtomicFile.h"
#include "quantc/Support/MappedFile.h"
#include "quantc/dlpack.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CRC.h"
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

//===----------------------------------------------------------------------===//
// .npy
//===----------------------------------------------------------------------===//

namespace {

constexpr StringLiteral kMagic("\x93NUMPY");

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
  if (!bytes.starts_with(kMagic) || bytes.size() < 12)
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

} // namespace

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
  size_t begin = kMagic.size() + 4;
  header.append(
      alignTo(begin + header.size() + 1, 64) - begin - 1 - header.size(), ' ');
  header += '\n';

  std::string text = kMagic.str();
  text += std::string("\x01\x00", 2);
  char length[2];
  write16le(length, header.size());
  text.append(length, 2);
  return text + header + data;
}

//===----------------------------------------------------------------------===//
// .npz: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
//===----------------------------------------------------------------------===//

namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50,
                   kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;

/// The bytes of a member, found by the archive's directory.
class Zip {
public:
  static Expected<Zip> open(StringRef bytes, StringRef path) {
    Zip zip;
    zip.bytes = bytes;
    zip.path = path;
    // The end record is followed by a comment of at most 64 KiB.
    size_t last = bytes.size() < 22 ? 0 : bytes.size() - 22 + 1;
    size_t first = last > 65536 ? last - 65536 : 0;
    for (size_t at = last; at-- > first;)
      if (read32le(bytes.data() + at) == kEnd)
        return zip.readDirectory(at);
    return zip.damaged("it has no directory");
  }

  std::vector<std::string> names;

  Expected<StringRef> member(size_t i) const {
    const Entry &entry = entries[i];
    if (entry.method != 0)
      return createStringError("'" + path +
                               "' is compressed; write it with "
                               "numpy.savez instead of savez_compressed");
    if (entry.offset > bytes.size() || bytes.size() - entry.offset < 30 ||
        read32le(bytes.data() + entry.offset) != kLocal)
      return damaged("its directory points outside");
    const char *local = bytes.data() + entry.offset;
    uint64_t begin =
        entry.offset + 30 + read16le(local + 26) + read16le(local + 28);
    if (begin > bytes.size() || entry.size > bytes.size() - begin)
      return damaged("it is cut off");
    return bytes.substr(begin, entry.size);
  }

private:
  struct Entry {
    unsigned method;
    uint64_t size, offset;
  };

  Error damaged(StringRef why) const {
    return createStringError("'" + path + "' is no .npz file: " + why);
  }

  Expected<Zip> readDirectory(size_t end) {
    uint64_t count = read16le(bytes.data() + end + 10);
    uint64_t at = read32le(bytes.data() + end + 16);
    if (end >= 20 && read32le(bytes.data() + end - 20) == kLocator64) {
      uint64_t end64 = read64le(bytes.data() + end - 20 + 8);
      if (end64 > bytes.size() || bytes.size() - end64 < 56 ||
          read32le(bytes.data() + end64) != kEnd64)
        return damaged("its directory points outside");
      count = read64le(bytes.data() + end64 + 32);
      at = read64le(bytes.data() + end64 + 48);
    }
    for (uint64_t i = 0; i < count; ++i)
      if (Error error = readEntry(at))
        return std::move(error);
    return std::move(*this);
  }

  Error readEntry(uint64_t &at) {
    if (at > bytes.size() || bytes.size() - at < 46 ||
        read32le(bytes.data() + at) != kCentral)
      return damaged("its directory is damaged");
    const char *head = bytes.data() + at;
    size_t nameLength = read16le(head + 28), extraLength = read16le(head + 30),
           total = 46 + nameLength + extraLength + read16le(head + 32);
    if (bytes.size() - at < total)
      return damaged("its directory is cut off");
    Entry entry{read16le(head + 10), read32le(head + 24), read32le(head + 42)};
    uint64_t stored = read32le(head + 20);
    readExtra(bytes.substr(at + 46 + nameLength, extraLength), entry, stored);
    if (entry.method == 0 && stored != entry.size)
      return damaged("a member has two sizes");
    StringRef name = bytes.substr(at + 46, nameLength);
    name.consume_back(".npy");
    names.push_back(name.str());
    entries.push_back(entry);
    at += total;
    return Error::success();
  }

  /// Sizes beyond 32 bits.
  static void readExtra(StringRef extra, Entry &entry, uint64_t &stored) {
    while (extra.size() >= 4) {
      unsigned id = read16le(extra.data());
      size_t length = read16le(extra.data() + 2);
      StringRef body = extra.substr(4, length);
      extra = extra.drop_front(std::min(4 + length, extra.size()));
      if (id != 1)
        continue;
      for (uint64_t *field : {&entry.size, &stored, &entry.offset})
        if (*field == 0xffffffffu && body.size() >= 8) {
          *field = read64le(body.data());
          body = body.drop_front(8);
        }
    }
  }

  StringRef bytes, path;
  std::vector<Entry> entries;
};

void put16(std::string &out, uint16_t value) {
  char bytes[2];
  write16le(bytes, value);
  out.append(bytes, 2);
}
void put32(std::string &out, uint32_t value) {
  char bytes[4];
  write32le(bytes, value);
  out.append(bytes, 4);
}

/// What the local header and the directory say of a member alike.
void putMember(std::string &out, StringRef name, uint32_t crc, uint32_t size) {
  put16(out, 20);     // version needed
  put16(out, 0x0800); // names are UTF-8
  put16(out, 0);      // stored
  put16(out, 0);      // time and date: 1980-01-01, the same in every file
  put16(out, 0x21);
  put32(out, crc);
  put32(out, size);
  put32(out, size);
  put16(out, name.size());
  put16(out, 0);
}

} // namespace

Expected<Array> readArray(StringRef path, StringRef name, int64_t code,
                          int64_t bits) {
  Expected<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  StringRef bytes((*file)->bytes().data(), (*file)->bytes().size());
  if (bytes.starts_with(kMagic))
    return parseNpy(bytes, "'" + path + "'", code, bits);
  if (bytes.size() < 4 ||
      (read32le(bytes.data()) != kLocal && read32le(bytes.data()) != kEnd))
    return createStringError("'" + path +
                             "' is neither a .npy nor a .npz "
                             "file of NumPy");
  Expected<Zip> zip = Zip::open(bytes, path);
  if (!zip)
    return zip.takeError();
  for (auto [i, member] : enumerate(zip->names)) {
    if (member != name)
      continue;
    Expected<StringRef> text = zip->member(i);
    if (!text)
      return text.takeError();
    return parseNpy(*text, "'" + name + "' of '" + path + "'", code, bits);
  }
  return createStringError("'" + path + "' has no array '" + name +
                           "'; it has " + join(zip->names, ", "));
}

Error writeNpz(StringRef path,
               ArrayRef<std::pair<std::string, const Array *>> arrays) {
  Expected<std::unique_ptr<AtomicFile>> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  std::string directory;
  uint64_t offset = 0;
  for (const auto &[name, array] : arrays) {
    std::string text = npyText(*array), member = name + ".npy", local;
    if (offset + text.size() > 0xfffffff0u)
      return createStringError("the outputs have more than 4 GB; write them to "
                               "a folder instead of '%s'",
                               path.str().c_str());
    uint32_t crc = llvm::crc32(arrayRefFromStringRef(text));
    put32(local, kLocal);
    putMember(local, member, crc, text.size());
    local += member;
    put32(directory, kCentral);
    put16(directory, 20); // made by
    putMember(directory, member, crc, text.size());
    put16(directory, 0); // no comment
    put16(directory, 0); // disk
    put16(directory, 0); // attributes
    put32(directory, 0);
    put32(directory, offset);
    directory += member;
    (*file)->os() << local << text;
    offset += local.size() + text.size();
  }
  std::string end;
  put32(end, kEnd);
  put32(end, 0);
  put16(end, arrays.size());
  put16(end, arrays.size());
  put32(end, directory.size());
  put32(end, offset);
  put16(end, 0);
  (*file)->os() << directory << end;
  return (*file)->commit();
}

} // namespace quantc::driver
