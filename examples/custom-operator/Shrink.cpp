//===- Shrink.cpp - Operators outside quantc's tree
//---------------------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two operators of the domain `org.example`:
//
//   SoftShrink(x) {threshold}   sign(x) * max(|x| - threshold, 0), by a kernel
//   ShrinkTwice(x) {threshold}  SoftShrink of SoftShrink, by a function body
//
//===----------------------------------------------------------------------===//

#include "quantc/Conversion/ONNXToKernels.h"
#include "quantc/Dialect/ONNX/CustomSchemas.h"
#include "quantc/Pipelines/Plugin.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using quantc::onnx_ir::NodeOp;
using quantc::qkernel::KernelBody;

namespace {

constexpr llvm::StringLiteral kDomain = "org.example";

//===----------------------------------------------------------------------===//
// What the operators are
//===----------------------------------------------------------------------===//

onnx::OpSchema schemaOf(const char *name) {
  onnx::OpSchema schema(name, __FILE__, __LINE__);
  schema.SetDomain(kDomain.str()).SinceVersion(1);
  schema.Input(0, "x", "any shape", "T").Output(0, "y", "like x", "T");
  onnx::AttributeProto threshold;
  threshold.set_name("threshold");
  threshold.set_type(onnx::AttributeProto::FLOAT);
  threshold.set_f(0.5f);
  schema.Attr({"threshold", "what is taken off", threshold});
  schema.TypeConstraint("T", {"tensor(float)"}, "float");
  schema.TypeAndShapeInferenceFunction(
      onnx::propagateShapeAndTypeFromFirstInput);
  return schema;
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

LogicalResult acceptsShrink(NodeOp op, std::string &why) {
  auto type = dyn_cast<RankedTensorType>(op.getResult(0).getType());
  if (type && type.getElementType().isF32())
    return success();
  why = "SoftShrink is for f32";
  return failure();
}

void emitShrink(NodeOp op, KernelBody &body) {
  OpBuilder &b = body.builder;
  Location loc = body.loc;
  Value x = body.flatten(body.inputs[0]), y = body.flatten(body.outputs[0]);
  Value threshold = body.f32(op.getFloatAttr("threshold", 0.5f));
  // Every thread does its share of the elements; LLVM makes vectors of it.
  auto [lo, hi] = body.share(body.dim(y, 0), /*grain=*/16);
  body.loop(lo, hi, 1, [&](Value i) {
    Value value = memref::LoadOp::create(b, loc, x, i);
    Value size = arith::SubFOp::create(
        b, loc, math::AbsFOp::create(b, loc, value), threshold);
    size = body.larger(size, body.f32(0));
    Value result = math::CopySignOp::create(b, loc, size, value);
    memref::StoreOp::create(b, loc, result, y, i);
  });
}

llvm::Error registerOperators() {
  if (llvm::Error error = quantc::onnx_ir::addSchema(schemaOf("SoftShrink")))
    return error;
  onnx::OpSchema twice = schemaOf("ShrinkTwice");
  twice.FunctionBody(R"ONNX({
    once = org.example.SoftShrink <threshold: float = @threshold> (x)
    y = org.example.SoftShrink <threshold: float = @threshold> (once)
  })ONNX");
  if (llvm::Error error = quantc::onnx_ir::addSchema(std::move(twice)))
    return error;
  return quantc::addNodeKernel(
      {kDomain, "SoftShrink", acceptsShrink, emitShrink});
}

} // namespace

extern "C" const quantc::PluginInfo *quantcGetPluginInfo() {
  static const quantc::PluginInfo info = [] {
    quantc::PluginInfo info;
    info.name = "Shrink";
    info.registerOperators = registerOperators;
    return info;
  }();
  return &info;
}
