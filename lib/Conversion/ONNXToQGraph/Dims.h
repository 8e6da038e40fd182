//===- Dims.h - Arithmetic on dimensions ------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A dimension is a number or an `index` value. Every value is kept as a
// polynomial with integer coefficients over atoms (dimensions of arguments, and
// results of what is not polynomial: division with a remainder, minimum,
// maximum), so equal dimensions are the same SSA value however they were
// computed, and B*S*384 / (B*S*32) is 12.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_DIMS_H
#define QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_DIMS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OpDefinition.h"
#include "llvm/ADT/DenseMap.h"

#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <vector>

namespace quantc::onnx_to_qgraph {

/// A number (an integer attribute) or a value of type `index`.
using Dim = mlir::OpFoldResult;
using Dims = llvm::SmallVector<Dim, 4>;

/// What a dimension can be, both ends included.
struct Bounds {
  int64_t low = std::numeric_limits<int64_t>::min();
  int64_t high = std::numeric_limits<int64_t>::max();
};

/// What arithmetic on dimensions has made so far. Taken before a region of the
/// new body is walked and put back afterwards, since what was made inside is
/// only there inside.
struct DimState {
  /// Atoms of one product, sorted; the empty one is the constant term.
  using Monomial = std::vector<unsigned>;
  using Polynomial = std::map<Monomial, int64_t>;
  /// What a valid model implies and nothing proves, to be checked at run time:
  /// two dimensions are equal, or (`orOne`) one is 1.
  struct Check {
    Dim dim;
    Dim equals;
    bool orOne;
    std::string text;    // with %a and %b for the two
    bool placed = false; // a qgraph.require stands where it was met

    bool operator==(const Check &other) const {
      return dim == other.dim && equals == other.equals && orOne == other.orOne;
    }
  };

  std::vector<mlir::Value> atoms;
  std::vector<Bounds> ranges;
  std::vector<bool> inputs; // which atoms are dimensions of the inputs
  llvm::DenseMap<mlir::Value, Polynomial> polynomials;
  std::map<Polynomial, mlir::Value> values;
  std::map<int64_t, mlir::Value> numbers;
  std::vector<Check> checks;
  std::map<std::tuple<std::string, void *, void *, int>, mlir::Value>
      operations;
  std::map<std::tuple<void *, void *, void *>, mlir::Value> choices;
};

class DimArithmetic : private DimState {
public:
  using DimState::Check;
  using DimState::Polynomial;
  explicit DimArithmetic(mlir::ImplicitLocOpBuilder &builder)
      : builder(builder) {}

  Dim constant(int64_t value) const { return builder.getIndexAttr(value); }
  static std::optional<int64_t> getConstant(Dim dim);
  static bool isConstant(Dim dim, int64_t value) {
    return getConstant(dim) == value;
  }

  /// Declares a value nothing is known of but its range. The ranges of
  /// dimensions of the inputs (`isInput`) are checked at run time.
  Dim symbol(mlir::Value value, Bounds range, bool isInput = false);
  /// Narrows what a dimension of an input can be. False if `dim` is none.
  bool narrow(Dim dim, Bounds range);
  Bounds boundsOf(Dim dim);

  Dim add(Dim a, Dim b);
  Dim sub(Dim a, Dim b);
  Dim mul(Dim a, Dim b);
  /// Rounds towards zero, as ONNX divides integers. Null for a divisor of 0;
  /// something if it is 0 at run time.
  Dim div(Dim a, Dim b);
  /// ceil(a / b) for a positive number `b`.
  Dim ceilDiv(Dim a, int64_t b);
  /// The remainder with the sign of the divisor, as ONNX Mod. Null for 0.
  Dim mod(Dim a, Dim b);
  Dim min(Dim a, Dim b);
  Dim max(Dim a, Dim b);
  /// 0 or 1.
  Dim compare(mlir::arith::CmpIPredicate predicate, Dim a, Dim b);
  Dim select(Dim condition, Dim a, Dim b);
  /// The same as an atom, for what would become a polynomial of many terms.
  Dim choose(Dim condition, Dim a, Dim b);
  /// min(max(value, low), high).
  Dim clamp(Dim value, Dim low, Dim high) { return min(max(value, low), high); }
  Dim product(llvm::ArrayRef<Dim> dims);

  /// True if proven.
  bool equal(Dim a, Dim b);
  bool equal(llvm::ArrayRef<Dim> a, llvm::ArrayRef<Dim> b);
  bool lessEqual(Dim a, Dim b);
  /// True if proven, also by number.
  bool different(Dim a, Dim b);

  /// The dimension that ONNX broadcasting gives; null if the two cannot be
  /// broadcast. Of dimensions that are equal whenever the model is valid, gives
  /// the simpler.
  Dim broadcast(Dim a, Dim b);

  /// Notes that the dimensions must be equal (or one of them 1); false if they
  /// are known not to be. `text` says what else is wrong, with %a and %b.
  bool require(Dim a, Dim b, bool orOne = false, llvm::StringRef text = "");
  /// The same for low <= value <= high.
  bool requireRange(Dim value, Dim low, Dim high, llvm::StringRef text);
  llvm::ArrayRef<Check> getChecks() const { return checks; }
  /// What the texts of checks begin with: the node that needs them.
  std::string where;

  /// An `index` value for a dimension.
  mlir::Value materialize(Dim dim);

  /// Emits a check where it is met and returns true, or returns false for one
  /// that is to be collected.
  std::function<bool(const Check &)> place;

  const DimState &state() const { return *this; }
  /// Goes back to an earlier state. Bounds that have become known since are
  /// forgotten.
  void restore(DimState earlier) {
    static_cast<DimState &>(*this) = std::move(earlier);
  }
  /// The dimension in terms of what was there in an earlier state, so that it
  /// means the same once that is restored (`rebuild`); nothing if it depends on
  /// what came later.
  std::optional<Polynomial> inTermsOf(const DimState &earlier, Dim dim);
  Dim rebuild(const Polynomial &terms) { return fromPolynomial(terms); }

private:
  Polynomial polynomial(Dim dim);
  Dim fromPolynomial(const Polynomial &polynomial);
  mlir::Value emit(const Polynomial &polynomial);
  Bounds boundsOf(const Polynomial &polynomial);
  /// a / b where it leaves no remainder whatever the atoms are.
  static std::optional<Polynomial> divideExactly(const Polynomial &a,
                                                 const Polynomial &b);
  /// True if it is proven that the terms are never above 0; looks into
  /// minima and maxima so deep.
  bool notPositive(const Polynomial &terms, unsigned depth);
  /// The result of an operation that is no polynomial, once for its operands.
  template <typename OpT, typename... Args>
  Dim atom(Bounds range, Dim a, Dim b, Args... args);
  /// `b`, but no 0, by which hardware cannot divide; nor -1 with the least
  /// number, to which it sets `a`.
  void guardDivision(Dim &a, Dim &b);

  mlir::ImplicitLocOpBuilder &builder;
};

} // namespace quantc::onnx_to_qgraph

#endif // QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_DIMS_H
