//===- PackageTest.cpp - From LLVM IR to a library that runs --------------===//

#include "quantc/Package/Package.h"

#include "quantc/Support/WeightLayout.h"
#include "quantc/abi.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/TargetParser/Host.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

using namespace llvm;
using namespace quantc;

namespace {

// y[0] = x[0] * weights[16] + BIAS, by a kernel that is called through the
// table; then a barrier.
const char *const kLevel = R"(
  @kernels = internal global [1 x ptr] [ptr @scale]
  declare void @quantc_rt_barrier(ptr, i64, i64)

  define void @scale(ptr %x, ptr %w, ptr %y) {
    %a = load float, ptr %x
    %b = load float, ptr %w
    %m = fmul float %a, %b
    %s = fadd float %m, BIAS
    store float %s, ptr %y
    ret void
  }
  define void @entry(ptr %frame, i64 %thread, i64 %threads) {
    %first = icmp eq i64 %thread, 0
    br i1 %first, label %work, label %end
  work:
    %ins = load ptr, ptr %frame
    %x = load ptr, ptr %ins
    %p1 = getelementptr i8, ptr %frame, i64 8
    %outs = load ptr, ptr %p1
    %y = load ptr, ptr %outs
    %p4 = getelementptr i8, ptr %frame, i64 32
    %weights = load ptr, ptr %p4
    %w = getelementptr i8, ptr %weights, i64 64
    %p9 = getelementptr i8, ptr %frame, i64 72
    %table = load ptr, ptr %p9
    %kernel = load ptr, ptr %table
    call void %kernel(ptr %x, ptr %w, ptr %y)
    br label %end
  end:
    call void @quantc_rt_barrier(ptr %frame, i64 %thread, i64 %threads)
    ret void
  }
  define void @shapes(ptr %frame) {
    %p3 = getelementptr i8, ptr %frame, i64 24
    %dims = load ptr, ptr %p3
    store i64 1, ptr %dims
    ret void
  }
  define i64 @arena(ptr %frame, i64 %threads) {
    ret i64 0
  }
)";

const char *const kTriple =
#if defined(__x86_64__)
    "x86_64-linux-gnu";
#else
    "aarch64-linux-gnu";
#endif

Expected<CompiledLevel> compile(StringRef isa, int64_t rank, StringRef bias,
                                std::vector<std::string> features,
                                unsigned number = 0,
                                StringRef triple = kTriple) {
  std::string text = kLevel;
  text.replace(text.find("BIAS"), 4, bias.str());
  LLVMContext context;
  SMDiagnostic problem;
  std::unique_ptr<Module> module = parseAssemblyString(text, problem, context);
  if (!module)
    return createStringError("%s", problem.getMessage().str().c_str());
  CodeOptions options;
  options.triple = triple.str();
  options.features = std::move(features);
  return compileLevel(*module, isa, rank, number, options);
}

class PackageTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(sys::fs::createUniqueDirectory("quantc-package-test", folder));
    ASSERT_FALSE(errorToBool(overlayWeights().takeError()));
  }
  void TearDown() override {
    unsetenv("QUANTC_ISA");
    sys::fs::remove_directories(folder, true);
  }

  std::string path(const Twine &leaf) { return (folder + "/" + leaf).str(); }

  Expected<int> overlayWeights() {
    store = WeightStore::createOverlay();
    std::vector<char> first(5, 7), second(4);
    float three = 3;
    std::memcpy(second.data(), &three, 4);
    if (Error error = store->add("z", {"ui8", {5}}, first))
      return std::move(error);
    if (Error error = store->add("a", {"f32", {1}}, second))
      return std::move(error);
    return 0;
  }

  /// Two levels: the first runs everywhere and adds 1, the second needs
  /// AVX-512 (or SVE 2) and adds 2.
  PackageInput input() {
    PackageInput input;
    input.triple = kTriple;
    input.manifest = R"({"name": "test"})";
    input.weights = {store->lookup("z"), store->lookup("a")};
    PackageEntry entry;
    entry.name = "main";
    entry.symbols = {{"batch", 1, 8}};
    entry.inputs = {{"x/in", kDLFloat, 32, {-1}}};
    entry.outputs = {{"y", kDLFloat, 32, {1}}};
    entry.layers = {"scale"};
    for (bool high : {false, true}) {
      Expected<CompiledLevel> level =
          compile(high ? "avx512" : "avx2", high, high ? "2.0" : "1.0",
                  high ? kHigh : std::vector<std::string>());
      EXPECT_TRUE(bool(level)) << toString(level.takeError());
      entry.levels.push_back(std::move(*level));
    }
    input.entries.push_back(std::move(entry));
    return input;
  }

  float run(const std::string &library, float x) {
    quantc_error error = {};
    quantc_model *model = quantc_load(library.c_str(), nullptr, &error);
    EXPECT_NE(model, nullptr) << error.message;
    if (!model)
      return 0;
    quantc_options options = {};
    options.threads = 2;
    quantc_session *session = quantc_open(model, &options, &error);
    EXPECT_NE(session, nullptr) << error.message;
    int64_t dims[1] = {1};
    quantc_value in = quantc_tensor(&x, dims, 1, kDLFloat, 32), out = {};
    EXPECT_EQ(quantc_run(session, &in, 1, &out, 1, &error), 0) << error.message;
    isa = quantc_isa_of(session);
    float y = *static_cast<float *>(out.tensor.data);
    quantc_close(session);
    EXPECT_EQ(quantc_unload(model, &error), 0) << error.message;
    return y;
  }

  static std::string read(const std::string &file) {
    auto buffer = MemoryBuffer::getFile(file);
    EXPECT_TRUE(bool(buffer)) << file;
    return buffer ? (*buffer)->getBuffer().str() : "";
  }

