//===- MathEmitter.h - Elementary functions as float operations -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_ONNX_MATHEMITTER_H
#define QUANTC_DIALECT_ONNX_MATHEMITTER_H

#include "quantc/Numerics/Formats.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace quantc::onnx_ir {

/// Emits float code on scalars, or on vectors of one shape: every value that a
/// method takes or gives has the shape of `like`. Only `arith` and `math`
/// operations that become instructions are made, never a call of libm (`fma`,
/// `copysign`, `floor` and such; not `math.exp`).
///
/// exp, log, erf, tanh, sigmoid and gelu of f32 take exactly the steps of
/// Numerics/MathTables.h, so their bits are those of Numerics/Math.h. The other
/// functions of f32 are evaluated in f64 and rounded once, the way their own
/// comments say; they too are the same on every machine.
class MathEmitter {
public:
  /// `like`: any scalar or vector type; only its shape is used.
  MathEmitter(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type like)
      : builder(builder), loc(loc),
        shape(mlir::dyn_cast<mlir::VectorType>(like)) {}

  mlir::OpBuilder &builder;
  mlir::Location loc;

  /// The type of this shape with these elements.
  mlir::Type shaped(mlir::Type element);
  mlir::Type intType(unsigned width);
  mlir::Type f32() { return shaped(builder.getF32Type()); }
  mlir::Type f64() { return shaped(builder.getF64Type()); }

  /// `value` as an element of `type`'s element type, in all lanes.
  mlir::Value constant(double value, mlir::Type type);
  mlir::Value constantInt(int64_t value, mlir::Type type);
  mlir::Value f32(float value) { return constant(value, f32()); }
  mlir::Value i32(int64_t value) { return constantInt(value, intType(32)); }

  // Floats. No operation is contracted or reordered.
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value div(mlir::Value a, mlir::Value b);
  mlir::Value fma(mlir::Value a, mlir::Value b, mlir::Value c);
  mlir::Value neg(mlir::Value a);
  mlir::Value abs(mlir::Value a);
  mlir::Value copysign(mlir::Value magnitude, mlir::Value sign);
  mlir::Value sqrt(mlir::Value a);
  mlir::Value floor(mlir::Value a);
  mlir::Value ceil(mlir::Value a);
  mlir::Value trunc(mlir::Value a);
  mlir::Value roundEven(mlir::Value a);
  /// NaN if either is NaN.
  mlir::Value minimum(mlir::Value a, mlir::Value b);
  mlir::Value maximum(mlir::Value a, mlir::Value b);
  mlir::Value compare(mlir::arith::CmpFPredicate predicate, mlir::Value a,
                      mlir::Value b);
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value a,
                      mlir::Value b);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b);
  /// The pattern of a float as an integer of its width, and back.
  mlir::Value bits(mlir::Value a);
  mlir::Value fromBits(mlir::Value a, mlir::Type type);

  // Integers; they wrap.
  mlir::Value addi(mlir::Value a, mlir::Value b);
  mlir::Value subi(mlir::Value a, mlir::Value b);
  mlir::Value muli(mlir::Value a, mlir::Value b);
  mlir::Value andi(mlir::Value a, mlir::Value b);
  mlir::Value ori(mlir::Value a, mlir::Value b);
  mlir::Value xori(mlir::Value a, mlir::Value b);
  mlir::Value shl(mlir::Value a, int64_t amount);
  mlir::Value shrs(mlir::Value a, int64_t amount);
  mlir::Value shru(mlir::Value a, int64_t amount);

  /// f16, bf16 or f32 to f32 (exact); f64 is left alone.
  mlir::Value widen(mlir::Value a);
  /// f32 or f64 to the float type `element`, one rounding to nearest even. NaN
  /// stays NaN. (f32 to bf16 is written out: LLVM would call `__truncsfbf2`.)
  mlir::Value narrow(mlir::Value a, mlir::Type element);

  /// Codes (i8) of an f8, f6 or f4 format as f32, and f32 as codes; as
  /// numerics::decode and encode, bit for bit. `rounding` is for f8E8M0FNU.
  mlir::Value decode(mlir::Value codes, numerics::Format format);
  mlir::Value
  encode(mlir::Value x, numerics::Format format, bool saturate,
         numerics::PowerRounding rounding = numerics::PowerRounding::Nearest);

  // f32 or f64, by the type of the argument. f32: Numerics/Math.h, bit for bit.
  // f64: at most 4 ulp.
  mlir::Value exp(mlir::Value x);
  mlir::Value log(mlir::Value x);
  mlir::Value tanh(mlir::Value x);
  mlir::Value sigmoid(mlir::Value x);
  /// f32 only.
  mlir::Value erf(mlir::Value x);
  mlir::Value gelu(mlir::Value x);

  /// e^x - 1 and log(1 + x), f32 or f64.
  mlir::Value expm1(mlir::Value x);
  mlir::Value log1p(mlir::Value x);
  /// x^y as C99's pow (its special cases included). f32: at most 0.51 ulp. f64:
  /// the relative error grows with |y log x|, to about 1000 ulp.
  mlir::Value pow(mlir::Value x, mlir::Value y);
  /// f32: at most 0.51 ulp for |x| < 2^50; the argument of a larger |x| is not
  /// known to better than a period, and the result is that of 0.
  mlir::Value sin(mlir::Value x);
  mlir::Value cos(mlir::Value x);
  /// Arc tangent of an f32 or f64 argument, to 2^-33.
  mlir::Value atan(mlir::Value x);
  /// x - y * trunc(x / y), exact, f32 only. NaN for y = 0 or infinite x.
  mlir::Value fmod(mlir::Value x, mlir::Value y);

  /// c[0] + c[1] x + ..., from the highest power down, by fma.
  mlir::Value horner(llvm::ArrayRef<double> coefficients, mlir::Value x);

private:
  template <size_t N>
  mlir::Value horner(const float (&coefficients)[N], mlir::Value x);
  mlir::Value powerOfTwo(mlir::Value k, mlir::Type type);
  mlir::Value scaleByPowerOfTwo(mlir::Value p, mlir::Value k);
  mlir::Value expF64(mlir::Value x, bool minusOne);
  mlir::Value logF64(mlir::Value x);
  mlir::Value erfF64(mlir::Value x);
  mlir::Value fmodF64(mlir::Value x, mlir::Value divisor);
  mlir::Value toF64(mlir::Value x);
  /// f64 code of a function of x, rounded to x's type.
  mlir::Value sine(mlir::Value x, int64_t quarter);

  mlir::VectorType shape;
};

} // namespace quantc::onnx_ir

#endif // QUANTC_DIALECT_ONNX_MATHEMITTER_H
