//===- ImportFuzzer.cpp - The import and the walk on any bytes ------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Whatever the file: it is imported and walked, or refused with a message.
// Inputs are ONNX files; most mutations are of the model, the others of its
// bytes.
//
//===----------------------------------------------------------------------===//

#include "MutateModel.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/ONNX/ONNXDialect.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Import/ONNX.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

#include <google/protobuf/stubs/logging.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace mlir;

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace {

/// A file without a name, which the import takes as it does any other.
class MemoryFile {
public:
  MemoryFile() : descriptor(memfd_create("model", 0)) {
    if (descriptor < 0)
      abort();
  }
  ~MemoryFile() { close(descriptor); }

  void assign(const uint8_t *data, size_t size) {
    if (ftruncate(descriptor, 0) ||
        pwrite(descriptor, data, size, 0) != ssize_t(size))
      abort();
  }
  std::string path() const {
    return "/proc/self/fd/" + std::to_string(descriptor);
  }

private:
  int descriptor;
};

/// What must hold of a refusal: that it is one with a message.
void importAndWalk(MLIRContext &context, const std::string &path) {
  unsigned messages = 0;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    messages += !diagnostic.str().empty();
    return success();
  });
  FailureOr<OwningOpRef<ModuleOp>> module = quantc::importONNX(path, context);
  if (failed(module)) {
    if (!messages)
      abort();
    return;
  }
  PassManager manager(&context);
  manager.addPass(quantc::createConvertONNXToQGraph());
  if (failed(manager.run(**module)) && !messages)
    abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static google::protobuf::LogSilencer silence;
  static MemoryFile file;
  file.assign(data, size);
  // Types and attributes live as long as their context. The last one is left
  // to the end of the process, which may come in the middle of a run.
  static MLIRContext *context = nullptr;
  static unsigned runs = 0;
  if (runs++ % 256 == 0) {
    delete context;
    context = new MLIRContext(MLIRContext::Threading::DISABLED);
  }
  importAndWalk(*context, file.path());
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t maxSize, unsigned seed) {
  std::mt19937_64 random(seed);
  onnx::ModelProto model;
  if (random() % 8 && model.ParseFromArray(data, int(size))) {
    quantc::fuzz::mutateModel(model, random);
    std::string bytes = model.SerializePartialAsString();
    if (bytes.size() <= maxSize) {
      std::copy(bytes.begin(), bytes.end(), data);
      return bytes.size();
    }
  }
  return LLVMFuzzerMutate(data, size, maxSize);
}
