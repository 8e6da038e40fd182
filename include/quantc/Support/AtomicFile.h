//===- AtomicFile.h - Output files that are whole or absent -----*- C++ -*-===//
//
// A failed or interrupted command leaves no half-written output: a file is
// written beside its place as `<path>.tmp-XXXXXXXX` and renamed at the end.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_SUPPORT_ATOMICFILE_H
#define QUANTC_SUPPORT_ATOMICFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>
#include <optional>
#include <string>

namespace quantc {

/// A file under construction. Destroyed without `commit`, it is removed; so it
/// is when the process dies by a signal that LLVM handles.
///
/// A symbolic link keeps pointing to where it did: its target is replaced. What
/// exists and is no regular file (/dev/null, a pipe) is written to directly.
class AtomicFile {
public:
  /// Creates the temporary file. Errors name the path and the cause (no such
  /// directory, no permission).
  static llvm::Expected<std::unique_ptr<AtomicFile>>
  create(llvm::StringRef path);
  ~AtomicFile();
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  /// Where to write. Errors (a full disk) are kept until `commit`.
  llvm::raw_fd_ostream &os() { return *stream; }

  /// Flushes and renames. After an error nothing is left behind. To be called
  /// at most once.
  llvm::Error commit();

private:
  AtomicFile() = default;
  llvm::Error failure(std::error_code code) const;

  std::string path;   // as the user gave it, for messages
  std::string target; // symbolic links resolved
  std::optional<llvm::sys::fs::TempFile> temporary;
  std::unique_ptr<llvm::raw_fd_ostream> stream;
};

/// Writes `contents` to `path` at once.
llvm::Error writeFileAtomically(llvm::StringRef path, llvm::StringRef contents);

} // namespace quantc

#endif // QUANTC_SUPPORT_ATOMICFILE_H
