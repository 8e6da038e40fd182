//===- Npz.cpp - NumPy's files of several arrays --------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
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
                   kEnd = 0x06054b50;

/// The array `name`; none if there is no such member.
std::optional<Expected<Array>> findArray(const NpzFile &file, StringRef path,
                                         StringRef name, int64_t code,
                                         int64_t bits) {
  auto at = find(file.names(), name);
  if (at == file.names().end())
    return std::nullopt;
  size_t member = at - file.names().begin();
  std::string what = ("'" + name + "' of '" + path + "'").str();
  if (file.isStored(member)) {
    Expected<StringRef> text = file.stored(member);
    if (!text)
      return text.takeError();
    return readNpy(*text, what, code, bits);
  }
  std::vector<char> text(file.size(member));
  if (Error error = file.extract(member, text))
    return std::move(error);
  return readNpy(StringRef(text.data(), text.size()), what, code, bits);
}

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
  if (bytes.starts_with(kNpyMagic))
    return readNpy(bytes, "'" + path + "'", code, bits);
  if (!NpzFile::is(bytes))
    return createStringError("'" + path +
                             "' is neither a .npy nor a .npz "
                             "file of NumPy");
  Expected<NpzFile> zip = NpzFile::open(bytes, path);
  if (!zip)
    return zip.takeError();
  if (auto array = findArray(*zip, path, name, code, bits))
    return std::move(*array);
  return createStringError("'" + path + "' has no array '" + name +
                           "'; it has " + join(zip->names(), ", "));
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
  if (!NpzFile::is(bytes)) {
    Expected<Array> array = readArray(path, name, code, bits);
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
    return std::move(arrays);
  }
  Expected<NpzFile> zip = NpzFile::open(bytes, path);
  if (!zip)
    return zip.takeError();
  while (auto array =
             findArray(*zip, path, (name + "/" + Twine(arrays.size())).str(),
                       code, bits)) {
    if (!*array)
      return array->takeError();
    arrays.push_back(std::move(**array));
  }
  if (arrays.empty())
    return createStringError("'" + path + "' has no array '" + name +
                             "/0', the first of a sequence; it has " +
                             join(zip->names(), ", "));
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
