//===- WeightStoreTest.cpp - Weights beside the IR ------------------------===//

#include "quantc/Support/WeightStore.h"

#include "quantc/hash.h"

#include "TemporaryDirectory.h"

#include "llvm/Support/Endian.h"

#include <cstdio>
#include <fstream>
#include <thread>

using namespace llvm;
using namespace quantc;

namespace {

std::vector<char> bytesOf(StringRef text) { return {text.begin(), text.end()}; }

std::string textOf(const WeightHandle &entry) {
  return entry ? std::string(entry->bytes.begin(), entry->bytes.end())
               : "<none>";
}

WeightType typeOf(StringRef text) { return cantFail(WeightType::parse(text)); }

/// A file with this header and data.
std::string file(StringRef header, StringRef data) {
  char length[8];
  support::endian::write64le(length, header.size());
  return std::string(length, 8) + header.str() + data.str();
}

std::string openError(const TemporaryDirectory &directory, StringRef contents) {
  directory.write("w.safetensors", contents);
  auto store = WeightStore::openSafetensors(directory.path("w.safetensors"));
  return store ? "" : message(store.takeError());
}

TEST(WeightType, ParsesPrintsAndMeasures) {
  for (StringRef text : {"f32", "2x3xsi4", "0xbf16", "1x1x1xf4E2M1FN", "7xi1"})
    EXPECT_EQ(typeOf(text).str(), text);
  for (StringRef text : {"", "2x3", "2xf31", "xf32", "2x-3xf32", "2*3xf32"})
    EXPECT_NE(message(WeightType::parse(text).takeError()), "") << text.str();
  EXPECT_EQ(cantFail(storedSize(typeOf("3x3xsi4"))), 5u);
  EXPECT_EQ(cantFail(storedSize(typeOf("9xui1"))), 2u);
  EXPECT_EQ(cantFail(storedSize(typeOf("9xui3"))), 9u);
  EXPECT_EQ(cantFail(storedSize(typeOf("2xsi64"))), 16u);
  EXPECT_EQ(cantFail(storedSize(typeOf("f64"))), 8u);
  EXPECT_EQ(cantFail(storedSize(typeOf("0x5xf32"))), 0u);
  EXPECT_NE(
      message(storedSize(typeOf("99999999999x99999999999xf32")).takeError()),
      "");
}

TEST(WeightStore, OverlaySharesEqualAndRefusesDifferent) {
  auto store = WeightStore::createOverlay();
  EXPECT_EQ(message(store->add("a", typeOf("4xui8"), bytesOf("abcd"))), "");
  WeightHandle first = store->lookup("a");
  EXPECT_EQ(message(store->add("a", typeOf("4xui8"), bytesOf("abcd"))), "");
  EXPECT_EQ(store->lookup("a"), first);
  EXPECT_NE(message(store->add("a", typeOf("4xui8"), bytesOf("abce"))), "");
  EXPECT_NE(message(store->add("a", typeOf("4xsi8"), bytesOf("abcd"))), "");
  EXPECT_NE(message(store->add("b", typeOf("5xui8"), bytesOf("abcd"))), "");
  EXPECT_NE(message(store->add("b", {"q7", {4}}, bytesOf("abcd"))), "");
  EXPECT_EQ(store->lookup("b"), nullptr);
  EXPECT_EQ(first->hash(), quantc_hash("abcd", 4));
}

TEST(WeightStore, HandlesOutliveRetain) {
  auto store = WeightStore::createOverlay();
  auto owner = std::make_shared<std::string>("xyz");
  std::weak_ptr<std::string> watch = owner;
  ArrayRef<char> view(owner->data(), owner->size());
  EXPECT_EQ(message(store->addShared("a", typeOf("3xui8"), view, owner)), "");
  EXPECT_EQ(message(store->add("b", typeOf("1xui8"), bytesOf("b"))), "");
  owner.reset();
  WeightHandle a = store->lookup("a");
  StringSet<> live;
  live.insert("b");
  store->retain(live);
  EXPECT_EQ(store->lookup("a"), nullptr);
  EXPECT_EQ(textOf(store->lookup("b")), "b");
  EXPECT_EQ(textOf(a), "xyz");
  a.reset();
  EXPECT_TRUE(watch.expired()) << "the memory goes with the last handle";
}

TEST(WeightStore, LargeDataSpills) {
  auto store = WeightStore::createOverlay(/*spillBytes=*/1000);
  std::vector<char> large(5000);
  for (size_t i = 0; i < large.size(); ++i)
    large[i] = static_cast<char>(i * 7);
  EXPECT_EQ(message(store->add("a", typeOf("5000xui8"), large)), "");
  EXPECT_EQ(store->lookup("a")->bytes, ArrayRef<char>(large));
  auto fill = [](MutableArrayRef<char> to) {
    to.front() = 1;
    to.back() = 2;
    return Error::success();
  };
  EXPECT_EQ(message(store->addFilled("b", typeOf("2000xsi8"), fill)), "");
  EXPECT_EQ(store->lookup("b")->bytes.back(), 2);
  EXPECT_EQ(store->lookup("b")->bytes[1000], 0);
  auto fail = [](MutableArrayRef<char>) { return createStringError("no"); };
  EXPECT_EQ(message(store->addFilled("c", typeOf("2xsi8"), fail)), "no");
  EXPECT_EQ(store->lookup("c"), nullptr);
}

/// True if the memory is that of a temporary file of weights.
bool isSpilled(const WeightHandle &entry) {
  std::ifstream maps("/proc/self/maps");
  auto address = reinterpret_cast<uintptr_t>(entry->bytes.data());
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) == 2 &&
        begin <= address && address < end)
      return line.find("quantc-weights") != std::string::npos;
  }
  return false;
}

