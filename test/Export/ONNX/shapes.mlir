// RUN: quant-translate --export-onnx %s -o %t.onnx
// RUN: quant-translate --import-onnx %t.onnx | FileCheck %s

// Canonical forms get back the operands that their types and `dims` stand for.

// CHECK: @main(%[[X:[^:]*]]: tensor<?x3x4xf32>{{.*}}, %[[Y:[^:]*]]: tensor<?xf32> {{.*}}, %[[I:[^:]*]]: tensor<2xsi64>
// CHECK-DAG: %[[COPY:.*]] = qgraph.constant dense<[0, 12]> : tensor<2xsi64>
// CHECK-DAG: %[[REST:.*]] = qgraph.constant dense<[-1, 4]> : tensor<2xsi64>
func.func @main(%x: tensor<?x3x4xf32>, %y: tensor<?xf32>, %i: tensor<2xsi64>)
    -> (tensor<?x12xf32>, tensor<?x4xf32>, tensor<?x?xf32>, tensor<?x6x4xf32>, tensor<?x?x4xf32>, tensor<?xsi64>,
        tensor<?x3x6xf32>, tensor<?x3xf32>, tensor<?xf16>, tensor<?xf32>, tensor<?x3x4xf32>, tensor<2xsi64>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %n = tensor.dim %x, %c0 : tensor<?x3x4xf32>
  %m = tensor.dim %y, %c0 : tensor<?xf32>
  %n3 = arith.muli %n, %c3 : index
  %h = arith.ceildivsi %m, %c2 : index
  // A dimension that stays, and one that is the rest.
  // CHECK: onnx.node "Reshape"(%[[X]], %[[COPY]])
  %0 = onnx.node "Reshape"(%x) dims(%n) {version = 25 : i64} : (tensor<?x3x4xf32>) -> tensor<?x12xf32>
  // CHECK: onnx.node "Reshape"(%[[X]], %[[REST]])
  %1 = onnx.node "Reshape"(%x) dims(%n3) {version = 25 : i64} : (tensor<?x3x4xf32>) -> tensor<?x4xf32>
  // CHECK: %[[N:.*]] = onnx.node "Shape"(%[[X]])
  // CHECK: %[[M:.*]] = onnx.node "Shape"(%[[Y]]) {{[{].*}}node_attributes = {end = 1 : si64, start = 0 : si64}
  // CHECK: %[[S:.*]] = onnx.node "Concat"(%[[N]], %[[M]])
  // CHECK: onnx.node "Expand"(%[[Y]], %[[S]])
  %2 = onnx.node "Expand"(%y) dims(%n, %m) {version = 13 : i64} : (tensor<?xf32>) -> tensor<?x?xf32>
  // CHECK: onnx.node "Tile"(%[[X]], %{{.*}})
  %3 = onnx.node "Tile"(%x) dims(%n) {version = 13 : i64} : (tensor<?x3x4xf32>) -> tensor<?x6x4xf32>
  // Ends are starts + lengths * steps; a negative one means the very beginning.
  // CHECK: onnx.node "Slice"(%[[X]], %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) {{[{].*}}version = 13
  %4 = onnx.node "Slice"(%x) dims(%n, %h) {node_attributes = {axes = [1 : si64], starts = [2 : si64], steps = [-1 : si64]}, version = 13 : i64}
       : (tensor<?x3x4xf32>) -> tensor<?x?x4xf32>
  // CHECK: onnx.node "Range"
  %5 = onnx.node "Range"() dims(%h) {node_attributes = {start = 1 : si64, delta = 3 : si64}, version = 11 : i64} : () -> tensor<?xsi64>
  // CHECK: onnx.node "Pad"(%[[X]], %{{.*}}) {{[{].*}}node_attributes = {mode = "constant"}
  %6 = onnx.node "Pad"(%x) dims(%n) {node_attributes = {pads = [0 : si64, 0 : si64, 1 : si64, 0 : si64, 0 : si64, 1 : si64], mode = "constant"}, version = 25 : i64}
       : (tensor<?x3x4xf32>) -> tensor<?x3x6xf32>
  // CHECK: onnx.node "ReduceSum"(%[[X]], %{{.*}}) {{[{].*}}node_attributes = {keepdims = 0 : si64}
  %7 = onnx.node "ReduceSum"(%x) dims(%n) {node_attributes = {axes = [2 : si64], keepdims = 0 : si64}, version = 13 : i64}
       : (tensor<?x3x4xf32>) -> tensor<?x3xf32>
  // CHECK: onnx.node "Cast"(%[[Y]]) {{[{].*}}node_attributes = {to = 10 : si64}
  %8 = onnx.node "Cast"(%y) dims(%m) {version = 25 : i64} : (tensor<?xf32>) -> tensor<?xf16>
  // CHECK: onnx.node "CumSum"(%[[Y]], %{{.*}}) {{[{].*}}node_attributes = {exclusive = 0 : si64, reverse = 1 : si64}
  %9 = onnx.node "CumSum"(%y) dims(%m) {node_attributes = {axis = 0 : si64, exclusive = 0 : si64, reverse = 1 : si64}, version = 14 : i64}
       : (tensor<?xf32>) -> tensor<?xf32>
  // CHECK: onnx.node "Trilu"(%[[X]], %{{.*}}) {{[{].*}}node_attributes = {upper = 0 : si64}
  %10 = onnx.node "Trilu"(%x) dims(%n) {node_attributes = {k = 1 : si64, upper = 0 : si64}, version = 14 : i64} : (tensor<?x3x4xf32>) -> tensor<?x3x4xf32>
  // Elements of an input, and arithmetic on them, as a tensor.
  // CHECK: %[[E:.*]] = onnx.node "Gather"(%[[I]],
  // CHECK: onnx.node "Max"(%[[E]],
  // CHECK: onnx.node "Concat"
  %e = qgraph.element %i[1] : tensor<2xsi64>
  %p = arith.maxsi %e, %c0 : index
  %p64 = arith.index_cast %p : index to i64
  %n64 = arith.index_cast %n : index to i64
  %list = tensor.from_elements %p64, %n64 : tensor<2xi64>
  %11 = qgraph.reinterpret %list : tensor<2xi64> to tensor<2xsi64>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11 : tensor<?x12xf32>, tensor<?x4xf32>, tensor<?x?xf32>, tensor<?x6x4xf32>,
    tensor<?x?x4xf32>, tensor<?xsi64>, tensor<?x3x6xf32>, tensor<?x3xf32>, tensor<?xf16>, tensor<?xf32>, tensor<?x3x4xf32>, tensor<2xsi64>
}
