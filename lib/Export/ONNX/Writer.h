//===- Writer.h - An ONNX graph as it is written ----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every value of the IR becomes a name. Nodes are written in the order of the
// IR; what is only needed by some (arithmetic on dimensions, constants) is
// written where it is first used.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_EXPORT_ONNX_WRITER_H
#define QUANTC_LIB_EXPORT_ONNX_WRITER_H

#include "quantc/Dialect/ONNX/ONNXDialect.h"
#include "quantc/Dialect/ONNX/ProtoMessages.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Export/ONNX.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <functional>
#include <list>
#include <map>

namespace quantc::onnx_export {

/// The name of a value in the file; "" for one that is absent.
using Name = std::string;
using Attributes = llvm::ArrayRef<std::pair<llvm::StringRef, mlir::Attribute>>;

/// What has been written, for the choice of the opset.
struct Emitted {
  onnx::NodeProto *node;
  /// The version that the IR names; 0 for nodes that are written here, which
  /// mean the same in every version from 21 on.
  int64_t version;
  llvm::SmallVector<mlir::Type, 2> inputs, outputs; // elements; null: unknown
};

/// What is done to a constant before it is written.
struct ConstantForm {
  /// Transpose: [N, K] to [K, N]. ChannelsFirst: [O, taps.., C] to [O, C,
  /// taps..].
  enum Order { AsIs, Transpose, ChannelsFirst } order = AsIs;
  std::optional<llvm::SmallVector<int64_t>> shape;
  bool toF32 = false;
};

/// A tensor of the file and how its bytes (as raw_data has them) are made.
struct Initializer {
  onnx::TensorProto *tensor;
  uint64_t size;
  std::function<llvm::Error(llvm::raw_ostream &)> write;
};

class Writer {
public:
  Writer(mlir::ModuleOp module, const ExportONNXOptions &options);

  /// The whole model but the initializers' data.
  mlir::LogicalResult run(onnx::ModelProto &model);

  const std::list<Initializer> &getInitializers() const { return initializers; }

  const ExportONNXOptions &options;
  mlir::Builder builder;

  //===--------------------------------------------------------------------===//
  // Values
  //===--------------------------------------------------------------------===//

  /// The name of a tensor; writes it if it is a constant or lazy.
  Name use(mlir::Value value);
  /// The name of a value that has been written in this graph or one around it,
  /// or "".
  Name lookup(mlir::Value value) const;
  void define(mlir::Value value, Name name);
  /// `make` writes the value when it is first used.
  void defineLater(mlir::Value value, std::function<Name()> make);
  /// The name that a value is to be defined by: that of a graph output, else
  /// one that begins with `base`.
  Name nameFor(mlir::Value value, llvm::StringRef base);
  Name fresh(llvm::StringRef base);
  /// True if a value must be defined by a node of its own.
  bool isOutput(mlir::Value value) const { return reserved.count(value); }

  //===--------------------------------------------------------------------===//
  // Nodes
  //===--------------------------------------------------------------------===//

  /// A node of the standard domain with one output of this element type: the
  /// value `result`, if it is given.
  Name node(llvm::StringRef opType, llvm::ArrayRef<Name> inputs,
            mlir::Type element, Attributes attributes = {},
            mlir::Value result = {}, llvm::StringRef name = "");
  /// A node with these outputs, whose types are known.
  onnx::NodeProto &add(llvm::StringRef opType, llvm::ArrayRef<Name> inputs,
                       llvm::ArrayRef<Name> outputs, int64_t version = 0);
  void setType(llvm::StringRef name, mlir::Type element);
  mlir::Type typeOf(llvm::StringRef name) const;

  mlir::Attribute integer(int64_t value);
  mlir::Attribute integers(llvm::ArrayRef<int64_t> values);
  mlir::Attribute real(double value);
  /// The `TensorProto.DataType` of an element type; reports one that has none.
  mlir::Attribute dataType(mlir::Operation *op, mlir::Type element);

  Name reshape(Name input, mlir::Type element, Name shape,
               mlir::Value result = {}, llvm::StringRef name = "");
  Name transpose(Name input, mlir::Type element,
                 llvm::ArrayRef<int64_t> permutation, mlir::Value result = {},
                 llvm::StringRef name = "");
  /// The input itself if it is of that type and no `result` is wanted.
  Name castTo(Name input, mlir::Type to, mlir::Value result = {});

  //===--------------------------------------------------------------------===//
  // Constants (Initializers.cpp)
  //===--------------------------------------------------------------------===//

  Name dense(mlir::DenseElementsAttr value);
  Name intList(llvm::ArrayRef<int64_t> values); ///< INT64 of rank 1
  Name number(double value, mlir::Type element,
              llvm::ArrayRef<int64_t> shape = {});
  /// A `qgraph.constant` in another form.
  Name constant(mlir::Value value, const ConstantForm &form);
  /// An initializer with data of its own.
  Name initializer(llvm::StringRef base, mlir::RankedTensorType type,
                   std::function<llvm::Error(llvm::raw_ostream &)> write);

  //===--------------------------------------------------------------------===//
  // Values that are no tensors in the IR (Scalars.cpp): each is a tensor [1]
  //===--------------------------------------------------------------------===//

  Name scalar(mlir::OpFoldResult value);
  /// INT64 [dims.size()].
  Name shape(llvm::ArrayRef<mlir::OpFoldResult> dims);
  /// The dimensions of a tensor, each as a number, an index value if one is
  /// known to be it, or null.
  llvm::SmallVector<mlir::OpFoldResult> dimsOf(mlir::Value tensor);
  /// INT64 [1], whatever is known.
  Name dim(mlir::Value tensor, int64_t d);
  /// INT64 [rank]: all dimensions.
  Name shapeOf(mlir::Value tensor);

