//===- GraphEmitter.h - ONNX nodes to onnx.node operations ------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds operations from a list of NodeProtos: that of a model's graph, of a
// subgraph, of a model-local function or of a schema's function body. One
// operation a node, in order; calls of local functions are built in place, with
// attributes bound. Every problem is reported: what depends on a value that
// could not be built is passed over in silence, and building goes on.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_ONNX_GRAPHEMITTER_H
#define QUANTC_DIALECT_ONNX_GRAPHEMITTER_H

#include "quantc/Dialect/ONNX/ProtoMessages.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace quantc::onnx_ir {

class GraphEmitter {
public:
  explicit GraphEmitter(mlir::OpBuilder &builder) : builder(builder) {}
  virtual ~GraphEmitter() = default;

  using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;
  using Opsets = llvm::StringMap<int64_t>;

  /// What holds for all nodes of one function body (or of the model's graph).
  struct Frame {
    Opsets opsets; ///< domain -> version in force
    /// Values of the function's attributes for this call.
    llvm::StringMap<const onnx::AttributeProto *> attributes;
    bool isFunction = false;
    std::string prefix;      ///< of node names: "" or "call/"
    mlir::Location location; ///< of the call
    explicit Frame(mlir::Location location) : location(location) {}
  };

  /// The values that have a name, those of the enclosing graph included. A null
  /// value stands for one that could not be built.
  class Scope {
  public:
    explicit Scope(const Scope *parent = nullptr) : parent(parent) {}
    std::optional<mlir::Value> find(llvm::StringRef name) const;
    /// False if this scope has the name already.
    bool define(llvm::StringRef name, mlir::Value value) {
      return values.try_emplace(name, value).second;
    }
    /// Types that the graph declares (value_info).
    llvm::StringMap<const onnx::TypeProto *> declared;

  private:
    const Scope *parent;
    llvm::StringMap<mlir::Value> values;
  };

  /// Builds initializers (those without a name in `scope` yet) and nodes.
  void emitGraph(const onnx::GraphProto &graph, Scope &scope,
                 const Frame &frame);
  void emitNodes(const Nodes &nodes, Scope &scope, const Frame &frame);

  /// Notes what is known of a value that was built elsewhere.
  void setInfo(mlir::Value value, ValueInfo info) {
    infos[value] = std::move(info);
  }
  const ValueInfo &info(mlir::Value value) { return infos[value]; }
  bool hasFailed() const { return broken; }

  /// Domain -> version of a list of opset imports.
  template <typename Imports>
  static Opsets readOpsets(const Imports &imports) {
    Opsets opsets;
    for (const onnx::OperatorSetIdProto &import : imports)
      opsets[import.domain() == "ai.onnx" ? "" : import.domain()] =
          import.version();
    return opsets;
  }

protected:
  /// Makes a constant of the tensor; null if it cannot (after an error). `name`
  /// is unique neither in a model with functions nor across subgraphs.
  /// `temporary`: the tensor is gone after the call; otherwise it is part of
  /// the messages that are being built from.
  virtual mlir::Value makeConstant(mlir::Location location,
                                   const onnx::TensorProto &tensor,
                                   llvm::StringRef name, bool temporary) = 0;
  /// The function that the node calls, if it is one of the model's own.
  virtual const onnx::FunctionProto *findFunction(const onnx::NodeProto &node) {
    return nullptr;
  }
  /// A problem with a node or value (`what` names it), to be emitted as an
  /// error.
  virtual void report(mlir::Location location, const llvm::Twine &message) = 0;
  /// True if an operator without a schema is to be built all the same.
  virtual bool acceptsUnknown(llvm::StringRef domain) const { return false; }

  void fail(mlir::Location location, const llvm::Twine &message) {
    broken = true;
    report(location, message);
  }

  mlir::OpBuilder &builder;

private:
  struct Node; // a NodeProto with its name, location and bound attributes

  void emitNode(const onnx::NodeProto &proto, unsigned index, Scope &scope,
                const Frame &frame);
  void emitOperation(const Node &node, Scope &scope, const Frame &frame);
  void emitConstant(const Node &node, Scope &scope);
  void emitCall(const Node &node, const onnx::FunctionProto &body, Scope &scope,
                const Frame &frame);
  std::optional<llvm::SmallVector<ValueInfo>>
  emitSubgraph(const onnx::GraphProto &graph, mlir::Region &region,
               const Node &node, llvm::ArrayRef<ValueInfo> arguments,
               const Scope &scope, const Frame &frame);
  std::optional<llvm::SmallVector<mlir::Value>> findInputs(const Node &node,
                                                           Scope &scope);
  std::optional<int64_t> findVersion(const Node &node, const Frame &frame);
  llvm::SmallVector<ValueInfo> resultInfos(const Node &node, int64_t version,
                                           mlir::ValueRange inputs,
                                           const InferSubgraphByName &subgraph,
                                           const Scope &scope);
  void define(const Node &node, llvm::StringRef name, mlir::Value value,
              Scope &scope);
  mlir::Value addConstant(mlir::Location location,
                          const onnx::TensorProto &tensor, llvm::StringRef name,
                          bool temporary);
  mlir::Value absent(mlir::Location location);

  llvm::DenseMap<mlir::Value, ValueInfo> infos;
  bool broken = false;
  size_t functionNodes = 0;
};

} // namespace quantc::onnx_ir

#endif // QUANTC_DIALECT_ONNX_GRAPHEMITTER_H
