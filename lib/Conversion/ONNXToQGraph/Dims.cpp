//===- Dims.cpp - Arithmetic on dimensions --------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Dims.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <numeric>

using namespace mlir;
using namespace quantc::onnx_to_qgraph;

namespace {

constexpr int64_t lowest = std::numeric_limits<int64_t>::min();
constexpr int64_t highest = std::numeric_limits<int64_t>::max();

/// Sums and products of range ends stay at the ends of int64, which mean
/// "no bound".
int64_t saturatingAdd(int64_t a, int64_t b) {
  if (a == lowest || b == lowest)
    return lowest;
  if (a == highest || b == highest)
    return highest;
  int64_t sum;
  if (llvm::AddOverflow(a, b, sum))
    return a > 0 ? highest : lowest;
  return sum;
}

int64_t saturatingMul(int64_t a, int64_t b) {
  if (a == 0 || b == 0)
    return 0;
  bool unbounded = a == lowest || a == highest || b == lowest || b == highest;
  int64_t product = 0;
  if (unbounded || llvm::MulOverflow(a, b, product))
    return (a > 0) == (b > 0) ? highest : lowest;
  return product;
}

/// Coefficients wrap, as the arithmetic that is compiled does.
int64_t wrappingAdd(int64_t a, int64_t b) {
  return int64_t(uint64_t(a) + uint64_t(b));
}
int64_t wrappingMul(int64_t a, int64_t b) {
  return int64_t(uint64_t(a) * uint64_t(b));
}

Bounds product(Bounds a, Bounds b) {
  int64_t ends[] = {saturatingMul(a.low, b.low), saturatingMul(a.low, b.high),
                    saturatingMul(a.high, b.low),
                    saturatingMul(a.high, b.high)};
  return {*std::min_element(ends, ends + 4), *std::max_element(ends, ends + 4)};
}

} // namespace

std::optional<int64_t> DimArithmetic::getConstant(Dim dim) {
  auto attribute = dyn_cast_if_present<Attribute>(dim);
  if (auto integer = dyn_cast_or_null<IntegerAttr>(attribute))
    return integer.getInt();
  return std::nullopt;
}

Dim DimArithmetic::symbol(Value value, Bounds range, bool isInput) {
  if (polynomials.count(value))
    return value;
  Polynomial single{{Monomial{unsigned(atoms.size())}, 1}};
  atoms.push_back(value);
  ranges.push_back(range);
  inputs.push_back(isInput);
  polynomials[value] = single;
  values[single] = value;
  return value;
}

bool DimArithmetic::narrow(Dim dim, Bounds range) {
  Polynomial terms = polynomial(dim);
  if (terms.size() != 1 || terms.begin()->first.size() != 1 ||
      terms.begin()->second != 1 || !inputs[terms.begin()->first.front()])
    return false;
  // In a region that need not run, the input may have another size.
  if (atoms[terms.begin()->first.front()].getParentBlock() !=
      builder.getInsertionBlock())
    return requireRange(dim, constant(std::max<int64_t>(range.low, 0)),
                        constant(range.high), "a dimension is %a");
  Bounds &known = ranges[terms.begin()->first.front()];
  known.low = std::max(known.low, range.low);
  known.high = std::min(known.high, range.high);
  return true;
}

DimArithmetic::Polynomial DimArithmetic::polynomial(Dim dim) {
  if (std::optional<int64_t> number = getConstant(dim))
    return *number ? Polynomial{{Monomial{}, *number}} : Polynomial{};
  Value value = cast<Value>(dim);
  if (std::optional<int64_t> number = getConstantIntValue(value))
    return polynomial(constant(*number));
  auto known = polynomials.find(value);
  if (known != polynomials.end())
    return known->second;
  symbol(value, Bounds{});
  return polynomials[value];
}

Value DimArithmetic::emit(const Polynomial &terms) {
  Value sum;
  for (const auto &[monomial, coefficient] : terms) {
    Value term;
    for (unsigned index : monomial)
      term =
          term ? arith::MulIOp::create(builder, term, atoms[index]).getResult()
               : atoms[index];
    if (!term)
      term = materialize(constant(coefficient));
    else if (coefficient != 1)
      term = arith::MulIOp::create(builder, term,
                                   materialize(constant(coefficient)));
    sum = sum ? arith::AddIOp::create(builder, sum, term).getResult() : term;
  }
  return sum;
}

Dim DimArithmetic::fromPolynomial(const Polynomial &terms) {
  if (terms.empty())
    return constant(0);
  if (terms.size() == 1 && terms.begin()->first.empty())
    return constant(terms.begin()->second);
  auto known = values.find(terms);
  if (known != values.end())
    return known->second;
  Value value = emit(terms);
  polynomials[value] = terms;
  values[terms] = value;
  return value;
}

