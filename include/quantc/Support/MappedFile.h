//===- MappedFile.h - Files mapped for reading ------------------*- C++ -*-===//
#ifndef QUANTC_SUPPORT_MAPPEDFILE_H
#define QUANTC_SUPPORT_MAPPEDFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"

#include <memory>
#include <string>

namespace quantc {

/// A whole file mapped read-only; its bytes stay valid as long as the object.
/// Replacing the file by renaming another over it is harmless. Shrinking it in
/// place is not: reading past the new end raises SIGBUS. `checkUnchanged` finds
/// that between steps, and a SIGBUS handler can name the file by
/// `mappedFileAt`.
class MappedFile {
public:
  /// Errors name the path and the cause.
  static llvm::Expected<std::shared_ptr<const MappedFile>>
  open(llvm::StringRef path);
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  llvm::ArrayRef<char> bytes() const;
  llvm::StringRef path() const { return name; }

  /// `length` bytes from `offset`, or an error that says what lies outside.
  llvm::Expected<llvm::ArrayRef<char>> range(uint64_t offset,
                                             uint64_t length) const;

  /// An error if the file at the path is no longer as long as it was.
  llvm::Error checkUnchanged() const;

private:
  MappedFile() = default;

  std::string name;
  llvm::sys::fs::mapped_file_region region; // empty for an empty file
  void *listed = nullptr;
};

/// Path of the mapped file that contains `address`, or null. May be called from
/// a signal handler.
const char *mappedFileAt(const void *address);

} // namespace quantc

#endif // QUANTC_SUPPORT_MAPPEDFILE_H
