// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse --split-input-file | FileCheck %s

// Bytes: 55 columns are three panels and a part of one; 30 values of k are padded
// to 32. Tiles are those of the module's target, their tails are 2 rows and 1.

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx512vnni", unsigned_weights = true, tiles = [<"si8", 4 x 2>]>} {
// CHECK-LABEL: func.func private @linear_si8_30x55_add(
// CHECK-SAME: %[[F:[^:]*]]: !llvm.ptr, %[[T:[^:]*]]: index, %[[N:[^:]*]]: index, %[[SCRATCH:[^:]*]]: memref<?xi8>, %[[X:[^:]*]]: memref<?x30xi8>
// CHECK-SAME: %[[S:[^:]*]]: memref<?x1xf32>, %[[P:[^:]*]]: memref<4608xi8>, %[[R:[^:]*]]: memref<?x55xf32>, %[[Y:[^:]*]]: memref<?x55xf32>)
// Rows are shared among threads if there are enough of them, columns otherwise.
// CHECK: arith.cmpi uge
// CHECK-DAG: %[[SUMS:.*]] = memref.view %[[SCRATCH]][%c0]{{.*}} to memref<?x1xi32>
// CHECK-DAG: %[[PADDED:.*]] = memref.view %[[SCRATCH]][%{{.*}}]{{.*}} to memref<?x32xi8>
// The weights' offset of 128 is taken off by the sum of a row.
// CHECK: vector.reduction <add>
// CHECK: arith.muli %{{.*}}, %c-128_i32
// CHECK: memref.store %{{.*}}, %[[SUMS]]
// Blocks of 240 rows.
// CHECK: scf.for %{{.*}} step %c240
// CHECK: qkernel.tile_dot %[[PADDED]][%{{.*}}, %c0], %[[P]][%{{.*}}] stride %{{.*}} length %c32 init({{.*}}) {format = "si8", panels = 2 : i64, rows = 4 : i64}
// One multiply-add with the bias, then the residual.
// CHECK: %[[F0:.*]] = arith.sitofp %{{.*}}#0
// CHECK: %[[SCALE:.*]] = arith.mulf
// CHECK: %[[V:.*]] = math.fma %[[F0]], %[[SCALE]], %{{.*}} : vector<16xf32>
// CHECK: %[[L:.*]] = vector.load %[[R]]
// CHECK: arith.addf %[[V]], %[[L]]
// CHECK: qkernel.tile_dot {{.*}} rows = 2 : i64
// CHECK: qkernel.tile_dot {{.*}} rows = 1 : i64
// The last two panels one by one: 16 columns, then 7, stored as 4, 2 and 1.
// CHECK: qkernel.tile_dot {{.*}} panels = 1 : i64, rows = 4 : i64
// CHECK: vector.store {{.*}} vector<16xf32>
// CHECK: qkernel.tile_dot {{.*}} panels = 1 : i64, rows = 4 : i64
// CHECK-DAG: vector.store {{.*}} vector<4xf32>
// CHECK-DAG: vector.store {{.*}} vector<2xf32>
// CHECK-DAG: vector.store {{.*}} vector<1xf32>
func.func @main(%q: tensor<?x30xsi8>, %s: tensor<?x1xf32>, %p: tensor<4608xui8>, %r: tensor<?x55xf32>) -> tensor<?x55xf32> {
  %1 = qkernel.linear %q scale %s, %p epilogue(%r) {format = "si8", group = 0, input_group = 0, k = 30, n = 55, epilogue = [#qgraph.step<"Add", operand = 0>]}
       : (tensor<?x30xsi8>, tensor<?x1xf32>, tensor<4608xui8>, tensor<?x55xf32>) -> tensor<?x55xf32>
  return %1 : tensor<?x55xf32>
}
}

// -----

// Nibbles in groups of 32: the sums of floats are carried over the groups; f16
// scales stand behind each group's 256 bytes. Signed weights need no sums of rows,
// and K = 64 no padding: no scratch.

module attributes {qkernel.target = #qkernel.target<arch = "aarch64", level = "dotprod", unsigned_weights = false, tiles = [<"si4", 3 x 1>]>} {
// CHECK-LABEL: func.func private @linear_si4_g32_64x16(
// CHECK-SAME: index, %{{[^:]*}}: index, %[[X:[^:]*]]: memref<?x64xi8>, %[[S:[^:]*]]: memref<?x2xf32>, %[[P:[^:]*]]: memref<640xi8>
// CHECK: scf.for %[[M:.*]] = %{{.*}} step %c3
// CHECK: scf.for %[[G:.*]] = %c0 to %c2 step %c1 iter_args(%{{.*}}, %{{.*}}, %{{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>)
// CHECK: %[[O:.*]] = arith.muli %[[G]], %c288
// CHECK: qkernel.tile_dot %[[X]][%[[M]], %{{.*}}], %[[P]]{{.*}} length %c32 init({{.*}}) {format = "si4", panels = 1 : i64, rows = 3 : i64}
// CHECK: vector.load %[[P]][%{{.*}}] : memref<640xi8>, vector<32xi8>
// CHECK: arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK: memref.load %[[S]][%[[M]], %[[G]]]
// CHECK-COUNT-3: math.fma
// CHECK: scf.yield
func.func @main(%q: tensor<?x64xsi8>, %s: tensor<?x2xf32>, %p: tensor<640xui8>) -> tensor<?x16xf32> {
  %1 = qkernel.linear %q scale %s, %p {format = "si4", group = 32, input_group = 32, k = 64, n = 16, scale_type = f16}
       : (tensor<?x64xsi8>, tensor<?x2xf32>, tensor<640xui8>) -> tensor<?x16xf32>
  return %1 : tensor<?x16xf32>
}
}

// -----

// Floats: blocks of 256 values of k, the last of 44; the bias is in the panel.

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx2", unsigned_weights = true, tiles = [<"f32", 6 x 1>]>} {
// CHECK-LABEL: func.func private @linear_f32_300x16_gelu(
// CHECK: scf.for %{{.*}} step %c6
// CHECK: qkernel.tile_dot {{.*}} length %c256
// CHECK-COUNT-6: arith.addf
// CHECK: qkernel.tile_dot {{.*}} length %c44
// CHECK-COUNT-6: arith.addf
func.func @main(%x: tensor<2x?x300xf32>, %p: tensor<19264xui8>) -> tensor<2x?x16xf32> {
  %1 = qkernel.linear %x, %p {format = "f32", group = 0, input_group = 0, k = 300, n = 16, epilogue = [#qgraph.step<"Gelu">]}
       : (tensor<2x?x300xf32>, tensor<19264xui8>) -> tensor<2x?x16xf32>
  return %1 : tensor<2x?x16xf32>
}
}
