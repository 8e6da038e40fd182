//===- AtomicFileTest.cpp - Output files that are whole or absent ---------===//

#include "quantc/Support/AtomicFile.h"

#include "TemporaryDirectory.h"

using namespace quantc;

namespace {

TEST(AtomicFile, AppearsOnlyAtCommit) {
  TemporaryDirectory directory;
  auto file = AtomicFile::create(directory.path("a"));
  ASSERT_TRUE(bool(file));
  (*file)->os() << "whole";
  EXPECT_FALSE(llvm::sys::fs::exists(directory.path("a")));
  EXPECT_EQ(message((*file)->commit()), "");
  EXPECT_EQ(directory.read("a"), "whole");
  EXPECT_EQ(directory.fileCount(), 1u);
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  TemporaryDirectory directory;
  directory.write("a", "old");
  {
    auto file = AtomicFile::create(directory.path("a"));
    ASSERT_TRUE(bool(file));
    (*file)->os() << "half";
  }
  EXPECT_EQ(directory.read("a"), "old");
  EXPECT_EQ(directory.fileCount(), 1u);
}

TEST(AtomicFile, ErrorsNameThePath) {
  TemporaryDirectory directory;
  std::string path = directory.path("no/such/folder/a");
  std::string error = message(writeFileAtomically(path, "x"));
  EXPECT_NE(error.find(path), std::string::npos) << error;
  llvm::sys::fs::create_directories(directory.path("folder"));
  error = message(writeFileAtomically(directory.path("folder"), "x"));
  EXPECT_NE(error.find("folder"), std::string::npos) << error;
}

TEST(AtomicFile, FullDiskIsAnErrorAndDevicesAreWrittenTo) {
  EXPECT_EQ(message(writeFileAtomically("/dev/null", "x")), "");
  llvm::sys::fs::file_status status;
  ASSERT_FALSE(llvm::sys::fs::status("/dev/null", status));
  EXPECT_EQ(status.type(), llvm::sys::fs::file_type::character_file);
  if (!llvm::sys::fs::exists("/dev/full"))
    GTEST_SKIP() << "no /dev/full here";
  std::string error = message(writeFileAtomically("/dev/full", "x"));
  EXPECT_NE(error.find("/dev/full"), std::string::npos) << error;
}

TEST(AtomicFile, ASymbolicLinkStays) {
  TemporaryDirectory directory;
  directory.write("real", "old");
  ASSERT_FALSE(llvm::sys::fs::create_link(directory.path("real"),
                                          directory.path("link")));
  EXPECT_EQ(message(writeFileAtomically(directory.path("link"), "new")), "");
  EXPECT_EQ(directory.read("real"), "new");
  bool isLink = false;
  ASSERT_FALSE(llvm::sys::fs::is_symlink_file(directory.path("link"), isLink));
  EXPECT_TRUE(isLink);
}

} // namespace
