//===- Walk.h - The forward walk and what its handlers use ------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_WALK_H
#define QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_WALK_H

#include "Dims.h"
#include "quantc/Dialect/ONNX/Proto.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <memory>

namespace quantc::onnx_to_qgraph {

/// One element of a small tensor: an integer or a boolean as a `Dim`, a float
/// as a FloatAttr of f64.
using Element = mlir::OpFoldResult;
using Elements = llvm::SmallVector<Element, 4>;

/// Tensors of up to this many elements are known by their elements.
constexpr int64_t kSmall = 64;

struct ListInfo;

/// What is known of one value.
struct TensorInfo {
  /// Null for `none`, for sequences, and for what could not be handled.
  mlir::Type elementType;
  Dims dims;
  /// The tensor in the new body; null as long as nobody has asked for it
  /// (Walk::materialize), if it is known by what follows.
  mlir::Value value;

  /// All elements in row-major order, if there are at most `kSmall`.
  std::optional<Elements> elements;
  /// The one value of all elements, whatever the dimensions.
  Element splat;
  /// The element at an index is start + the sum of steps[d] * index[d]. Steps
  /// of dimensions that are 1 are 0.
  struct Ramp {
    Dims steps;
    Dim start;
  };
  std::optional<Ramp> ramp;
  /// The elements [.., c] for each c, where they are ramps: positions for
  /// GatherND.
  std::vector<Ramp> components;
  /// The node that would have made it was reported.
  bool failed = false;
  /// A sequence (Sequences.h).
  std::shared_ptr<ListInfo> list;
  /// Of an optional: 1 where there is something, else 0. Null: no optional.
  Dim present;

  int64_t rank() const { return dims.size(); }
  explicit operator bool() const { return elementType != nullptr; }
};

class Walk;

/// The `onnx.node` being handled.
class Node {
public:
  Node(Walk &walk, onnx_ir::NodeOp op) : walk(walk), op(op) {}

  Walk &walk;
  onnx_ir::NodeOp op;

  llvm::StringRef type() { return op.getOpType(); }
  int64_t version() { return op.getVersion(); }
  unsigned numInputs() { return op.getInputs().size(); }
  /// False where the input is absent.
  bool has(unsigned i);
  TensorInfo &in(unsigned i);
  bool resultUsed(unsigned i);
  /// True if this node is all that uses the input.
  bool onlyUse(unsigned i);
  void set(unsigned i, TensorInfo info);

  int64_t integer(llvm::StringRef name, int64_t otherwise);
  double real(llvm::StringRef name, double otherwise);
  llvm::StringRef string(llvm::StringRef name, llvm::StringRef otherwise);
  std::optional<llvm::SmallVector<int64_t>> integers(llvm::StringRef name);
  /// The integers of a constant input; nothing if absent or computed.
  std::optional<llvm::SmallVector<int64_t>> constants(unsigned i);
  /// The one number of a constant input.
  std::optional<double> scalar(unsigned i);
  /// Input `i` if there is one, else the attribute: sorted axes of a tensor of
  /// that rank, each once. Nothing if neither is there. Failure if the axes are
  /// computed or out of range.
  mlir::FailureOr<std::optional<llvm::SmallVector<int64_t>>>
  axes(unsigned i, llvm::StringRef name, int64_t rank);

  /// The elements of an input, if need be read from the model's inputs before
  /// the run (RunTime.cpp); nothing if they are computed from data.
  std::optional<Elements> elements(unsigned i);
  /// The only one; null if there is none or it is computed from data.
  Dim element(unsigned i);
  /// An axis only known at run time, from the front; null if it is out of
  /// range.
  Dim normalizedAxis(Dim axis, int64_t rank);
  /// For each dimension 1 if it is one of the axes, else 0; that these are in
  /// range and differ is checked at run time. Nothing if they cannot.
  std::optional<Dims> axisFlags(llvm::ArrayRef<Element> axes, int64_t rank);
  /// The `count` dimensions whose flags are 0.
  Dims kept(llvm::ArrayRef<Dim> dims, llvm::ArrayRef<Dim> flags, int64_t count);

