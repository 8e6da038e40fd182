// RUN: quant-opt %s --split-input-file --verify-diagnostics

func.func @k(%a: tensor<4x8xsi8>, %b: tensor<9x3xsi8>, %s: tensor<1x1xf32>) {
  // expected-error @+1 {{lhs [4, 8] and rhs [9, 3] do not agree on K}}
  %0 = qgraph.quantized_matmul %a scale %s, %b scale %s : (tensor<4x8xsi8>, tensor<1x1xf32>, tensor<9x3xsi8>, tensor<1x1xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @wide(%a: tensor<4x8xsi16>, %b: tensor<8x3xsi8>, %s: tensor<1x1xf32>) {
  // expected-error @+1 {{lhs has element type 'si16', but must be an integer of at most 8 bits}}
  %0 = qgraph.quantized_matmul %a scale %s, %b scale %s : (tensor<4x8xsi16>, tensor<1x1xf32>, tensor<8x3xsi8>, tensor<1x1xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @along_k(%a: tensor<4x8xsi8>, %b: tensor<8x3xsi8>, %s: tensor<1x1xf32>, %t: tensor<8x1xf32>) {
  // expected-error @+1 {{rhs_scale has shape [8, 1], but beside [8, 3] must be 1 in dimension 0 (K), and 1 or the operand's extent in each other}}
  %0 = qgraph.quantized_matmul %a scale %s, %b scale %t : (tensor<4x8xsi8>, tensor<1x1xf32>, tensor<8x3xsi8>, tensor<8x1xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @scale_type(%a: tensor<4x8xsi8>, %b: tensor<8x3xsi8>, %s: tensor<1x1xf32>, %t: tensor<1x1xf8E8M0FNU>) {
  // expected-error @+1 {{rhs_scale has element type 'f8E8M0FNU', but must be f32, f16 or bf16}}
  %0 = qgraph.quantized_matmul %a scale %s, %b scale %t : (tensor<4x8xsi8>, tensor<1x1xf32>, tensor<8x3xsi8>, tensor<1x1xf8E8M0FNU>) -> tensor<4x3xf32>
  return
}

// -----

func.func @zero_type(%a: tensor<4x8xsi8>, %b: tensor<8x3xsi8>, %s: tensor<1x1xf32>, %z: tensor<1x1xui8>) {
  // expected-error @+1 {{lhs_zero_point has element type 'ui8', but the stored type is 'si8'}}
  %0 = qgraph.quantized_matmul %a scale %s zero_point %z, %b scale %s : (tensor<4x8xsi8>, tensor<1x1xf32>, tensor<1x1xui8>, tensor<8x3xsi8>, tensor<1x1xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @zero_shape(%a: tensor<4x8xsi8>, %b: tensor<8x3xsi8>, %s: tensor<1x1xf32>, %z: tensor<4x1xsi8>) {
  // expected-error @+1 {{lhs_zero_point has shape [4, 1], but must have [1, 1]}}
  %0 = qgraph.quantized_matmul %a scale %s zero_point %z, %b scale %s : (tensor<4x8xsi8>, tensor<1x1xf32>, tensor<4x1xsi8>, tensor<8x3xsi8>, tensor<1x1xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @sums(%a: tensor<4x8xsi8>, %b: tensor<8x3xsi8>, %s: tensor<1x1xf32>) {
  // expected-error @+1 {{has the sum itself as its result, si32, so it takes no epilogue}}
  %0 = qgraph.quantized_matmul %a scale %s, %b scale %s {epilogue = [#qgraph.step<"Relu">]} : (tensor<4x8xsi8>, tensor<1x1xf32>, tensor<8x3xsi8>, tensor<1x1xf32>) -> tensor<4x3xsi32>
  return
}

// -----

func.func @result(%a: tensor<4x8xsi8>, %b: tensor<8x3xsi8>, %s: tensor<1x1xf32>) {
  // expected-error @+1 {{result has element type 'f32', but its last step makes si8}}
  %0 = qgraph.quantized_matmul %a scale %s, %b scale %s epilogue(%s) {epilogue = [#qgraph.step<"Quantize", scale = 0>]} : (tensor<4x8xsi8>, tensor<1x1xf32>, tensor<8x3xsi8>, tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<4x3xf32>
  return
}
