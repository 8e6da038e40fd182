//===- Schemas.h - How operators of com.microsoft are declared --*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ONNX Runtime writes models with operators of its own, which ONNX's library
// does not know. Here they get real schemas in its registry: types, inference,
// and a function body of standard operators. So the checker, the import, the
// walk and the tables of documentation treat them like any other.
//
// A family is a file with a function that adds its schemas to the list; to add
// one, declare it here and call it in Schemas.cpp. An operator is
//
//     list.push_back(complete(
//         microsoft("BiasGelu").SetDoc("...").Input(0, "A", "...", "T")...,
//         infer,    // void (Inference &): types and shapes of the results
//         build));  // void (Body &): the nodes that compute them
//
// Semantics are those of ONNX Runtime 1.32 (docs/ContribOperators.md and its
// CPU kernels). What a model asks for and nobody computes is refused by `infer`
// or `build` with `Call::fail`, which says what to do.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DIALECT_ONNX_MICROSOFT_SCHEMAS_H
#define QUANTC_LIB_DIALECT_ONNX_MICROSOFT_SCHEMAS_H

#include "onnx/defs/function.h"
#include "onnx/defs/schema.h"

#include <optional>
#include <string>
#include <vector>

namespace quantc::onnx_ir::microsoft {

using SchemaList = std::vector<onnx::OpSchema>;
using Dimension = onnx::TensorShapeProto_Dimension;

/// The newest opset that function bodies are written in.
constexpr int kBodyOpset = 28;

//===----------------------------------------------------------------------===//
// One node: what inference and body both read
//===----------------------------------------------------------------------===//

class Call {
public:
  explicit Call(const onnx::FunctionBodyBuildContext &context)
      : context(context) {}

  bool has(int input) const { return context.hasInput(input); }
  bool wants(int output) const { return context.hasOutput(output); }

  bool hasAttribute(const std::string &name) const {
    return context.getAttribute(name) != nullptr;
  }
  /// Null if the node does not have it.
  const onnx::AttributeProto *attribute(const std::string &name) const {
    return context.getAttribute(name);
  }
  int64_t integer(const std::string &name, int64_t otherwise) const;
  float real(const std::string &name, float otherwise) const;
  std::string text(const std::string &name, const std::string &otherwise) const;
  std::vector<int64_t> integers(const std::string &name) const;
  std::vector<float> reals(const std::string &name) const;

  /// TensorProto.DataType of an input, UNDEFINED (0) if it is not known.
  int32_t elementType(int input) const;
  /// -1 if it is not known (never in a body).
  int rank(int input) const;
  /// A dimension, from the end if negative; without value and name if unknown.
  Dimension dim(int input, int i) const;
  /// The number it is, if it is one.
  std::optional<int64_t> extent(int input, int i) const;

  /// Throws: the message names the operator already.
  [[noreturn]] static void fail(const std::string &why);
  /// Fails if the rank is known and not one of these.
  void requireRank(int input, std::initializer_list<int> ranks,
                   const std::string &name) const;
  /// Fails if both are numbers and differ.
  static void requireEqual(const Dimension &dim, const Dimension &other,
                           const std::string &what);

private:
  const onnx::FunctionBodyBuildContext &context;
};

Dimension number(int64_t value);
/// The product, quotient, or sum if both are numbers; unknown if not.
Dimension times(const Dimension &dim, int64_t factor);
Dimension over(const Dimension &dim, int64_t divisor);
Dimension plus(const Dimension &dim, const Dimension &other);

//===----------------------------------------------------------------------===//
// Inference
//===----------------------------------------------------------------------===//

class Inference : public Call {
public:
  Inference(onnx::InferenceContext &context,
            const onnx::FunctionBodyBuildContext &view)
      : Call(view), context(context) {}

  /// The result has the type and, as far as known, shape of an input. Does
  /// nothing for a result that the node does not have; the others too.
  void like(int output, int input);
  void set(int output, int32_t elementType,
           const std::vector<Dimension> &shape);
  /// A type of unknown rank.
  void setType(int output, int32_t elementType);
  /// Both broadcast together, with the element type of the first.
  void broadcast(int output, int left, int right);
  /// The integers of a constant input.
  std::optional<std::vector<int64_t>> constant(int input) const;

private:
  onnx::InferenceContext &context;
};

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

class Body : public Call {
public:
  using Name = std::string;
  using Names = std::vector<Name>;
  using Attributes =
      std::vector<onnx::FunctionBodyHelper::AttributeProtoWrapper>;

