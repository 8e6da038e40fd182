//===- TemporaryDirectory.h - A folder for one test -------------*- C++ -*-===//
#ifndef QUANTC_UNITTESTS_SUPPORT_TEMPORARYDIRECTORY_H
#define QUANTC_UNITTESTS_SUPPORT_TEMPORARYDIRECTORY_H

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

namespace quantc {

/// Removed with what is in it.
class TemporaryDirectory {
public:
  TemporaryDirectory() {
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("quantc-test", root));
  }
  ~TemporaryDirectory() { llvm::sys::fs::remove_directories(root); }

  std::string path(llvm::StringRef name) const {
    llvm::SmallString<128> result = root;
    llvm::sys::path::append(result, name);
    return std::string(result);
  }

  /// How many files are in it.
  size_t fileCount() const {
    std::error_code code;
    size_t count = 0;
    for (llvm::sys::fs::directory_iterator it(root, code), end;
         it != end && !code; it.increment(code))
      ++count;
    return count;
  }

  void write(llvm::StringRef name, llvm::StringRef contents) const {
    std::error_code code;
    llvm::raw_fd_ostream os(path(name), code);
    ASSERT_FALSE(code);
    os << contents;
  }

  std::string read(llvm::StringRef name) const {
    auto buffer = llvm::MemoryBuffer::getFile(path(name));
    return buffer ? (*buffer)->getBuffer().str() : "<no such file>";
  }

private:
  llvm::SmallString<128> root;
};

/// The error's message, or "" for none.
inline std::string message(llvm::Error error) {
  return llvm::toString(std::move(error));
}

} // namespace quantc

#endif // QUANTC_UNITTESTS_SUPPORT_TEMPORARYDIRECTORY_H
