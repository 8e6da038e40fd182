//===- ModelRunner.cpp - Compiles a function and runs it ------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The path of a compile from tensors to object code, by the functions that the
// driver uses; only the packaging is left out. What the runtime does for
// generated code (barriers, failed checks) is done here in the simplest way.
//
//===----------------------------------------------------------------------===//

#include "ModelRunner.h"
#include "AMXEmulator.h"

#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Package/Object.h"
#include "quantc/Pipelines/Pipelines.h"
#include "quantc/Pipelines/Register.h"
#include "quantc/Target/CPU/Levels.h"
#include "quantc/abi.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

using namespace mlir;
using namespace quantc;
using namespace quantc::testing;

namespace {

struct Session {
  MLIRContext context;
  Session() : context(registry(), MLIRContext::Threading::DISABLED) {
    context.loadAllAvailableDialects();
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    registerAllPasses();
  }
  static DialectRegistry registry() {
    DialectRegistry registry;
    registerAllDialects(registry);
    registerAllToLLVMIRTranslations(registry);
    return registry;
  }
  static Session &get() {
    static Session session;
    return session;
  }
};

/// A barrier that every thread of a run meets at.
struct Meeting {
  std::mutex mutex;
  std::condition_variable wake;
  int64_t waiting = 0, round = 0;

  void wait(int64_t threads) {
    std::unique_lock<std::mutex> lock(mutex);
    int64_t mine = round;
    if (++waiting == threads) {
      waiting = 0;
      ++round;
      wake.notify_all();
      return;
    }
    wake.wait(lock, [&] { return round != mine; });
  }
};

void barrier(quantc_frame *frame, int64_t, int64_t threads) {
  reinterpret_cast<Meeting *>(frame->barrier)->wait(threads);
}
/// Threads come apart behind a kernel, each in its own way: where a barrier is
/// missing, what one has not written yet is read by another.
void mark(quantc_frame *, int64_t layer, int64_t thread) {
  if (thread > 0)
    std::this_thread::sleep_for(
        std::chrono::microseconds((layer * 7 + thread * 13) % 5 * 40));
}
std::mutex failing;
void fail(quantc_frame *frame, int64_t code, int64_t a, int64_t b) {
  std::lock_guard<std::mutex> lock(failing);
  if (!frame->error)
    frame->error = code, frame->error_a = a, frame->error_b = b;
}

/// `size` bytes before a page that cannot be touched, at a multiple of
/// `alignment`.
class Guarded {
public:
  Guarded(size_t size, size_t alignment) {
    size_t page = sysconf(_SC_PAGESIZE);
    length = (size + alignment + page - 1) / page * page + page;
    base = static_cast<char *>(mmap(nullptr, length, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base + length - page, page, PROT_NONE);
    data = base + (length - page - size) / alignment * alignment;
  }
  Guarded(const Guarded &) = delete;
  ~Guarded() { munmap(base, length); }
  char *data;

private:
  char *base;
  size_t length;
};

constexpr int64_t kCanary = 64;

size_t elementBytes(Type element);

/// The module's constants as its weights file has them: in order, each at a
/// multiple of 64 bytes.
std::vector<uint8_t> weightsOf(ModuleOp module) {
  std::vector<uint8_t> bytes;
  for (Attribute value : module->getAttrOfType<ArrayAttr>("qkernel.weights")) {
    auto dense = cast<DenseElementsAttr>(value);
    bytes.resize(llvm::alignTo(bytes.size(), 64));
    size_t width = elementBytes(dense.getElementType());
    auto put = [&](const APInt &code) {
      uint64_t wide = code.getZExtValue();
      for (size_t i = 0; i < width; ++i)
        bytes.push_back(static_cast<uint8_t>(wide >> (8 * i)));
    };
    if (isa<FloatType>(dense.getElementType()))
      for (const APFloat &element : dense.getValues<APFloat>())
        put(element.bitcastToAPInt());
    else
      for (const APInt &element : dense.getValues<APInt>())
        put(element);
  }
  return bytes;
}

size_t elementBytes(Type element) {
  return qkernel::kernelElementType(element).getIntOrFloatBitWidth() / 8;
}

} // namespace

/// Every level of this CPU's architecture.
static std::vector<Level> architectureLevels() {
  llvm::Triple host(llvm::sys::getProcessTriple());
  return llvm::cantFail(targetLevels(host.isX86() ? "x86-64" : "native"));
}

/// Those that this CPU has itself.
static std::vector<std::string> nativeLevels() {
  std::vector<std::string> names;
  llvm::Expected<std::vector<Level>> levels = targetLevels("native");
  if (!levels) {
    llvm::consumeError(levels.takeError());
    return names;
  }
  for (const Level &level : *levels)
    names.push_back(level.name);
  return names;
}

std::vector<std::string> quantc::testing::hostLevels() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names = nativeLevels();
    // AMX is an extension of AVX-512 VNNI, whose machines can emulate it.
    if (llvm::is_contained(names, "avx512vnni") &&
        !llvm::is_contained(names, "amx") && installAMXEmulator())
      names.push_back("amx");
    return names;
  }();
  return kNames;
}