  /// Nodes are added to `proto`, which has its inputs and outputs already.
  Body(const onnx::FunctionBodyBuildContext &context,
       onnx::FunctionProto &proto)
      : Call(context), proto(proto) {}

  /// The formal name of an input or result.
  Name in(int input) const { return proto.input(input); }
  Name out(int output) const { return proto.output(output); }

  /// A node with one result, and its name.
  Name op(const std::string &type, const Names &inputs,
          const Attributes &attributes = {});
  Names ops(const std::string &type, const Names &inputs, int results,
            const Attributes &attributes = {});
  /// A result of the whole.
  void set(int output, const Name &value);

  Name makeInteger(int64_t value);                     ///< of rank 0
  Name makeIntegers(const std::vector<int64_t> &list); ///< of rank 1
  Name makeReal(float value);                          ///< of rank 0, f32
  /// A number of that element type, of rank 0.
  Name makeReal(float value, int32_t elementType);
  Name cast(const Name &value, int32_t elementType);

  /// Dimensions [from, to) as a tensor of rank 1.
  Name shape(const Name &value, int64_t from, int64_t to);
  Name dimension(const Name &value, int64_t i); ///< [1]
  /// To the concatenation of tensors of rank 1.
  Name reshape(const Name &value, const Names &shape);
  /// 0 keeps a dimension, -1 is what is left.
  Name reshape(const Name &value, const std::vector<int64_t> &shape);
  Name transpose(const Name &value, const std::vector<int64_t> &permutation);
  Name unsqueeze(const Name &value, const std::vector<int64_t> &axes);
  Name concat(const Names &values, int64_t axis);
  /// Elements [from, to) of an axis; bounds are tensors of rank 1.
  Name slice(const Name &value, const Name &from, const Name &to, int64_t axis);
  Name slice(const Name &value, int64_t from, int64_t to, int64_t axis);
  /// 0, 1, ..., count - 1, where `count` has one element.
  Name range(const Name &count);

private:
  onnx::FunctionProto &proto;
  int count = 0;
};

//===----------------------------------------------------------------------===//
// Schemas
//===----------------------------------------------------------------------===//

/// A schema of version 1 of com.microsoft without anything yet.
onnx::OpSchema microsoft(const char *name);
/// Adds inference and, if there is one, the body.
onnx::OpSchema complete(onnx::OpSchema &schema, void (*infer)(Inference &),
                        void (*build)(Body &) = nullptr);
/// The same, with inference through the body, where the ranks of all inputs are
/// known.
onnx::OpSchema completeByBody(onnx::OpSchema &schema, void (*build)(Body &));

/// G * sigmoid(activation_alpha * G) * (L + activation_beta), of these
/// attributes of the node and G <= limit, -limit <= L <= limit, if there is
/// one.
Body::Name swiglu(Body &body, Body::Name gate, Body::Name linear,
                  std::optional<float> limit);
/// Channels as the last dimension, or, the other way, the second again.
Body::Name channelsLast(Body &body, const Body::Name &value, int rank);
Body::Name channelsSecond(Body &body, const Body::Name &value, int rank);

/// Lists of types, for TypeConstraint: 32 and 16 bits; 64 bits as well.
std::vector<std::string> floats();
std::vector<std::string> floatsAndDouble();

/// (A - a_zero) (B - b_zero) * a_scale * b_scale + bias, the product exact, in
/// the type of b_scale; names and inputs, "" for no a_zero.
Body::Name productOfIntegers(Body &body, const Body::Name &a,
                             const Body::Name &aZero, int b, int bZero,
                             const Body::Name &aScale, int bScale, int bias);

/// Families, a file each.
void addActivations(SchemaList &list);
void addAttention(SchemaList &list);
void addBlockWeights(SchemaList &list);
void addExperts(SchemaList &list);
void addGroupNormalization(SchemaList &list);
void addGroupQueryAttention(SchemaList &list);
void addNormalization(SchemaList &list);
void addProducts(SchemaList &list);
void addQuantization(SchemaList &list);
void addRelativePositions(SchemaList &list);
void addRotary(SchemaList &list);
void addStandard(SchemaList &list);

} // namespace quantc::onnx_ir::microsoft

#endif // QUANTC_LIB_DIALECT_ONNX_MICROSOFT_SCHEMAS_H
