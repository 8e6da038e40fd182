//===- Journal.cpp - What an interrupted command had finished -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Support/Journal.h"

#include "quantc/Support/AtomicFile.h"
#include "quantc/hash.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

using namespace llvm;

namespace quantc {
namespace {

/// The first line of the file that holds the key; without it a folder is not
/// ours.
constexpr StringLiteral kTitle("What an interrupted quantc had finished: the "
                               "same command again goes on from here.\n");
constexpr StringLiteral kKeyFile("key.txt");
constexpr StringLiteral kHashText("quantc-journal-hash");

template <typename T>
constexpr const char *elementOf() {
  if constexpr (std::is_same_v<T, float>)
    return "f32";
  else if constexpr (std::is_same_v<T, double>)
    return "f64";
  else
    return "si64";
}

/// Of everything in a record.
std::string hashOf(const Record &record) {
  std::string all;
  raw_string_ostream os(all);
  for (const WeightHandle &entry : record.tensors->entries())
    os << entry->name << ' ' << entry->type.str() << ' ' << entry->hash()
       << '\n';
  for (const auto &[name, text] : record.texts)
    os << name << ' ' << text.size() << ' ' << text;
  return utohexstr(quantc_hash(all.data(), all.size()));
}

} // namespace

//===----------------------------------------------------------------------===//
// Records
//===----------------------------------------------------------------------===//

template <typename T>
Error Record::add(StringRef name, ArrayRef<T> values) {
  const char *bytes = reinterpret_cast<const char *>(values.data());
  return tensors->add(
      name, {elementOf<T>(), {static_cast<int64_t>(values.size())}},
      std::vector<char>(bytes, bytes + values.size() * sizeof(T)));
}

template <typename T>
std::optional<std::vector<T>> Record::get(StringRef name) const {
  WeightHandle entry = tensors->lookup(name);
  if (!entry || entry->type.element != elementOf<T>())
    return std::nullopt;
  std::vector<T> values(entry->bytes.size() / sizeof(T));
  if (!values.empty())
    std::memcpy(values.data(), entry->bytes.data(), entry->bytes.size());
  return values;
}

template Error Record::add(StringRef, ArrayRef<float>);
template Error Record::add(StringRef, ArrayRef<double>);
template Error Record::add(StringRef, ArrayRef<int64_t>);
template std::optional<std::vector<float>> Record::get(StringRef) const;
template std::optional<std::vector<double>> Record::get(StringRef) const;
template std::optional<std::vector<int64_t>> Record::get(StringRef) const;

std::string Record::text(StringRef name) const {
  auto found = texts.find(name.str());
  return found == texts.end() ? std::string() : found->second;
}

//===----------------------------------------------------------------------===//
// Journals
//===----------------------------------------------------------------------===//

std::unique_ptr<Journal> Journal::open(StringRef folder, StringRef key,
                                       Found &found) {
  auto journal = std::make_unique<Journal>();
  journal->folder = folder.str();
  journal->key = (kTitle + key).str();
  found = Found::Nothing;
  if (!sys::fs::exists(folder))
    return journal;
  std::string keyPath = journal->path(kKeyFile);
  ErrorOr<std::unique_ptr<MemoryBuffer>> text = MemoryBuffer::getFile(keyPath);
  if (!text || !(*text)->getBuffer().starts_with(kTitle)) {
    journal->folder.clear();
    found = Found::Foreign;
    return journal;
  }
  journal->lock = ::open(keyPath.c_str(), O_RDWR | O_CLOEXEC);
  if (journal->lock < 0 || ::flock(journal->lock, LOCK_EX | LOCK_NB) != 0) {
    journal->folder.clear();
    found = Found::InUse;
    return journal;
  }
  if ((*text)->getBuffer() == journal->key) {
    found = Found::Records;
    return journal;
  }
  journal->remove();
  journal->folder = folder.str();
  found = Found::Others;
  return journal;
}

Journal::~Journal() {
  if (lock >= 0)
    ::close(lock);
}

std::string Journal::path(StringRef name) const {
  SmallString<256> result(folder);
  sys::path::append(result, name);
  return result.str().str();
}

Error Journal::create() {
  if (lock >= 0)
    return Error::success();
  if (std::error_code code = sys::fs::create_directory(folder))
    return createStringError(code, "cannot make the folder '%s': %s",
                             folder.c_str(), code.message().c_str());
  std::string keyPath = path(kKeyFile);
  if (Error error = writeFileAtomically(keyPath, key))
    return error;
  lock = ::open(keyPath.c_str(), O_RDWR | O_CLOEXEC);
  if (lock >= 0)
    ::flock(lock, LOCK_EX | LOCK_NB);
  return Error::success();
}

std::string Journal::begin(StringRef what) {
  return std::to_string(++begun) + "-" + what.str();
}

std::optional<Record> Journal::find(StringRef name) {
  if (!keeps() || lock < 0)
    return std::nullopt;
  Expected<std::shared_ptr<WeightStore>> store =
      WeightStore::openSafetensors(path(name));
  if (!store) {
    consumeError(store.takeError());
    return std::nullopt;
  }
  Record record{*store, (*store)->metadata()};
  auto hash = record.texts.extract(kHashText.str());
  if (hash.empty() || hash.mapped() != hashOf(record))
    return std::nullopt;
  ++foundCount;
  return record;
}

Error Journal::put(StringRef name, const Record &record) {
  if (!keeps())
    return Error::success();
  if (Error error = create())
    return error;
  std::map<std::string, std::string> texts = record.texts;
  texts[kHashText.str()] = hashOf(record);
  if (Error error =
          writeSafetensors(path(name), record.tensors->entries(), texts)
              .takeError())
    return error;
  // So that tests can have it die at any place.
  if (const char *most = std::getenv("QUANTC_TEST_DIE_AFTER"))
    if (++putCount == std::strtoul(most, nullptr, 10))
      ::raise(SIGKILL);
  return Error::success();
}

Expected<std::string> Journal::fileFor(StringRef name) {
  if (Error error = create())
    return std::move(error);
  return path(name);
}

void Journal::remove() {
  if (lock >= 0) {
    sys::fs::remove_directories(folder);
    ::close(lock);
  }
  lock = -1;
  folder.clear();
}

} // namespace quantc
