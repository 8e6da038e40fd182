// RUN: quant-opt %s --lower-to-kernels=plain=true --canonicalize | FileCheck %s

// The plain loops of quantization: one scalar at a time, no vectors, no calls.

// CHECK-NOT: vector
// CHECK-NOT: memref.alloc(
func.func @main(%x: tensor<4x9xf32>, %s: tensor<4x1xf32>, %z: tensor<4x1xsi8>, %f: tensor<4x9xf8E4M3FN>, %e: tensor<4x1xf8E8M0FNU>,
                %n: tensor<4x9xui4>, %c: tensor<16xf16>)
    -> (tensor<4x9xsi8>, tensor<4x9xbf16>, tensor<4x9xf16>, tensor<4x3xf16>) {
  %0 = qgraph.quantize %x scale %s zero_point %z {block = array<i64: 1, 0>} : (tensor<4x9xf32>, tensor<4x1xf32>, tensor<4x1xsi8>) -> tensor<4x9xsi8>
  %1 = qgraph.dequantize %f scale %e {block = array<i64: 1, 0>} : (tensor<4x9xf8E4M3FN>, tensor<4x1xf8E8M0FNU>) -> tensor<4x9xbf16>
  %2 = qgraph.dequantize %n scale %s codebook %c {block = array<i64: 1, 0>, precision = f16} : (tensor<4x9xui4>, tensor<4x1xf32>, tensor<16xf16>) -> tensor<4x9xf16>
  %3 = qgraph.choose_params power_of_two %x {block = array<i64: 1, 4>, stored = f4E2M1FN} : tensor<4x9xf32> -> tensor<4x3xf16>
  return %0, %1, %2, %3 : tensor<4x9xsi8>, tensor<4x9xbf16>, tensor<4x9xf16>, tensor<4x3xf16>
}

// Divide, bring in range, round half to even, add the zero point, clamp.
// CHECK-LABEL: func.func private @quantize(
// CHECK-DAG: %[[LOW:.*]] = arith.constant -1.09951163E+12 : f32
// CHECK-DAG: %[[QMIN:.*]] = arith.constant -128 : i64
// CHECK: scf.for %[[I:.*]] = %c0 to %c4
// CHECK: scf.for %[[J:.*]] = %c0 to %c9
// CHECK: %[[X:.*]] = memref.load %{{.*}}[%[[I]], %[[J]]]
// CHECK: %[[S:.*]] = memref.load %{{.*}}[%[[I]], %c0]
// CHECK: %[[Q:.*]] = arith.divf %[[X]], %[[S]] : f32
// A NaN fails the comparison and takes the lower end.
// CHECK: %[[MORE:.*]] = arith.cmpf ogt, %[[Q]], %[[LOW]]
// CHECK: arith.select %[[MORE]], %[[Q]], %[[LOW]]
// CHECK: %[[R:.*]] = math.roundeven
// CHECK: %[[C:.*]] = arith.fptosi %[[R]] : f32 to i64
// CHECK: %[[Z:.*]] = arith.extsi %{{.*}} : i8 to i64
// CHECK: %[[SUM:.*]] = arith.addi %[[C]], %[[Z]]
// CHECK: arith.maxsi %[[SUM]], %[[QMIN]]
// CHECK: arith.trunci %{{.*}} : i64 to i8

// The small floats are decoded by integer arithmetic, bf16 is rounded by it: no
// conversion that a level without such instructions would make a call of.
// CHECK-LABEL: func.func private @dequantize(
// CHECK-NOT: arith.truncf
// CHECK-NOT: arith.extf
// CHECK: arith.mulf
// CHECK: arith.bitcast %{{.*}} : i16 to bf16

// A code past the codebook's end is its last; each operation is rounded to f16.
// CHECK-LABEL: func.func private @dequantize_1(
// CHECK: %[[AT:.*]] = arith.minui %{{.*}}, %c15
// CHECK: memref.load %{{.*}}[%[[AT]]] : memref<16xf16>
// CHECK: arith.truncf %{{.*}} : f32 to f16
// CHECK: memref.store %{{.*}} : memref<4x9xf16>

// Groups of 4, the last of 1; powers of two by the exponent field.
// CHECK-LABEL: func.func private @choose_params(
// CHECK: scf.for %[[I:.*]] = %c0 to %c4
// CHECK: scf.for %[[G:.*]] = %c0 to %c3
// CHECK: %[[LO:.*]] = arith.muli %[[G]], %c4
// CHECK: %[[END:.*]] = arith.addi %[[LO]], %c4
// CHECK: %[[HI:.*]] = arith.minui %[[END]], %c9
// CHECK: scf.for %{{.*}} = %[[LO]] to %[[HI]]
// CHECK: arith.cmpf olt
// CHECK: arith.cmpf ogt
// CHECK: arith.shrui %{{.*}} : i32
// CHECK: arith.subi %{{.*}}, %c2_i32
// CHECK: memref.store %{{.*}} : memref<4x3xf16>
