//===- Movement.cpp - Kernels that move elements as they are --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each is one copy, or one an operand, between two strided accesses.
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"
#include "quantc/Dialect/ONNX/MathEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace quantc::onnx_kernels {

static LogicalResult acceptsAny(NodeOp, std::string &) { return success(); }

static void emitIdentity(NodeOp op, KernelBody &body) {
  Value input = body.flatten(body.inputs[0]),
        output = body.flatten(body.outputs[0]);
  emitCopy(body, sizesOf(body, output), denseAccess(body, input),
           denseAccess(body, output));
}

static void emitTranspose(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0];
  int64_t rank = inputType(op, 0).getRank();
  SmallVector<int64_t> perm = op.getIntsAttr("perm");
  if (perm.empty())
    llvm::append_range(perm, llvm::reverse(llvm::seq<int64_t>(0, rank)));
  if (isInterleave(op, perm, body))
    return emitInterleave(op, body);
  SmallVector<Value> strides = stridesOf(body, sizesOf(body, input));
  Access read;
  read.memory = body.flatten(input);
  for (int64_t d = 0; d < rank; ++d) {
    read.strides.push_back(strides[perm[d]]);
    read.joined.push_back(d + 1 < rank && perm[d + 1] == perm[d] + 1);
  }
  emitCopy(body, sizesOf(body, body.outputs[0]), read,
           denseAccess(body, body.outputs[0]));
}

static void emitExpand(NodeOp op, KernelBody &body) {
  Value output = body.outputs[0];
  llvm::SmallBitVector none(cast<MemRefType>(output.getType()).getRank());
  emitCopy(body, sizesOf(body, output),
           broadcastAccess(body, body.inputs[0], output, Type(), none),
           denseAccess(body, output));
}

//===----------------------------------------------------------------------===//
// Concat, Split
//===----------------------------------------------------------------------===//

/// The part of `whole` along `axis` from `offset` on that has the dimensions of
/// `part`.
static Access partAccess(KernelBody &body, Value whole, int64_t axis,
                         Value offset) {
  Access access = denseAccess(body, whole);
  access.offset = body.mul(offset, access.strides[axis]);
  if (axis > 0)
    access.joined[axis - 1] = false;
  return access;
}

static void emitConcat(NodeOp op, KernelBody &body) {
  Value output = body.outputs[0], offset = body.index(0);
  int64_t rank = cast<MemRefType>(output.getType()).getRank();
  int64_t axis = normalizeAxis(op.getIntAttr("axis", 0), rank);
  for (Value input : body.inputs) {
    emitCopy(body, sizesOf(body, input), denseAccess(body, input),
             partAccess(body, output, axis, offset));
    offset = body.add(offset, body.dim(input, axis));
  }
}

static void emitSplit(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], offset = body.index(0);
  int64_t rank = cast<MemRefType>(input.getType()).getRank();
  int64_t axis = normalizeAxis(op.getIntAttr("axis", 0), rank);
  for (Value output : body.outputs) {
    emitCopy(body, sizesOf(body, output), partAccess(body, input, axis, offset),
             denseAccess(body, output));
    offset = body.add(offset, body.dim(output, axis));
  }
}

//===----------------------------------------------------------------------===//
// Slice
//===----------------------------------------------------------------------===//

static LogicalResult acceptsSlice(NodeOp op, std::string &why) {
  return op.getNodeAttr("axes") ? success()
                                : requireConstant(op, 3, "axes", why);
}

/// Entry `i` of an operand or attribute that gives one number an axis.
static Value sliceNumber(NodeOp op, KernelBody &body, unsigned input,
                         StringRef name, int64_t i, int64_t otherwise) {
  if (Attribute attribute = op.getNodeAttr(name))
    return body.index(op.getIntsAttr(name)[i]);
  if (std::optional<SmallVector<int64_t>> known = constantInts(op, input, name))
    return body.index((*known)[i]);
  if (input < body.inputs.size() && body.inputs[input])
    return loadIndex(body, body.inputs[input], body.index(i));
  return body.index(otherwise);
}

