//===- Window.cpp - Windows that slide over spatial dimensions ------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Window.h"

#include "quantc/Dialect/ONNX/MathEmitter.h"
#include "quantc/Numerics/Order.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace quantc::onnx_kernels {

Window::Window(NodeOp op, KernelBody &body, Value input, Value output,
               ArrayRef<Value> kernel, bool transposed, int64_t spatial)
    : kernel(kernel) {
  size_t rank = kernel.size();
  auto list = [&](StringRef name, int64_t otherwise) {
    SmallVector<int64_t> values = op.getIntsAttr(name);
    if (values.empty())
      values.assign(rank, otherwise);
    return values;
  };
  strides = list("strides", 1);
  dilations = list("dilations", 1);
  SmallVector<int64_t> pads = op.getIntsAttr("pads"),
                       extra = list("output_padding", 0);
  StringRef automatic = op.getStringAttr("auto_pad", "NOTSET");
  bool same = automatic.starts_with("SAME");
  bool fromOutput = same || (transposed && op.getNodeAttr("output_shape"));
  count = body.index(1);
  Value zero = body.index(0), one = body.index(1);
  for (size_t d = 0; d < rank; ++d) {
    count = body.mul(count, kernel[d]);
    if (!fromOutput) {
      before.push_back(
          body.index(pads.empty() || automatic == "VALID" ? 0 : pads[d]));
      continue;
    }
    // What the window needs beyond the input, half on each side.
    Value in = body.dim(input, d + spatial),
          out = body.dim(output, d + spatial);
    Value reach = body.add(
        body.mul(body.sub(kernel[d], one), body.index(dilations[d])), one);
    Value longer = transposed ? in : out, shorter = transposed ? out : in;
    Value total = body.add(
        body.mul(body.sub(longer, one), body.index(strides[d])), reach);
    total = body.sub(total, shorter);
    if (transposed)
      total = body.add(total, body.index(extra[d]));
    total = body.builder.createOrFold<arith::MaxSIOp>(body.loc, total, zero);
    Value half = quotient(body, total, body.index(2));
    // An odd one goes to the end (UPPER), or to the start.
    bool atStart =
        transposed ? automatic != "SAME_UPPER" : automatic == "SAME_LOWER";
    before.push_back(atStart ? body.sub(total, half) : half);
  }
}

SmallVector<Value> Window::position(KernelBody &body, Value k) const {
  SmallVector<Value> at(kernel.size());
  for (size_t d = kernel.size(); d-- > 0;) {
    at[d] = d == 0 ? k : remainder(body, k, kernel[d]);
    if (d != 0)
      k = quotient(body, k, kernel[d]);
  }
  return at;
}

SmallVector<Value> Window::source(KernelBody &body, ArrayRef<Value> o,
                                  ArrayRef<Value> at) const {
  SmallVector<Value> from;
  for (size_t d = 0; d < kernel.size(); ++d) {
    Value start = body.sub(body.mul(o[d], body.index(strides[d])), before[d]);
    from.push_back(body.add(start, body.mul(at[d], body.index(dilations[d]))));
  }
  return from;
}

Value inside(KernelBody &body, ArrayRef<Value> at, ArrayRef<Value> sizes) {
  Value all = body.constant(body.builder.getBoolAttr(true));
  for (auto [index, size] : llvm::zip_equal(at, sizes)) {
    // Unsigned: a negative index is a large one.
    Value in = arith::CmpIOp::create(body.builder, body.loc,
                                     arith::CmpIPredicate::ult, index, size);
    all = both(body, all, in);
  }
  return all;
}

Value ifInside(KernelBody &body, Value condition, Value otherwise,
               llvm::function_ref<Value()> then) {
  OpBuilder &b = body.builder;
  auto choice = scf::IfOp::create(b, body.loc, otherwise.getType(), condition,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b, body.loc, then());
  b.setInsertionPointToStart(choice.elseBlock());
  scf::YieldOp::create(b, body.loc, otherwise);
  return choice.getResult(0);
}

Value dotOverK(KernelBody &body, Value count, Type type,
               llvm::function_ref<Value(Value, Value)> step) {
  Value zero = body.constant(cast<TypedAttr>(body.builder.getZeroAttr(type)));
  auto run = [&](Value lo, Value hi) {
    return body.loop(lo, hi, 1, ValueRange{zero}, [&](Value k, ValueRange acc) {
      return SmallVector<Value>{step(k, acc[0])};
    })[0];
  };
  if (!isa<FloatType>(type))
    return run(body.index(0), count);
  return body.loop(body.index(0), count, numerics::kBlockK, ValueRange{zero},
                   [&](Value lo, ValueRange total) {
                     Value hi = body.add(lo, body.index(numerics::kBlockK));
                     Value block = run(lo, body.minimum(hi, count));
                     onnx_ir::MathEmitter m(body.builder, body.loc, type);
                     return SmallVector<Value>{m.add(total[0], block)};
                   })[0];
}

} // namespace quantc::onnx_kernels
