//===- Checks.cpp - What neither schemas nor handlers object to -----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels index by attributes such as `group`, and rely on what the operator's
// text says of them. ONNX's checker and inference look at some of that only;
// the rest is checked here, before a node is handled. And what comes of a node
// must be something that a machine can hold: arithmetic on sizes, here and in
// what is compiled, is in 64 bits.
//
//===----------------------------------------------------------------------===//

#include "Sequences.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

using Objection = std::optional<std::string>;

/// The bytes that a 64-bit process can address; a tensor must have fewer.
static constexpr int64_t kAddressable = int64_t(1) << 47;

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

Objection onnx_to_qgraph::objectionToSize(ArrayRef<int64_t> shape,
                                          Type elementType) {
  // Bytes of what is known: dynamic dimensions are checked at run time. The
  // bytes that an empty tensor would have without its 0s count, too: they are
  // its strides.
  int64_t bytes = 1;
  if (elementType && elementType.isIntOrFloat())
    bytes = std::max(elementType.getIntOrFloatBitWidth() / 8, 1u);
  std::string text;
  bool tooLarge = false;
  for (int64_t extent : shape) {
    bool dynamic = ShapedType::isDynamic(extent);
    text += (text.empty() ? "" : "x") +
            (dynamic ? std::string("?") : std::to_string(extent));
    if (dynamic)
      continue;
    if (extent < 0)
      return "dimension " + std::to_string(extent) + " is negative";
    int64_t product;
    if (llvm::MulOverflow(bytes, std::max(extent, int64_t(1)), product) ||
        product >= kAddressable)
      tooLarge = true;
    else
      bytes = product;
  }
  if (!tooLarge)
    return std::nullopt;
  return "a tensor of shape " + text +
         " is larger than what a process can address";
}

/// The same of what is known of a value.
static Objection objectionToValue(const TensorInfo &info) {
  if (!info || info.failed)
    return std::nullopt;
  SmallVector<int64_t> shape;
  for (Dim dim : info.dims) {
    std::optional<int64_t> number = DimArithmetic::getConstant(dim);
    // A sum that has overflowed may look like one.
    shape.push_back(number ? std::max(*number, ShapedType::kDynamic + 1)
                           : ShapedType::kDynamic);
  }
  return objectionToSize(shape, info.elementType);
}

