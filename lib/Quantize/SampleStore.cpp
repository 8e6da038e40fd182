//===- SampleStore.cpp - A value in all samples -----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SampleStore.h"

#include "quantc/hash.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/Process.h"

#include <cerrno>
#include <unistd.h>

namespace quantc {

static llvm::Error fileError(std::error_code code) {
  return llvm::createStringError(
      code, "cannot keep the values between two segments: %s",
      code.message().c_str());
}

SampleStore::~SampleStore() {
  if (file >= 0)
    ::close(file);
}

llvm::Error SampleStore::create() {
  if (!path.empty()) {
    if (std::error_code code = llvm::sys::fs::openFileForReadWrite(
            path, file, llvm::sys::fs::CD_CreateAlways, llvm::sys::fs::OF_None))
      return fileError(code);
    return llvm::Error::success();
  }
  llvm::SmallString<128> temporary;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile(
          "quantc-samples", "bin", file, temporary))
    return fileError(code);
  llvm::sys::fs::remove(temporary);
  return llvm::Error::success();
}

void SampleStore::addToHash(llvm::ArrayRef<char> bytes) {
  if (!path.empty())
    hash = quantc_hash_mix(hash ^ quantc_hash(bytes.data(), bytes.size()));
}

void SampleStore::remove() {
  if (!path.empty())
    llvm::sys::fs::remove(path);
}

llvm::Error SampleStore::add(const TensorView &tensor) {
  if (!places.empty() && places.back().type == tensor.type &&
      llvm::ArrayRef<char>(last) == tensor.bytes) {
    places.push_back(places.back());
    return llvm::Error::success();
  }
  if (file < 0)
    if (llvm::Error error = create())
      return error;
  for (size_t done = 0; done < tensor.bytes.size();) {
    ssize_t written = llvm::sys::RetryAfterSignal(
        -1, ::pwrite, file, tensor.bytes.data() + done,
        tensor.bytes.size() - done, static_cast<off_t>(size + done));
    if (written < 0)
      return fileError(std::error_code(errno, std::generic_category()));
    done += written;
  }
  places.push_back({tensor.type, size, tensor.bytes.size()});
  size += llvm::alignTo(tensor.bytes.size(), 64);
  last.assign(tensor.bytes.begin(), tensor.bytes.end());
  addToHash(tensor.bytes);
  return llvm::Error::success();
}

llvm::Expected<TensorView> SampleStore::get(int64_t sample) {
  if (!mapped && size > 0) {
    last = {};
    if (::ftruncate(file, size))
      return fileError(std::error_code(errno, std::generic_category()));
    std::error_code code;
    mapped = llvm::sys::fs::mapped_file_region(
        llvm::sys::fs::convertFDToNativeFile(file),
        llvm::sys::fs::mapped_file_region::readonly, size, 0, code);
    if (code)
      return fileError(code);
  }
  const Place &place = places[sample];
  TensorView view;
  view.type = place.type;
  if (place.bytes)
    view.bytes = {mapped.const_data() + place.offset, place.bytes};
  return view;
}

llvm::Error SampleStore::describe(llvm::StringRef name, Record &record) const {
  std::vector<int64_t> numbers{static_cast<int64_t>(size),
                               static_cast<int64_t>(hash)};
  std::vector<std::string> types;
  for (const Place &place : places) {
    numbers.push_back(static_cast<int64_t>(place.offset));
    types.push_back(place.type.str());
  }
  record.texts[name.str()] = llvm::join(types, " ");
  return record.add<int64_t>(name, numbers);
}

std::unique_ptr<SampleStore> SampleStore::open(std::string path,
                                               llvm::StringRef name,
                                               const Record &record) {
  std::optional<std::vector<int64_t>> numbers = record.get<int64_t>(name);
  std::string text = record.text(name);
  llvm::SmallVector<llvm::StringRef> types;
  llvm::StringRef(text).split(types, ' ', -1, /*KeepEmpty=*/false);
  if (!numbers || numbers->size() != types.size() + 2)
    return nullptr;
  auto store = std::make_unique<SampleStore>(std::move(path));
  store->size = (*numbers)[0];
  for (auto [text, offset] :
       llvm::zip_equal(types, llvm::ArrayRef(*numbers).drop_front(2))) {
    llvm::Expected<WeightType> type = WeightType::parse(text);
    llvm::Expected<uint64_t> bytes =
        type ? storedSize(*type) : type.takeError();
    if (!bytes) {
      llvm::consumeError(bytes.takeError());
      return nullptr;
    }
    store->places.push_back(
        {std::move(*type), static_cast<uint64_t>(offset), *bytes});
  }
  uint64_t there = 0;
  if (store->size > 0 &&
      (llvm::sys::fs::openFileForReadWrite(store->path, store->file,
                                           llvm::sys::fs::CD_OpenExisting,
                                           llvm::sys::fs::OF_None) ||
       llvm::sys::fs::file_size(store->path, there)))
    return nullptr;
  // `get` makes it as long as the last place is aligned to.
  if (llvm::alignTo(there, 64) < store->size)
    return nullptr;
  for (size_t i = 0; i < store->places.size(); ++i) {
    if (i > 0 && store->places[i].offset == store->places[i - 1].offset)
      continue;
    llvm::Expected<TensorView> view = store->get(i);
    if (!view) {
      llvm::consumeError(view.takeError());
      return nullptr;
    }
    store->addToHash(view->bytes);
  }
  return store->hash == static_cast<uint64_t>((*numbers)[1]) ? std::move(store)
                                                             : nullptr;
}

} // namespace quantc