  /// Says why this node cannot be handled; returns failure.
  mlir::LogicalResult unsupported(const llvm::Twine &why);
};

/// An axis as ONNX writes it, from the end if negative; -1 if out of range.
int64_t normalizeAxis(int64_t axis, int64_t rank);

/// That a length which an input gives is one that a tensor can have; false if
/// it is known not to be.
bool requireSize(Node &node, Dim size);

/// The node as it is, with results of these dimensions.
mlir::LogicalResult keep(Node &node, llvm::ArrayRef<Dims> dims,
                         mlir::Type elementType);

//===----------------------------------------------------------------------===//
// Objections to bad models (Checks.cpp): what is wrong, if anything is.
//===----------------------------------------------------------------------===//

/// A shape (kDynamic where it is not known) with a negative dimension, or of
/// more bytes than a process can address. Arithmetic on sizes relies on it.
std::optional<std::string> objectionToSize(llvm::ArrayRef<int64_t> shape,
                                           mlir::Type elementType);
/// The same of what became of a node.
std::optional<std::string> objectionToResults(Node &node);
/// Attributes and shapes that contradict the operator's text and that schemas
/// let pass.
std::optional<std::string> objectionTo(Node &node);

/// How one operator is taken through the walk. A failure without a reason means
/// that the function body of the schema should be tried.
struct Handler {
  llvm::StringLiteral domain, opType;
  int64_t since, until; // versions, both included
  mlir::LogicalResult (*handle)(Node &);
};
constexpr int64_t kNewest = std::numeric_limits<int64_t>::max();

llvm::ArrayRef<Handler> shapeHandlers();
llvm::ArrayRef<Handler> movementHandlers();
llvm::ArrayRef<Handler> sliceHandlers();
llvm::ArrayRef<Handler> reductionHandlers();
llvm::ArrayRef<Handler> linearHandlers();
llvm::ArrayRef<Handler> normalizationHandlers();
llvm::ArrayRef<Handler> attentionHandlers();
llvm::ArrayRef<Handler> flexAttentionHandlers();
llvm::ArrayRef<Handler> traditionalHandlers();
llvm::ArrayRef<Handler> quantizationHandlers();
llvm::ArrayRef<Handler> integerProductHandlers();
llvm::ArrayRef<Handler> blockWeightHandlers();
llvm::ArrayRef<Handler> sizeHandlers();
llvm::ArrayRef<Handler> windowHandlers();
llvm::ArrayRef<Handler> convolutionHandlers();
llvm::ArrayRef<Handler> elementwiseHandlers();
llvm::ArrayRef<Handler> selectionHandlers();
llvm::ArrayRef<Handler> branchHandlers();
llvm::ArrayRef<Handler> iterationHandlers();
llvm::ArrayRef<Handler> sequenceHandlers();

class Walk {
public:
  struct Counts {
    unsigned expanded = 0, recognized = 0;
  };
  /// `ranges`: what the named dimensions can be.
  Walk(mlir::func::FuncOp function, const llvm::StringMap<Bounds> &ranges);

  /// Rebuilds the function. Every node that cannot be handled is reported.
  mlir::FailureOr<Counts> run();

  mlir::func::FuncOp function;
  mlir::ImplicitLocOpBuilder builder;
  DimArithmetic arith;
  Counts counts;

  //===--------------------------------------------------------------------===//
  // Building (Build.cpp)
  //===--------------------------------------------------------------------===//

  mlir::RankedTensorType typeOf(const TensorInfo &info);
  mlir::RankedTensorType typeOf(llvm::ArrayRef<Dim> dims, mlir::Type element);
  /// The tensor; makes it if it is only known by its elements so far.
  mlir::Value materialize(TensorInfo &info);

  TensorInfo tensor(mlir::Value value, llvm::ArrayRef<Dim> dims);
  /// What is known of a tensor of the new body.
  TensorInfo lookup(mlir::Value value);
  TensorInfo fromElements(mlir::Type type, llvm::ArrayRef<Dim> dims,
                          Elements elements);
  TensorInfo fromSplat(mlir::Type type, llvm::ArrayRef<Dim> dims,
                       Element value);
  TensorInfo fromRamp(mlir::Type type, llvm::ArrayRef<Dim> dims,
                      TensorInfo::Ramp ramp);
  TensorInfo constant(mlir::TypedAttr value);
  /// A constant f32 scalar.
  TensorInfo scalar(double value, mlir::Type type);