static void emitSlice(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0], zero = body.index(0);
  RankedTensorType type = inputType(op, 0);
  std::optional<SmallVector<int64_t>> axes = constantInts(op, 3, "axes");
  if (!axes) {
    // One start for each leading dimension.
    int64_t count = op.getNodeAttr("starts")
                        ? int64_t(op.getIntsAttr("starts").size())
                        : inputType(op, 1).getDimSize(0);
    axes = llvm::to_vector(llvm::seq<int64_t>(
        0, ShapedType::isDynamic(count) ? type.getRank() : count));
  }
  Access read = denseAccess(body, input);
  read.offset = zero;
  for (auto [i, given] : llvm::enumerate(*axes)) {
    int64_t axis = normalizeAxis(given, type.getRank());
    Value size = body.dim(input, axis);
    Value start = sliceNumber(op, body, 1, "starts", i, 0);
    Value step = sliceNumber(op, body, 4, "steps", i, 1);
    start =
        select(body, lessThan(body, start, zero), body.add(start, size), start);
    // Going down starts at the last element at most.
    Value down = lessThan(body, step, zero);
    Value last = select(body, down, body.sub(size, body.index(1)), size);
    start = clamp(body, start, zero, last);
    read.offset = body.add(read.offset, body.mul(start, read.strides[axis]));
    bool unit = isConstant(step, 1);
    if (!unit) {
      read.strides[axis] = body.mul(step, read.strides[axis]);
      read.joined[axis] = false;
    }
    if (axis > 0)
      read.joined[axis - 1] = false;
  }
  emitCopy(body, sizesOf(body, output), read, denseAccess(body, output));
}

//===----------------------------------------------------------------------===//
// Tile
//===----------------------------------------------------------------------===//

static void emitTile(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0];
  SmallVector<Value> from = sizesOf(body, input), to = sizesOf(body, output);
  Access source = denseAccess(body, input), target = denseAccess(body, output);
  // Two loops a dimension: the repeats, and the elements.
  SmallVector<Value> sizes;
  Access read = source, write = target;
  for (Access *access : {&read, &write}) {
    access->strides.clear();
    access->joined.clear();
  }
  for (size_t d = 0; d < from.size(); ++d) {
    Value length = body.builder.createOrFold<arith::MaxUIOp>(body.loc, from[d],
                                                             body.index(1));
    Value repeats = quotient(body, to[d], length);
    bool once = isConstant(repeats, 1);
    sizes.append({repeats, from[d]});
    read.strides.append(
        {once ? body.mul(from[d], source.strides[d]) : body.index(0),
         source.strides[d]});
    if (once && !read.joined.empty())
      read.joined.back() = true;
    read.joined.append({once, false});
    write.strides.append(
        {body.mul(from[d], target.strides[d]), target.strides[d]});
    write.joined.append({true, true});
  }
  emitCopy(body, sizes, read, write);
}

//===----------------------------------------------------------------------===//
// BitCast
//===----------------------------------------------------------------------===//

static LogicalResult acceptsBitCast(NodeOp op, std::string &why) {
  Type from = inputElement(op, 0), to = resultElement(op);
  // BOOL is one bit here and one byte in ONNX, 0 or 1.
  auto width = [](Type type) {
    return type.isInteger(1) ? 8 : type.getIntOrFloatBitWidth();
  };
  if (width(from) == width(to) && width(from) >= 8)
    return success();
  llvm::raw_string_ostream(why)
      << "BitCast is not there from " << from << " to " << to;
  return failure();
}

static void emitBitCast(NodeOp op, KernelBody &body) {
  Access read = denseAccess(body, body.inputs[0]),
         write = denseAccess(body, body.outputs[0]);
  Type stored = cast<MemRefType>(write.memory.getType()).getElementType();
  emitLoops(body, sizesOf(body, body.outputs[0]), {read}, write,
            [&](ArrayRef<Value> x) -> Value {
              Type given = getElementTypeOrSelf(x[0]);
              if (given == stored)
                return x[0];
              onnx_ir::MathEmitter m(body.builder, body.loc, x[0].getType());
              if (given.isInteger(1))
                return m.select(x[0], m.constantInt(1, stored),
                                m.constantInt(0, stored));
              if (stored.isInteger(1))
                return m.compare(arith::CmpIPredicate::ne, x[0],
                                 m.constantInt(0, given));
              Type type = stored;
              if (auto vector = dyn_cast<VectorType>(x[0].getType()))
                type = vector.clone(stored);
              return arith::BitcastOp::create(body.builder, body.loc, type,
                                              x[0]);
            });
}

ArrayRef<NodeKernel> movementKernels() {
  static const NodeKernel kernels[] = {
      {"Identity", acceptsAny, emitIdentity},
      {"Reshape", acceptsAny, emitIdentity},
      {"Flatten", acceptsAny, emitIdentity},
      {"Squeeze", acceptsAny, emitIdentity},
      {"Unsqueeze", acceptsAny, emitIdentity},
      {"Transpose", acceptsAny, emitTranspose},
      {"Expand", acceptsAny, emitExpand},
      {"Concat", acceptsAny, emitConcat},
      {"Split", acceptsAny, emitSplit},
      {"Slice", acceptsSlice, emitSlice,
       /*constantInputs=*/1u << 1 | 1u << 3 | 1u << 4},
      {"Tile", acceptsAny, emitTile},
      {"BitCast", acceptsBitCast, emitBitCast},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