Bounds DimArithmetic::boundsOf(const Polynomial &terms) {
  Bounds sum{0, 0};
  for (const auto &[monomial, coefficient] : terms) {
    Bounds term{coefficient, coefficient};
    for (unsigned index : monomial)
      term = ::product(term, ranges[index]);
    sum = {saturatingAdd(sum.low, term.low),
           saturatingAdd(sum.high, term.high)};
  }
  return sum;
}

Bounds DimArithmetic::boundsOf(Dim dim) { return boundsOf(polynomial(dim)); }

template <typename OpT, typename... Args>
Dim DimArithmetic::atom(Bounds range, Dim a, Dim b, Args... args) {
  Value first = materialize(a), second = materialize(b);
  int detail = 0;
  if constexpr (sizeof...(Args) == 1)
    detail = int((args + ...));
  auto key =
      std::make_tuple(OpT::getOperationName().str(), first.getAsOpaquePointer(),
                      second.getAsOpaquePointer(), detail);
  auto known = operations.find(key);
  if (known != operations.end())
    return known->second;
  Value value;
  if constexpr (std::is_same_v<OpT, arith::CmpIOp>) {
    Value bit = arith::CmpIOp::create(builder, args..., first, second);
    value = arith::IndexCastUIOp::create(builder, builder.getIndexType(), bit);
  } else {
    value = OpT::create(builder, first, second);
  }
  operations[key] = value;
  return symbol(value, range);
}

Dim DimArithmetic::add(Dim a, Dim b) {
  Polynomial sum = polynomial(a);
  for (const auto &[monomial, coefficient] : polynomial(b))
    if (!(sum[monomial] = wrappingAdd(sum[monomial], coefficient)))
      sum.erase(monomial);
  return fromPolynomial(sum);
}

Dim DimArithmetic::sub(Dim a, Dim b) { return add(a, mul(b, constant(-1))); }

Dim DimArithmetic::mul(Dim a, Dim b) {
  Polynomial left = polynomial(a), right = polynomial(b), result;
  for (const auto &[leftAtoms, leftFactor] : left)
    for (const auto &[rightAtoms, rightFactor] : right) {
      Monomial monomial;
      std::merge(leftAtoms.begin(), leftAtoms.end(), rightAtoms.begin(),
                 rightAtoms.end(), std::back_inserter(monomial));
      int64_t term = wrappingMul(leftFactor, rightFactor);
      if (!(result[monomial] = wrappingAdd(result[monomial], term)))
        result.erase(monomial);
    }
  return fromPolynomial(result);
}

std::optional<DimArithmetic::Polynomial>
DimArithmetic::divideExactly(const Polynomial &a, const Polynomial &b) {
  // Long division by the leading term in the order of the map: it ends, because
  // each step removes the leading term of what is left.
  Polynomial rest = a, quotient;
  if (b.empty())
    return std::nullopt;
  auto divisor = *b.rbegin();
  for (unsigned step = 0; !rest.empty() && step < 64; ++step) {
    auto leading = *rest.rbegin();
    Monomial monomial;
    if ((leading.second == lowest && divisor.second == -1) ||
        leading.second % divisor.second ||
        !std::includes(leading.first.begin(), leading.first.end(),
                       divisor.first.begin(), divisor.first.end()))
      return std::nullopt;
    std::set_difference(leading.first.begin(), leading.first.end(),
                        divisor.first.begin(), divisor.first.end(),
                        std::back_inserter(monomial));
    int64_t factor = leading.second / divisor.second;
    quotient[monomial] = wrappingAdd(quotient[monomial], factor);
    for (const auto &[atoms, coefficient] : b) {
      Monomial merged;
      std::merge(atoms.begin(), atoms.end(), monomial.begin(), monomial.end(),
                 std::back_inserter(merged));
      int64_t term = wrappingMul(coefficient, factor);
      if (!(rest[merged] = int64_t(uint64_t(rest[merged]) - uint64_t(term))))
        rest.erase(merged);
    }
  }
  if (!rest.empty())
    return std::nullopt;
  return quotient;
}

