//===- KernelRunner.cpp - Compiles one node's kernel and runs it ----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A test of kernel bodies alone: no schedule and none of our lowerings below,
// only upstream passes and LLVM's JIT.
//
//===----------------------------------------------------------------------===//

#include "KernelRunner.h"

#include "quantc/Conversion/ONNXToKernels.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/TargetSelect.h"

using namespace mlir;

namespace quantc::testing {

namespace {

struct Session {
  MLIRContext context;
  Session() : context(registry(), MLIRContext::Threading::DISABLED) {
    context.loadAllAvailableDialects();
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  }
  static DialectRegistry registry() {
    DialectRegistry registry;
    registry.insert<affine::AffineDialect, arith::ArithDialect,
                    cf::ControlFlowDialect, func::FuncDialect,
                    LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect,
                    scf::SCFDialect, tensor::TensorDialect,
                    vector::VectorDialect, onnx_ir::ONNXDialect,
                    qgraph::QGraphDialect, qkernel::QKernelDialect>();
    registerONNXKernelModels(registry);
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
    return registry;
  }
};

/// A failed check stores its code where the frame pointer points.
void lowerChecks(ModuleOp module) {
  SmallVector<qkernel::CheckOp> checks;
  module.walk([&](qkernel::CheckOp check) { checks.push_back(check); });
  for (qkernel::CheckOp check : checks) {
    OpBuilder b(check);
    Location loc = check.getLoc();
    Value yes = arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
    Value failed = arith::XOrIOp::create(b, loc, check.getCondition(), yes);
    auto branch = scf::IfOp::create(b, loc, failed, /*withElseRegion=*/false);
    b.setInsertionPointToStart(branch.thenBlock());
    Value code =
        arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(check.getCode()));
    LLVM::StoreOp::create(b, loc, code, check.getFrame());
    check.erase();
  }
}

LogicalResult lower(ModuleOp module) {
  PassManager pm(module.getContext());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(arith::createArithExpandOpsPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  return pm.run(module);
}

/// The fields of a memref descriptor, all of them 8 bytes wide.
std::vector<int64_t> descriptor(void *data, const std::vector<int64_t> &shape) {
  std::vector<int64_t> fields{reinterpret_cast<int64_t>(data),
                              reinterpret_cast<int64_t>(data), 0};
  fields.insert(fields.end(), shape.begin(), shape.end());
  for (size_t d = 0; d < shape.size(); ++d) {
    int64_t stride = 1;
    for (size_t e = d + 1; e < shape.size(); ++e)
      stride *= shape[e];
    fields.push_back(stride);
  }
  return fields;
}

Buffer constantBuffer(DenseElementsAttr elements) {
  Buffer buffer{elements.getType().getShape().vec(), {}};
  Type type = qkernel::kernelElementType(elements.getElementType());
  size_t width = type.getIntOrFloatBitWidth() / 8;
  auto put = [&](const APInt &bits) {
    APInt wide = bits.sextOrTrunc(width * 8);
    const auto *raw = reinterpret_cast<const uint8_t *>(wide.getRawData());
    buffer.bytes.insert(buffer.bytes.end(), raw, raw + width);
  };
  if (isa<FloatType>(elements.getElementType()))
    for (const APFloat &value : elements.getValues<APFloat>())
      put(value.bitcastToAPInt());
  else
    for (const APInt &value : elements.getValues<APInt>())
      put(value);
  return buffer;
}

using Entry = void (*)(int64_t *, int64_t, int64_t, void *, void *, void *,
                       void *, void *, void *);

} // namespace

Outcome runNode(const std::string &text, const std::vector<Buffer> &inputs,
                const std::vector<std::vector<int64_t>> &shapes, bool fast,
                int threads) {
  Outcome outcome;
  Session session;
  MLIRContext *context = &session.context;
  ScopedDiagnosticHandler diagnostics(context, [&](Diagnostic &diagnostic) {
    outcome.failure += diagnostic.str() + "\n";
    return success();
  });
  OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(text, context);
  if (!source)
    return outcome;
  onnx_ir::NodeOp op;
  source->walk([&](onnx_ir::NodeOp node) { op = node; });
  auto kernel = dyn_cast<qkernel::KernelOpInterface>(op.getOperation());
  if (!kernel || failed(kernel.canEmit(outcome.failure)))
    return outcome;

  // The kernel function.
  OpBuilder builder(context);
  Location loc = builder.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder, loc);
  SmallVector<Type> types = {LLVM::LLVMPointerType::get(context),
                             builder.getIndexType(), builder.getIndexType()};
  std::vector<Buffer> buffers;
  for (Value input : op.getInputs()) {
    auto type = dyn_cast<RankedTensorType>(input.getType());
    if (!type)
      continue;
    types.push_back(qkernel::kernelMemRefType(type));
    if (auto argument = dyn_cast<BlockArgument>(input))
      buffers.push_back(inputs[argument.getArgNumber()]);
    else
      buffers.push_back(constantBuffer(cast<DenseElementsAttr>(
          input.getDefiningOp<qgraph::ConstantOp>().getValue())));
  }
  size_t firstOutput = buffers.size();
  for (auto [result, shape] : llvm::zip_equal(op.getResults(), shapes)) {
    MemRefType type =
        qkernel::kernelMemRefType(cast<RankedTensorType>(result.getType()));
    types.push_back(type);
    size_t count = 1;
    for (int64_t size : shape)
      count *= size;
    // Bytes that nothing has written are seen.
    buffers.push_back(
        {shape, std::vector<uint8_t>(count * type.getElementTypeBitWidth() / 8,
                                     0xa5)});
  }
  builder.setInsertionPointToEnd(module->getBody());
  auto func = func::FuncOp::create(builder, loc, "kernel",
                                   builder.getFunctionType(types, {}));
  func->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                builder.getUnitAttr());
  Block *block = func.addEntryBlock();
  builder.setInsertionPointToStart(block);
  qkernel::KernelBody body{builder, loc, {}, {}, {}, {}, {}, {}, false};
  body.frame = block->getArgument(0);
  body.thread = block->getArgument(1);
  body.threads = block->getArgument(2);
  unsigned next = 3;
  for (Value input : op.getInputs())
    body.inputs.push_back(
        isa<NoneType>(input.getType()) ? Value() : block->getArgument(next++));
  for (size_t i = 0; i < shapes.size(); ++i)
    body.outputs.push_back(block->getArgument(next++));
  body.fast = fast;
  if (failed(kernel.emitKernel(body)))
    return outcome;
  builder.setInsertionPointToEnd(block);
  func::ReturnOp::create(builder, loc);

  if (failed(verify(*module))) {
    llvm::raw_string_ostream(outcome.failure) << *module;
    return outcome;
  }
  if (getenv("QUANTC_TEST_PRINT"))
    module->dump();
  lowerChecks(*module);
  if (failed(lower(*module)))
    return outcome;

  auto llvmContext = std::make_unique<llvm::LLVMContext>();
  std::unique_ptr<llvm::Module> code =
      translateModuleToLLVMIR(*module, *llvmContext);
  if (!code)
    return outcome;
  auto report = [&](llvm::Error error) {
    outcome.failure += llvm::toString(std::move(error));
  };
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return report(jit.takeError()), outcome;
  code->setDataLayout((*jit)->getDataLayout());
  if (llvm::Error error =
          (*jit)->addIRModule({std::move(code), std::move(llvmContext)}))
    return report(std::move(error)), outcome;
  auto symbol = (*jit)->lookup("_mlir_ciface_kernel");
  if (!symbol)
    return report(symbol.takeError()), outcome;

  std::vector<std::vector<int64_t>> descriptors;
  void *arguments[6] = {};
  for (Buffer &buffer : buffers)
    descriptors.push_back(descriptor(buffer.bytes.data(), buffer.shape));
  if (descriptors.size() > std::size(arguments)) {
    outcome.failure = "too many operands for the test";
    return outcome;
  }
  for (size_t i = 0; i < descriptors.size(); ++i)
    arguments[i] = descriptors[i].data();
  // The calling convention lets a function ignore further pointers.
  auto entry = symbol->toPtr<Entry>();
  for (int thread = 0; thread < (fast ? threads : 1); ++thread)
    entry(&outcome.error, thread, threads, arguments[0], arguments[1],
          arguments[2], arguments[3], arguments[4], arguments[5]);
  outcome.outputs.assign(buffers.begin() + firstOutput, buffers.end());
  return outcome;
}

} // namespace quantc::testing
