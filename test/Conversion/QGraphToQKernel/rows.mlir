// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse | FileCheck %s

// One kernel for what works row by row: 24 columns are 16 and 8. The norm that
// nobody else reads stays in a row of scratch.

// CHECK-LABEL: func.func @main(
// CHECK-COUNT-1: qkernel.call @norm_choose_params_quantize
// CHECK-NOT: qkernel.call
// CHECK: return

// CHECK-LABEL: func.func private @norm_choose_params_quantize(
// CHECK-SAME: %[[F:[^:]*]]: !llvm.ptr, %[[T:[^:]*]]: index, %[[N:[^:]*]]: index, %[[SCRATCH:[^:]*]]: memref<?xi8>
// CHECK: %[[ROW:.*]] = memref.view %[[SCRATCH]][%c0][] : memref<?xi8> to memref<1x24xf32>
// CHECK: scf.for %[[M:.*]] = %{{.*}} to
// CHECK: vector.load {{.*}} vector<16xf32>
// The tree over 16 lanes.
// CHECK: vector.extract_strided_slice %{{.*}} {offsets = [8], sizes = [8]
// CHECK: vector.extract_strided_slice %{{.*}} {offsets = [4], sizes = [4]
// CHECK: math.sqrt
// CHECK: vector.store %{{.*}}, %[[ROW]]
// Extrema, then the scale; zero becomes 1.
// CHECK: arith.cmpf olt
// CHECK: arith.cmpf ogt
// CHECK: arith.divf
// CHECK: arith.cmpf oeq
// CHECK: math.roundeven
// CHECK: arith.trunci %{{.*}} : vector<16xi32> to vector<16xi8>
// CHECK: vector.store {{.*}} vector<16xi8>
// CHECK: vector.store {{.*}} vector<8xi8>
func.func @main(%x: tensor<?x24xf32>, %g: tensor<24xf32>) -> (tensor<?x1xf32>, tensor<?x24xsi8>) {
  %0:2 = qgraph.rows {
    %n = qgraph.norm layer %x weight %g {epsilon = 1.0e-5 : f32} : (tensor<?x24xf32>, tensor<24xf32>) -> tensor<?x24xf32>
    %s = qgraph.choose_params symmetric %n {block = array<i64: 1, 0>, stored = si8} : tensor<?x24xf32> -> tensor<?x1xf32>
    %q = qgraph.quantize %n scale %s {block = array<i64: 1, 0>} : (tensor<?x24xf32>, tensor<?x1xf32>) -> tensor<?x24xsi8>
    qgraph.yield %s, %q : tensor<?x1xf32>, tensor<?x24xsi8>
  } : tensor<?x1xf32>, tensor<?x24xsi8>
  return %0#0, %0#1 : tensor<?x1xf32>, tensor<?x24xsi8>
}
