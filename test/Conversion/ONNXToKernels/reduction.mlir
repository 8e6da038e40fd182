// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse | FileCheck %s
// RUN: quant-opt %s --lower-to-kernels=plain --canonicalize --cse | FileCheck %s --check-prefix=PLAIN

// Along a row: a vector of 16 lanes, a masked last step that leaves the other
// lanes alone, and the tree 8, 4, 2, 1.
func.func @rows(%x: tensor<?x37xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %b = tensor.dim %x, %c0 : tensor<?x37xf32>
  %0 = onnx.node "ReduceSum"(%x) dims(%b) {version = 13 : i64, node_attributes = {axes = [1 : si64], keepdims = 0 : si64}} : (tensor<?x37xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
// CHECK-LABEL: func.func private @reduce_sum_f32(
// CHECK: %[[LANES:.*]] = scf.for {{.*}} iter_args({{.*}}) -> (vector<16xf32>)
// CHECK:   arith.addf %{{.*}} : vector<16xf32>
// CHECK: %[[MASK:.*]] = vector.constant_mask [5] : vector<16xi1>
// CHECK: %[[X:.*]] = vector.maskedload {{.*}} %[[MASK]]
// CHECK: %[[STEP:.*]] = arith.addf %[[LANES]], %[[X]]
// CHECK: %[[ALL:.*]] = arith.select %[[MASK]], %[[STEP]], %[[LANES]]
// CHECK: %[[LOW:.*]] = vector.extract_strided_slice %[[ALL]] {offsets = [0], sizes = [8]
// CHECK: %[[HIGH:.*]] = vector.extract_strided_slice %[[ALL]] {offsets = [8], sizes = [8]
// CHECK: arith.addf %[[LOW]], %[[HIGH]] : vector<8xf32>
// CHECK: arith.addf %{{.*}} : vector<4xf32>
// CHECK: arith.addf %{{.*}} : vector<2xf32>
// CHECK: memref.store

// The plain body does the same with 16 numbers in memory.
// PLAIN-LABEL: func.func private @reduce_sum_f32(
// PLAIN: %[[LANES:.*]] = memref.alloca() {{.*}} : memref<16xf32>
// PLAIN-NOT: vector
// PLAIN: %[[LANE:.*]] = arith.remui %{{.*}}, %c16
// PLAIN: memref.load %[[LANES]][%[[LANE]]]
// PLAIN: arith.addf
// PLAIN: memref.store %{{.*}}, %[[LANES]][%[[LANE]]]
// PLAIN: return

// Across rows (mean pooling): 16 columns at a time, each with its own lanes.
func.func @columns(%x: tensor<?x?x384xf32>) -> tensor<?x384xf32> {
  %c0 = arith.constant 0 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x384xf32>
  %0 = onnx.node "ReduceMean"(%x) dims(%b) {version = 18 : i64, node_attributes = {axes = [1 : si64], keepdims = 0 : si64}} : (tensor<?x?x384xf32>) -> tensor<?x384xf32>
  return %0 : tensor<?x384xf32>
}
// CHECK-LABEL: func.func private @reduce_mean_f32(
// CHECK: memref.alloca() {{.*}} : memref<256xf32>
// CHECK: arith.addf %{{.*}} : vector<16xf32>
// CHECK: arith.divf %{{.*}} : vector<16xf32>