#if defined(__x86_64__)
  const std::vector<std::string> kHigh = {"+avx512f"};
  const StringRef kHighHost = "avx512f";
#else
  const std::vector<std::string> kHigh = {"+sve2"};
  const StringRef kHighHost = "sve2";
#endif
  SmallString<128> folder;
  std::shared_ptr<WeightStore> store;
  std::string isa;
};

TEST_F(PackageTest, RunsAndPicksTheLevel) {
  Expected<PackageResult> result = packageLibrary(input(), path("my-model"));
  ASSERT_TRUE(bool(result)) << toString(result.takeError());
  bool high = sys::getHostCPUFeatures().lookup(kHighHost);
  EXPECT_EQ(run(result->library, 5), high ? 17 : 16);
  EXPECT_EQ(isa, high ? "avx512" : "avx2");
  setenv("QUANTC_ISA", "avx2", 1);
  EXPECT_EQ(run(result->library, 5), 16);
  EXPECT_EQ(result->weightsBytes, 128u);
  EXPECT_EQ(read(result->manifest), "{\"name\": \"test\"}\n");
}

TEST_F(PackageTest, EmbedsWeights) {
  PackageInput in = input();
  in.embedWeights = true;
  Expected<PackageResult> result = packageLibrary(in, path("m"));
  ASSERT_TRUE(bool(result)) << toString(result.takeError());
  EXPECT_TRUE(result->weights.empty());
  EXPECT_FALSE(sys::fs::exists(path("m.safetensors")));
  setenv("QUANTC_ISA", "avx2", 1);
  EXPECT_EQ(run(result->library, 2), 7);
}

TEST_F(PackageTest, TheSameInputGivesTheSameBytes) {
  for (StringRef leaf : {"a", "b"}) {
    ASSERT_FALSE(sys::fs::create_directory(path(leaf)));
    Expected<PackageResult> result = packageLibrary(input(), path(leaf + "/m"));
    ASSERT_TRUE(bool(result)) << toString(result.takeError());
  }
  for (StringRef leaf : {"m.so", "m.h", "m.json", "m.safetensors"})
    EXPECT_EQ(read(path("a/" + leaf)), read(path("b/" + leaf))) << leaf.str();
}

TEST_F(PackageTest, WeightsLieWhereTheLayoutSays) {
  ASSERT_FALSE(errorToBool(packageLibrary(input(), path("m")).takeError()));
  std::string file = read(path("m.safetensors"));
  uint64_t header = 0;
  std::memcpy(&header, file.data(), 8);
  EXPECT_EQ((8 + header) % 64, 0u);
  WeightLayout layout;
  EXPECT_EQ(layout.add(5), 0u);
  EXPECT_EQ(layout.add(4), 64u);
  EXPECT_EQ(file.size(), 8 + header + layout.bytes());
  EXPECT_EQ(file[8 + header + 4], 7);
  EXPECT_EQ(file[8 + header + 5], 0);
  Expected<std::shared_ptr<WeightStore>> opened =
      WeightStore::openSafetensors(path("m.safetensors"));
  ASSERT_TRUE(bool(opened)) << toString(opened.takeError());
  EXPECT_EQ((*opened)->entries().size(), 2u);
  EXPECT_EQ((*opened)->lookup("z")->bytes.size(), 5u);
}

TEST_F(PackageTest, ExportsTwoSymbolsAndNeedsOnlyTheCLibrary) {
  ASSERT_FALSE(errorToBool(packageLibrary(input(), path("my-1")).takeError()));
  std::set<std::string> allowed, exported;
  SmallVector<StringRef, 64> lines;
  std::string list = read(QUANTC_LIBC_SYMBOLS);
  StringRef(list).split(lines, '\n');
  for (StringRef line : lines)
    if (!line.empty() && !line.starts_with("#"))
      allowed.insert(line.str());
  auto binary = object::ObjectFile::createObjectFile(path("my-1.so"));
  ASSERT_TRUE(bool(binary)) << toString(binary.takeError());
  auto *elf = cast<object::ELFObjectFileBase>(binary->getBinary());
  for (object::ELFSymbolRef symbol : elf->getDynamicSymbolIterators()) {
    std::string name = cantFail(symbol.getName()).str();
    if (cantFail(symbol.getFlags()) & object::SymbolRef::SF_Undefined)
      EXPECT_TRUE(name.empty() || allowed.count(name)) << name;
    else
      exported.insert(name);
  }
  EXPECT_EQ(exported, (std::set<std::string>{"quantc_entry", "my_1_model"}));
}

