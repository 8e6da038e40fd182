//===- StatisticsTest.cpp - What calibration has found, as a file ---------===//

#include "quantc/Support/Statistics.h"

#include "quantc/Support/WeightStore.h"
#include "quantc/hash.h"

#include "TemporaryDirectory.h"

#include "llvm/ADT/StringExtras.h"

#include <random>

using namespace llvm;
using namespace quantc;
using numerics::SiteOptions;

namespace {

/// Adds sample `index` to two sites, one of them with XᵀX.
void addSample(Statistics &to, int64_t index) {
  std::mt19937 random(static_cast<unsigned>(index));
  std::normal_distribution<float> normal;
  std::vector<float> rows(5 * 6);
  for (float &x : rows)
    x = normal(random);
  SiteOptions gram;
  gram.gram = true;
  EXPECT_EQ(cantFail(to.getOrCreate("block/0/up/input", 5, gram))
                ->add(index, rows.data(), 6),
            "");
  EXPECT_EQ(cantFail(to.getOrCreate("head/input", 3))
                ->add(index, rows.data(), 1 + index % 3),
            "");
}

std::string written(const TemporaryDirectory &directory, const Statistics &s) {
  EXPECT_EQ(message(s.write(directory.path("s.stats"))), "");
  return directory.read("s.stats");
}

TEST(Statistics, AnyShardsGiveTheSameFile) {
  TemporaryDirectory directory;
  constexpr int64_t kSamples = 11;
  Statistics whole("12ab");
  for (int64_t s = 0; s < kSamples; ++s)
    addSample(whole, s);
  std::string expected = written(directory, whole);

  std::mt19937 random(3);
  for (int trial = 0; trial < 10; ++trial) {
    std::vector<Statistics> parts(1 + random() % 4, Statistics("12ab"));
    for (int64_t s = kSamples; s-- > 0;)
      addSample(parts[random() % parts.size()], s);
    // Through files, as separate processes would.
    Statistics merged("12ab");
    while (!parts.empty()) {
      size_t which = random() % parts.size();
      written(directory, parts[which]);
      Expected<Statistics> part = Statistics::read(directory.path("s.stats"));
      ASSERT_TRUE(bool(part)) << message(part.takeError());
      EXPECT_EQ(message(merged.merge(*part)), "");
      parts.erase(parts.begin() + which);
    }
    EXPECT_TRUE(written(directory, merged) == expected) << trial;
  }
}

TEST(Statistics, ReadsWhatItWrote) {
  TemporaryDirectory directory;
  Statistics statistics("f00");
  std::string empty = written(directory, statistics);
  EXPECT_TRUE(cantFail(Statistics::read(directory.path("s.stats"))).empty());
  addSample(statistics, 4);
  written(directory, statistics);
  Statistics back = cantFail(Statistics::read(directory.path("s.stats")));
  EXPECT_EQ(back.fingerprint(), "f00");
  ASSERT_EQ(back.sites().size(), 2u);
  const auto *site = back.lookup("block/0/up/input");
  ASSERT_NE(site, nullptr);
  EXPECT_EQ(site->gram(), statistics.lookup("block/0/up/input")->gram());
  EXPECT_EQ(back.lookup("block/0/up"), nullptr);
  EXPECT_EQ(message(back.checkFingerprint("f00", "s.stats")), "");
  EXPECT_NE(message(back.checkFingerprint("f01", "s.stats")).find("f01"),
            std::string::npos);
}

TEST(Statistics, PartsThatDoNotFitAreRefused) {
  Statistics a("1"), b("2"), c("1"), d("1");
  addSample(a, 0);
  addSample(b, 1);
  addSample(c, 0);
  std::string reason = message(a.merge(b));
  EXPECT_NE(reason.find("fingerprints"), std::string::npos) << reason;
  reason = message(a.merge(c));
  EXPECT_NE(reason.find("block/0/up/input"), std::string::npos) << reason;
  EXPECT_NE(reason.find("sample 0"), std::string::npos) << reason;
  cantFail(d.getOrCreate("head/input", 4));
  EXPECT_NE(message(a.merge(d)).find("channels"), std::string::npos);
  EXPECT_NE(message(a.getOrCreate("head/input", 9).takeError()), "");
  EXPECT_EQ(a.lookup("head/input")->tokens(), 1);
}

TEST(Statistics, DamagedFilesAreErrorsOrTheSame) {
  TemporaryDirectory directory;
  Statistics statistics("77");
  for (int64_t s = 0; s < 3; ++s)
    addSample(statistics, s);
  std::string good = written(directory, statistics);
  auto check = [&](const std::string &contents) {
    directory.write("m.stats", contents);
    Expected<Statistics> back = Statistics::read(directory.path("m.stats"));
    if (!back) {
      std::string reason = message(back.takeError());
      EXPECT_NE(reason.find("m.stats"), std::string::npos) << reason;
      return false;
    }
    EXPECT_TRUE(written(directory, *back) == good);
    return true;
  };
  EXPECT_TRUE(check(good));
  std::mt19937 random(5);
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    std::string contents = good;
    // Half of them in the header, which is the smaller part.
    size_t range =
        i % 2 ? contents.size() : std::min<size_t>(2000, good.size());
    contents[random() % range] ^= static_cast<char>(1 + random() % 255);
    refused += !check(contents);
  }
  EXPECT_GT(refused, 150);
  for (int i = 0; i < 200; ++i)
    EXPECT_FALSE(check(good.substr(0, random() % good.size())));
}

