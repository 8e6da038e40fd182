//===- ExternalData.cpp - Tensors in files beside the model ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModelFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace quantc {

ExternalData::ExternalData(StringRef modelPath)
    : folder(sys::path::parent_path(modelPath).str()) {
  if (folder.empty())
    folder = ".";
  SmallString<256> real;
  if (!sys::fs::real_path(folder, real))
    realFolders.push_back(real.str().str());
  // Download caches keep links to files of one other folder.
  if (!sys::fs::real_path(modelPath, real))
    realFolders.push_back(sys::path::parent_path(real).str());
}

bool ExternalData::isInside(StringRef realPath) const {
  return any_of(realFolders, [&](StringRef base) {
    StringRef rest = realPath;
    return rest.consume_front(base) &&
           (base.ends_with("/") || rest.starts_with("/"));
  });
}

/// True if the path, as it is written, climbs above where it starts.
static bool climbsOut(StringRef location) {
  int depth = 0;
  for (StringRef part :
       make_range(sys::path::begin(location), sys::path::end(location))) {
    depth += part == ".." ? -1 : part == "." ? 0 : 1;
    if (depth < 0)
      return true;
  }
  return false;
}

std::shared_ptr<const MappedFile> ExternalData::open(StringRef location,
                                                     std::string &why) {
  auto it = files.find(location);
  if (it != files.end())
    return it->second;
  // A zero byte would end the path for the system before the end we look at.
  if (location.contains('\0')) {
    why = "the path of its external data contains a zero byte";
    return nullptr;
  }
  if (sys::path::is_absolute(location)) {
    why = formatv("its external data '{0}' has an absolute path, which is "
                  "refused; it must lie in the model's folder",
                  location);
    return nullptr;
  }
  SmallString<256> path(folder), real;
  sys::path::append(path, location);
  bool outside = climbsOut(location);
  if (!outside) {
    if (std::error_code code = sys::fs::real_path(path, real)) {
      why = formatv("its external data '{0}' cannot be opened: {1}; it has to "
                    "be copied together with the model",
                    location, code.message());
      return nullptr;
    }
    outside = !isInside(real);
  }
  if (outside) {
    why = formatv("its external data '{0}' leads out of the model's folder, "
                  "which is refused",
                  location);
    return nullptr;
  }
  if (!sys::fs::is_regular_file(real)) {
    why = formatv("its external data '{0}' is not a regular file", location);
    return nullptr;
  }
  Expected<std::shared_ptr<const MappedFile>> file =
      MappedFile::open(StringRef(real));
  if (!file) {
    why = "its external data: " + toString(file.takeError());
    return nullptr;
  }
  files[location] = *file;
  return *file;
}

std::optional<ExternalData::Range>
ExternalData::find(const onnx::TensorProto &tensor, uint64_t size,
                   std::string &why) {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  for (const onnx::StringStringEntryProto &entry : tensor.external_data()) {
    if (entry.key() == "location") {
      location = entry.value();
    } else if (entry.key() == "offset" || entry.key() == "length") {
      uint64_t value;
      if (StringRef(entry.value()).getAsInteger(10, value)) {
        why = formatv("the {0} '{1}' of its external data is no number",
                      entry.key(), entry.value());
        return std::nullopt;
      }
      if (entry.key() == "offset")
        offset = value;
      else
        length = value;
    }
  }
  if (location.empty()) {
    why = "its data is external, but no location is given";
    return std::nullopt;
  }
  std::shared_ptr<const MappedFile> file = open(location, why);
  if (!file)
    return std::nullopt;
  if (length && *length != size) {
    why = formatv("its external data has {0} bytes where its shape and element "
                  "type need {1}",
                  *length, size);
    return std::nullopt;
  }
  uint64_t available = file->bytes().size();
  if (offset > available || size > available - offset) {
    why = formatv("its external data is bytes {0} to {1} of '{2}', which has "
                  "only {3}; was it copied or downloaded completely?",
                  offset, SaturatingAdd(offset, size), location, available);
    return std::nullopt;
  }
  return Range{std::move(file), offset};
}

} // namespace quantc