  using Attributes =
      llvm::ArrayRef<std::pair<llvm::StringRef, mlir::Attribute>>;
  /// An operator of the standard domain, in its newest version, or another one.
  struct Operator {
    Operator(llvm::StringRef type);
    Operator(llvm::StringRef type, llvm::StringRef domain, int64_t version)
        : type(type), domain(domain), version(version) {}
    llvm::StringRef type, domain;
    int64_t version;
  };
  /// The element type and the dimensions of a result.
  using Result = std::pair<mlir::Type, Dims>;
  /// A typed `onnx.node`; an absent input is an empty TensorInfo. Attributes
  /// that are null are left out.
  llvm::SmallVector<TensorInfo> nodes(Operator op,
                                      llvm::ArrayRef<TensorInfo *> inputs,
                                      llvm::ArrayRef<Result> results,
                                      Attributes attributes = {});
  /// The same of the standard domain with one result.
  TensorInfo node(llvm::StringRef opType, llvm::ArrayRef<TensorInfo *> inputs,
                  mlir::Type elementType, llvm::ArrayRef<Dim> dims,
                  Attributes attributes = {}) {
    return nodes(opType, inputs, {{elementType, Dims(dims)}}, attributes)
        .front();
  }
  /// `qgraph.linear` with weight [N, K] and a bias that may be null.
  TensorInfo linear(TensorInfo &input, mlir::Value weight, mlir::Value bias,
                    mlir::StringAttr name);
  mlir::Attribute integerAttr(int64_t value);
  mlir::Attribute integersAttr(llvm::ArrayRef<int64_t> values);
  mlir::Attribute realAttr(double value);

  /// All of these return the operand itself where nothing changes, and act on
  /// elements where these are known.
  TensorInfo reshape(TensorInfo &info, llvm::ArrayRef<Dim> dims);
  TensorInfo expand(TensorInfo &info, llvm::ArrayRef<Dim> dims);
  TensorInfo transpose(TensorInfo &info, llvm::ArrayRef<int64_t> permutation);
  TensorInfo convert(TensorInfo &info, mlir::Type type);
  /// Dimensions of 1 in front until it has the rank.
  TensorInfo toRank(TensorInfo &info, int64_t rank);
  /// An elementwise operator, operands broadcast.
  mlir::FailureOr<TensorInfo> elementwise(llvm::StringRef opType,
                                          llvm::ArrayRef<TensorInfo *> inputs,
                                          mlir::Type elementType,
                                          Attributes attributes = {});

  /// The dimensions to which the operands broadcast; nothing if they do not.
  std::optional<Dims> broadcast(llvm::ArrayRef<TensorInfo *> infos);

  /// [N, K] of a [K, N] weight: a constant, dequantized constants, or the
  /// transpose of one; null if it is none. Constants are rewritten once.
  mlir::Value transposedWeight(mlir::Value weight);
  /// [O, taps.., C] of a [O, C, taps..] weight: a constant, or dequantized
  /// constants; null if it is none.
  mlir::Value channelsLastWeight(mlir::Value weight);
  /// [O, C] of a [O, C, 1..] weight, likewise.
  mlir::Value matrixWeight(mlir::Value weight);
  /// A constant with other dimensions or null if `value` is no constant.
  mlir::Value reshapedConstant(mlir::Value value,
                               llvm::ArrayRef<int64_t> shape);

  //===--------------------------------------------------------------------===//
  // Recognition: what decomposed operators amount to, tried whenever one of
  // their last nodes is built. Return nothing where they do not apply.
  //===--------------------------------------------------------------------===//