TEST(WeightStore, ManyEntriesSpillToo) {
  constexpr size_t kBytes = 300000;
  auto store = WeightStore::createOverlay(/*spillBytes=*/2 * kBytes + 100);
  auto fill = [](MutableArrayRef<char>) { return Error::success(); };
  std::vector<bool> spilled;
  for (StringRef name : {"a", "b", "c", "d"}) {
    EXPECT_EQ(message(store->addFilled(name, typeOf("300000xui8"), fill)), "");
    spilled.push_back(isSpilled(store->lookup(name)));
  }
  EXPECT_EQ(spilled, (std::vector<bool>{false, false, true, true}));
  std::vector<char> small(1000);
  EXPECT_EQ(message(store->add("e", typeOf("1000xui8"), small)), "");
  EXPECT_FALSE(isSpilled(store->lookup("e"))) << "no file for a few bytes";
}

TEST(WeightStore, RangesOfMappedFiles) {
  TemporaryDirectory directory;
  directory.write("data.bin", "0123456789");
  auto mapped = cantFail(MappedFile::open(directory.path("data.bin")));
  auto store = WeightStore::createOverlay();
  EXPECT_EQ(message(store->addRange("a", typeOf("4xui8"), mapped, 3)), "");
  EXPECT_EQ(textOf(store->lookup("a")), "3456");
  EXPECT_EQ(store->lookup("a")->bytes.data(), mapped->bytes().data() + 3)
      << "mapped, not copied";
  std::string error = message(store->addRange("b", typeOf("4xui8"), mapped, 7));
  EXPECT_NE(error.find("data.bin"), std::string::npos) << error;
  EXPECT_NE(message(store->addRange("b", typeOf("4xui8"), mapped, ~0ull)), "");

  EXPECT_STREQ(mappedFileAt(mapped->bytes().data() + 5),
               directory.path("data.bin").c_str());
  EXPECT_EQ(mappedFileAt(&directory), nullptr);
  EXPECT_EQ(message(mapped->checkUnchanged()), "");
  directory.write("data.bin", "0123");
  EXPECT_NE(message(mapped->checkUnchanged()), "");
  EXPECT_NE(message(MappedFile::open(directory.path("none")).takeError()), "");
}