/// A file with a right hash but wrong contents: what a hash does not find.
TEST(Statistics, WrongContentsOfWholeFilesAreErrors) {
  TemporaryDirectory directory;
  Statistics statistics("9");
  addSample(statistics, 0);
  written(directory, statistics);
  auto store =
      cantFail(WeightStore::openSafetensors(directory.path("s.stats")));
  struct Case {
    const char *tensor;
    int64_t word; // of the tensor's 64 bit words
    int64_t value;
  } cases[] = {
      {"counts/head/input", 0, int64_t(1) << 50},
      {"counts/head/input", 0, -1},
      {"counts/head/input", 1, int64_t(1) << 60},
      {"counts/head/input", 4, 1},
      {"samples/head/input", 1, int64_t(1) << 60},
      {"nodes/head/input", 0, 100},
      {"nodes/head/input", 1, 5},
      {"histogram/head/input", 9, 1},
  };
  for (const Case &c : cases) {
    auto overlay = WeightStore::createOverlay();
    std::string text = "9";
    std::vector<WeightHandle> entries = store->entries();
    for (const WeightHandle &entry : entries) {
      std::vector<char> bytes = entry->bytes.vec();
      if (entry->name == c.tensor)
        memcpy(bytes.data() + 8 * c.word, &c.value, 8);
      cantFail(overlay->add(entry->name, entry->type, bytes));
    }
    entries = overlay->entries();
    for (const WeightHandle &entry : entries)
      text += '\n' + entry->name + '\t' + entry->type.str() + '\t' +
              utohexstr(entry->hash());
    cantFail(
        writeSafetensors(directory.path("w.stats"), entries,
                         {{"quantc.statistics", "1"},
                          {"quantc.statistics.graph", "9"},
                          {"quantc.statistics.hash",
                           utohexstr(quantc_hash(text.data(), text.size()))}}));
    Expected<Statistics> back = Statistics::read(directory.path("w.stats"));
    std::string reason = back ? "" : message(back.takeError());
    EXPECT_NE(reason.find("site 'head/input'"), std::string::npos)
        << c.tensor << ": " << reason;
  }
}

TEST(Statistics, OtherFilesAreNamed) {
  TemporaryDirectory directory;
  cantFail(writeSafetensors(directory.path("w.safetensors"), {}));
  std::string reason =
      message(Statistics::read(directory.path("w.safetensors")).takeError());
  EXPECT_NE(reason.find("something else"), std::string::npos) << reason;
  cantFail(writeSafetensors(directory.path("v.safetensors"), {},
                            {{"quantc.statistics", "99"}}));
  reason =
      message(Statistics::read(directory.path("v.safetensors")).takeError());
  EXPECT_NE(reason.find("version 99"), std::string::npos) << reason;
  EXPECT_NE(message(Statistics::read(directory.path("none")).takeError()), "");
}

} // namespace