/// choose(value == 0, a number, value): what this function makes of a divisor,
/// and what is read of it in a model that was exported.
static bool isNeverZero(Dim dim) {
  auto value = dyn_cast<Value>(dim);
  auto select = value ? value.getDefiningOp<arith::SelectOp>() : nullptr;
  auto bit =
      select ? select.getCondition().getDefiningOp<arith::CmpIOp>() : nullptr;
  auto flag =
      bit ? bit.getLhs().getDefiningOp<arith::IndexCastUIOp>() : nullptr;
  auto isZero = flag ? flag.getIn().getDefiningOp<arith::CmpIOp>() : nullptr;
  return isZero && getConstantIntValue(select.getTrueValue()).value_or(0) &&
         bit.getPredicate() == arith::CmpIPredicate::ne &&
         getConstantIntValue(bit.getRhs()) == 0 &&
         isZero.getPredicate() == arith::CmpIPredicate::eq &&
         isZero.getLhs() == select.getFalseValue() &&
         getConstantIntValue(isZero.getRhs()) == 0;
}

void DimArithmetic::guardDivision(Dim &a, Dim &b) {
  Bounds range = boundsOf(b);
  if (range.low == 0)
    b = max(b, constant(1));
  else if (range.low < 0 && range.high >= 0 && !isNeverZero(b))
    b = choose(compare(arith::CmpIPredicate::eq, b, constant(0)), constant(1),
               b);
  if (range.low < 0 && range.high >= -1 && boundsOf(a).low == lowest)
    a = max(a, constant(lowest + 1));
}

Dim DimArithmetic::div(Dim a, Dim b) {
  std::optional<int64_t> numerator = getConstant(a), divisor = getConstant(b);
  if (divisor == 0)
    return {};
  if (numerator && divisor == -1) // also of the least number
    return constant(int64_t(-uint64_t(*numerator)));
  if (numerator && divisor)
    return constant(*numerator / *divisor);
  if (std::optional<Polynomial> quotient =
          divideExactly(polynomial(a), polynomial(b)))
    return fromPolynomial(*quotient);
  Bounds range = boundsOf(a);
  Bounds result;
  if (divisor && *divisor > 0)
    result = {range.low == lowest ? lowest : range.low / *divisor,
              range.high == highest ? highest : range.high / *divisor};
  guardDivision(a, b);
  return atom<arith::DivSIOp>(result, a, b);
}

Dim DimArithmetic::ceilDiv(Dim a, int64_t b) {
  if (std::optional<Polynomial> quotient =
          divideExactly(polynomial(a), Polynomial{{Monomial{}, b}}))
    return fromPolynomial(*quotient);
  if (boundsOf(a).low >= 0)
    return div(add(a, constant(b - 1)), constant(b));
  if (std::optional<int64_t> number = getConstant(a))
    return constant(llvm::divideCeilSigned(*number, b));
  return atom<arith::CeilDivSIOp>(Bounds{}, a, constant(b));
}

Dim DimArithmetic::mod(Dim a, Dim b) {
  std::optional<int64_t> number = getConstant(a), divisor = getConstant(b);
  if (divisor == 0)
    return {};
  if (divisor == -1)
    return constant(0);
  if (number && divisor) {
    int64_t rest = *number % *divisor;
    return constant(rest && (rest < 0) != (*divisor < 0) ? rest + *divisor
                                                         : rest);
  }
  if (divideExactly(polynomial(a), polynomial(b)))
    return constant(0);
  guardDivision(a, b);
  // a - floor(a / b) * b
  return sub(a, mul(atom<arith::FloorDivSIOp>(Bounds{}, a, b), b));
}

bool DimArithmetic::lessEqual(Dim a, Dim b) {
  if (std::optional<int64_t> left = getConstant(a), right = getConstant(b);
      left && right)
    return *left <= *right;
  Polynomial difference = polynomial(a);
  for (const auto &[monomial, coefficient] : polynomial(b)) {
    int64_t &rest = difference[monomial];
    if (llvm::SubOverflow(rest, coefficient, rest))
      return false;
    if (!rest)
      difference.erase(monomial);
  }
  return notPositive(difference, /*depth=*/2);
}

bool DimArithmetic::notPositive(const Polynomial &terms, unsigned depth) {
  if (boundsOf(terms).high <= 0)
    return true;
  if (!depth)
    return false;
  // A minimum is no more than either of its operands, a maximum is one of them:
  // put in their place. With a negative coefficient it is the other way round.
  for (const auto &[monomial, coefficient] : terms) {
    Operation *op = monomial.size() == 1
                        ? atoms[monomial.front()].getDefiningOp()
                        : nullptr;
    bool isMinimum = isa_and_nonnull<arith::MinSIOp>(op);
    if (!isMinimum && !isa_and_nonnull<arith::MaxSIOp>(op))
      continue;
    bool eitherWill = isMinimum == (coefficient > 0);
    auto with = [&, &monomial = monomial,
                 &coefficient = coefficient](Value operand) {
      Polynomial changed = terms;
      changed.erase(monomial);
      for (const auto &[other, number] : polynomial(operand)) {
        int64_t &rest = changed[other];
        int64_t term;
        if (llvm::MulOverflow(number, coefficient, term) ||
            llvm::AddOverflow(rest, term, rest))
          return false;
        if (!rest)
          changed.erase(other);
      }
      return notPositive(changed, depth - 1);
    };
    bool first = with(op->getOperand(0));
    if (first != eitherWill)
      first = with(op->getOperand(1));
    if (first)
      return true;
  }
  return false;
}

