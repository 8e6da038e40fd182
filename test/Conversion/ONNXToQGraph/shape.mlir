// Shapes are computed while the model is compiled: what is left of them are the
// dimensions of the arguments.

// RUN: quant-opt %s --convert-onnx-to-qgraph --canonicalize --cse --split-input-file | FileCheck %s

// Shape, Gather, Concat, Reshape, as exporters write the split into heads. The
// -1 is found to be 12 by dividing B * S * 384 by B * S * 32.

// CHECK-LABEL: func.func @heads
// CHECK-DAG:     %[[B:.*]] = tensor.dim %[[X:arg0]], %c0
// CHECK-DAG:     %[[S:.*]] = tensor.dim %[[X]], %c1
// CHECK:         %[[R:.*]] = onnx.node "Reshape"(%[[X]]) dims(%[[B]], %[[S]])
// CHECK-SAME:      -> tensor<?x?x12x32xf32>
// CHECK-NEXT:    return %[[R]]
func.func @heads(%x: tensor<?x?x384xf32> {onnx.dims = ["b", "s", ""], onnx.name = "x"}) -> tensor<*xf32> {
  %shape = onnx.node "Shape"(%x) {version = 15 : i64} : (tensor<?x?x384xf32>) -> tensor<3xsi64>
  %zero = qgraph.constant dense<0> : tensor<si64>
  %one = qgraph.constant dense<1> : tensor<si64>
  %axes = qgraph.constant dense<0> : tensor<1xsi64>
  %rest = qgraph.constant dense<[-1, 32]> : tensor<2xsi64>
  %b = onnx.node "Gather"(%shape, %zero) {version = 13 : i64} : (tensor<3xsi64>, tensor<si64>) -> tensor<si64>
  %s = onnx.node "Gather"(%shape, %one) {version = 13 : i64} : (tensor<3xsi64>, tensor<si64>) -> tensor<si64>
  %b1 = onnx.node "Unsqueeze"(%b, %axes) {version = 13 : i64} : (tensor<si64>, tensor<1xsi64>) -> tensor<1xsi64>
  %s1 = onnx.node "Unsqueeze"(%s, %axes) {version = 13 : i64} : (tensor<si64>, tensor<1xsi64>) -> tensor<1xsi64>
  %to = onnx.node "Concat"(%b1, %s1, %rest) {version = 13 : i64, node_attributes = {axis = 0 : si64}}
    : (tensor<1xsi64>, tensor<1xsi64>, tensor<2xsi64>) -> tensor<4xsi64>
  %r = onnx.node "Reshape"(%x, %to) {version = 14 : i64} : (tensor<?x?x384xf32>, tensor<4xsi64>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// -----

// A 0 copies a dimension; Unsqueeze, Squeeze and Flatten are reshapes; two
// reshapes are one, and none where they undo each other.

// CHECK-LABEL: func.func @undone
// CHECK-SAME:    (%[[X:.*]]: tensor<?x4x5xf32>
// CHECK-NEXT:    return %[[X]]
func.func @undone(%x: tensor<?x4x5xf32>) -> tensor<*xf32> {
  %axes = qgraph.constant dense<[0, 3]> : tensor<2xsi64>
  %0 = onnx.node "Unsqueeze"(%x, %axes) {version = 13 : i64} : (tensor<?x4x5xf32>, tensor<2xsi64>) -> tensor<*xf32>
  %1 = onnx.node "Squeeze"(%0, %axes) {version = 13 : i64} : (tensor<*xf32>, tensor<2xsi64>) -> tensor<*xf32>
  %2 = onnx.node "Flatten"(%1) {version = 13 : i64, node_attributes = {axis = 1 : si64}} : (tensor<*xf32>) -> tensor<*xf32>
  %to = qgraph.constant dense<[0, 4, -1]> : tensor<3xsi64>
  %3 = onnx.node "Reshape"(%2, %to) {version = 14 : i64} : (tensor<*xf32>, tensor<3xsi64>) -> tensor<*xf32>
  return %3 : tensor<*xf32>
}

// -----

// CHECK-LABEL: func.func @flatten
// CHECK:         %[[D:.*]] = tensor.dim
// CHECK:         onnx.node "Reshape"(%{{.*}}) dims(%[[D]]) {{.*}} -> tensor<?x20xf32>
func.func @flatten(%x: tensor<?x4x5xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Flatten"(%x) {version = 13 : i64} : (tensor<?x4x5xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// Arithmetic on dimensions, a condition included; the result is one value.

// CHECK-LABEL: func.func @arithmetic
// CHECK:         %[[D:.*]] = tensor.dim
// CHECK:         %[[E:.*]] = arith.addi %{{.*}}, %{{.*}} : index
// CHECK:         onnx.node "Expand"(%{{.*}}) dims(%[[E]])
// CHECK-SAME:      (tensor<f32>) -> tensor<?xf32>
func.func @arithmetic(%x: tensor<?xf32>) -> tensor<*xf32> {
  %s = onnx.node "Shape"(%x) {version = 15 : i64} : (tensor<?xf32>) -> tensor<1xsi64>
  %two = qgraph.constant dense<2> : tensor<1xsi64>
  %minus = qgraph.constant dense<-1> : tensor<1xsi64>
  %a = onnx.node "Mul"(%s, %two) {version = 14 : i64} : (tensor<1xsi64>, tensor<1xsi64>) -> tensor<1xsi64>
  %b = onnx.node "Add"(%a, %two) {version = 14 : i64} : (tensor<1xsi64>, tensor<1xsi64>) -> tensor<1xsi64>
  %c = onnx.node "Equal"(%b, %minus) {version = 13 : i64} : (tensor<1xsi64>, tensor<1xsi64>) -> tensor<1xi1>
  %d = onnx.node "Where"(%c, %s, %b) {version = 16 : i64} : (tensor<1xi1>, tensor<1xsi64>, tensor<1xsi64>) -> tensor<1xsi64>
  %e = onnx.node "Div"(%d, %two) {version = 14 : i64} : (tensor<1xsi64>, tensor<1xsi64>) -> tensor<1xsi64>
  %f = onnx.node "ConstantOfShape"(%e) {version = 9 : i64, node_attributes = {value = dense<3.0> : tensor<1xf32>}}
    : (tensor<1xsi64>) -> tensor<*xf32>
  return %f : tensor<*xf32>
}

// -----

// Of equal names equal dimensions: Add needs no check.

// CHECK-LABEL: func.func @names
// CHECK:         %[[B:.*]] = tensor.dim %arg0
// CHECK-NOT:     tensor.dim
// CHECK:         onnx.node "Add"(%arg0, %arg1) dims(%[[B]])
func.func @names(%x: tensor<?x4xf32> {onnx.dims = ["b", ""]}, %y: tensor<?x4xf32> {onnx.dims = ["b", ""]}) -> tensor<*xf32> {
  %0 = onnx.node "Add"(%x, %y) {version = 14 : i64} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// Of different names either may be 1: chosen at run time, and checked.

// CHECK-LABEL: func.func @others
// CHECK-SAME:    attributes {onnx.checks = [{dim = "a", equals = "b", or_one}]}
// CHECK-DAG:     %[[A:.*]] = tensor.dim %arg0
// CHECK-DAG:     %[[B:.*]] = tensor.dim %arg1
// CHECK:         arith.cmpi eq, %[[A]], %c1
// CHECK:         onnx.node "Add"
func.func @others(%x: tensor<?xf32> {onnx.dims = ["a"]}, %y: tensor<?xf32> {onnx.dims = ["b"]}) -> tensor<*xf32> {
  %0 = onnx.node "Add"(%x, %y) {version = 14 : i64} : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// The first S of 512 rows, added to S rows: S is at most 512.

// CHECK-LABEL: func.func @bounded
// CHECK-SAME:    attributes {onnx.bounds = {s = array<i64: 0, 512>}}
// CHECK:         %[[S:.*]] = tensor.dim
// CHECK:         onnx.node "Slice"(%arg1) dims(%[[S]])
// CHECK:         onnx.node "Add"(%arg0, %{{.*}}) dims(%[[S]])
func.func @bounded(%x: tensor<?x8xf32> {onnx.dims = ["s", ""]}, %table: tensor<512x8xf32>) -> tensor<*xf32> {
  %n = onnx.node "Shape"(%x) {version = 15 : i64, node_attributes = {end = 1 : si64}} : (tensor<?x8xf32>) -> tensor<1xsi64>
  %zero = qgraph.constant dense<0> : tensor<1xsi64>
  %rows = onnx.node "Slice"(%table, %zero, %n) {version = 13 : i64}
    : (tensor<512x8xf32>, tensor<1xsi64>, tensor<1xsi64>) -> tensor<*xf32>
  %0 = onnx.node "Add"(%x, %rows) {version = 14 : i64} : (tensor<?x8xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// Positions that count through the data are a reshape: torch.onnx gathers the
// attention mask so.

// CHECK-LABEL: func.func @mask
// CHECK-NOT:     GatherND
// CHECK:         onnx.node "Reshape"(%arg0) {{.*}} -> tensor<?x1x?xi1>
// CHECK-NOT:     onnx.node
// CHECK:         return
func.func @mask(%m: tensor<?x?xi1> {onnx.dims = ["b", "s"]}) -> tensor<*xi1> {
  %shape = onnx.node "Shape"(%m) {version = 15 : i64} : (tensor<?x?xi1>) -> tensor<2xsi64>
  %zero = qgraph.constant dense<0> : tensor<si64>
  %one = qgraph.constant dense<1> : tensor<si64>
  %last = qgraph.constant dense<-1> : tensor<1xsi64>
  %behind = qgraph.constant dense<[1, 2]> : tensor<2xsi64>
  %before = qgraph.constant dense<[0, 1]> : tensor<2xsi64>
  %b = onnx.node "Gather"(%shape, %zero) {version = 13 : i64} : (tensor<2xsi64>, tensor<si64>) -> tensor<si64>
  %s = onnx.node "Gather"(%shape, %one) {version = 13 : i64} : (tensor<2xsi64>, tensor<si64>) -> tensor<si64>
  %i = onnx.node "Range"(%zero, %b, %one) {version = 11 : i64} : (tensor<si64>, tensor<si64>, tensor<si64>) -> tensor<*xsi64>
  %j = onnx.node "Range"(%zero, %s, %one) {version = 11 : i64} : (tensor<si64>, tensor<si64>, tensor<si64>) -> tensor<*xsi64>
  %i3 = onnx.node "Unsqueeze"(%i, %behind) {version = 13 : i64} : (tensor<*xsi64>, tensor<2xsi64>) -> tensor<*xsi64>
  %j3 = onnx.node "Unsqueeze"(%j, %before) {version = 13 : i64} : (tensor<*xsi64>, tensor<2xsi64>) -> tensor<*xsi64>
  %both = onnx.node "Max"(%i3, %j3) {version = 13 : i64} : (tensor<*xsi64>, tensor<*xsi64>) -> tensor<*xsi64>
  %to = onnx.node "Shape"(%both) {version = 15 : i64} : (tensor<*xsi64>) -> tensor<3xsi64>
  %ie = onnx.node "Expand"(%i3, %to) {version = 13 : i64} : (tensor<*xsi64>, tensor<3xsi64>) -> tensor<*xsi64>
  %je = onnx.node "Expand"(%j3, %to) {version = 13 : i64} : (tensor<*xsi64>, tensor<3xsi64>) -> tensor<*xsi64>
  %i4 = onnx.node "Unsqueeze"(%ie, %last) {version = 13 : i64} : (tensor<*xsi64>, tensor<1xsi64>) -> tensor<*xsi64>
  %j4 = onnx.node "Unsqueeze"(%je, %last) {version = 13 : i64} : (tensor<*xsi64>, tensor<1xsi64>) -> tensor<*xsi64>
  %at = onnx.node "Concat"(%i4, %j4) {version = 13 : i64, node_attributes = {axis = -1 : si64}} : (tensor<*xsi64>, tensor<*xsi64>) -> tensor<*xsi64>
  %k = onnx.node "GatherND"(%m, %at) {version = 13 : i64} : (tensor<?x?xi1>, tensor<*xsi64>) -> tensor<*xi1>
  // All positions are at least 0, so the other operand stays.
  %all = onnx.node "GreaterOrEqual"(%j3, %zero) {version = 16 : i64} : (tensor<*xsi64>, tensor<si64>) -> tensor<*xi1>
  %0 = onnx.node "And"(%all, %k) {version = 7 : i64} : (tensor<*xi1>, tensor<*xi1>) -> tensor<*xi1>
  return %0 : tensor<*xi1>
}

// -----

// What a valid model implies of its inputs is checked when it runs; a dimension
// without a name is given one for that.

// CHECK-LABEL: func.func @checks
// CHECK-SAME:    %arg2: tensor<?x4xf32> {onnx.dims = ["z.0", ""], onnx.name = "z"}
// CHECK-SAME:    onnx.bounds = {c = array<i64: 6, 6>}
// CHECK-SAME:    onnx.checks = [
// CHECK-SAME:      {dim = "b", equals = "z.0"}
// CHECK-SAME:      {dim = "z.0", equals = 4 : i64, or_one}
// CHECK-SAME:    ]
func.func @checks(%x: tensor<?x3xf32> {onnx.dims = ["b", ""]}, %y: tensor<?xf32> {onnx.dims = ["c"]},
                  %z: tensor<?x4xf32> {onnx.name = "z"}) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>) {
  %0 = onnx.node "Concat"(%x, %z) {version = 13 : i64, node_attributes = {axis = 1 : si64}} : (tensor<?x3xf32>, tensor<?x4xf32>) -> tensor<*xf32>
  %to = qgraph.constant dense<[2, 3]> : tensor<2xsi64>
  %1 = onnx.node "Reshape"(%y, %to) {version = 14 : i64} : (tensor<?xf32>, tensor<2xsi64>) -> tensor<*xf32>
  %c = qgraph.constant dense<1.0> : tensor<4x4xf32>
  %2 = onnx.node "Sub"(%z, %c) {version = 14 : i64} : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<*xf32>
  return %0, %1, %2 : tensor<*xf32>, tensor<*xf32>, tensor<*xf32>
}

// -----

// The same with the positions computed for the flattened mask, as TorchScript
// does it: row * S + column.

// CHECK-LABEL: func.func @flat_mask
// CHECK-NOT:     Gather
// CHECK:         onnx.node "Reshape"(%arg0) {{.*}} -> tensor<?x1x?xi1>
// CHECK-NOT:     onnx.node
func.func @flat_mask(%m: tensor<?x?xi1> {onnx.dims = ["b", "s"]}) -> tensor<*xi1> {
  %shape = onnx.node "Shape"(%m) {version = 15 : i64} : (tensor<?x?xi1>) -> tensor<2xsi64>
  %zero = qgraph.constant dense<0> : tensor<si64>
  %one = qgraph.constant dense<1> : tensor<si64>
  %last = qgraph.constant dense<-1> : tensor<1xsi64>
  %behind = qgraph.constant dense<[1, 2]> : tensor<2xsi64>
  %before = qgraph.constant dense<[0, 1]> : tensor<2xsi64>
  %b = onnx.node "Gather"(%shape, %zero) {version = 13 : i64} : (tensor<2xsi64>, tensor<si64>) -> tensor<si64>
  %s = onnx.node "Gather"(%shape, %one) {version = 13 : i64} : (tensor<2xsi64>, tensor<si64>) -> tensor<si64>
  %i = onnx.node "Range"(%zero, %b, %one) {version = 11 : i64} : (tensor<si64>, tensor<si64>, tensor<si64>) -> tensor<*xsi64>
  %j = onnx.node "Range"(%zero, %s, %one) {version = 11 : i64} : (tensor<si64>, tensor<si64>, tensor<si64>) -> tensor<*xsi64>
  %i3 = onnx.node "Unsqueeze"(%i, %behind) {version = 13 : i64} : (tensor<*xsi64>, tensor<2xsi64>) -> tensor<*xsi64>
  %j3 = onnx.node "Unsqueeze"(%j, %before) {version = 13 : i64} : (tensor<*xsi64>, tensor<2xsi64>) -> tensor<*xsi64>
  %rows = onnx.node "Mul"(%i3, %s) {version = 14 : i64} : (tensor<*xsi64>, tensor<si64>) -> tensor<*xsi64>
  %at = onnx.node "Add"(%j3, %rows) {version = 14 : i64} : (tensor<*xsi64>, tensor<*xsi64>) -> tensor<*xsi64>
  %flat = onnx.node "Reshape"(%m, %last) {version = 14 : i64} : (tensor<?x?xi1>, tensor<1xsi64>) -> tensor<*xi1>
  %0 = onnx.node "Gather"(%flat, %at) {version = 13 : i64} : (tensor<*xi1>, tensor<*xsi64>) -> tensor<*xi1>
  return %0 : tensor<*xi1>
}

// -----

// Positions that are asked for as a tensor are made: 3 + 2 * index.

// CHECK-LABEL: func.func @positions
// CHECK:         onnx.node "Range"() {{.*}}delta = 2 : si64, start = 3 : si64
func.func @positions(%x: tensor<?xf32>) -> tensor<*xsi64> {
  %n = onnx.node "Size"(%x) {version = 13 : i64} : (tensor<?xf32>) -> tensor<si64>
  %zero = qgraph.constant dense<0> : tensor<si64>
  %one = qgraph.constant dense<1> : tensor<si64>
  %two = qgraph.constant dense<2> : tensor<si64>
  %three = qgraph.constant dense<3> : tensor<si64>
  %0 = onnx.node "Range"(%zero, %n, %one) {version = 11 : i64} : (tensor<si64>, tensor<si64>, tensor<si64>) -> tensor<*xsi64>
  %1 = onnx.node "Mul"(%0, %two) {version = 14 : i64} : (tensor<*xsi64>, tensor<si64>) -> tensor<*xsi64>
  %2 = onnx.node "Add"(%three, %1) {version = 14 : i64} : (tensor<si64>, tensor<*xsi64>) -> tensor<*xsi64>
  return %2 : tensor<*xsi64>
}
