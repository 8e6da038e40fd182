//===- MappedFile.cpp - Files mapped for reading --------------------------===//

#include "quantc/Support/MappedFile.h"

#include "llvm/Support/Errc.h"

#include <atomic>

using namespace llvm;

namespace quantc {
namespace {

// Mappings alive, as a list that a signal handler can walk at any moment: nodes
// are never freed or unlinked, a closed mapping only loses its range. There are
// as many nodes as files were ever opened, which is few.
struct Listed {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::string path;
  Listed *next = nullptr;
};
std::atomic<Listed *> mappings{nullptr};

Error failure(StringRef path, std::error_code code) {
  return createStringError(code, "cannot read '%s': %s", path.str().c_str(),
                           code.message().c_str());
}

} // namespace

Expected<std::shared_ptr<const MappedFile>> MappedFile::open(StringRef path) {
  Expected<sys::fs::file_t> descriptor = sys::fs::openNativeFileForRead(path);
  if (!descriptor)
    return failure(path, errorToErrorCode(descriptor.takeError()));
  std::shared_ptr<MappedFile> file(new MappedFile());
  file->name = path.str();

  sys::fs::file_status status;
  std::error_code code = sys::fs::status(*descriptor, status);
  if (!code && sys::fs::is_directory(status))
    code = make_error_code(errc::is_a_directory);
  if (!code && status.getSize() != 0)
    file->region = sys::fs::mapped_file_region(
        *descriptor, sys::fs::mapped_file_region::readonly, status.getSize(), 0,
        code);
  sys::fs::closeFile(*descriptor);
  if (code)
    return failure(path, code);

  if (file->region) {
    auto *node = new Listed();
    node->path = file->name;
    node->begin = reinterpret_cast<uintptr_t>(file->region.const_data());
    node->end = node->begin + file->region.size();
    node->next = mappings;
    while (!mappings.compare_exchange_weak(node->next, node)) {
    }
    file->listed = node;
  }
  return std::shared_ptr<const MappedFile>(std::move(file));
}

MappedFile::~MappedFile() {
  if (auto *node = static_cast<Listed *>(listed))
    node->end = 0;
}

ArrayRef<char> MappedFile::bytes() const {
  if (!region)
    return {};
  return {region.const_data(), region.size()};
}

Expected<ArrayRef<char>> MappedFile::range(uint64_t offset,
                                           uint64_t length) const {
  uint64_t size = bytes().size();
  if (offset > size || length > size - offset)
    return createStringError(
        errc::invalid_argument,
        "'%s' has %llu bytes, but %llu bytes from offset %llu are referred to; "
        "the file is truncated or not the one that belongs to the model",
        name.c_str(), static_cast<unsigned long long>(size),
        static_cast<unsigned long long>(length),
        static_cast<unsigned long long>(offset));
  return bytes().slice(offset, length);
}

Error MappedFile::checkUnchanged() const {
  uint64_t size = 0;
  if (std::error_code code = sys::fs::file_size(name, size))
    return failure(name, code);
  if (size != bytes().size())
    return createStringError(
        errc::io_error,
        "'%s' changed while it was in use: it had %llu bytes and now has %llu; "
        "do not write to a model's files during a compile",
        name.c_str(), static_cast<unsigned long long>(bytes().size()),
        static_cast<unsigned long long>(size));
  return Error::success();
}

const char *mappedFileAt(const void *address) {
  auto at = reinterpret_cast<uintptr_t>(address);
  for (const Listed *node = mappings; node; node = node->next)
    if (node->begin <= at && at < node->end)
      return node->path.c_str();
  return nullptr;
}

} // namespace quantc
