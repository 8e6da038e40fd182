// What moves elements, in its canonical forms; reductions and softmax.

// RUN: quant-opt %s --convert-onnx-to-qgraph --canonicalize --cse --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @transpose
// CHECK:         onnx.node "Transpose"(%arg0) {{.*}}perm = [2 : si64, 0 : si64, 1 : si64]{{.*}} -> tensor<4x2x3xf32>
// CHECK:         onnx.node "Reshape"(%arg1) {{.*}} -> tensor<3x1xf32>
func.func @transpose(%x: tensor<2x3x4xf32>, %y: tensor<1x3xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  // Two transposes are one; one that moves only dimensions of 1 is a reshape.
  %0 = onnx.node "Transpose"(%x) {version = 13 : i64, node_attributes = {perm = [1 : si64, 2 : si64, 0 : si64]}} : (tensor<2x3x4xf32>) -> tensor<*xf32>
  %1 = onnx.node "Transpose"(%0) {version = 13 : i64, node_attributes = {perm = [1 : si64, 2 : si64, 0 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  %2 = onnx.node "Transpose"(%y) {version = 13 : i64} : (tensor<1x3xf32>) -> tensor<*xf32>
  return %1, %2 : tensor<*xf32>, tensor<*xf32>
}

// -----

// Positions are counted from the front and clamped.

// CHECK-LABEL: func.func @slice
// CHECK:         onnx.node "Slice"(%arg0) {node_attributes = {axes = [1 : si64], ends = [7 : si64], starts = [1 : si64], steps = [2 : si64]}
// CHECK-SAME:      (tensor<3x8xf32>) -> tensor<3x3xf32>
// CHECK:         onnx.node "Slice"(%arg0) {node_attributes = {axes = [1 : si64], ends = [-1 : si64], starts = [7 : si64], steps = [-1 : si64]}
// CHECK-SAME:      (tensor<3x8xf32>) -> tensor<3x8xf32>
func.func @slice(%x: tensor<3x8xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %starts = qgraph.constant dense<[0, 1]> : tensor<2xsi64>
  %ends = qgraph.constant dense<[9223372036854775807, -2]> : tensor<2xsi64>
  %axes = qgraph.constant dense<[0, -1]> : tensor<2xsi64>
  %steps = qgraph.constant dense<[1, 2]> : tensor<2xsi64>
  %0 = onnx.node "Slice"(%x, %starts, %ends, %axes, %steps) {version = 13 : i64}
    : (tensor<3x8xf32>, tensor<2xsi64>, tensor<2xsi64>, tensor<2xsi64>, tensor<2xsi64>) -> tensor<*xf32>
  %last = qgraph.constant dense<-1> : tensor<1xsi64>
  %before = qgraph.constant dense<-9223372036854775808> : tensor<1xsi64>
  %axis = qgraph.constant dense<1> : tensor<1xsi64>
  %back = qgraph.constant dense<-1> : tensor<1xsi64>
  %1 = onnx.node "Slice"(%x, %last, %before, %axis, %back) {version = 13 : i64}
    : (tensor<3x8xf32>, tensor<1xsi64>, tensor<1xsi64>, tensor<1xsi64>, tensor<1xsi64>) -> tensor<*xf32>
  return %0, %1 : tensor<*xf32>, tensor<*xf32>
}

// -----

// A start that is a dimension is an operand.

// CHECK-LABEL: func.func @slice_at
// CHECK-DAG:     %[[N:.*]] = tensor.dim %arg1
// CHECK-DAG:     %[[D:.*]] = tensor.dim %arg0
// CHECK:         %[[L:.*]] = tensor.from_elements %{{.*}} : tensor<1xi64>
// CHECK:         %[[S:.*]] = qgraph.reinterpret %[[L]] : tensor<1xi64> to tensor<1xsi64>
// CHECK:         onnx.node "Slice"(%arg0, %[[S]])
func.func @slice_at(%x: tensor<?x8xf32>, %p: tensor<?xf32>) -> tensor<*xf32> {
  %n = onnx.node "Shape"(%p) {version = 15 : i64} : (tensor<?xf32>) -> tensor<1xsi64>
  %d = onnx.node "Shape"(%x) {version = 15 : i64, node_attributes = {end = 1 : si64}} : (tensor<?x8xf32>) -> tensor<1xsi64>
  %0 = onnx.node "Slice"(%x, %n, %d) {version = 13 : i64} : (tensor<?x8xf32>, tensor<1xsi64>, tensor<1xsi64>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// Split is slices, of which unused ones are not made.

// CHECK-LABEL: func.func @split
// CHECK:         %[[A:.*]] = onnx.node "Slice"(%arg0) {{.*}}starts = [0 : si64]{{.*}} -> tensor<?x2xf32>
// CHECK:         %[[C:.*]] = onnx.node "Slice"(%arg0) {{.*}}starts = [4 : si64]{{.*}} -> tensor<?x2xf32>
// CHECK-NEXT:    return %[[A]], %[[C]]
func.func @split(%x: tensor<?x6xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %0:3 = onnx.node "Split"(%x) {version = 18 : i64, node_attributes = {axis = 1 : si64, num_outputs = 3 : si64}}
    : (tensor<?x6xf32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
  return %0#0, %0#2 : tensor<*xf32>, tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @concat
// CHECK:         %[[S:.*]] = arith.addi
// CHECK:         onnx.node "Concat"(%arg0, %arg1) dims(%[[S]]) {{.*}}axis = 1 : si64{{.*}} -> tensor<2x?xf32>
func.func @concat(%x: tensor<2x?xf32>, %y: tensor<2x?xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Concat"(%x, %y) {version = 13 : i64, node_attributes = {axis = -1 : si64}} : (tensor<2x?xf32>, tensor<2x?xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// One index that is known is a slice; others stay.

// CHECK-LABEL: func.func @gather
// CHECK:         %[[S:.*]] = onnx.node "Slice"(%arg0) {{.*}}starts = [3 : si64]
// CHECK:         onnx.node "Reshape"(%[[S]]) {{.*}} -> tensor<2x5xf32>
// CHECK:         onnx.node "Gather"(%arg0, %arg1) {{.*}}axis = 1 : si64{{.*}} -> tensor<2x3x5xf32>
func.func @gather(%x: tensor<2x4x5xf32>, %i: tensor<3xsi64>) -> (tensor<*xf32>, tensor<*xf32>) {
  %last = qgraph.constant dense<-1> : tensor<si64>
  %0 = onnx.node "Gather"(%x, %last) {version = 13 : i64, node_attributes = {axis = 1 : si64}} : (tensor<2x4x5xf32>, tensor<si64>) -> tensor<*xf32>
  %1 = onnx.node "Gather"(%x, %i) {version = 13 : i64, node_attributes = {axis = 1 : si64}} : (tensor<2x4x5xf32>, tensor<3xsi64>) -> tensor<*xf32>
  return %0, %1 : tensor<*xf32>, tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @tile
// CHECK:         onnx.node "Tile"(%arg0) {{.*}} -> tensor<4x3xf32>
// CHECK:         onnx.node "Expand"(%arg1) {{.*}} -> tensor<5x3xf32>
func.func @tile(%x: tensor<2x3xf32>, %y: tensor<1x3xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %twice = qgraph.constant dense<[2, 1]> : tensor<2xsi64>
  %five = qgraph.constant dense<[5, 1]> : tensor<2xsi64>
  %0 = onnx.node "Tile"(%x, %twice) {version = 13 : i64} : (tensor<2x3xf32>, tensor<2xsi64>) -> tensor<*xf32>
  %1 = onnx.node "Tile"(%y, %five) {version = 13 : i64} : (tensor<1x3xf32>, tensor<2xsi64>) -> tensor<*xf32>
  return %0, %1 : tensor<*xf32>, tensor<*xf32>
}

// -----

// Axes are an attribute, whether they were or came as an operand.

// CHECK-LABEL: func.func @reduce
// CHECK:         onnx.node "ReduceSum"(%arg0) {{.*}}axes = [1 : si64], keepdims = 0 : si64{{.*}} -> tensor<2xf32>
// CHECK:         onnx.node "ReduceMax"(%arg0) {{.*}}axes = [0 : si64, 1 : si64], keepdims = 1 : si64{{.*}} -> tensor<1x1xf32>
func.func @reduce(%x: tensor<2x3xf32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>) {
  %axis = qgraph.constant dense<-1> : tensor<1xsi64>
  %0 = onnx.node "ReduceSum"(%x, %axis) {version = 13 : i64, node_attributes = {keepdims = 0 : si64}} : (tensor<2x3xf32>, tensor<1xsi64>) -> tensor<*xf32>
  %1 = onnx.node "ReduceMax"(%x) {version = 13 : i64} : (tensor<2x3xf32>) -> tensor<*xf32>
  %2 = onnx.node "ReduceSum"(%x) {version = 13 : i64, node_attributes = {noop_with_empty_axes = 1 : si64}} : (tensor<2x3xf32>) -> tensor<*xf32>
  return %0, %1, %2 : tensor<*xf32>, tensor<*xf32>, tensor<*xf32>
}

// -----

// Before version 13 softmax is over all dimensions from `axis` on.

// CHECK-LABEL: func.func @softmax
// CHECK:         %[[F:.*]] = onnx.node "Reshape"(%arg0) {{.*}} -> tensor<2x12xf32>
// CHECK:         %[[S:.*]] = onnx.node "Softmax"(%[[F]]) {{.*}}axis = 1 : si64
// CHECK:         onnx.node "Reshape"(%[[S]]) {{.*}} -> tensor<2x3x4xf32>
// CHECK:         onnx.node "Softmax"(%arg0) {{.*}}axis = 2 : si64
func.func @softmax(%x: tensor<2x3x4xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %0 = onnx.node "Softmax"(%x) {version = 11 : i64} : (tensor<2x3x4xf32>) -> tensor<*xf32>
  %1 = onnx.node "Softmax"(%x) {version = 13 : i64} : (tensor<2x3x4xf32>) -> tensor<*xf32>
  return %0, %1 : tensor<*xf32>, tensor<*xf32>
}

// -----

// An operator that the walk does not know stays, typed by its schema; the names
// of dimensions go through.

// CHECK-LABEL: func.func @generic
// CHECK:         %[[B:.*]] = tensor.dim
// CHECK:         onnx.node "ReverseSequence"(%arg0, %arg1) dims(%[[B]])
// CHECK-SAME:      -> tensor<4x?xf32>
func.func @generic(%x: tensor<4x?xf32> {onnx.dims = ["", "b"]}, %n: tensor<?xsi64> {onnx.dims = ["b"]}) -> tensor<*xf32> {
  %0 = onnx.node "ReverseSequence"(%x, %n) {version = 10 : i64} : (tensor<4x?xf32>, tensor<?xsi64>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// A OneHot of numbers is what repeats may be computed from.

// CHECK-LABEL: func.func @one_hot_repeats
// CHECK-SAME:    %[[X:[^:]*]]: tensor<?x1x8xf32>
// CHECK-NOT:     "OneHot"
// CHECK:         onnx.node "Expand"(%[[X]]) {{.*}} -> tensor<?x3x8xf32>
func.func @one_hot_repeats(%x: tensor<?x1x8xf32>) -> tensor<*xf32> {
  %one = qgraph.constant dense<1> : tensor<1xsi64>
  %depth = qgraph.constant dense<3> : tensor<si64>
  %values = qgraph.constant dense<[1, 3]> : tensor<2xsi64>
  %0 = onnx.node "OneHot"(%one, %depth, %values) {version = 11 : i64}
    : (tensor<1xsi64>, tensor<si64>, tensor<2xsi64>) -> tensor<*xsi64>
  %shape = qgraph.constant dense<-1> : tensor<1xsi64>
  %1 = onnx.node "Reshape"(%0, %shape) {version = 14 : i64} : (tensor<*xsi64>, tensor<1xsi64>) -> tensor<*xsi64>
  %2 = onnx.node "Tile"(%x, %1) {version = 13 : i64} : (tensor<?x1x8xf32>, tensor<*xsi64>) -> tensor<*xf32>
  return %2 : tensor<*xf32>
}
