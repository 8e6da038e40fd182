//===- Npz.cpp - NumPy's files of several arrays --------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A .npz is a zip archive of .npy files:
// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
//
//===----------------------------------------------------------------------===//

#include "Npy.h"

#include "quantc/Support/AtomicFile.h"
#include "quantc/Support/MappedFile.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CRC.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <optional>

using namespace llvm;
using namespace llvm::support::endian;

namespace quantc::driver {
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

  /// The array `name`; none if there is no such member.
  std::optional<Expected<Array>> array(StringRef name, int64_t code,
                                       int64_t bits) const {
    auto at = find(names, name);
    if (at == names.end())
      return std::nullopt;
    Expected<StringRef> text = member(at - names.begin());
    if (!text)
      return text.takeError();
    return parseNpy(*text, "'" + name + "' of '" + path + "'", code, bits);
  }

private:
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

bool isZip(StringRef bytes) {
  return bytes.size() >= 4 &&
         (read32le(bytes.data()) == kLocal || read32le(bytes.data()) == kEnd);
}

} // namespace

Expected<Array> readArray(StringRef path, StringRef name, int64_t code,
                          int64_t bits) {
  Expected<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  StringRef bytes((*file)->bytes().data(), (*file)->bytes().size());
  if (bytes.starts_with(kNpyMagic))
    return parseNpy(bytes, "'" + path + "'", code, bits);
  if (!isZip(bytes))
    return createStringError("'" + path +
                             "' is neither a .npy nor a .npz "
                             "file of NumPy");
  Expected<Zip> zip = Zip::open(bytes, path);
  if (!zip)
    return zip.takeError();
  if (auto array = zip->array(name, code, bits))
    return std::move(*array);
  return createStringError("'" + path + "' has no array '" + name +
                           "'; it has " + join(zip->names, ", "));
}

static Expected<std::vector<Array>> readFolder(StringRef path, int64_t code,
                                               int64_t bits) {
  size_t count = 0;
  std::error_code problem;
  for (sys::fs::directory_iterator at(path, problem), end;
       !problem && at != end; at.increment(problem))
    count += sys::path::extension(at->path()) == ".npy";
  if (problem)
    return createStringError(problem, "cannot read '" + path +
                                          "': " + problem.message());
  std::vector<Array> arrays;
  for (size_t i = 0; i < count; ++i) {
    SmallString<256> item(path);
    sys::path::append(item, utostr(i) + ".npy");
    if (!sys::fs::exists(item))
      return createStringError(
          "'" + path + "' has " + Twine(count) + " .npy files and no '" +
          Twine(i) +
          ".npy': the items of a sequence are 0.npy, 1.npy and so on");
    Expected<Array> array = readArray(item, "", code, bits);
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
  }
  return std::move(arrays);
}

Expected<std::vector<Array>> readArrays(StringRef path, StringRef name,
                                        int64_t code, int64_t bits) {
  if (sys::fs::is_directory(path))
    return readFolder(path, code, bits);
  std::vector<Array> arrays;
  Expected<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  StringRef bytes((*file)->bytes().data(), (*file)->bytes().size());
  if (!isZip(bytes)) {
    Expected<Array> array = readArray(path, name, code, bits);
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
    return std::move(arrays);
  }
  Expected<Zip> zip = Zip::open(bytes, path);
  if (!zip)
    return zip.takeError();
  while (auto array = zip->array((name + "/" + Twine(arrays.size())).str(),
                                 code, bits)) {
    if (!*array)
      return array->takeError();
    arrays.push_back(std::move(**array));
  }
  if (arrays.empty())
    return createStringError("'" + path + "' has no array '" + name +
                             "/0', the first of a sequence; it has " +
                             join(zip->names, ", "));
  return std::move(arrays);
}

Error writeNpz(StringRef path, ArrayRef<std::pair<std::string, Array>> arrays) {
  Expected<std::unique_ptr<AtomicFile>> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  std::string directory;
  uint64_t offset = 0;
  for (const auto &[name, array] : arrays) {
    std::string text = npyText(array), member = name + ".npy", local;
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
