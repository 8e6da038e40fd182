//===- NumpyFiles.cpp - NumPy's files -------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Support/NumpyFiles.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CRC.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

#include <cassert>
#include <cstring>
#include <optional>
#include <zlib.h>

using namespace llvm;
using namespace llvm::support::endian;

namespace quantc {

//===----------------------------------------------------------------------===//
// .npy
//===----------------------------------------------------------------------===//

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

/// Kind and bits of an element that can be read.
Error readType(StringRef descr, const Twine &what, NpyArray &array) {
  unsigned size = 0;
  char order = descr.empty() ? ' ' : descr[0];
  if (descr.size() < 3 || descr.drop_front(2).getAsInteger(10, size) ||
      !StringRef("<|=").contains(order) || size == 0 || size > 16)
    return createStringError(
        what + " has elements of type '" + descr +
        "', which cannot be read: convert them with astype, to little-endian "
        "numbers");
  array.kind = descr[1];
  array.bits = 8 * int64_t(size);
  if (!StringRef("fiubcV").contains(array.kind))
    return createStringError(what + " has elements of type '" + descr +
                             "', which no tensor has");
  return Error::success();
}

/// Bytes of the elements; nothing beyond 2^49.
std::optional<uint64_t> sizeOf(const NpyArray &array) {
  int64_t bits = array.bits;
  for (int64_t extent : array.shape)
    if (MulOverflow(bits, extent, bits) || bits > (int64_t(1) << 52))
      return std::nullopt;
  return bits / 8;
}

} // namespace

void NpyArray::copyTo(char *to) const {
  if (!isColumnMajor || shape.size() < 2) {
    std::memcpy(to, data.data(), data.size());
    return;
  }
  size_t width = bits / 8;
  std::vector<int64_t> index(shape.size(), 0), stride(shape.size());
  int64_t step = 1;
  for (auto [i, extent] : enumerate(shape)) {
    stride[i] = step;
    step *= extent;
  }
  for (size_t at = 0; at < data.size(); at += width) {
    int64_t source = 0;
    for (size_t i = 0; i < index.size(); ++i)
      source += index[i] * stride[i];
    std::memcpy(to + at, data.data() + source * width, width);
    for (size_t i = index.size(); i-- > 0;) {
      if (++index[i] < shape[i])
        break;
      index[i] = 0;
    }
  }
}

Expected<NpyArray> parseNpy(StringRef bytes, const Twine &what) {
  Expected<NpyHeader> header = parseHeader(bytes, what);
  if (!header)
    return header.takeError();
  NpyArray array;
  if (Error error = readType(header->descr, what, array))
    return std::move(error);
  array.isColumnMajor = header->fortran;
  array.shape = std::move(header->shape);
  std::optional<uint64_t> size = sizeOf(array);
  if (!size)
    return createStringError(what + " has a shape beyond any memory");
  StringRef data = bytes.drop_front(header->dataOffset);
  if (data.size() < *size)
    return createStringError(what + " is cut off: it has " +
                             Twine(data.size()) +
                             " bytes of data and its "
                             "shape asks for " +
                             Twine(*size));
  array.data = data.take_front(*size);
  return std::move(array);
}

//===----------------------------------------------------------------------===//
// .npz
//===----------------------------------------------------------------------===//

static constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50,
                          kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                          kLocator64 = 0x07064b50;

bool NpzFile::is(StringRef bytes) {
  return bytes.size() >= 4 &&
         (read32le(bytes.data()) == kLocal || read32le(bytes.data()) == kEnd);
}

Expected<NpzFile> NpzFile::open(StringRef bytes, StringRef path) {
  NpzFile file;
  file.bytes = bytes;
  file.path = path;
  // The end record is followed by a comment of at most 64 KiB.
  size_t last = bytes.size() < 22 ? 0 : bytes.size() - 22 + 1;
  size_t first = last > 65536 ? last - 65536 : 0;
  for (size_t at = last; at-- > first;)
    if (read32le(bytes.data() + at) == kEnd) {
      if (Error error = file.readDirectory(at))
        return std::move(error);
      return std::move(file);
    }
  return file.damaged("it has no directory");
}

Expected<StringRef> NpzFile::packedBytes(size_t i) const {
  const Entry &entry = entries[i];
  if (entry.offset > bytes.size() || bytes.size() - entry.offset < 30 ||
      read32le(bytes.data() + entry.offset) != kLocal)
    return damaged("its directory points outside");
  const char *local = bytes.data() + entry.offset;
  uint64_t begin =
      entry.offset + 30 + read16le(local + 26) + read16le(local + 28);
  if (begin > bytes.size() || entry.packed > bytes.size() - begin)
    return damaged("it is cut off");
  return bytes.substr(begin, entry.packed);
}

