//===- ProgressTest.cpp - How far a long pass is --------------------------===//

#include "quantc/Support/Progress.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

using namespace quantc;

namespace {

TEST(Progress, GoesToTheInnermostListenerOfTheThread) {
  std::string heard;
  auto listener = [&](const char *who) {
    return [&heard, who](llvm::StringRef piece, uint64_t done, uint64_t all) {
      heard += who + piece.str() + std::to_string(done) + "/" +
               std::to_string(all) + " ";
    };
  };
  reportProgress("nobody", 0, 1);
  {
    ProgressScope outer(listener("outer:"));
    reportProgress("a", 0, 2);
    {
      ProgressScope inner(listener("inner:"));
      reportProgress("b", 1, 2);
      std::thread([] { reportProgress("other", 0, 1); }).join();
    }
    reportProgress("c", 2, 2);
  }
  reportProgress("nobody", 0, 1);
  EXPECT_EQ(heard, "outer:a0/2 inner:b1/2 outer:c2/2 ");
}

} // namespace
