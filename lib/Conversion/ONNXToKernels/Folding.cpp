//===- Folding.cpp - Kernels that put windows back together ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Coordinates.h"
#include "NodeKernels.h"
#include "Window.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

SmallVector<int64_t> listOf(NodeOp op, StringRef name, size_t count,
                            int64_t otherwise) {
  SmallVector<int64_t> values = op.getIntsAttr(name);
  if (values.empty())
    values.assign(count, otherwise);
  return values;
}

//===----------------------------------------------------------------------===//
// Col2Im
//===----------------------------------------------------------------------===//

LogicalResult acceptsCol2Im(NodeOp op, std::string &why) {
  Type element = inputElement(op, 0);
  unsigned bits = element.getIntOrFloatBitWidth();
  if (isa<FloatType>(element) ? bits >= 16 : bits >= 8)
    return success();
  llvm::raw_string_ostream(why) << "Col2Im is not there for " << element;
  return failure();
}

/// An image's element is the sum, in the order of the block's positions, of the
/// columns' elements that stand for it: [N, C * block, columns].
void emitCol2Im(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0], zero = body.index(0);
  Type element = inputElement(op, 0);
  Type type = accumulatorType(element);
  bool isFloat = isa<FloatType>(type);
  MathEmitter m(body.builder, body.loc, type);
  SmallVector<Value> image = sizesOf(body, output);
  image.erase(image.begin(), image.begin() + 2);
  size_t rank = image.size();
  SmallVector<int64_t> strides = listOf(op, "strides", rank, 1),
                       dilations = listOf(op, "dilations", rank, 1),
                       pads = listOf(op, "pads", 2 * rank, 0);
  SmallVector<Value> block, columns;
  Value one = body.index(1), positions = one;
  for (size_t d = 0; d < rank; ++d) {
    block.push_back(loadIndex(body, body.inputs[2], body.index(d)));
    positions = body.mul(positions, block[d]);
    Value reach = body.add(
        body.mul(body.sub(block[d], one), body.index(dilations[d])), one);
    Value room = body.sub(
        body.add(image[d], body.index(pads[d] + pads[d + rank])), reach);
    columns.push_back(
        body.add(quotient(body, room, body.index(strides[d])), one));
  }
  Value memory = body.flatten(input);
  Value rows = body.dim(input, 1), width = body.dim(input, 2);
  SmallVector<Value> columnStrides = stridesOf(body, columns);
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) {
    Value none = isFloat ? m.constant(0, type) : m.constantInt(0, type);
    Value row = body.add(body.mul(at[0], rows), body.mul(at[1], positions));
    Value sum = body.loop(
        zero, positions, 1, ValueRange{none}, [&](Value p, ValueRange acc) {
          SmallVector<Value> column;
          Value rest = p, fits = body.constant(body.builder.getBoolAttr(true));
          column.resize(rank);
          for (size_t d = rank; d-- > 0;) {
            Value k = d == 0 ? rest : remainder(body, rest, block[d]);
            if (d != 0)
              rest = quotient(body, rest, block[d]);
            Value from = body.sub(body.add(at[d + 2], body.index(pads[d])),
                                  body.mul(k, body.index(dilations[d])));
            Value stride = body.index(strides[d]);
            // Unsigned: what is before the image is a large number.
            column[d] = quotient(body, from, stride);
            fits = both(body, fits,
                        equals(body, body.mul(column[d], stride), from));
          }
          fits = both(body, fits, inside(body, column, columns));
          Value x = ifInside(body, fits, none, [&] {
            Value offset = body.add(body.mul(body.add(row, p), width),
                                    linearize(body, column, columnStrides));
            Value x = loadElement(body, memory, offset, element);
            return isFloat ? m.widen(x) : x;
          });
          return SmallVector<Value>{isFloat ? m.add(acc[0], x)
                                            : m.addi(acc[0], x)};
        })[0];
    return isFloat ? m.narrow(sum, element) : sum;
  });
}

//===----------------------------------------------------------------------===//
// MaxUnpool
//===----------------------------------------------------------------------===//

LogicalResult acceptsMaxUnpool(NodeOp op, std::string &) { return success(); }

/// The input's elements at the indices, which count in the tensor that the pool
/// was made from; zeros elsewhere. One thread's work: indices may be equal.
void emitMaxUnpool(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0], one = body.index(1);
  SmallVector<int64_t> kernel = op.getIntsAttr("kernel_shape");
  size_t rank = kernel.size();
  SmallVector<int64_t> strides = listOf(op, "strides", rank, 1),
                       pads = listOf(op, "pads", 2 * rank, 0);
  SmallVector<Value> pooled = sizesOf(body, input);
  SmallVector<Value> sizes(pooled.begin(), pooled.begin() + 2);
  for (size_t d = 0; d < rank; ++d) {
    Value reach =
        body.mul(body.sub(pooled[d + 2], one), body.index(strides[d]));
    sizes.push_back(
        body.add(reach, body.index(kernel[d] - pads[d] - pads[d + rank])));
  }
  SmallVector<Value> from = stridesOf(body, sizes),
                     outSizes = sizesOf(body, output);
  SmallVector<Value> to = stridesOf(body, outSizes);
  Value all = body.product(output, 0, rank + 2);
  Value unpooled = body.mul(from[0], sizes[0]);
  Value values = body.flatten(input), indices = body.flatten(body.inputs[1]);
  Value target = body.flatten(output);
  Type stored = cast<MemRefType>(target.getType()).getElementType();
  Value zero = body.constant(cast<TypedAttr>(body.builder.getZeroAttr(stored)));
  auto [lo, hi] = body.share(one);
  body.loop(lo, hi, 1, [&](Value) {
    body.loop(body.index(0), all, 1,
              [&](Value i) { storeElement(body, zero, target, i, Type()); });
    body.loop(body.index(0), body.product(input, 0, rank + 2), 1, [&](Value i) {
      Value rest = checkedIndex(body, loadIndex(body, indices, i), unpooled);
      Value offset = body.index(0);
      for (size_t d = 0; d < sizes.size(); ++d) {
        // A smaller output takes what is outside at its edge.
        Value index = body.minimum(quotient(body, rest, from[d]),
                                   body.sub(outSizes[d], one));
        rest = remainder(body, rest, from[d]);
        offset = body.add(offset, body.mul(index, to[d]));
      }
      storeElement(body, loadElement(body, values, i, Type()), target, offset,
                   Type());
    });
  });
}

} // namespace

ArrayRef<NodeKernel> foldingKernels() {
  static const NodeKernel kernels[] = {
      {"Col2Im", acceptsCol2Im, emitCol2Im},
      {"MaxUnpool", acceptsMaxUnpool, emitMaxUnpool},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