  std::optional<TensorInfo> recognizeNormalization(Node &node);
  std::optional<TensorInfo> recognizeActivation(Node &node);
  /// At the product of `weights` and `value`.
  std::optional<TensorInfo> recognizeAttention(TensorInfo &weights,
                                               TensorInfo &value,
                                               mlir::StringAttr name);
  std::optional<TensorInfo> recognizeBias(Node &node);
  std::optional<TensorInfo> recognizeStored(Node &node);

  //===--------------------------------------------------------------------===//
  // State
  //===--------------------------------------------------------------------===//

  TensorInfo &info(mlir::Value old);
  /// A handler has put nodes before `op` into the old body that stand for it;
  /// they are walked next.
  void replacedBefore(onnx_ir::NodeOp op) { expanded.insert(op); }
  /// All elements, also where they are those of an input of the model or
  /// follow from them; nothing if they are computed from data (RunTime.cpp).
  std::optional<Elements> readElements(TensorInfo &info);
  /// The same of floats, and of integers that are converted to them: f64
  /// values.
  std::optional<llvm::SmallVector<mlir::Value>> readReals(TensorInfo &info);
  mlir::Value toReal(Dim dim);
  mlir::Value roundToF32(mlir::Value real);
  /// The greatest integer that is not above an f64 value; what no size can be
  /// for infinities and NaN.
  Dim floorOf(mlir::Value real);
  mlir::LogicalResult unsupported(onnx_ir::NodeOp op, const llvm::Twine &why);

  //===--------------------------------------------------------------------===//
  // Regions (Scopes.cpp)
  //===--------------------------------------------------------------------===//

  /// What is known before a region is walked.
  struct Scope {
    llvm::DenseMap<mlir::Value, TensorInfo> infos;
    llvm::DenseMap<mlir::Value, Dims> dimsOf;
    llvm::DenseMap<mlir::Value, std::optional<Elements>> read;
    DimState dims;
    std::string where;
    mlir::OpBuilder::InsertPoint place;
    mlir::Location location;
  };
  /// Puts the builder at the end of `block`. What is made and learnt from then
  /// on is forgotten when the scope is closed.
  Scope openScope(mlir::Block *block);
  void closeScope(Scope scope);
  /// Walks the nodes of a subgraph into where the builder stands. Its
  /// arguments' infos are set.
  void walkBlock(mlir::Block &old);
  /// Runs `build`, which walks a region, and holds back its messages, to be
  /// shown or forgotten.
  std::vector<mlir::Diagnostic> holdMessages(llvm::function_ref<void()> build);
  void show(std::vector<mlir::Diagnostic> messages);
  unsigned errorCount() const { return errors; }
  void forgetErrors(unsigned count) { errors = count; }
  /// True if an index value is only known once the schedule runs, or inside a
  /// region.
  bool isLate(mlir::Value value);
  /// The name of a node for the qgraph op that stands for it.
  mlir::StringAttr nameOf(onnx_ir::NodeOp op) { return op.getNameAttr(); }

private:
  void arguments();
  void tensorArgument(mlir::BlockArgument old, mlir::RankedTensorType type);
  void partsArgument(mlir::BlockArgument old);
  void returnValues();
  void visit(onnx_ir::NodeOp op);
  bool inferTypes(Node &node);
  mlir::LogicalResult inferGeneric(Node &node);
  void report(onnx_ir::NodeOp op, llvm::StringRef reason);
  void finish();
  void describeDims();
  bool placeCheck(const DimArithmetic::Check &check);