Dim DimArithmetic::min(Dim a, Dim b) {
  if (lessEqual(a, b))
    return a;
  if (lessEqual(b, a))
    return b;
  Bounds left = boundsOf(a), right = boundsOf(b);
  return atom<arith::MinSIOp>(
      {std::min(left.low, right.low), std::min(left.high, right.high)}, a, b);
}

Dim DimArithmetic::max(Dim a, Dim b) {
  if (lessEqual(a, b))
    return b;
  if (lessEqual(b, a))
    return a;
  Bounds left = boundsOf(a), right = boundsOf(b);
  return atom<arith::MaxSIOp>(
      {std::max(left.low, right.low), std::max(left.high, right.high)}, a, b);
}

Dim DimArithmetic::compare(arith::CmpIPredicate predicate, Dim a, Dim b) {
  using Predicate = arith::CmpIPredicate;
  switch (predicate) {
  case Predicate::eq:
    if (equal(a, b))
      return constant(1);
    if (different(a, b))
      return constant(0);
    break;
  case Predicate::sle:
    if (lessEqual(a, b))
      return constant(1);
    if (lessEqual(add(b, constant(1)), a))
      return constant(0);
    break;
  case Predicate::slt:
    return compare(Predicate::sle, add(a, constant(1)), b);
  case Predicate::sge:
    return compare(Predicate::sle, b, a);
  case Predicate::sgt:
    return compare(Predicate::slt, b, a);
  default:
    return sub(constant(1), compare(Predicate::eq, a, b));
  }
  return atom<arith::CmpIOp>({0, 1}, a, b, predicate);
}

Dim DimArithmetic::select(Dim condition, Dim a, Dim b) {
  if (isConstant(condition, 1) || equal(a, b))
    return a;
  if (isConstant(condition, 0))
    return b;
  // b + condition * (a - b): a polynomial, so it takes part in what follows.
  return add(b, mul(condition, sub(a, b)));
}

Dim DimArithmetic::choose(Dim condition, Dim a, Dim b) {
  if (isConstant(condition, 1) || equal(a, b))
    return a;
  if (isConstant(condition, 0))
    return b;
  Value first = materialize(a), second = materialize(b),
        which = cast<Value>(condition);
  Value &known =
      choices[{which.getAsOpaquePointer(), first.getAsOpaquePointer(),
               second.getAsOpaquePointer()}];
  if (known)
    return known;
  Value bit = arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, which,
                                    materialize(constant(0)));
  known = arith::SelectOp::create(builder, bit, first, second);
  Bounds left = boundsOf(a), right = boundsOf(b);
  return symbol(
      known, {std::min(left.low, right.low), std::max(left.high, right.high)});
}

Dim DimArithmetic::product(ArrayRef<Dim> dims) {
  Dim result = constant(1);
  for (Dim dim : dims)
    result = mul(result, dim);
  return result;
}

bool DimArithmetic::equal(Dim a, Dim b) {
  return a == b || polynomial(a) == polynomial(b);
}

bool DimArithmetic::equal(ArrayRef<Dim> a, ArrayRef<Dim> b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [&](auto pair) {
           return equal(std::get<0>(pair), std::get<1>(pair));
         });
}

bool DimArithmetic::different(Dim a, Dim b) {
  Bounds left = boundsOf(a), right = boundsOf(b);
  if (left.high < right.low || right.high < left.low)
    return true;
  Polynomial difference = polynomial(a);
  for (const auto &[monomial, coefficient] : polynomial(b)) {
    int64_t &rest = difference[monomial];
    if (llvm::SubOverflow(rest, coefficient, rest))
      return false;
    if (!rest)
      difference.erase(monomial);
  }
  Bounds range = boundsOf(difference);
  return range.low > 0 || range.high < 0;
}

