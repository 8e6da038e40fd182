//===- Quantization.cpp - Operators on stored values ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// QLinearX is QuantizeLinear(X(DequantizeLinear(..))), which is what the walk
// and the fusion reason about. The products of integers are those of ONNX.
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

using onnx::AttributeProto;
using onnx::OpSchema;
using onnx::OPTIONAL_VALUE;

namespace quantc::onnx_ir::microsoft {

static std::vector<std::string> bytes() {
  return {"tensor(uint8)", "tensor(int8)"};
}

//===----------------------------------------------------------------------===//
// Stored and real values
//===----------------------------------------------------------------------===//

/// What input i stands for: its scale and, where there is one, its zero point
/// are the two inputs behind it.
static Body::Name real(Body &body, int i) {
  Body::Names inputs = {body.in(i), body.in(i + 1)};
  if (body.has(i + 2))
    inputs.push_back(body.in(i + 2));
  return body.op("DequantizeLinear", inputs);
}

/// Sets the result: `value` with the scale that is input i, and the zero point
/// behind it.
static void setStored(Body &body, const Body::Name &value, int i) {
  if (body.has(i + 1))
    body.set(0, body.op("QuantizeLinear", {value, body.in(i), body.in(i + 1)}));
  else
    body.set(0, body.op("QuantizeLinear", {value, body.in(i)},
                        {{"output_dtype", int64_t(body.elementType(0))}}));
}

/// A stored input from i on: values, scale, zero point.
static void
addStored(OpSchema &schema, int i, const std::string &name,
          const std::string &shape,
          OpSchema::FormalParameterOption zeroPoint = OpSchema::Optional) {
  schema.Input(i, name, shape, "T")
      .Input(i + 1, name + "_scale", "One number.", "tensor(float)")
      .Input(i + 2, name + "_zero_point", "One number.", "T", zeroPoint);
}

static void
addResult(OpSchema &schema, int i, const std::string &name,
          const std::string &shape,
          OpSchema::FormalParameterOption zeroPoint = OpSchema::Optional) {
  schema.Input(i, name + "_scale", "One number.", "tensor(float)")
      .Input(i + 1, name + "_zero_point", "One number.", "T", zeroPoint)
      .Output(0, name, shape, "T")
      .TypeConstraint("T", bytes(), "");
}

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

static OpSchema unary(const char *name, const std::string &text,
                      void (*build)(Body &)) {
  OpSchema schema = microsoft(name);
  schema.SetDoc("quantize(" + text + ") with x = dequantize(X).");
  addStored(schema, 0, "X", "Any tensor.");
  addResult(schema, 3, "Y", "Of the shape of X.");
  if (std::string(name) == "QLinearLeakyRelu")
    schema.Attr("alpha", "The slope below 0.", AttributeProto::FLOAT, 0.01f);
  return complete(schema, [](Inference &node) { node.like(0, 0); }, build);
}

static OpSchema binary(const char *name, const std::string &op,
                       void (*build)(Body &)) {
  OpSchema schema = microsoft(name);
  schema.SetDoc("quantize(dequantize(A) " + op +
                " dequantize(B)), broadcast as ONNX does it.");
  addStored(schema, 0, "A", "Any tensor.");
  addStored(schema, 3, "B", "Any tensor that A broadcasts with.");
  addResult(schema, 6, "C", "The broadcast shape.");
  return complete(
      schema, [](Inference &node) { node.broadcast(0, 0, 3); }, build);
}

static void addElementwise(SchemaList &list) {
  list.push_back(binary("QLinearAdd", "+", [](Body &body) {
    setStored(body, body.op("Add", {real(body, 0), real(body, 3)}), 6);
  }));
  list.push_back(binary("QLinearMul", "*", [](Body &body) {
    setStored(body, body.op("Mul", {real(body, 0), real(body, 3)}), 6);
  }));
  list.push_back(unary("QLinearSigmoid", "sigmoid(x)", [](Body &body) {
    setStored(body, body.op("Sigmoid", {real(body, 0)}), 3);
  }));
  list.push_back(
      unary("QLinearLeakyRelu", "x or, below 0, alpha * x", [](Body &body) {
        float alpha = body.Call::real("alpha", 0.01f);
        setStored(body,
                  body.op("LeakyRelu", {real(body, 0)}, {{"alpha", alpha}}), 3);
      }));

  OpSchema where = microsoft("QLinearWhere");
  where.SetDoc("quantize(condition ? dequantize(X) : dequantize(Y)).")
      .Input(0, "condition", "Broadcasts with X and Y.", "tensor(bool)");
  addStored(where, 1, "X", "Any tensor.", OpSchema::Single);
  addStored(where, 4, "Y", "Any tensor.", OpSchema::Single);
  addResult(where, 7, "Z", "The broadcast shape.", OpSchema::Single);
  list.push_back(completeByBody(where, [](Body &body) {
    Body::Name value =
        body.op("Where", {body.in(0), real(body, 1), real(body, 4)});
    body.set(0, body.op("QuantizeLinear", {value, body.in(7), body.in(8)}));
  }));
}

//===----------------------------------------------------------------------===//
// Softmax, means, concatenation
//===----------------------------------------------------------------------===//

static void buildSoftmax(Body &body) {
  int64_t axis = body.Call::integer("axis", -1);
  Body::Name value = real(body, 0);
  if (body.Call::integer("opset", 13) >= 13) {
    setStored(body, body.op("Softmax", {value}, {{"axis", axis}}), 3);
    return;
  }
  // Before: a matrix of the dimensions before the axis and those from it on.
  Body::Name matrix = body.op("Flatten", {value}, {{"axis", axis}});
  matrix = body.op("Softmax", {matrix}, {{"axis", int64_t(1)}});
  Body::Name shape = body.op("Shape", {body.in(0)});
  setStored(body, body.op("Reshape", {matrix, shape}), 3);
}

/// [N, C, spatial..] of [N, spatial.., C], or back.
static Body::Name moveChannels(Body &body, const Body::Name &value,
                               bool toFront) {
  int rank = body.rank(0);
  std::vector<int64_t> permutation = {0};
  if (toFront)
    permutation.push_back(rank - 1);
  for (int d = toFront ? 1 : 2; d < (toFront ? rank - 1 : rank); ++d)
    permutation.push_back(d);
  if (!toFront)
    permutation.push_back(1);
  return body.transpose(value, permutation);
}

static void buildGlobalAverage(Body &body) {
  bool last = body.Call::integer("channels_last", 0);
  std::vector<int64_t> axes;
  for (int d = last ? 1 : 2; d < body.rank(0) - last; ++d)
    axes.push_back(d);
  setStored(body,
            body.op("ReduceMean", {real(body, 0), body.makeIntegers(axes)}), 3);
}

static void buildAverage(Body &body) {
  bool last = body.Call::integer("channels_last", 0);
  Body::Name value = real(body, 0);
  if (last)
    value = moveChannels(body, value, /*toFront=*/true);
  Body::Attributes attributes = {
      {"kernel_shape", body.integers("kernel_shape")},
      {"ceil_mode", body.Call::integer("ceil_mode", 0)},
      {"count_include_pad", body.Call::integer("count_include_pad", 0)}};
  for (const char *name : {"pads", "strides"})
    if (body.hasAttribute(name))
      attributes.push_back({name, body.integers(name)});
  if (std::string pad = body.text("auto_pad", "NOTSET"); pad != "NOTSET")
    attributes.push_back({"auto_pad", pad});
  value = body.op("AveragePool", {value}, attributes);
  if (last)
    value = moveChannels(body, value, /*toFront=*/false);
  setStored(body, value, 3);
}

static void buildConv(Body &body) {
  bool last = body.Call::integer("channels_last", 0);
  Body::Name value = body.in(0);
  if (last)
    value = moveChannels(body, value, /*toFront=*/true);
  Body::Attributes attributes = {{"group", body.Call::integer("group", 1)}};
  for (const char *name : {"dilations", "kernel_shape", "pads", "strides"})
    if (body.hasAttribute(name))
      attributes.push_back({name, body.integers(name)});
  if (std::string pad = body.text("auto_pad", "NOTSET"); pad != "NOTSET")
    attributes.push_back({"auto_pad", pad});
  Body::Names inputs = {value};
  for (int i = 1; i < (body.has(8) ? 9 : 8); ++i)
    inputs.push_back(body.in(i));
  value = body.op("QLinearConv", inputs, attributes);
  body.set(0, last ? moveChannels(body, value, /*toFront=*/false) : value);
}

static void addConv(SchemaList &list) {
  OpSchema schema = microsoft("QLinearConv");
  schema.SetDoc("QLinearConv of ONNX, or of images with channels last.")
      .Attr("auto_pad", "As of ONNX.", AttributeProto::STRING,
            std::string("NOTSET"))
      .Attr("channels_last", "1: channels are the last dimension of x and y.",
            AttributeProto::INT, int64_t(0))
      .Attr("group", "As of ONNX.", AttributeProto::INT, int64_t(1));
  for (const char *name : {"dilations", "kernel_shape", "pads", "strides"})
    schema.Attr(name, "As of ONNX.", AttributeProto::INTS, OPTIONAL_VALUE);
  schema.Input(0, "x", "[N, C, spatial..].", "T1")
      .Input(1, "x_scale", "One number.", "tensor(float)")
      .Input(2, "x_zero_point", "One number.", "T1")
      .Input(3, "w", "[M, C / group, taps..].", "T2")
      .Input(4, "w_scale", "One number, or [M].", "tensor(float)")
      .Input(5, "w_zero_point", "One number, or [M].", "T2")
      .Input(6, "y_scale", "One number.", "tensor(float)")
      .Input(7, "y_zero_point", "One number.", "T3")
      .Input(8, "B", "[M].", "T4", OpSchema::Optional)
      .Output(0, "y", "[N, M, spatial..].", "T3")
      .TypeConstraint("T1", bytes(), "")
      .TypeConstraint("T2", bytes(), "")
      .TypeConstraint("T3", bytes(), "")
      .TypeConstraint("T4", {"tensor(int32)"}, "");
  list.push_back(completeByBody(schema, buildConv));
}

static void inferConcat(Inference &node) {
  int64_t axis = node.integer("axis", 0);
  int rank = node.rank(2);
  if (rank < 0 || axis < -rank || axis >= rank)
    return node.setType(0, node.elementType(1));
  axis += axis < 0 ? rank : 0;
  std::vector<Dimension> shape;
  for (int d = 0; d < rank; ++d)
    shape.push_back(node.dim(2, d));
  for (int i = 5; node.has(i); i += 3) {
    node.requireRank(i, {rank}, "an input");
    shape[axis] = plus(shape[axis], node.dim(i, int(axis)));
  }
  node.set(0, node.elementType(1), shape);
}

static void addReductions(SchemaList &list) {
  OpSchema softmax = microsoft("QLinearSoftmax");
  softmax
      .SetDoc("quantize(softmax(dequantize(X))) along an axis; before opset "
              "13 over all dimensions from the axis on.")
      .Attr("axis", "The axis.", AttributeProto::INT, int64_t(-1))
      .Attr("opset", "The opset whose Softmax is meant.", AttributeProto::INT);
  addStored(softmax, 0, "X", "Any tensor.");
  addResult(softmax, 3, "Y", "Of the shape of X.", OpSchema::Single);
  list.push_back(complete(
      softmax, [](Inference &node) { node.like(0, 0); }, buildSoftmax));

  OpSchema global = microsoft("QLinearGlobalAveragePool");
  global.SetDoc("The mean of each channel of an image, quantized.")
      .Attr("channels_last", "1: channels are the last dimension.",
            AttributeProto::INT, int64_t(0));
  addStored(global, 0, "X", "[N, C, spatial..].", OpSchema::Single);
  addResult(global, 3, "Y", "[N, C, 1..].", OpSchema::Single);
  list.push_back(completeByBody(global, buildGlobalAverage));

  OpSchema average = microsoft("QLinearAveragePool");
  average.SetDoc("quantize(AveragePool(dequantize(X))).")
      .Attr("auto_pad", "As of AveragePool.", AttributeProto::STRING,
            std::string("NOTSET"))
      .Attr("channels_last", "1: channels are the last dimension.",
            AttributeProto::INT, int64_t(0))
      .Attr("kernel_shape", "As of AveragePool.", AttributeProto::INTS);
  for (const char *name : {"ceil_mode", "count_include_pad"})
    average.Attr(name, "As of AveragePool.", AttributeProto::INT, int64_t(0));
  for (const char *name : {"pads", "strides"})
    average.Attr(name, "As of AveragePool.", AttributeProto::INTS,
                 OPTIONAL_VALUE);
  addStored(average, 0, "X", "[N, C, spatial..].");
  addResult(average, 3, "Y", "[N, C, spatial..].");
  list.push_back(completeByBody(average, buildAverage));

  OpSchema mean = microsoft("QLinearReduceMean");
  mean.SetDoc("quantize(ReduceMean(dequantize(data))).")
      .Attr("axes", "The axes; none: all.", AttributeProto::INTS)
      .Attr("keepdims", "1: dimensions of 1 stay.", AttributeProto::INT);
  addStored(mean, 0, "data", "Any tensor.");
  addResult(mean, 3, "reduced", "Without the axes.");
  list.push_back(completeByBody(mean, [](Body &body) {
    setStored(body,
              body.op("ReduceMean",
                      {real(body, 0), body.makeIntegers(body.integers("axes"))},
                      {{"keepdims", body.Call::integer("keepdims", 1)}}),
              3);
  }));

  OpSchema concat = microsoft("QLinearConcat");
  concat.SetDoc("quantize(Concat(dequantize(..), ..)).")
      .Attr("axis", "The axis.", AttributeProto::INT)
      .Input(0, "Y_scale", "One number.", "tensor(float)")
      .Input(1, "Y_zero_point", "One number.", "T8")
      .Input(2, "inputs", "Values, scale, zero point; values, ...", "TV",
             OpSchema::Variadic, /*is_homogeneous=*/false, /*min_arity=*/1)
      .Output(0, "Y", "Of the type of the zero point.", "T8")
      .TypeConstraint("T8", bytes(), "")
      .TypeConstraint("TV", {"tensor(uint8)", "tensor(int8)", "tensor(float)"},
                      "");
  list.push_back(complete(concat, inferConcat));
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

Body::Name productOfIntegers(Body &body, const Body::Name &a,
                             const Body::Name &aZero, int b, int bZero,
                             const Body::Name &aScale, int bScale, int bias) {
  Body::Names inputs = {a, body.in(b)};
  if (!aZero.empty() || body.has(bZero))
    inputs.push_back(aZero);
  if (body.has(bZero))
    inputs.push_back(body.in(bZero));
  constexpr int32_t f32 = onnx::TensorProto::FLOAT;
  Body::Name sum = body.cast(body.op("MatMulInteger", inputs), f32);
  bool half = body.elementType(bScale) == onnx::TensorProto::FLOAT16;
  auto wide = [&](const Body::Name &value) {
    return half ? body.cast(value, f32) : value;
  };
  Body::Name scale = body.op("Mul", {wide(aScale), wide(body.in(bScale))});
  Body::Name value = body.op("Mul", {sum, scale});
  if (body.has(bias))
    value = body.op("Add", {value, wide(body.in(bias))});
  return half ? body.cast(value, onnx::TensorProto::FLOAT16) : value;
}

static void inferProduct(Inference &node, int scale) {
  int rank = node.rank(0);
  if (rank < 1 || node.rank(1) < 0)
    return node.setType(0, node.elementType(scale));
  if (node.rank(1) != 2)
    Call::fail("B has rank " + std::to_string(node.rank(1)) + "; it must be 2");
  Call::requireEqual(node.dim(0, -1), node.dim(1, 0),
                     "the inner dimensions of A and B differ");
  std::vector<Dimension> shape;
  for (int d = 0; d + 1 < rank; ++d)
    shape.push_back(node.dim(0, d));
  shape.push_back(node.dim(1, 1));
  node.set(0, node.elementType(scale), shape);
}

static void inferQGemm(Inference &node) {
  node.requireRank(0, {2}, "A");
  node.requireRank(3, {2}, "B");
  bool transA = node.integer("transA", 0), transB = node.integer("transB", 0);
  Call::requireEqual(node.dim(0, transA ? 0 : 1), node.dim(3, transB ? 1 : 0),
                     "the inner dimensions of A and B differ");
  int32_t type = onnx::TensorProto::FLOAT;
  if (node.has(8))
    type = node.elementType(8);
  else if (node.has(7))
    type = onnx::TensorProto::UINT8;
  node.set(0, type, {node.dim(0, transA ? 1 : 0), node.dim(3, transB ? 0 : 1)});
}

static void addProductsOfIntegers(SchemaList &list) {
  list.push_back(complete(
      microsoft("MatMulIntegerToFloat")
          .SetDoc("(A - a_zero_point) (B - b_zero_point) * a_scale * b_scale + "
                  "bias, the product exact.")
          .Input(0, "A", "[.., K].", "T1")
          .Input(1, "B", "[K, N].", "T2")
          .Input(2, "a_scale", "One number.", "T3")
          .Input(3, "b_scale", "One number, or [N].", "T3")
          .Input(4, "a_zero_point", "One number.", "T1", OpSchema::Optional)
          .Input(5, "b_zero_point", "One number, or [N].", "T2",
                 OpSchema::Optional)
          .Input(6, "bias", "[N].", "T3", OpSchema::Optional)
          .Output(0, "Y", "[.., N].", "T3")
          .TypeConstraint("T1", bytes(), "")
          .TypeConstraint("T2", bytes(), "")
          .TypeConstraint("T3", {"tensor(float)", "tensor(float16)"}, ""),
      [](Inference &node) { inferProduct(node, 3); },
      [](Body &body) {
        body.set(0, productOfIntegers(body, body.in(0),
                                      body.has(4) ? body.in(4) : "", 1, 5,
                                      body.in(2), 3, 6));
      }));

  list.push_back(complete(
      microsoft("DynamicQuantizeMatMul")
          .SetDoc("MatMulIntegerToFloat of A rounded by "
                  "DynamicQuantizeLinear.")
          .Input(0, "A", "[.., K].", "T1")
          .Input(1, "B", "[K, N].", "T2")
          .Input(2, "b_scale", "One number, or [N].", "T1")
          .Input(3, "b_zero_point", "One number, or [N].", "T2",
                 OpSchema::Optional)
          .Input(4, "bias", "[N].", "T1", OpSchema::Optional)
          .Output(0, "Y", "[.., N].", "T1")
          .TypeConstraint("T1", {"tensor(float)"}, "")
          .TypeConstraint("T2", bytes(), ""),
      [](Inference &node) { inferProduct(node, 2); },
      [](Body &body) {
        Body::Names a = body.ops("DynamicQuantizeLinear", {body.in(0)}, 3);
        body.set(0, productOfIntegers(body, a[0], a[2], 1, 3, a[1], 2, 4));
      }));

  list.push_back(complete(
      microsoft("QGemm")
          .SetDoc("alpha * a_scale * b_scale * ((A - a_zero_point) (B - "
                  "b_zero_point) + C), quantized if there is a y_scale.")
          .Attr("alpha", "A factor.", AttributeProto::FLOAT, 1.0f)
          .Attr("transA", "1: A is [K, M].", AttributeProto::INT, int64_t(0))
          .Attr("transB", "1: B is [N, K].", AttributeProto::INT, int64_t(0))
          .Input(0, "A", "[M, K].", "TA")
          .Input(1, "a_scale", "One number.", "T")
          .Input(2, "a_zero_point", "One number.", "TA")
          .Input(3, "B", "[K, N].", "TB")
          .Input(4, "b_scale", "One number, or [N].", "T")
          .Input(5, "b_zero_point", "One number, or [N].", "TB")
          .Input(6, "C", "Broadcasts to [M, N].", "TC", OpSchema::Optional)
          .Input(7, "y_scale", "One number.", "T", OpSchema::Optional)
          .Input(8, "y_zero_point", "One number.", "TYZ", OpSchema::Optional)
          .Output(0, "Y", "[M, N].", "TY")
          .TypeConstraint("T", {"tensor(float)"}, "")
          .TypeConstraint("TA", bytes(), "")
          .TypeConstraint("TB", bytes(), "")
          .TypeConstraint("TC", {"tensor(int32)"}, "")
          .TypeConstraint("TYZ", bytes(), "")
          .TypeConstraint(
              "TY", {"tensor(float)", "tensor(uint8)", "tensor(int8)"}, ""),
      inferQGemm));
}

//===----------------------------------------------------------------------===//
// QuantizeLinear, DequantizeLinear
//===----------------------------------------------------------------------===//

static void addRounding(SchemaList &list) {
  std::vector<std::string> stored = {
      "tensor(int8)",          "tensor(uint8)",          "tensor(int16)",
      "tensor(uint16)",        "tensor(int4)",           "tensor(uint4)",
      "tensor(float8e4m3fn)",  "tensor(float8e4m3fnuz)", "tensor(float8e5m2)",
      "tensor(float8e5m2fnuz)"};
  std::vector<std::string> codes = stored;
  codes.push_back("tensor(int32)");
  list.push_back(complete(
      microsoft("QuantizeLinear")
          .SetDoc("As ONNX's, for more types.")
          .Attr("axis", "Where there are several scales: their axis.",
                AttributeProto::INT, int64_t(1))
          .Attr("block_size", "Elements of the axis that share a scale.",
                AttributeProto::INT, int64_t(0))
          .Attr("saturate", "Of float8 only, as ONNX's.", AttributeProto::INT,
                int64_t(1))
          .Input(0, "x", "Any tensor.", "T1")
          .Input(1, "y_scale",
                 "One number, one for each index of the axis, or "
                 "one for each block.",
                 "T1")
          .Input(2, "y_zero_point", "Of the shape of y_scale.", "T2",
                 OpSchema::Optional)
          .Output(0, "y", "Of the shape of x.", "T2")
          .TypeConstraint("T1", {"tensor(float)", "tensor(float16)"}, "")
          .TypeConstraint("T2", stored, ""),
      [](Inference &node) {
        std::vector<Dimension> shape;
        int32_t type = node.has(2) ? node.elementType(2)
                                   : int32_t(onnx::TensorProto::UINT8);
        if (node.rank(0) < 0)
          return node.setType(0, type);
        for (int d = 0; d < node.rank(0); ++d)
          shape.push_back(node.dim(0, d));
        node.set(0, type, shape);
      }));
  list.push_back(complete(
      microsoft("DequantizeLinear")
          .SetDoc("As ONNX's, for more types.")
          .Attr("axis", "Where there are several scales: their axis.",
                AttributeProto::INT, int64_t(1))
          .Attr("block_size", "Elements of the axis that share a scale.",
                AttributeProto::INT, int64_t(0))
          .Input(0, "x", "Any tensor.", "T1")
          .Input(1, "x_scale",
                 "One number, one for each index of the axis, or "
                 "one for each block.",
                 "T2")
          .Input(2, "x_zero_point", "Of the shape of x_scale.", "T1",
                 OpSchema::Optional)
          .Output(0, "y", "Of the shape of x.", "T2")
          .TypeConstraint("T1", codes, "")
          .TypeConstraint("T2", {"tensor(float)", "tensor(float16)"}, ""),
      [](Inference &node) {
        std::vector<Dimension> shape;
        if (node.rank(0) < 0)
          return node.setType(0, node.elementType(1));
        for (int d = 0; d < node.rank(0); ++d)
          shape.push_back(node.dim(0, d));
        node.set(0, node.elementType(1), shape);
      }));
}

void addQuantization(SchemaList &list) {
  addElementwise(list);
  addReductions(list);
  addConv(list);
  addProductsOfIntegers(list);
  addRounding(list);
}

} // namespace quantc::onnx_ir::microsoft