std::vector<std::string> quantc::testing::missingLevels() {
  std::vector<std::string> names, host = nativeLevels();
  std::string arch =
      llvm::Triple(llvm::sys::getProcessTriple()).getArchName().str();
  for (const cpu::LevelInfo &level : cpu::levels())
    if (level.arch == arch && !llvm::is_contained(host, level.name))
      names.push_back(level.name.str());
  return names;
}

std::vector<Way> quantc::testing::allWays() {
  std::vector<Way> ways;
  for (const std::string &level : hostLevels()) {
    if (ways.empty())
      ways.push_back({level, /*plain=*/true});
    ways.push_back({level, /*plain=*/false});
  }
  return ways;
}

struct Model::Code {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  void (*entry)(quantc_frame *, int64_t, int64_t) = nullptr;
  void (*shapes)(quantc_frame *) = nullptr;
  int64_t (*arena)(quantc_frame *, int64_t) = nullptr;
  void **kernels = nullptr;
  std::vector<uint8_t> weights;
  std::vector<size_t> outputBytes; // of an element
  std::vector<int64_t> outputRanks;

  /// Loads the object code of the entry `name`.
  llvm::Error link(llvm::StringRef object, const std::string &name);
};

llvm::Error Model::Code::link(llvm::StringRef object, const std::string &name) {
  if (llvm::Error error = llvm::orc::LLJITBuilder().create().moveInto(jit))
    return error;
  llvm::orc::SymbolMap runtime;
  auto provide = [&](const char *symbol, auto *function) {
    runtime[jit->mangleAndIntern(symbol)] = {
        llvm::orc::ExecutorAddr::fromPtr(function),
        llvm::JITSymbolFlags::Exported};
  };
  provide("quantc_rt_barrier", &barrier);
  provide("quantc_rt_mark", &mark);
  provide("quantc_rt_fail", &fail);
  if (llvm::Error error = jit->getMainJITDylib().define(
          llvm::orc::absoluteSymbols(std::move(runtime))))
    return error;
  if (llvm::Error error =
          jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(object)))
    return error;
  llvm::Error error = llvm::Error::success();
  auto find = [&](const std::string &symbol, auto &pointer) {
    llvm::orc::ExecutorAddr address;
    error = llvm::joinErrors(std::move(error),
                             jit->lookup(symbol).moveInto(address));
    pointer = address.toPtr<std::remove_reference_t<decltype(pointer)>>();
  };
  find(name, entry);
  find(name + "_shapes", shapes);
  find(name + "_arena", arena);
  find("kernels", kernels);
  return error;
}

Model::~Model() = default;