Dim DimArithmetic::broadcast(Dim a, Dim b) {
  if (equal(a, b) || isConstant(b, 1))
    return a;
  if (isConstant(a, 1))
    return b;
  std::optional<int64_t> left = getConstant(a), right = getConstant(b);
  if (left && right)
    return {};
  // A number other than 1 is what the result has in every valid model.
  if (left)
    return require(b, a, /*orOne=*/true) ? a : Dim();
  if (right)
    return require(a, b, /*orOne=*/true) ? b : Dim();
  // Where b is min(a, n) with n > 1, a valid model has b = a (or both are 1),
  // so a is at most n.
  for (auto [whole, part] : {std::pair(a, b), std::pair(b, a)})
    if (auto minimum = cast<Value>(part).getDefiningOp<arith::MinSIOp>()) {
      Value first = minimum.getLhs(), second = minimum.getRhs();
      if (equal(first, whole))
        std::swap(first, second);
      std::optional<int64_t> limit = getConstantIntValue(first);
      if (limit && *limit > 1 && equal(second, whole)) {
        narrow(whole, {lowest, *limit});
        return whole;
      }
    }
  if (!require(a, b, /*orOne=*/true))
    return {};
  if (boundsOf(a).low > 1)
    return a;
  if (boundsOf(b).low > 1)
    return b;
  return select(compare(arith::CmpIPredicate::eq, a, constant(1)), b, a);
}

bool DimArithmetic::require(Dim a, Dim b, bool orOne, StringRef text) {
  if (equal(a, b))
    return true;
  Dim one = constant(1);
  bool canBeOne = orOne && (!different(a, one) || !different(b, one));
  if (different(a, b) && !canBeOne)
    return false;
  Polynomial left = polynomial(a), right = polynomial(b);
  auto isProduct = [](const Polynomial &p) { return p.size() == 1; };
  if (!orOne && isProduct(left) && isProduct(right)) {
    // k * m * x = k * m * y: x = y.
    Monomial common;
    std::set_intersection(
        left.begin()->first.begin(), left.begin()->first.end(),
        right.begin()->first.begin(), right.begin()->first.end(),
        std::back_inserter(common));
    int64_t a = left.begin()->second, b = right.begin()->second;
    // The least number has no absolute value.
    constexpr int64_t least = std::numeric_limits<int64_t>::min();
    int64_t factor = a == least || b == least ? 1 : std::gcd(a, b);
    Polynomial shared{{common, factor}};
    left = *divideExactly(left, shared);
    right = *divideExactly(right, shared);
  }
  auto isNumber = [](const Polynomial &p) {
    return p.size() == 1 && p.begin()->first.empty();
  };
  bool swapped = isNumber(left);
  if (swapped)
    std::swap(left, right), std::swap(a, b);
  auto isAtom = [](const Polynomial &p) {
    return p.size() == 1 && p.begin()->first.size() == 1 &&
           p.begin()->second == 1;
  };
  if (isAtom(left) && (isNumber(right) || isAtom(right))) {
    unsigned dim = left.begin()->first.front();
    a = atoms[dim];
    b = isNumber(right) ? constant(right.begin()->second)
                        : Dim(atoms[right.begin()->first.front()]);
    if (isNumber(right) && !orOne)
      ranges[dim] = {right.begin()->second, right.begin()->second};
  } else if (isNumber(right) && !orOne && isProduct(left) &&
             left.begin()->first.size() == 1) {
    return false; // an even number cannot be twice an odd one
  }
  Check check{a, b, orOne, where + (where.empty() ? "" : ": ")};
  if (!text.empty())
    for (size_t i = 0; i < text.size(); ++i) {
      bool isName = i > 0 && text[i - 1] == '%';
      check.text += isName && swapped ? (text[i] == 'a' ? 'b' : 'a') : text[i];
    }
  else if (orOne)
    check.text += "dimensions of %a and %b do not broadcast";
  else
    check.text += "what has %a elements must have %b";
  if (!llvm::is_contained(checks, check)) {
    check.placed = place && place(check);
    checks.push_back(check);
  }
  return true;
}

bool DimArithmetic::requireRange(Dim value, Dim low, Dim high, StringRef text) {
  return require(value, clamp(value, low, high), /*orOne=*/false, text);
}

std::optional<DimArithmetic::Polynomial>
DimArithmetic::inTermsOf(const DimState &earlier, Dim dim) {
  Polynomial terms = polynomial(dim);
  for (const auto &[monomial, coefficient] : terms)
    for (unsigned index : monomial)
      if (index >= earlier.atoms.size())
        return std::nullopt;
  return terms;
}

Value DimArithmetic::materialize(Dim dim) {
  std::optional<int64_t> number = getConstant(dim);
  if (!number)
    return cast<Value>(dim);
  Value &value = numbers[*number];
  if (!value) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(builder.getInsertionBlock());
    value = arith::ConstantIndexOp::create(builder, *number);
  }
  return value;
}
