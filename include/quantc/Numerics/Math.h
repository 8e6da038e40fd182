//===- Math.h - Our own exp, tanh, erf, log ---------------------*- C++ -*-===//
//
// f32 functions whose every step is a defined float operation (MathTables.h),
// so their bits are the same on every machine and in every kernel. They expect
// the default environment: round to nearest even, denormals kept.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_MATH_H
#define QUANTC_NUMERICS_MATH_H

namespace quantc::numerics {

/// e^x, at most 1 ulp; denormal results are right.
float expF32(float x);
/// Natural logarithm, at most 1 ulp. log(0) = -inf, log(negative) = NaN.
float logF32(float x);
/// Hyperbolic tangent, at most 1.5 ulp; odd, tanh(-0) = -0.
float tanhF32(float x);
/// Error function, at most 1.1 ulp; odd, erf(-0) = -0.
float erfF32(float x);
/// Logistic function 1 / (1 + exp(-x)), at most 2.5 ulp, also for very negative
/// arguments.
float sigmoidF32(float x);
/// x times the normal distribution function, within 3e-8 max(1, |x|);
/// gelu(-inf) = 0.
float geluF32(float x);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_MATH_H
