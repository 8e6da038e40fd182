//===- SampleStore.cpp - A value in all samples -----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SampleStore.h"

#include "llvm/Support/Errno.h"
#include "llvm/Support/Process.h"

#include <cerrno>
#include <unistd.h>

namespace quantc {

static llvm::Error fileError(std::error_code code) {
  return llvm::createStringError(
      code, "cannot keep the values between two segments in TMPDIR: %s",
      code.message().c_str());
}

SampleStore::~SampleStore() {
  if (file >= 0)
    ::close(file);
}

llvm::Error SampleStore::create() {
  llvm::SmallString<128> path;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile(
          "quantc-samples", "bin", file, path))
    return fileError(code);
  llvm::sys::fs::remove(path);
  return llvm::Error::success();
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

} // namespace quantc