Error NpzFile::checkSum(size_t i, ArrayRef<char> data) const {
  if (crc32(ArrayRef(reinterpret_cast<const uint8_t *>(data.data()),
                     data.size())) == entries[i].crc)
    return Error::success();
  return createStringError("'" + memberNames[i] + "' of '" + path +
                           "' is damaged: its checksum is wrong; copy or write "
                           "the file again");
}

Expected<StringRef> NpzFile::stored(size_t i) const {
  assert(isStored(i) && "a compressed member has to be extracted");
  Expected<StringRef> found = packedBytes(i);
  if (found)
    if (Error error = checkSum(i, ArrayRef(found->data(), found->size())))
      return std::move(error);
  return found;
}

/// A deflated stream, which has to become exactly `to.size()` bytes.
static bool inflateTo(StringRef from, MutableArrayRef<char> to) {
  z_stream stream = {};
  // Negative: without zlib's own header.
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    return false;
  constexpr size_t kMost = 1u << 30; // zlib counts in 32 bits
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(from.data()));
  stream.next_out = reinterpret_cast<Bytef *>(to.data());
  size_t in = from.size(), out = to.size();
  int status = Z_OK;
  while (status == Z_OK) {
    uInt feed = std::min(in, kMost), room = std::min(out, kMost);
    stream.avail_in = feed;
    stream.avail_out = room;
    status = inflate(&stream, Z_NO_FLUSH);
    in -= feed - stream.avail_in;
    out -= room - stream.avail_out;
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END && out == 0;
}

Error NpzFile::extract(size_t i, MutableArrayRef<char> to) const {
  Expected<StringRef> packed = packedBytes(i);
  if (!packed)
    return packed.takeError();
  if (entries[i].method == 0)
    llvm::copy(*packed, to.begin());
  else if (entries[i].method != 8)
    return createStringError("'" + memberNames[i] + "' of '" + path +
                             "' is compressed in a way that numpy does not "
                             "use; write it with numpy.savez");
  else if (!inflateTo(*packed, to))
    return createStringError("'" + memberNames[i] + "' of '" + path +
                             "' is damaged: it cannot be decompressed; copy or "
                             "write the file again");
  return checkSum(i, to);
}

Error NpzFile::damaged(StringRef why) const {
  return createStringError("'" + path + "' is no .npz file: " + why);
}

Error NpzFile::readDirectory(size_t end) {
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
      return error;
  return Error::success();
}

Error NpzFile::readEntry(uint64_t &at) {
  if (at > bytes.size() || bytes.size() - at < 46 ||
      read32le(bytes.data() + at) != kCentral)
    return damaged("its directory is damaged");
  const char *head = bytes.data() + at;
  size_t nameLength = read16le(head + 28), extraLength = read16le(head + 30),
         total = 46 + nameLength + extraLength + read16le(head + 32);
  if (bytes.size() - at < total)
    return damaged("its directory is cut off");
  Entry entry{read16le(head + 10), read32le(head + 16), read32le(head + 20),
              read32le(head + 24), read32le(head + 42)};
  readExtra(bytes.substr(at + 46 + nameLength, extraLength), entry);
  if (entry.method == 0 && entry.packed != entry.size)
    return damaged("a member has two sizes");
  // Deflate makes at most 1032 bytes of one.
  if (entry.packed > bytes.size() || entry.size / 1032 > entry.packed)
    return damaged("a member has an impossible size");
  StringRef name = bytes.substr(at + 46, nameLength);
  name.consume_back(".npy");
  memberNames.push_back(name.str());
  entries.push_back(entry);
  at += total;
  return Error::success();
}

/// Sizes beyond 32 bits.
void NpzFile::readExtra(StringRef extra, Entry &entry) {
  while (extra.size() >= 4) {
    unsigned id = read16le(extra.data());
    size_t length = read16le(extra.data() + 2);
    StringRef body = extra.substr(4, length);
    extra = extra.drop_front(std::min(4 + length, extra.size()));
    if (id != 1)
      continue;
    for (uint64_t *field : {&entry.size, &entry.packed, &entry.offset})
      if (*field == 0xffffffffu && body.size() >= 8) {
        *field = read64le(body.data());
        body = body.drop_front(8);
      }
  }
}

} // namespace quantc