  friend class Node;
  const llvm::StringMap<Bounds> &ranges;
  mlir::Block *oldBody;
  mlir::Block *newBody;
  llvm::DenseMap<mlir::Value, TensorInfo> infos;
  llvm::DenseMap<mlir::Value, Dims> dimsOf; // of the new body
  llvm::DenseMap<mlir::Value, std::optional<Elements>> read;
  llvm::DenseMap<mlir::Operation *, std::string> reasons;
  /// Attributes of the new arguments and results.
  llvm::SmallVector<mlir::Attribute> argumentAttrs, resultAttrs;
  /// Nodes that stand for nothing any more: their function bodies do.
  llvm::DenseSet<mlir::Operation *> expanded;
  llvm::StringMap<Dim> names;
  unsigned errors = 0;
};

/// The product of two matrices or batches of them, as a MatMul; the attention
/// whose last product it is. Failure with the node's reason.
mlir::FailureOr<TensorInfo> multiply(Node &node, TensorInfo lhs,
                                     TensorInfo rhs);
/// A constant, or constants dequantized.
bool isWeight(mlir::Value value);
/// The handler of a node, or null.
const Handler *lookupHandler(onnx_ir::NodeOp op);

/// f32, f16 or bf16: what qgraph computes in.
bool isReal(mlir::Type type);
/// The standard operator of this name that made the value, or null.
onnx_ir::NodeOp nodeOf(mlir::Value value, llvm::StringRef opType);
/// The number that all elements of a dense float constant have.
std::optional<double> constantNumber(mlir::Value value);

//===----------------------------------------------------------------------===//
// Elements (Elements.cpp)
//===----------------------------------------------------------------------===//

/// The number of an element, if it is known.
std::optional<double> numberOf(Element element);
/// One element of the result of an elementwise operator, or null.
Element foldScalar(Walk &walk, llvm::StringRef opType,
                   llvm::ArrayRef<Element> operands, mlir::Type operandType,
                   mlir::Type resultType);
/// Row-major strides.
llvm::SmallVector<int64_t> stridesOf(llvm::ArrayRef<int64_t> shape);
/// The dimensions, if they are numbers.
std::optional<llvm::SmallVector<int64_t>> staticShape(llvm::ArrayRef<Dim> dims);
/// The same of tensors of up to `kSmall` elements.
std::optional<llvm::SmallVector<int64_t>> smallShape(llvm::ArrayRef<Dim> dims);
/// The value that all elements have, or null.
Element uniform(const TensorInfo &info);
/// The elements of a dense constant.
Elements elementsOf(mlir::DenseElementsAttr dense, mlir::Builder &builder);
/// A dense constant of elements that are all numbers; null if one is not.
mlir::DenseElementsAttr denseOf(mlir::RankedTensorType type,
                                llvm::ArrayRef<Element> elements);
/// An elementwise operator on what is known of its operands; nothing if it is
/// not enough.
std::optional<TensorInfo> foldElementwise(Walk &walk, llvm::StringRef opType,
                                          llvm::ArrayRef<TensorInfo *> inputs,
                                          mlir::Type resultType,
                                          llvm::ArrayRef<Dim> dims);

//===----------------------------------------------------------------------===//
// Ramps (Ramps.cpp)
//===----------------------------------------------------------------------===//

/// What is known of an integer tensor as a ramp, equal elements included.
std::optional<TensorInfo::Ramp> rampOf(Walk &walk, const TensorInfo &info);
/// Sums and differences of ramps, and their products with a number.
std::optional<TensorInfo::Ramp> foldRamps(Walk &walk, llvm::StringRef opType,
                                          llvm::ArrayRef<TensorInfo *> inputs,
                                          llvm::ArrayRef<Dim> dims);
/// A comparison of a ramp with a number that is the same for every element, or
/// null.
Element compareRamp(Walk &walk, llvm::StringRef opType, TensorInfo &left,
                    TensorInfo &right);
/// The ramp after a reshape that only adds and removes dimensions of 1.
std::optional<TensorInfo::Ramp> reshapeRamp(DimArithmetic &arith,
                                            const TensorInfo::Ramp &ramp,
                                            llvm::ArrayRef<Dim> from,
                                            llvm::ArrayRef<Dim> to);
mlir::Value materializeRamp(Walk &walk, TensorInfo &info);
/// What gathers from `count` dimensions of the data, beginning at `axis` and
/// taken as one, at positions that go through all of them in order: a reshape,
/// expanded along the dimensions that the positions do not depend on.
std::optional<TensorInfo> gatherInOrder(Walk &walk, TensorInfo &data,
                                        int64_t axis, int64_t count,
                                        const TensorInfo::Ramp &positions,
                                        llvm::ArrayRef<Dim> indexDims);

} // namespace quantc::onnx_to_qgraph

#endif // QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_WALK_H