Model::Model(const std::string &text, const Way &way)
    : code(std::make_unique<Code>()) {
  MLIRContext *context = &Session::get().context;
  ScopedDiagnosticHandler diagnostics(context, [&](Diagnostic &diagnostic) {
    problem += diagnostic.str() + "\n";
    for (Diagnostic &note : diagnostic.getNotes())
      problem += "note: " + note.str() + "\n";
    return success();
  });
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context);
  if (!module)
    return;
  std::string name;
  for (auto function : module->getOps<func::FuncOp>()) {
    name = function.getSymName().str();
    for (Type type : function.getResultTypes()) {
      auto tensor = cast<RankedTensorType>(type);
      code->outputBytes.push_back(elementBytes(tensor.getElementType()));
      code->outputRanks.push_back(tensor.getRank());
    }
  }

  std::vector<Level> levels = architectureLevels();
  const Level *level = nullptr;
  for (const Level &candidate : levels)
    if (candidate.name == way.level)
      level = &candidate;
  setTarget(*module, *level, /*shared=*/false);
  FailureOr<OpPassManager> pipeline =
      parsePassPipeline(kernelPipeline(way.plain, KernelStage::LLVM));
  PassManager manager(context);
  static_cast<OpPassManager &>(manager) = *pipeline;
  if (failed(manager.run(*module)))
    return;
  code->weights = weightsOf(*module);

  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> translated =
      translateModuleToLLVMIR(*module, llvmContext);
  if (!translated)
    return;
  CodeOptions options;
  options.triple = level->triple;
  llvm::SmallVector<llvm::StringRef> features;
  llvm::StringRef(level->features).split(features, ',');
  for (llvm::StringRef feature : features)
    options.features.push_back(feature.str());
  auto object = emitObject(*translated, options);
  llvm::Error error = object
                          ? code->link({object->data(), object->size()}, name)
                          : object.takeError();
  if (error)
    problem += llvm::toString(std::move(error));
}

std::vector<Buffer> Model::run(const std::vector<Buffer> &inputs, int threads) {
  std::vector<std::unique_ptr<Guarded>> memory;
  std::vector<void *> in, out;
  std::vector<int64_t> inDims, outDims;
  auto place = [&](size_t size, size_t alignment) {
    memory.push_back(std::make_unique<Guarded>(size, alignment));
    return memory.back()->data;
  };
  for (const Buffer &input : inputs) {
    size_t count = 1;
    for (int64_t dim : input.shape)
      count *= dim;
    char *data =
        place(input.bytes.size(), count ? input.bytes.size() / count : 1);
    if (!input.bytes.empty())
      std::memcpy(data, input.bytes.data(), input.bytes.size());
    in.push_back(data);
    inDims.insert(inDims.end(), input.shape.begin(), input.shape.end());
  }
  for (int64_t rank : code->outputRanks)
    outDims.resize(outDims.size() + rank, -1);

  Meeting meeting;
  quantc_frame frame = {};
  frame.in_dims = inDims.data();
  frame.out_dims = outDims.data();
  frame.barrier = reinterpret_cast<quantc_barrier_state *>(&meeting);
  frame.kernels = code->kernels;
  code->shapes(&frame);

  std::vector<Buffer> results;
  auto dim = outDims.begin();
  for (auto [bytes, rank] :
       llvm::zip_equal(code->outputBytes, code->outputRanks)) {
    Buffer result;
    result.shape.assign(dim, dim + rank);
    dim += rank;
    int64_t size = bytes;
    for (int64_t extent : result.shape)
      size *= extent;
    result.bytes.resize(size);
    // Bytes that nothing has written are seen, and so is what is written behind
    // them.
    char *data = place(size + kCanary, 64);
    std::memset(data, 0xa5, size + kCanary);
    out.push_back(data);
    results.push_back(std::move(result));
  }
  arenaBytes = code->arena(&frame, threads);
  char *weights = place(code->weights.size(), 64);
  if (!code->weights.empty())
    std::memcpy(weights, code->weights.data(), code->weights.size());
  frame.weights = weights;
  frame.inputs = in.data();
  frame.outputs = out.data();
  frame.arena = place(arenaBytes, 64);
  // What one kernel leaves there is no zero for the next.
  std::memset(frame.arena, 0xa5, arenaBytes);

  std::vector<std::thread> team;
  for (int thread = 1; thread < threads; ++thread)
    team.emplace_back([&, thread] { code->entry(&frame, thread, threads); });
  code->entry(&frame, 0, threads);
  for (std::thread &thread : team)
    thread.join();
  error = frame.error;
  for (auto [result, data] : llvm::zip_equal(results, out)) {
    const char *bytes = static_cast<const char *>(data);
    // An empty vector has no address, which memcpy may not be given.
    std::copy_n(bytes, result.bytes.size(), result.bytes.data());
    for (int64_t i = 0; i < kCanary; ++i)
      if (static_cast<uint8_t>(bytes[result.bytes.size() + i]) != 0xa5)
        problem = "a result was written past its end";
  }
  return results;
}