Objection onnx_to_qgraph::objectionToResults(Node &node) {
  for (OpResult result : node.op->getResults()) {
    Objection why = objectionToValue(node.walk.info(result));
    if (why)
      return "its result " + std::to_string(result.getResultNumber()) + ": " +
             *why;
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

/// The dimension of an input, if it is a number.
static std::optional<int64_t> extent(Node &node, unsigned input, int64_t axis) {
  return DimArithmetic::getConstant(node.in(input).dims[axis]);
}

static bool differs(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b && *a != *b;
}

/// Lists of windows: their lengths, and that they are no less than `least`.
static Objection checkList(Node &node, StringRef name, int64_t length,
                           int64_t least) {
  auto list = node.integers(name);
  if (!list)
    return std::nullopt;
  if (int64_t(list->size()) != length)
    return (name + " has " + Twine(list->size()) + " numbers where " +
            Twine(length) + " are needed")
        .str();
  for (int64_t value : *list)
    if (value < least || value >= kAddressable)
      return (name + " has the number " + Twine(value)).str();
  return std::nullopt;
}

static Objection checkWindow(Node &node, int64_t spatial) {
  StringRef pad = node.string("auto_pad", "NOTSET");
  if (!llvm::is_contained({"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"}, pad))
    return ("its auto_pad is '" + pad +
            "'; there are NOTSET, SAME_UPPER, SAME_LOWER and VALID")
        .str();
  for (StringRef name : {"kernel_shape", "strides", "dilations"})
    if (Objection why = checkList(node, name, spatial, 1))
      return why;
  return checkList(node, "pads", 2 * spatial, -kAddressable);
}

/// Convolutions whose weight is input `weight`.
static Objection checkConvolution(Node &node, unsigned weight,
                                  bool transposed) {
  if (node.numInputs() <= weight || !node.in(0) || !node.in(weight))
    return std::nullopt;
  int64_t rank = node.in(0).rank();
  if (rank < 3)
    return "its input must have at least 3 dimensions";
  if (node.in(weight).rank() != rank)
    return "its input has " + std::to_string(rank) +
           " dimensions and its weight " +
           std::to_string(node.in(weight).rank());
  if (Objection why = checkWindow(node, rank - 2))
    return why;
  if (auto kernel = node.integers("kernel_shape"))
    for (auto [axis, size] : llvm::enumerate(*kernel))
      if (differs(extent(node, weight, axis + 2), size))
        return "its kernel_shape is not that of its weight";
  int64_t group = node.integer("group", 1);
  if (group < 1)
    return "its group is " + std::to_string(group);
  std::optional<int64_t> channels = extent(node, 0, 1),
                         first = extent(node, weight, 0),
                         second = extent(node, weight, 1);
  if (first && *first % group)
    return "its weight's dimension 0, " + std::to_string(*first) +
           ", is no multiple of group, " + std::to_string(group);
  bool fits = transposed ? !differs(channels, first)
                         : !channels || !second || *channels % group == 0;
  if (fits && !transposed && channels && second)
    fits = *channels / group == *second;
  if (!fits)
    return "its input has " + std::to_string(*channels) +
           " channels, which do not fit its weight in " +
           std::to_string(group) + " groups";
  return std::nullopt;
}

static Objection checkPool(Node &node) {
  if (!node.numInputs() || !node.in(0))
    return std::nullopt;
  if (node.in(0).rank() < 3)
    return "its input must have at least 3 dimensions";
  return checkWindow(node, node.in(0).rank() - 2);
}

/// RNN, GRU, LSTM: W is [directions, gates * hidden, input] and R is
/// [directions, gates * hidden, hidden].
static Objection checkRecurrent(Node &node, int64_t gates) {
  for (unsigned i : {0u, 1u, 2u})
    if (node.numInputs() <= i || !node.in(i) || node.in(i).rank() != 3)
      return std::nullopt; // for inference to say
  StringRef direction = node.string("direction", "forward");
  if (!llvm::is_contained({"forward", "reverse", "bidirectional"}, direction))
    return ("its direction is '" + direction + "'").str();
  int64_t directions = direction == "bidirectional" ? 2 : 1;
  std::optional<int64_t> hidden = extent(node, 2, 2);
  if (node.op.getNodeAttr("hidden_size") &&
      differs(hidden, node.integer("hidden_size", 0)))
    return "its hidden_size is " +
           std::to_string(node.integer("hidden_size", 0)) +
           ", and the recurrent weight is for " + std::to_string(*hidden);
  if (hidden && *hidden < kAddressable)
    for (unsigned weight : {1u, 2u})
      if (differs(extent(node, weight, 0), directions) ||
          differs(extent(node, weight, 1), gates * *hidden))
        return "its weight " + std::to_string(weight) + " must be [" +
               std::to_string(directions) + ", " +
               std::to_string(gates * *hidden) + ", ..]";
  if (differs(extent(node, 0, 2), extent(node, 1, 2)))
    return "its input and its weight have different numbers of features";
  return std::nullopt;
}

static Objection checkResize(Node &node) {
  unsigned scales = node.type() == "Resize" && node.version() >= 11 ? 2 : 1;
  if (node.numInputs() <= scales || !node.has(scales) || !node.in(scales) ||
      !node.in(scales).elements)
    return std::nullopt;
  for (Element element : *node.in(scales).elements) {
    std::optional<double> scale = numberOf(element);
    // Written so that NaN is refused.
    if (scale && !(*scale > 0 && *scale < double(kAddressable)))
      return "one of its scales is " + std::to_string(*scale);
  }
  return std::nullopt;
}

static Objection checkSplit(Node &node) {
  int64_t results = node.op->getNumResults();
  if (node.op.getNodeAttr("num_outputs") &&
      node.integer("num_outputs", 0) != results)
    return "its num_outputs is " +
           std::to_string(node.integer("num_outputs", 0)) + ", and it has " +
           std::to_string(results) + " outputs";
  return std::nullopt;
}

/// `to` is a TensorProto.DataType: 1 to 28, of which 8 is strings and 14 and 15
/// are complex numbers.
static Objection checkCast(Node &node) {
  int64_t to = node.integer("to", 0);
  if (to < 1 || to > 28)
    return "its attribute 'to' is " + std::to_string(to) +
           ", which is no element type";
  if (to == 8 || to == 14 || to == 15)
    return "casts to strings and complex numbers are not supported";
  return std::nullopt;
}

/// The number of elements, of numbers as far as an f64 tells them apart.
static Objection checkRange(Node &node) {
  std::optional<double> start = node.scalar(0), limit = node.scalar(1),
                        delta = node.scalar(2);
  if (delta == 0.0)
    return "its delta is 0";
  if (start && limit && delta &&
      (*limit - *start) / *delta >= double(kAddressable))
    return "it has too many elements";
  return std::nullopt;
}

/// Control flow is by numbers that the walk computes with: of other types, they
/// would be something else.
static Objection checkScalar(Node &node, unsigned input, unsigned width,
                             StringRef what) {
  if (node.numInputs() <= input || !node.has(input))
    return std::nullopt;
  Type type = node.in(input).elementType;
  if (type && type.isInteger(width) && !type.isUnsignedInteger())
    return std::nullopt;
  return ("its " + what + " must be " + (width == 1 ? "BOOL" : "INT64")).str();
}

static Objection checkIf(Node &node) {
  for (Region &branch : node.op.getSubgraphs()) {
    unsigned gives = branch.front().getTerminator()->getNumOperands();
    if (gives != node.op->getNumResults())
      return "it has " + std::to_string(node.op->getNumResults()) +
             " outputs, and one of its branches " + std::to_string(gives);
  }
  return checkScalar(node, 0, 1, "condition");
}

static Objection checkLoop(Node &node) {
  if (Objection why = checkScalar(node, 0, 64, "number of iterations"))
    return why;
  return checkScalar(node, 1, 1, "condition");
}

/// Inputs that the operator cannot do without. Those of the file are checked
/// when it is read; function bodies pass on what their node does not have.
static Objection checkPresence(Node &node) {
  SmallVector<std::string> names = onnx_ir::requiredInputs(node.op);
  for (auto [i, name] : llvm::enumerate(names))
    if (!name.empty() && !(node.has(i) && isThere(node.in(i))))
      return "its input '" + name + "' is absent";
  return std::nullopt;
}

/// Handlers rely on the types that the standard promises them.
static Objection checkTypes(Node &node) {
  SmallVector<Type> types;
  for (unsigned i = 0; i < node.numInputs(); ++i) {
    bool isTensor = node.has(i) && !node.in(i).list && !node.in(i).present;
    types.push_back(isTensor ? node.in(i).elementType : Type());
  }
  return onnx_ir::objectionToTypes(node.op, types);
}

Objection onnx_to_qgraph::objectionTo(Node &node) {
  if (Objection why = checkPresence(node))
    return why;
  StringRef domain = node.op.getDomain();
  if (!domain.empty() && domain != "ai.onnx")
    return checkTypes(node);
  using Check = Objection (*)(Node &);
  Check check =
      llvm::StringSwitch<Check>(node.type())
          .Cases({"Conv", "ConvInteger"},
                 [](Node &node) { return checkConvolution(node, 1, false); })
          .Case("QLinearConv",
                [](Node &node) { return checkConvolution(node, 3, false); })
          .Case("ConvTranspose",
                [](Node &node) { return checkConvolution(node, 1, true); })
          .Cases({"MaxPool", "AveragePool", "LpPool"}, checkPool)
          .Case("RNN", [](Node &node) { return checkRecurrent(node, 1); })
          .Case("GRU", [](Node &node) { return checkRecurrent(node, 3); })
          .Case("LSTM", [](Node &node) { return checkRecurrent(node, 4); })
          .Cases({"Resize", "Upsample"}, checkResize)
          .Case("Range", checkRange)
          .Case("If", checkIf)
          .Case("Loop", checkLoop)
          .Case("Split", checkSplit)
          .Cases({"Cast", "BitCast"}, checkCast)
          .Default(nullptr);
  if (check)
    if (Objection why = check(node))
      return why;
  return checkTypes(node);
}