TEST(WeightStore, ThreadsMayAddAndReadAtOnce) {
  auto store = WeightStore::createOverlay();
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        std::string name = "w" + std::to_string(i);
        if (Error error = store->add(name, typeOf("4xui8"), bytesOf("same"))) {
          consumeError(std::move(error));
          ++failures;
        }
        failures += textOf(store->lookup(name)) != "same";
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(store->entries().size(), 200u);
}

TEST(Safetensors, RoundTripIsDeterministicAndAligned) {
  TemporaryDirectory directory;
  auto store = WeightStore::createOverlay();
  cantFail(store->add("z", typeOf("2x2xf32"), std::vector<char>(16, 'z')));
  cantFail(
      store->add("a \"quoted\" name", typeOf("3x3xsi4"), bytesOf("01234")));
  cantFail(store->add("m", typeOf("bf16"), bytesOf("mm")));
  cantFail(store->add("empty", typeOf("0x4xsi64"), {}));
  cantFail(store->add("fnuz", typeOf("64xf8E4M3FNUZ"), std::vector<char>(64)));
  std::vector<WeightHandle> entries = store->entries();
  auto first = writeSafetensors(directory.path("1.safetensors"), entries,
                                {{"by", "quantc"}});
  ASSERT_TRUE(bool(first));
  std::reverse(entries.begin(), entries.end());
  auto second = writeSafetensors(directory.path("2.safetensors"), entries,
                                 {{"by", "quantc"}});
  ASSERT_TRUE(bool(second));
  std::string contents = directory.read("1.safetensors");
  EXPECT_EQ(contents, directory.read("2.safetensors"));
  EXPECT_EQ(first->fileBytes, contents.size());
  EXPECT_EQ(first->hash, second->hash);
  EXPECT_EQ(first->hash, quantc_hash(contents.data(), contents.size()));

  auto read = WeightStore::openSafetensors(directory.path("1.safetensors"));
  ASSERT_TRUE(bool(read)) << message(read.takeError());
  EXPECT_EQ((*read)->metadata(),
            (std::map<std::string, std::string>{{"by", "quantc"}}));
  std::vector<WeightHandle> back = (*read)->entries();
  ASSERT_EQ(back.size(), entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    WeightHandle entry = (*read)->lookup(entries[i]->name);
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->type, entries[i]->type);
    EXPECT_EQ(entry->bytes, entries[i]->bytes);
    EXPECT_EQ(second->offsets[i] % 64, 0u);
    EXPECT_EQ(
        StringRef(contents).substr(second->offsets[i], entry->bytes.size()),
        StringRef(entry->bytes.data(), entry->bytes.size()));
  }
  EXPECT_NE(message((*read)->add("n", typeOf("1xui8"), bytesOf("n"))), "")
      << "files are read-only";
}

TEST(Safetensors, WritingNothingAndWritingInVain) {
  TemporaryDirectory directory;
  ASSERT_TRUE(bool(writeSafetensors(directory.path("e.safetensors"), {})));
  auto read = WeightStore::openSafetensors(directory.path("e.safetensors"));
  ASSERT_TRUE(bool(read)) << message(read.takeError());
  EXPECT_TRUE((*read)->entries().empty());

  auto store = WeightStore::createOverlay();
  cantFail(store->add("a", typeOf("1xui8"), bytesOf("a")));
  WeightHandle a = store->lookup("a");
  std::string path = directory.path("t.safetensors");
  EXPECT_NE(message(writeSafetensors(path, {a, a}).takeError()), "");
  cantFail(store->add("\xff", typeOf("1xui8"), bytesOf("a")));
  EXPECT_NE(message(writeSafetensors(path, store->entries()).takeError()), "");
  EXPECT_NE(message(writeSafetensors(directory.path("no/t"), {a}).takeError()),
            "");
  EXPECT_EQ(directory.fileCount(), 1u);
}

