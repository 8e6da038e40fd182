//===- quant-translate.cpp - Between IR and other formats -----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Export/ONNX.h"
#include "quantc/Import/ONNX.h"
#include "quantc/Package/Object.h"
#include "quantc/Target/CPU/Levels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace quantc;

static llvm::cl::opt<std::string> weightsOut(
    "weights-out", llvm::cl::value_desc("file"),
    llvm::cl::desc("Where the weights go (default: OUTPUT.safetensors; needed "
                   "with standard output)"));
static llvm::cl::opt<bool> allowUnknownOps(
    "allow-unknown-ops",
    llvm::cl::desc("Import operators of domains that are not known"));

static llvm::cl::opt<std::string> weightsDirectory(
    "weights-dir", llvm::cl::value_desc("directory"),
    llvm::cl::desc("What weight files of a module are relative to (default: "
                   "the folder of the input file)"));
static llvm::cl::opt<uint64_t> externalDataAbove(
    "external-data-above", llvm::cl::value_desc("bytes"),
    llvm::cl::init(ExportONNXOptions().externalDataAbove),
    llvm::cl::desc("Weights of more bytes than this, all together, go to "
                   "OUTPUT.data (default: 64 MiB)"));
static llvm::cl::opt<int64_t> onnxOpset(
    "onnx-opset", llvm::cl::value_desc("version"),
    llvm::cl::init(ExportONNXOptions().opset),
    llvm::cl::desc("The least version of ONNX's operators to export to "
                   "(default: 21)"));
static llvm::cl::opt<bool> matMulNBits(
    "matmul-nbits",
    llvm::cl::desc("Export weights of 2, 4 and 8 bits in groups as MatMulNBits "
                   "of com.microsoft"));

/// The value of mlir-translate's own option `-o`.
static std::string outputPath() {
  auto &options = llvm::cl::getRegisteredOptions();
  auto it = options.find("o");
  if (it == options.end())
    return "-";
  return *static_cast<llvm::cl::opt<std::string> *>(it->second);
}

/// Writes the weights that are in no file yet beside the IR.
static LogicalResult saveWeights(ModuleOp module) {
  if (!qgraph::refersToNewWeights(module))
    return success();
  std::string output = outputPath(), path = weightsOut;
  bool toFile = output != "-";
  if (path.empty() && toFile)
    path = output + ".safetensors";
  if (path.empty())
    return emitError(UnknownLoc::get(module.getContext()))
           << "the model has weights; say where they go with --weights-out "
              "FILE, or write the IR to a file with -o";
  std::string directory =
      toFile ? llvm::sys::path::parent_path(output).str() : "";
  if (llvm::Error error = qgraph::saveNewWeights(module, path, directory))
    return emitError(UnknownLoc::get(module.getContext()))
           << llvm::toString(std::move(error));
  return success();
}

static OwningOpRef<Operation *>
importONNXFile(const std::shared_ptr<llvm::SourceMgr> &source,
               MLIRContext *context) {
  StringRef path =
      source->getMemoryBuffer(source->getMainFileID())->getBufferIdentifier();
  ImportONNXOptions options;
  options.allowUnknownOps = allowUnknownOps;
  FailureOr<OwningOpRef<ModuleOp>> module = importONNX(path, *context, options);
  if (failed(module) || failed(saveWeights(**module)))
    return {};
  return OwningOpRef<Operation *>(module->release());
}

static LogicalResult exportONNXFile(Operation *op, llvm::raw_ostream &os) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    return op->emitError("only a module can be exported to ONNX");
  std::string directory = weightsDirectory;
  if (auto file = module.getLoc()->findInstanceOf<FileLineColLoc>();
      file && directory.empty())
    directory = llvm::sys::path::parent_path(file.getFilename()).str();
  if (!directory.empty())
    qgraph::getWeights(op).setBaseDirectory(directory);
  ExportONNXOptions options;
  if (std::string output = outputPath(); output != "-")
    options.path = output;
  options.externalDataAbove = externalDataAbove;
  options.opset = onnxOpset;
  options.matMulNBits = matMulNBits;
  std::string model;
  if (failed(exportONNX(module, options, model)))
    return failure();
  os << model;
  return success();
}

static void registerCode(DialectRegistry &registry) {
  registry.insert<func::FuncDialect, qgraph::QGraphDialect,
                  qkernel::QKernelDialect>();
  registerAllToLLVMIRTranslations(registry);
}

static LogicalResult exportLLVMIR(Operation *op, llvm::raw_ostream &os) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module = translateModuleToLLVMIR(op, context);
  if (!module)
    return failure();
  module->print(os, nullptr);
  return success();
}

/// Assembly for the level that the module's qkernel.target names, made as a
/// compile makes the level's object.
static LogicalResult exportAssembly(Operation *op, llvm::raw_ostream &os) {
  auto target =
      op->getAttrOfType<qkernel::TargetAttr>(qkernel::TargetAttr::kAttrName);
  const cpu::LevelInfo *level =
      target ? cpu::findLevel(target.getLevel()) : nullptr;
  if (!level)
    return op->emitError("the module's '")
           << qkernel::TargetAttr::kAttrName
           << "' names no instruction set level; run --set-target-level first";
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module = translateModuleToLLVMIR(op, context);
  if (!module)
    return failure();
  CodeOptions options;
  options.triple = (level->arch + "-linux-gnu").str();
  for (StringRef feature : level->features)
    options.features.push_back(feature.str());
  llvm::Expected<std::string> text = emitAssembly(*module, options);
  if (!text)
    return op->emitError(llvm::toString(text.takeError()));
  os << *text;
  return success();
}

int main(int argc, char **argv) {
  TranslateFromMLIRRegistration llvmir(
      "mlir-to-llvmir", "LLVM dialect to LLVM IR", exportLLVMIR, registerCode);
  TranslateFromMLIRRegistration assembly(
      "mlir-to-asm", "LLVM dialect to the assembly of the module's level",
      exportAssembly, registerCode);
  TranslateFromMLIRRegistration exportModel(
      "export-onnx", "onnx.node and qgraph operations to an ONNX model",
      exportONNXFile, [](DialectRegistry &registry) {
        registry.insert<arith::ArithDialect, func::FuncDialect,
                        onnx_ir::ONNXDialect, qgraph::QGraphDialect,
                        tensor::TensorDialect>();
      });
  TranslateToMLIRRegistration import(
      "import-onnx", "ONNX model to onnx.node operations", importONNXFile,
      [](DialectRegistry &registry) {
        registry.insert<func::FuncDialect, onnx_ir::ONNXDialect,
                        qgraph::QGraphDialect>();
      });
  return failed(mlirTranslateMain(argc, argv, "quantc's translation driver"));
}
