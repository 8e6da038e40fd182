//===- ConvSource.cpp - Where a convolution reads its pixels --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The image where it is, or a copy of the part that a block needs, with the
// padding.
//
//===----------------------------------------------------------------------===//

#include "ConvKernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace quantc::qkernel {

ConvKernel::Source ConvKernel::imageAt(Value image, Value depth, Value y,
                                       Value x) {
  auto place = [&](Value at, int64_t d) {
    return body.sub(body.mul(at, body.index(shape.strides[d])),
                    body.index(shape.padsBefore[d]));
  };
  Value channels = body.index(shape.channels);
  Value row = body.mul(extents.in[2], channels);
  Value plane = body.mul(extents.in[1], row);
  Value at = body.add(body.mul(image, extents.in[0]), place(depth, 0));
  at = body.add(body.mul(at, extents.in[1]), place(y, 1));
  at = body.add(body.mul(at, extents.in[2]), place(x, 2));
  Source source;
  source.memory = input;
  source.base = body.mul(at, channels);
  source.planeStep = body.mul(plane, body.index(shape.dilations[0]));
  source.rowStep = body.mul(row, body.index(shape.dilations[1]));
  source.columnStep = shape.dilations[2] * shape.channels;
  source.nextRow = body.mul(row, body.index(plan.stepH));
  source.nextColumn = plan.stepW * shape.channels;
  return source;
}

ConvKernel::Source ConvKernel::copyOf(Value image, Value depth, Value y,
                                      Value x, Value rows) {
  int64_t row = plan.copyWidth * plan.pitch;
  Value count =
      body.add(body.mul(body.sub(rows, body.index(1)), body.index(plan.stepH)),
               body.index(plan.rowsOfCopy(1)));
  // Of a single tap rows in between are left out.
  int64_t skip = shape.taps[1] == 1 ? shape.strides[1] : 1;
  Value top = body.sub(body.mul(y, body.index(shape.strides[1])),
                       body.index(shape.padsBefore[1]));
  auto isInside = [&](Value at, int64_t d) -> Value {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult, at,
                                 extents.in[d]);
  };
  body.loop(body.index(0), body.index(shape.taps[0]), 1, [&](Value tap) {
    Value z = body.sub(body.add(body.mul(depth, body.index(shape.strides[0])),
                                body.mul(tap, body.index(shape.dilations[0]))),
                       body.index(shape.padsBefore[0]));
    Value plane = body.add(body.mul(image, extents.in[0]), z);
    Value inDepth = isInside(z, 0);
    body.loop(body.index(0), count, 1, [&](Value i) {
      Value at = body.add(top, body.mul(i, body.index(skip)));
      Value inside =
          arith::AndIOp::create(builder, loc, inDepth, isInside(at, 1));
      Value from =
          body.mul(body.add(body.mul(plane, extents.in[1]), at), extents.in[2]);
      Value to = body.add(body.mul(tap, body.index(plan.copyPlane())),
                          body.mul(i, body.index(row)));
      copyRow(from, inside, to, x);
    });
  });
  Source source;
  source.memory = scratch;
  source.base = body.index(0);
  source.planeStep = body.index(plan.copyPlane());
  source.rowStep = body.index(row * shape.dilations[1]);
  source.columnStep = shape.dilations[2] * plan.pitch;
  source.nextRow = body.index(row * plan.stepH);
  source.nextColumn = plan.stepW * plan.pitch;
  return source;
}

/// One row of the copy, from pixel x of the result on; `from` is the first
/// pixel of the image's row.
void ConvKernel::copyRow(Value from, Value inside, Value to, Value x) {
  Value channels = body.index(shape.channels);
  Value columns = body.index(plan.copyWidth);
  Value left = body.sub(body.mul(x, body.index(shape.strides[2])),
                        body.index(shape.padsBefore[2]));
  auto choice = scf::IfOp::create(builder, loc, inside,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(choice.elseBlock());
  move(body.mul(columns, body.index(plan.pitch)), to, Value());

  builder.setInsertionPointToStart(choice.thenBlock());
  if (plan.pitch != shape.channels ||
      (shape.taps[2] == 1 && shape.strides[2] > 1)) {
    body.loop(body.index(0), columns, 1, [&](Value column) {
      Value at = body.add(left, body.mul(column, body.index(shape.strides[2])));
      Value start = body.add(to, body.mul(column, body.index(plan.pitch)));
      Value within = arith::CmpIOp::create(
          builder, loc, arith::CmpIPredicate::ult, at, extents.in[2]);
      auto pixel = scf::IfOp::create(builder, loc, within,
                                     /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(pixel.elseBlock());
      move(channels, start, Value());
      builder.setInsertionPointToStart(pixel.thenBlock());
      move(channels, start, body.mul(body.add(from, at), channels));
    });
    return;
  }
  // Columns [begin, end) of the copy lie inside the image.
  auto clamp = [&](Value value, Value least) -> Value {
    value = builder.createOrFold<arith::MaxSIOp>(loc, value, least);
    return builder.createOrFold<arith::MinSIOp>(loc, value, columns);
  };
  Value begin = clamp(body.sub(body.index(0), left), body.index(0));
  Value end = clamp(body.sub(extents.in[2], left), begin);
  move(body.mul(begin, channels), to, Value());
  move(body.mul(body.sub(end, begin), channels),
       body.add(to, body.mul(begin, channels)),
       body.mul(body.add(body.add(from, left), begin), channels));
  move(body.mul(body.sub(columns, end), channels),
       body.add(to, body.mul(end, channels)), Value());
}

/// `count` elements of the image from `from` on, or of padding, to scratch.
void ConvKernel::move(Value count, Value to, Value from) {
  auto part = [&](Value at, int64_t lanes) {
    auto type = VectorType::get({lanes}, element);
    Value value;
    if (from) {
      value = vector::LoadOp::create(builder, loc, type, input,
                                     ValueRange{body.add(from, at)});
      if (plan.flips()) {
        Attribute half = builder.getI8IntegerAttr(-128);
        value = arith::XOrIOp::create(
            builder, loc, value,
            body.constant(DenseElementsAttr::get(type, half)));
      }
    } else {
      value = vector::BroadcastOp::create(builder, loc, type, padding);
    }
    vector::StoreOp::create(builder, loc, value, scratch,
                            ValueRange{body.add(to, at)});
  };
  int64_t lanes = 64 / plan.elementBytes();
  Value zero = body.index(0);
  if (std::optional<int64_t> size = getConstantIntValue(count)) {
    int64_t whole = *size / lanes * lanes, at = whole;
    if (whole > 0)
      body.loop(zero, body.index(whole), lanes,
                [&](Value i) { part(i, lanes); });
    // What is left once more with its predecessors, or piece by piece.
    if (whole > 0 && whole != *size)
      part(body.index(*size - lanes), lanes);
    else
      for (int64_t piece = lanes / 2; piece > 0; piece /= 2)
        if ((*size - whole) & piece) {
          part(body.index(at), piece);
          at += piece;
        }
    return;
  }
  Value rest =
      builder.createOrFold<arith::RemUIOp>(loc, count, body.index(lanes));
  Value whole = body.sub(count, rest);
  body.loop(zero, whole, lanes, [&](Value i) { part(i, lanes); });
  body.loop(whole, count, 1, [&](Value i) { part(i, 1); });
}

} // namespace quantc::qkernel
