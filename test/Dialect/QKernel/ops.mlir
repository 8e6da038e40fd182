// RUN: quant-opt %s --verify-roundtrip | FileCheck %s

// CHECK: module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx2", unsigned_weights = true, tiles = [<"f32", 6 x 1>, <"si8", 4 x 1>]>}
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx2",
    unsigned_weights = true, tiles = [<"f32", 6 x 1>, <"si8", 4 x 1>]>} {

// CHECK-LABEL: func.func @linear
func.func @linear(%x: tensor<?x64xsi8>, %s: tensor<?x1xf32>, %p: tensor<1152xi8>,
                  %r: tensor<?x16xf32>) -> tensor<?x16xf32> {
  // CHECK: qkernel.linear %{{.*}} scale %{{.*}}, %{{.*}} epilogue(%{{.*}}) {epilogue = [#qgraph.step<"Add", operand = 0>], format = "si8", group = 0 : i64, input_group = 0 : i64, k = 64 : i64, n = 16 : i64}
  %y = qkernel.linear %x scale %s, %p epilogue(%r)
         {epilogue = [#qgraph.step<"Add", operand = 0>], format = "si8", group = 0, input_group = 0, k = 64, n = 16}
       : (tensor<?x64xsi8>, tensor<?x1xf32>, tensor<1152xi8>, tensor<?x16xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// CHECK-LABEL: func.func @conv
func.func @conv(%x: tensor<1x?x8x4xui8>, %s: tensor<1x1x1x1xf32>, %z: tensor<1x1x1x1xui8>, %p: tensor<768xui8>,
                %t: tensor<1xf32>, %h: index) -> tensor<1x?x8x16xsi8> {
  // CHECK: qkernel.conv %{{.*}} scale %{{.*}} zero_point %{{.*}}, %{{.*}} epilogue(%{{.*}}) dims(%{{.*}}) {dilations = array<i64: 1, 1>, epilogue = [#qgraph.step<"Quantize", scale = 0>], format = "si8", groups = 1 : i64, n = 16 : i64, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>, taps = array<i64: 3, 3>}
  %y = qkernel.conv %x scale %s zero_point %z, %p epilogue(%t) dims(%h)
         {format = "si8", n = 16, taps = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
          pads = array<i64: 1, 1, 1, 1>, groups = 1, epilogue = [#qgraph.step<"Quantize", scale = 0>]}
       : (tensor<1x?x8x4xui8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xui8>, tensor<768xui8>, tensor<1xf32>, index) -> tensor<1x?x8x16xsi8>
  return %y : tensor<1x?x8x16xsi8>
}

func.func private @relu_f32(!llvm.ptr, memref<?x384xf32>, index, index)

// CHECK-LABEL: func.func @entry
// CHECK-SAME: %[[F:.*]]: !llvm.ptr, %[[T:.*]]: index, %[[TS:.*]]: index
func.func @entry(%frame: !llvm.ptr, %thread: index, %threads: index) {
  // CHECK: %[[D:.*]] = qkernel.dim %[[F]][3]
  %d = qkernel.dim %frame[3]
  // CHECK: %[[A:.*]] = qkernel.buffer arena %[[F]] offset(%[[D]]) sizes(%[[D]]) : memref<?x384xf32>
  %0 = qkernel.buffer arena %frame offset(%d) sizes(%d) : memref<?x384xf32>
  // CHECK: qkernel.buffer input %[[F]] sizes(%[[D]]) {index = 1 : i64} : memref<?xi64>
  %1 = qkernel.buffer input %frame sizes(%d) {index = 1 : i64} : memref<?xi64>
  // CHECK: qkernel.buffer output %[[F]] : memref<8xf32>
  %2 = qkernel.buffer output %frame : memref<8xf32>
  // CHECK: qkernel.call @relu_f32[%[[F]]](%[[A]], %[[T]], %[[TS]]) : memref<?x384xf32>, index, index
  qkernel.call @relu_f32[%frame](%0, %thread, %threads) : memref<?x384xf32>, index, index
  // CHECK: qkernel.barrier %[[F]], %[[T]], %[[TS]]
  qkernel.barrier %frame, %thread, %threads
  // CHECK: qkernel.mark %[[F]][3], %[[T]]
  qkernel.mark %frame[3], %thread
  // CHECK: %[[OK:.*]] = arith.cmpi
  %ok = arith.cmpi slt, %d, %threads : index
  // CHECK: qkernel.check %[[F]], %[[OK]], 1, %[[D]], %[[TS]]
  qkernel.check %frame, %ok, 1, %d, %threads
  // CHECK: qkernel.set_dim %[[F]][0], %[[D]]
  qkernel.set_dim %frame[0], %d
  return
}

// CHECK-LABEL: func.func @tiles
func.func @tiles(%a: memref<?x?xi8>, %f: memref<?x?xf32>, %w: memref<?xi8>, %m: index,
                 %i: vector<16xi32>, %acc: vector<16xf32>) {
  // CHECK: qkernel.tile_dot %{{.*}}[%{{.*}}, %{{.*}}], %{{.*}}[%{{.*}}] stride %{{.*}} length %{{.*}} init(%{{.*}}, %{{.*}}) {format = "si8", panels = 1 : i64, rows = 2 : i64} : memref<?x?xi8>, memref<?xi8>, vector<16xi32>, vector<16xi32>
  %0:2 = qkernel.tile_dot %a[%m, %m], %w[%m] stride %m length %m init(%i, %i)
    {format = "si8", panels = 1 : i64, rows = 2 : i64} : memref<?x?xi8>, memref<?xi8>, vector<16xi32>, vector<16xi32>
  // CHECK: qkernel.tile_dot {{.*}}format = "f32"
  %1 = qkernel.tile_dot %f[%m, %m], %w[%m] stride %m length %m init(%acc)
    {format = "f32", panels = 1 : i64, rows = 1 : i64} : memref<?x?xf32>, memref<?xi8>, vector<16xf32>
  return
}
}
