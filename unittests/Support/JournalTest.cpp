//===- JournalTest.cpp - What an interrupted command had finished ---------===//

#include "quantc/Support/Journal.h"

#include "TemporaryDirectory.h"

using namespace quantc;

namespace {

using Found = Journal::Found;

Record example() {
  Record record;
  EXPECT_EQ(message(record.add<float>("x", {1.5f, -2.0f})), "");
  EXPECT_EQ(message(record.add<double>("none", {})), "");
  record.texts["why"] = "because";
  return record;
}

TEST(Journal, KeepsNothingWithoutAFolder) {
  Journal journal;
  EXPECT_EQ(message(journal.put("a", example())), "");
  EXPECT_FALSE(journal.find("a"));
}

TEST(Journal, FindsWhatWasKeptUnderTheSameKey) {
  TemporaryDirectory directory;
  std::string folder = directory.path("j");
  Found found;
  {
    auto journal = Journal::open(folder, "key", found);
    EXPECT_EQ(found, Found::Nothing);
    EXPECT_FALSE(llvm::sys::fs::exists(folder));
    EXPECT_EQ(message(journal->put("a", example())), "");
    EXPECT_EQ(journal->begin("pass"), "1-pass");
    EXPECT_EQ(journal->begin("pass"), "2-pass");
  }
  auto journal = Journal::open(folder, "key", found);
  EXPECT_EQ(found, Found::Records);
  EXPECT_EQ(journal->begin("pass"), "1-pass");
  EXPECT_FALSE(journal->find("b"));
  std::optional<Record> record = journal->find("a");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->get<float>("x"), (std::vector<float>{1.5f, -2.0f}));
  EXPECT_EQ(record->get<double>("none"), std::vector<double>{});
  EXPECT_FALSE(record->get<double>("x"));
  EXPECT_FALSE(record->get<float>("y"));
  EXPECT_EQ(record->text("why"), "because");
  EXPECT_EQ(record->text("what"), "");
  EXPECT_EQ(journal->reused(), 1u);
  journal->remove();
  EXPECT_FALSE(llvm::sys::fs::exists(folder));
}

TEST(Journal, DamagedRecordsAreNone) {
  TemporaryDirectory directory;
  Found found;
  auto journal = Journal::open(directory.path("j"), "key", found);
  EXPECT_EQ(message(journal->put("a", example())), "");
  std::string whole = directory.read("j/a");
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string flipped = whole;
    flipped[i] ^= 4;
    directory.write("j/a", flipped);
    std::optional<Record> record = journal->find("a");
    // Only what has no meaning, the fill behind the data, may differ.
    if (record)
      EXPECT_EQ(record->get<float>("x"), (std::vector<float>{1.5f, -2.0f}))
          << i;
    directory.write("j/a", whole.substr(0, i));
    EXPECT_FALSE(journal->find("a")) << i;
  }
  directory.write("j/a", whole);
  EXPECT_TRUE(journal->find("a"));
}

TEST(Journal, AnotherKeyRemovesWhatIsThere) {
  TemporaryDirectory directory;
  Found found;
  EXPECT_EQ(message(Journal::open(directory.path("j"), "key", found)
                        ->put("a", example())),
            "");
  auto journal = Journal::open(directory.path("j"), "other", found);
  EXPECT_EQ(found, Found::Others);
  EXPECT_FALSE(journal->find("a"));
  EXPECT_FALSE(llvm::sys::fs::exists(directory.path("j")));
  EXPECT_EQ(message(journal->put("b", example())), "");
  EXPECT_TRUE(journal->find("b"));
}

TEST(Journal, LeavesWhatIsNotItsOwnOrInUse) {
  TemporaryDirectory directory;
  Found found;
  llvm::sys::fs::create_directories(directory.path("j"));
  directory.write("j/precious", "mine");
  auto journal = Journal::open(directory.path("j"), "key", found);
  EXPECT_EQ(found, Found::Foreign);
  EXPECT_EQ(message(journal->put("a", example())), "");
  journal->remove();
  EXPECT_EQ(directory.read("j/precious"), "mine");

  auto first = Journal::open(directory.path("k"), "key", found);
  EXPECT_EQ(message(first->put("a", example())), "");
  auto second = Journal::open(directory.path("k"), "other", found);
  EXPECT_EQ(found, Found::InUse);
  EXPECT_FALSE(second->keeps());
  EXPECT_TRUE(first->find("a"));
}

} // namespace