TEST(Safetensors, ReadsAFileOfTheFormatsOwnExample) {
  TemporaryDirectory directory;
  // Unsorted, no metadata, spaces in the header: all legal.
  directory.write("w.safetensors",
                  file("{\"b\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_"
                       "offsets\":[3,7]}, \"a\":{\"dtype\":\"U8\",\"shape\":"
                       "[3],\"data_offsets\":[0,3]}}   ",
                       "abcWXYZ"));
  auto store = WeightStore::openSafetensors(directory.path("w.safetensors"));
  ASSERT_TRUE(bool(store)) << message(store.takeError());
  EXPECT_EQ(textOf((*store)->lookup("a")), "abc");
  EXPECT_EQ((*store)->lookup("b")->type.str(), "1x2xf16");
  EXPECT_EQ(textOf((*store)->lookup("b")), "WXYZ");
}

TEST(Safetensors, DamagedFilesAreRefused) {
  TemporaryDirectory directory;
  auto one = [](StringRef rest) {
    return "{\"a\":{\"dtype\":\"U8\"," + rest.str() + "}}";
  };
  struct Case {
    std::string contents;
    const char *says;
  } cases[] = {
      {"", "too short"},
      {"abc", "too short"},
      {std::string(8, '\xff'), "header"},
      {file("{", ""), "no JSON"},
      {file("[]", ""), "no JSON object"},
      {file("{\"a\":1}", ""), "not an object"},
      {file(one("\"shape\":[1]"), "a"), "data_offsets"},
      {file(one("\"data_offsets\":[0,1]"), "a"), "no shape"},
      {file(one("\"shape\":[-1],\"data_offsets\":[0,1]"), "a"), "shape"},
      {file(one("\"shape\":[1],\"data_offsets\":[1,0]"), "a"), "rising"},
      {file(one("\"shape\":[2],\"data_offsets\":[0,1]"), "a"), "needs 2"},
      {file(one("\"shape\":[4],\"data_offsets\":[0,4]"), "abc"), "truncated"},
      {file(one("\"shape\":[2],\"data_offsets\":[0,2]"), "abc"), "end at"},
      {file(one("\"shape\":[2],\"data_offsets\":[1,3]"), "abc"), "gaps"},
      {file(one("\"shape\":[9223372036854775807,9223372036854775807],"
                "\"data_offsets\":[0,1]"),
            "a"),
       "too large"},
      {file("{\"a\":{\"dtype\":\"Q3\",\"shape\":[],\"data_offsets\":[0,1]}}",
            "a"),
       "Q3"},
      {file("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
            "abc"),
       "overlap"},
      {file("{\"__metadata__\":{\"quantc.type/a\":\"9xsi4\"},"
            "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
            "ab"),
       "cannot hold"},
  };
  for (const Case &c : cases) {
    std::string error = openError(directory, c.contents);
    EXPECT_NE(error.find(c.says), std::string::npos) << c.says << ": " << error;
    EXPECT_NE(error.find("w.safetensors"), std::string::npos) << error;
  }
}

TEST(WeightStores, ResolvesOverlaysAndFiles) {
  TemporaryDirectory directory;
  auto overlay = WeightStore::createOverlay();
  cantFail(overlay->add("a", typeOf("1xui8"), bytesOf("f")));
  ASSERT_TRUE(bool(
      writeSafetensors(directory.path("m.safetensors"), overlay->entries())));
  WeightStores stores;
  stores.setBaseDirectory(directory.path(""));
  cantFail(stores.overlay()->add("a", typeOf("1xui8"), bytesOf("n")));
  auto text = [&](StringRef store, StringRef name) -> std::string {
    Expected<ArrayRef<char>> bytes = stores.lookup(store, name);
    return bytes ? std::string(bytes->begin(), bytes->end())
                 : message(bytes.takeError());
  };
  EXPECT_EQ(text(WeightStores::kNew, "a"), "n");
  EXPECT_EQ(text("m.safetensors", "a"), "f");
  EXPECT_NE(text("m.safetensors", "b").find("no weight 'b'"),
            std::string::npos);
  EXPECT_NE(text("none.safetensors", "a").find("none.safetensors"),
            std::string::npos);
  stores.bind("other", cantFail(stores.get("m.safetensors")));
  EXPECT_EQ(text("other", "a"), "f");
}

} // namespace