TEST_F(PackageTest, PackagesForTheOtherMachine) {
  StringRef other = StringRef(kTriple).starts_with("x86") ? "aarch64-linux-gnu"
                                                          : "x86_64-linux-gnu";
  PackageInput in = input();
  in.triple = other.str();
  in.entries[0].levels.clear();
  Expected<CompiledLevel> level = compile("neon", 0, "1.0", {}, 0, other);
  ASSERT_TRUE(bool(level)) << toString(level.takeError());
  in.entries[0].levels.push_back(std::move(*level));
  Expected<PackageResult> result = packageLibrary(in, path("m"));
  if (!result) {
    std::string problem = toString(result.takeError());
    if (StringRef(problem).contains("there is no runtime for target"))
      GTEST_SKIP() << problem;
    FAIL() << problem;
  }
  quantc_error error = {};
  EXPECT_EQ(quantc_load(path("m.so").c_str(), nullptr, &error), nullptr);
  EXPECT_TRUE(StringRef(error.message).contains("and this machine is"))
      << error.message;
}

TEST_F(PackageTest, HeaderNamesTheSignature) {
  std::string text = headerText(input(), "some/dir/my-model");
  for (StringRef part :
       {"quantc_model *my_model_model(void);", "x/in : float32[batch]",
        "MY_MODEL_INPUT_X_IN = 0", "MY_MODEL_OUTPUTS = 1",
        "batch >= 1 and <= 8", "#ifndef MY_MODEL_H"})
    EXPECT_TRUE(StringRef(text).contains(part)) << part.str() << "\n" << text;
  EXPECT_EQ(modelIdentifier("a/7b.q4"), "_7b_q4");
}

TEST_F(PackageTest, RefusesByName) {
  auto message = [&](const PackageInput &in, const std::string &prefix,
                     const PackageOptions &options = {}) {
    return toString(packageLibrary(in, prefix, options).takeError());
  };
  EXPECT_NE(message(input(), path("none/m")).find("none/m"), std::string::npos);

  PackageInput in = input();
  in.manifest = "{";
  EXPECT_NE(message(in, path("m")).find("manifest is no JSON"),
            std::string::npos);

  in = input();
  in.entries[0].levels.clear();
  EXPECT_NE(message(in, path("m")).find("'main' has no instruction set level"),
            std::string::npos);

  PackageOptions options;
  options.runtimeDirectory = path("");
  EXPECT_NE(message(input(), path("m"), options).find("there is no runtime"),
            std::string::npos);

  // A function that no library of ours may need.
  in = input();
  LLVMContext context;
  SMDiagnostic problem;
  std::string text = kLevel;
  text.replace(text.find("BIAS"), 4, "1.0");
  text += "define void @f() { %x = call i32 @puts(ptr null) ret void }\n"
          "declare i32 @puts(ptr)\n"
          "@keep = global ptr @f\n"
          "@llvm.used = appending global [1 x ptr] [ptr @keep], section "
          "\"llvm.metadata\"\n";
  auto module = parseAssemblyString(text, problem, context);
  ASSERT_TRUE(bool(module)) << problem.getMessage().str();
  CodeOptions code;
  code.triple = kTriple;
  in.entries[0].levels = {};
  in.entries[0].levels.push_back(
      cantFail(compileLevel(*module, "avx2", 0, 0, code)));
  EXPECT_NE(message(in, path("m")).find("puts"), std::string::npos);

  // A failed call leaves nothing.
  std::error_code code_;
  EXPECT_EQ(sys::fs::directory_iterator(folder, code_),
            sys::fs::directory_iterator());
}

TEST_F(PackageTest, RefusesFeaturesThatCannotBeChecked) {
  auto text = [](Expected<CompiledLevel> level) {
    return toString(level.takeError());
  };
  EXPECT_NE(text(compile("avx2", 0, "1.0", {"+nonsense"})).find("nonsense"),
            std::string::npos);
  EXPECT_NE(
      text(compile("avx2", 0, "1.0", {}, 0, "riscv64-linux-gnu")).find("riscv"),
      std::string::npos);
  Expected<uint64_t> bits =
      featureBits("x86_64-linux-gnu", {"+sse2", "+avx2", "-avx512f", "fma"});
  ASSERT_TRUE(bool(bits)) << toString(bits.takeError());
  EXPECT_EQ(*bits, uint64_t(1) << QUANTC_X86_AVX2_BIT |
                       uint64_t(1) << QUANTC_X86_FMA_BIT);
}

} // namespace
