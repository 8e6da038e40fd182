//===- Convolution.cpp - Plain conv and quantized_conv --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One result after the other, each a sum over K = (taps, channels of the
// group).
//
//===----------------------------------------------------------------------===//

#include "Loops.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

template <typename OpT>
Plain::Tap Plain::tapOf(OpT op, const Index &index, Value k) {
  Value input = inputOf(op, 0);
  // The weight is what is before the bias, without its parameters.
  Value weight = inputOf(op, isa<qgraph::ConvOp>(op) ? 1 : 3);
  int64_t spatial = index.size() - 2;
  Value channels = body.dim(weight, spatial + 1), column = index.back();
  Value perGroup = arith::DivUIOp::create(builder, loc, body.dim(weight, 0),
                                          body.index(op.getGroups()));
  Value group = arith::DivUIOp::create(builder, loc, column, perGroup);
  Value channel = arith::RemUIOp::create(builder, loc, k, channels);
  Value rest = arith::DivUIOp::create(builder, loc, k, channels);

  Tap tap;
  tap.weight.assign(spatial + 2, channel);
  tap.input.assign(spatial + 2, index.front());
  tap.weight.front() = column;
  tap.input.back() = body.add(body.mul(group, channels), channel);
  tap.inside = body.constant(builder.getBoolAttr(true));
  for (int64_t d = spatial; d-- > 0;) {
    Value taps = body.dim(weight, d + 1);
    Value t = arith::RemUIOp::create(builder, loc, rest, taps);
    rest = arith::DivUIOp::create(builder, loc, rest, taps);
    Value place =
        body.add(body.mul(index[d + 1], body.index(op.getStrides()[d])),
                 body.mul(t, body.index(op.getDilations()[d])));
    place = body.sub(place, body.index(op.getPads()[d]));
    // Unsigned: a negative place is a large one.
    Value in = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult,
                                     place, body.dim(input, d + 1));
    tap.inside = arith::AndIOp::create(builder, loc, tap.inside, in);
    tap.weight[d + 1] = t;
    tap.input[d + 1] = place;
  }
  return tap;
}

Value Plain::loadTap(Value memref, const Tap &tap) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  auto choice = scf::IfOp::create(builder, loc, element, tap.inside,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(builder, loc, load(memref, tap.input));
  builder.setInsertionPointToStart(choice.elseBlock());
  scf::YieldOp::create(
      builder, loc,
      body.constant(cast<TypedAttr>(builder.getZeroAttr(element))));
  return choice.getResult(0);
}

void Plain::emit(qgraph::ConvOp op) {
  Value input = inputOf(op, 0), weight = inputOf(op, 1), bias = inputOf(op, 2);
  Type x = tensorType(op.getInput()).getElementType();
  Type w = tensorType(op.getWeight()).getElementType();
  Value terms =
      body.product(weight, 1, cast<MemRefType>(weight.getType()).getRank());
  forEach(body.outputs[0], [&](const Index &index) {
    Value sum = dotOverK(terms, [&](Value k) {
      Tap tap = tapOf(op, index, k);
      return std::make_pair(toFloat(loadTap(input, tap), x),
                            toFloat(load(weight, tap.weight), w));
    });
    sum = arith::AddFOp::create(builder, loc, sum,
                                loadBias(bias, op.getBias(), index.back()));
    finishLayer(op, inputsOf(op, 3), sum, index);
  });
}

void Plain::emit(QuantizedConvOp op) {
  Value input = inputOf(op, 0), inputScale = inputOf(op, 1),
        inputZero = inputOf(op, 2), weight = inputOf(op, 3),
        weightScale = inputOf(op, 4), weightZero = inputOf(op, 5),
        bias = inputOf(op, 6);
  Type x = tensorType(op.getInput()).getElementType();
  Type w = tensorType(op.getWeight()).getElementType();
  Value terms =
      body.product(weight, 1, cast<MemRefType>(weight.getType()).getRank());
  Value zero = body.i32(0);
  forEach(body.outputs[0], [&](const Index &index) {
    Index image(index.size(), body.index(0)), column(image);
    image.front() = index.front();
    column.front() = index.back();
    Index imageGroup = blockIndex(image, op.getInputBlock());
    Index columnGroup = blockIndex(column, op.getWeightBlock());
    Value zx = inputZero ? toInt(load(inputZero, imageGroup), x) : Value(zero);
    Value zw =
        weightZero ? toInt(load(weightZero, columnGroup), w) : Value(zero);
    auto dot = body.loop(
        body.index(0), terms, 1, ValueRange{zero},
        [&](Value k, ValueRange carried) -> SmallVector<Value> {
          Tap tap = tapOf(op, index, k);
          Value a = arith::SubIOp::create(builder, loc,
                                          toInt(loadTap(input, tap), x), zx);
          Value b = arith::SubIOp::create(
              builder, loc, toInt(load(weight, tap.weight), w), zw);
          // What is outside adds nothing.
          a = arith::SelectOp::create(builder, loc, tap.inside, a, zero);
          Value product = arith::MulIOp::create(builder, loc, a, b);
          return {arith::AddIOp::create(builder, loc, carried[0], product)};
        });
    Value sx = toFloat(load(inputScale, imageGroup),
                       tensorType(op.getInputScale()).getElementType());
    Value sw = toFloat(load(weightScale, columnGroup),
                       tensorType(op.getWeightScale()).getElementType());
    Value sum =
        arith::SIToFPOp::create(builder, loc, builder.getF32Type(), dot[0]);
    Value factor = arith::MulFOp::create(builder, loc, sx, sw);
    Value y = math::FmaOp::create(builder, loc, sum, factor,
                                  loadBias(bias, op.getBias(), index.back()));
    finishLayer(op, inputsOf(op, 7), y, index);
  });
}

} // namespace quantc::qkernel
