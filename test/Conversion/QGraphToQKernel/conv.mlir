// RUN: quant-opt %s --split-input-file --lower-to-kernels --canonicalize --cse | FileCheck %s

// A tile is part of a row of pixels by panels; a row of taps is one run of K.

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx512vnni", unsigned_weights = true, tiles = [<"f32", 14 x 2>, <"si8", 14 x 2>]>} {
// Nothing lies outside: the image is read where it is, 28 pixels as 2 * 14.
// CHECK-LABEL: func.func private @conv_f32_3x3x8x32(
// CHECK-NOT: memref.view
// CHECK: scf.for
// CHECK: memref.reinterpret_cast {{.*}} sizes: [14, 24], strides: [8, 1]
// CHECK: qkernel.tile_dot {{.*}} length %c24 {{.*}} {format = "f32", panels = 2 : i64, rows = 14 : i64}
// CHECK-NOT: qkernel.tile_dot
// The copy of an image of integers has unsigned bytes. 7 pixels go by 3 panels.
// CHECK-LABEL: func.func private @conv_si8_3x3x8x96_s2(
// CHECK: memref.view %{{.*}} : memref<?xi8> to memref<{{.*}}xi8>
// CHECK: arith.xori
// CHECK: memref.reinterpret_cast {{.*}} sizes: [7, 24], strides: [16, 1]
// CHECK: qkernel.tile_dot {{.*}} length %c24 {{.*}} {format = "si8", panels = 3 : i64, rows = 7 : i64, unsigned_input}
// Pixels to pixels: the image is one row of 196, in 14 tiles.
// CHECK-LABEL: func.func private @conv_si8_1x1x64x32(
// CHECK: memref.reinterpret_cast {{.*}} sizes: [14, 64], strides: [64, 1]
// CHECK: qkernel.tile_dot {{.*}} length %c64 {{.*}} rows = 14 : i64, unsigned_input}
func.func @main(%x: tensor<1x30x30x8xf32>, %q: tensor<1x14x14x8xsi8>, %r: tensor<1x14x14x64xsi8>, %s: tensor<1x1x1x1xf32>, %pf: tensor<9344xui8>, %p8: tensor<8064xui8>, %p1: tensor<2432xui8>)
    -> (tensor<1x28x28x32xf32>, tensor<1x7x7x96xf32>, tensor<1x14x14x32xf32>) {
  %0 = qkernel.conv %x, %pf {format = "f32", n = 32, taps = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1}
       : (tensor<1x30x30x8xf32>, tensor<9344xui8>) -> tensor<1x28x28x32xf32>
  %1 = qkernel.conv %q scale %s, %p8 {format = "si8", n = 96, taps = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1}
       : (tensor<1x14x14x8xsi8>, tensor<1x1x1x1xf32>, tensor<8064xui8>) -> tensor<1x7x7x96xf32>
  %2 = qkernel.conv %r scale %s, %p1 {format = "si8", n = 32, taps = array<i64: 1, 1>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1}
       : (tensor<1x14x14x64xsi8>, tensor<1x1x1x1xf32>, tensor<2432xui8>) -> tensor<1x14x14x32xf32>
  return %0, %1, %2 : tensor<1x28x28x32xf32>, tensor<1x7x7x96xf32>, tensor<1x14x14x32xf32>
}
}

// -----

// The codes of a tile are the low bits of 0x1.8p23 + the rounded quotient, which
// two products make: with 1 / scale and with what that leaves over.

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx512vnni", unsigned_weights = true, tiles = [<"si8", 14 x 2>]>} {
// CHECK-LABEL: func.func private @conv_si8_3x3x128x64_quantize(
// CHECK-DAG: %[[WHOLE:.*]] = arith.constant dense<0x4B400000> : vector<16xf32>
// CHECK: %[[ONE:.*]] = arith.divf %{{.*}}, %[[S:.*]] : f32
// CHECK: %[[MINUS:.*]] = arith.negf %[[ONE]]
// CHECK: %[[OVER:.*]] = math.fma %[[MINUS]], %[[S]]
// CHECK: %[[INVERSE:.*]] = vector.broadcast %[[ONE]]
// CHECK: %[[LOW:.*]] = arith.divf %[[OVER]], %[[S]]
// CHECK: %[[REST:.*]] = vector.broadcast %[[LOW]]
// CHECK: qkernel.tile_dot
// CHECK-NOT: arith.divf
// CHECK: %[[SMALL:.*]] = arith.mulf %[[Y:.*]], %[[REST]] : vector<16xf32>
// CHECK: %[[Q:.*]] = math.fma %[[Y]], %[[INVERSE]], %[[SMALL]] : vector<16xf32>
// CHECK: %[[N:.*]] = arith.addf %[[Q]], %[[WHOLE]]
// CHECK: %[[BITS:.*]] = vector.bitcast %[[N]] : vector<16xf32> to vector<16xi32>
// CHECK: arith.trunci %[[BITS]]
// CHECK-NOT: arith.divf
func.func @main(%x: tensor<1x14x14x128xsi8>, %s: tensor<1x1x1x1xf32>, %p: tensor<74496xui8>, %t: tensor<1x1x1x1xf32>) -> tensor<1x14x14x64xsi8> {
  %0 = qkernel.conv %x scale %s, %p epilogue(%t) {format = "si8", n = 64, taps = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1, epilogue = [#qgraph.step<"Quantize", scale = 0>]}
       : (tensor<1x14x14x128xsi8>, tensor<1x1x1x1xf32>, tensor<74496xui8>, tensor<1x1x1x1xf32>) -> tensor<1x14x14x64xsi8>
  return %0 : tensor<1x14x14x64xsi8>
}
}