  //===--------------------------------------------------------------------===//
  // Ops
  //===--------------------------------------------------------------------===//

  mlir::LogicalResult block(mlir::Block &block);
  mlir::LogicalResult operation(mlir::Operation *op);
  /// Reports that an op has no ONNX form; returns failure.
  mlir::LogicalResult unsupported(mlir::Operation *op, const llvm::Twine &why);

  mlir::LogicalResult exportNode(onnx_ir::NodeOp op);   // Nodes.cpp
  mlir::LogicalResult plainNode(onnx_ir::NodeOp op);    // Nodes.cpp
  mlir::LogicalResult exportLayer(mlir::Operation *op); // Layers.cpp
  mlir::LogicalResult exportIf(qgraph::IfOp op);        // ControlFlow.cpp
  mlir::LogicalResult exportLoop(qgraph::LoopOp op);    // ControlFlow.cpp
  /// Quantization.cpp
  mlir::LogicalResult exportQuantize(qgraph::QuantizeOp op);
  mlir::LogicalResult exportDequantize(qgraph::DequantizeOp op);
  mlir::LogicalResult exportChooseParams(qgraph::ChooseParamsOp op);
  /// [K, N] of a weight [N, K]: constants are transposed, else a node is.
  Name transposedWeight(mlir::Value weight);
  /// `dequantize` of these operands in ONNX's operators. With an order, of
  /// constants, in that form; it fails where only elementwise operators would
  /// do.
  mlir::FailureOr<Name>
  dequantize(mlir::Operation *op, mlir::Value input, mlir::Value scale,
             mlir::Value zeroPoint, mlir::Value offset, mlir::Value codebook,
             llvm::ArrayRef<int64_t> block, mlir::Type element,
             ConstantForm::Order order = ConstantForm::AsIs,
             mlir::Value result = {});
  /// The product of a layer, without the bias, as MatMulNBits; "" for weights
  /// that it does not have. MatMulNBits.cpp
  Name matMulNBits(qgraph::LinearOp op);

  bool hasFailed() const { return failed; }
  const std::vector<Emitted> &getEmitted() const { return emitted; }
  /// True if every node is one of the IR as it stands.
  bool isVerbatim() const { return verbatim; }

  /// A graph whose values are not seen outside: the body of a subgraph. Block
  /// arguments become inputs, operands of the terminator outputs. An index
  /// argument is an INT64 scalar; `condition`, where there is one, is a BOOL
  /// scalar beside it; an index operand of the terminator becomes such.
  mlir::LogicalResult subgraph(mlir::Region &region, llvm::StringRef name,
                               onnx::GraphProto &graph, bool condition = false);
  /// An index value as a BOOL of rank 0.
  Name truth(mlir::Value value, Name result = "");

private:
  struct Scope {
    onnx::GraphProto *graph;
    llvm::DenseMap<mlir::Value, Name> names, scalars, transposed;
    llvm::DenseMap<mlir::Value, std::function<Name()>> later;
  };
  Name makeScalar(mlir::Value value);
  void declare(onnx::ValueInfoProto &info, llvm::StringRef name,
               mlir::Type type, mlir::ArrayAttr dims);
  mlir::LogicalResult function(mlir::func::FuncOp function,
                               onnx::GraphProto &graph);
  void outputs(mlir::Operation *terminator, llvm::ArrayRef<Name> names);

  mlir::ModuleOp module;
  std::vector<std::unique_ptr<Scope>> scopes;
  onnx::GraphProto *mainGraph = nullptr;
  llvm::StringSet<> used;
  llvm::StringMap<unsigned> counters;
  llvm::StringMap<mlir::Type> types;
  llvm::DenseMap<mlir::Value, Name> reserved;
  std::map<std::pair<const void *, std::string>, Name> constants;
  std::list<Initializer> initializers;
  std::vector<Emitted> emitted;
  bool failed = false, verbatim = true;
};

/// A weight's name without what was appended where it was rewritten
/// (`@quantize-weights`; `.scale` stays), and with what says how the file's
/// differs from the original. "c" for none.
std::string originalName(llvm::StringRef name,
                         ConstantForm::Order order = ConstantForm::AsIs);

/// Between [B, S, H, D] and [B, H, S, D].
const llvm::SmallVector<int64_t> kSwapHeads = {0, 2, 1, 3};

/// True for an index value that cannot be negative; `ofDims`: because it is made
/// of dimensions only.
bool isExtent(mlir::OpFoldResult value, bool ofDims = false);

/// How ONNX's quantization operators say a block: their `axis` and
/// `block_size`, and the shape of the scale.
struct AxisForm {
  enum Kind { PerTensor, PerAxis, Blocked } kind;
  int64_t axis = 0, size = 0;
};
/// Nothing for blocks that they do not have.
std::optional<AxisForm> axisFormOf(mlir::RankedTensorType type,
                                   mlir::RankedTensorType scale,
                                   llvm::ArrayRef<int64_t> block);

/// The least version of the standard operators, from `first` on, that has all
/// that was emitted; an error (`why`) names a node that none has.
std::optional<int64_t> chooseOpset(llvm::ArrayRef<Emitted> emitted,
                                   int64_t first, std::string &why);
/// True if the operators of this version are exactly those that the IR names.
bool isExactly(llvm::ArrayRef<Emitted> emitted, int64_t opset);

} // namespace quantc::onnx_export

#endif // QUANTC_LIB_EXPORT_ONNX_WRITER_H
