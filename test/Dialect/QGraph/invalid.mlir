// RUN: quant-opt %s --verify-diagnostics --split-input-file

func.func @quantize(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{result has shape [4, 9], but must have [4, 8]}}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x9xsi8>
  return
}

// -----

func.func @quantize_1(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{result has element type 'i8', which is no stored type}}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xi8>
  return
}

// -----

func.func @quantize_2(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{result has element type 'f32', which is no stored type}}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @quantize_3(%x: tensor<4x8xf64>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{input has element type 'f64', but must be f32, f16 or bf16}}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1, 0>}
     : (tensor<4x8xf64>, tensor<4x1xf32>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @quantize_4(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{block has 1 entries for a tensor of shape [4, 8]}}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1>}
     : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @quantize_5(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{block [1, -1] has a negative entry}}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1, -1>}
     : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @quantize_6(%x: tensor<4x8xf32>, %s: tensor<4x1xf64>) {
  // expected-error @+1 {{scale has element type 'f64', but must be f32, f16, bf16, f8E8M0FNU or f8E4M3FN}}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf64>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @quantize_7(%x: tensor<4x8xf32>, %s: tensor<4x2xf32>) {
  // expected-error @+1 {{scale has shape [4, 2], but [4, 8] in blocks [1, 3] needs [4, 3]}}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1, 3>}
     : (tensor<4x8xf32>, tensor<4x2xf32>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @quantize_8(%x: tensor<4x8xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{scale has shape [4], but [4, 8] in blocks [1, 0] needs [4, 1]}}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @quantize_9(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %z: tensor<4x1xsi8>, %o: tensor<4x1xf32>) {
  // expected-error @+1 {{has both zero_point and offset; they exclude each other}}
  %0 = qgraph.quantize %x scale %s zero_point %z offset %o {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x1xsi8>, tensor<4x1xf32>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @quantize_10(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %z: tensor<4x1xui8>) {
  // expected-error @+1 {{zero_point has element type 'ui8', but the stored type is 'si8'}}
  %0 = qgraph.quantize %x scale %s zero_point %z {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x1xui8>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @quantize_11(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %z: tensor<4x1xf8E4M3FN>) {
  // expected-error @+1 {{zero_point needs an integer stored type, not 'f8E4M3FN'}}
  %0 = qgraph.quantize %x scale %s zero_point %z {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x1xf8E4M3FN>) -> tensor<4x8xf8E4M3FN>
  return
}

// -----

func.func @quantize_12(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %z: tensor<1x1xsi8>) {
  // expected-error @+1 {{zero_point has shape [1, 1], but [4, 8] in blocks [1, 0] needs [4, 1]}}
  %0 = qgraph.quantize %x scale %s zero_point %z {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<1x1xsi8>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @quantize_13(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %o: tensor<4x1xsi8>) {
  // expected-error @+1 {{offset has element type 'si8', but must be f32, f16 or bf16}}
  %0 = qgraph.quantize %x scale %s offset %o {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x1xsi8>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @quantize_14(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %o: tensor<4x8xf32>) {
  // expected-error @+1 {{offset has shape [4, 8], but [4, 8] in blocks [1, 0] needs [4, 1]}}
  %0 = qgraph.quantize %x scale %s offset %o {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x8xf32>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @quantize_15(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %z: tensor<4x1xui4>, %c: tensor<16xf32>) {
  // expected-error @+1 {{has both codebook and zero_point; a codebook's codes have no zero point}}
  %0 = qgraph.quantize %x scale %s zero_point %z codebook %c {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x1xui4>, tensor<16xf32>) -> tensor<4x8xui4>
  return
}

// -----

func.func @quantize_16(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{has a codebook, so the stored type must be ui1 to ui8, not 'si4'}}
  %0 = qgraph.quantize %x scale %s codebook %c {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<16xf32>) -> tensor<4x8xsi4>
  return
}

// -----

func.func @quantize_17(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %c: tensor<4x4xf32>) {
  // expected-error @+1 {{codebook has shape [4, 4], but must have rank 1 [C]}}
  %0 = qgraph.quantize %x scale %s codebook %c {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x4xf32>) -> tensor<4x8xui4>
  return
}

// -----

func.func @quantize_18(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %c: tensor<16xsi8>) {
  // expected-error @+1 {{codebook has element type 'si8', but must be f32, f16 or bf16}}
  %0 = qgraph.quantize %x scale %s codebook %c {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<16xsi8>) -> tensor<4x8xui4>
  return
}

// -----

func.func @quantize_19(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>, %c: tensor<17xf32>) {
  // expected-error @+1 {{codebook has 17 codes, but 'ui4' counts to 16}}
  %0 = qgraph.quantize %x scale %s codebook %c {block = array<i64: 1, 0>}
     : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<17xf32>) -> tensor<4x8xui4>
  return
}

// -----

func.func @quantize_20(%x: tensor<4x8xf32>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{precision is 'f64', but must be f32, f16 or bf16}}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1, 0>, precision = f64}
     : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @dequantize(%x: tensor<4x8xsi64>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{input has element type 'si64', which is no stored type}}
  %0 = qgraph.dequantize %x scale %s {block = array<i64: 1, 0>}
     : (tensor<4x8xsi64>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize_1(%x: tensor<4x8xsi8>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{result has element type 'si8', but must be f32, f16 or bf16}}
  %0 = qgraph.dequantize %x scale %s {block = array<i64: 1, 0>}
     : (tensor<4x8xsi8>, tensor<4x1xf32>) -> tensor<4x8xsi8>
  return
}

// -----

func.func @dequantize_2(%x: tensor<4x8xsi8>, %s: tensor<1x1xf32>) {
  // expected-error @+1 {{scale has shape [1, 1], but [4, 8] in blocks [1, 0] needs [4, 1]}}
  %0 = qgraph.dequantize %x scale %s {block = array<i64: 1, 0>}
     : (tensor<4x8xsi8>, tensor<1x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @choose_params(%x: tensor<4x8xsi8>) {
  // expected-error @+1 {{input has element type 'si8', but must be f32, f16 or bf16}}
  %0 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8}
     : tensor<4x8xsi8> -> tensor<4x1xf32>
  return
}

// -----

func.func @choose_params_1(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{stored has element type 'i8', which is no stored type}}
  %0 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = i8}
     : tensor<4x8xf32> -> tensor<4x1xf32>
  return
}

// -----

func.func @choose_params_2(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{scale has shape [1, 1], but [4, 8] in blocks [1, 0] needs [4, 1]}}
  %0 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8}
     : tensor<4x8xf32> -> tensor<1x1xf32>
  return
}

// -----

func.func @choose_params_3(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{asymmetric needs zero_point result}}
  %0 = qgraph.choose_params asymmetric %x {block = array<i64: 1, 0>, stored = si8}
     : tensor<4x8xf32> -> tensor<4x1xf32>
  return
}

// -----

func.func @choose_params_4(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{symmetric has no zero_point result}}
  %0, %1 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8}
     : tensor<4x8xf32> -> tensor<4x1xf32>, tensor<4x1xsi8>
  return
}

// -----

func.func @choose_params_5(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{signed_scale needs an integer stored type, not 'f8E4M3FN'}}
  %0 = qgraph.choose_params signed_scale %x {block = array<i64: 1, 0>, stored = f8E4M3FN}
     : tensor<4x8xf32> -> tensor<4x1xf32>
  return
}

// -----

func.func @choose_params_6(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{zero_point has element type 'si8', but the stored type is 'ui8'}}
  %0, %1 = qgraph.choose_params asymmetric %x {block = array<i64: 1, 0>, stored = ui8}
     : tensor<4x8xf32> -> tensor<4x1xf32>, tensor<4x1xsi8>
  return
}

// -----

func.func @choose_params_7(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{clip_ratio is 0.000000e+00, but must be positive}}
  %0 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8, clip_ratio = 0.0 : f32}
     : tensor<4x8xf32> -> tensor<4x1xf32>
  return
}

// -----

func.func @choose_params_8(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{clip must be two numbers [lo, hi] with lo <= hi}}
  %0 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8, clip = array<f32: 1.0, -1.0>}
     : tensor<4x8xf32> -> tensor<4x1xf32>
  return
}

// -----

func.func @choose_params_9(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{asymmetric_offset needs offset result}}
  %0 = qgraph.choose_params asymmetric_offset %x {block = array<i64: 1, 0>, stored = ui4}
     : tensor<4x8xf32> -> tensor<4x1xf32>
  return
}

// -----

func.func @choose_params_10(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{power_of_two has no offset result}}
  %0, %1 = qgraph.choose_params power_of_two %x {block = array<i64: 1, 0>, stored = f4E2M1FN}
     : tensor<4x8xf32> -> tensor<4x1xf8E8M0FNU> offset tensor<4x1xf32>
  return
}

// -----

func.func @choose_params_11(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{offset has shape [4, 2], but [4, 8] in blocks [1, 0] needs [4, 1]}}
  %0, %1 = qgraph.choose_params asymmetric_offset %x {block = array<i64: 1, 0>, stored = ui4}
     : tensor<4x8xf32> -> tensor<4x1xf32> offset tensor<4x2xf32>
  return
}

// -----

func.func @choose_params_12(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{signed_scale needs a signed stored type, not 'ui8'}}
  %0 = qgraph.choose_params signed_scale %x {block = array<i64: 1, 0>, stored = ui8}
     : tensor<4x8xf32> -> tensor<4x1xf32>
  return
}

// -----

func.func @choose_params_13(%x: tensor<4x8xf32>) {
  // expected-error @+1 {{symmetric needs a stored type with a positive value, not 'si1'}}
  %0 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si1}
     : tensor<4x8xf32> -> tensor<4x1xf32>
  return
}

// -----

func.func @reinterpret(%x: tensor<4xsi8>) {
  // expected-error @+1 {{result has shape [5], but must have [4]}}
  %0 = qgraph.reinterpret %x : tensor<4xsi8> to tensor<5xi8>
  return
}

// -----

func.func @reinterpret_1(%x: tensor<4xindex>) {
  // expected-error @+1 {{element type 'index' is neither an integer nor a float}}
  %0 = qgraph.reinterpret %x : tensor<4xindex> to tensor<4xi64>
  return
}

// -----

func.func @reinterpret_2(%x: tensor<4xsi4>) {
  // expected-error @+1 {{would change the width of an element from 4 to 8 bits}}
  %0 = qgraph.reinterpret %x : tensor<4xsi4> to tensor<4xi8>
  return
}

// -----

func.func @constant() {
  // expected-error @+1 {{value must be dense elements or #qgraph.weight}}
  %0 = qgraph.constant sparse<0, 1.0> : tensor<2xf32>
  return
}

// -----

func.func @constant_1() {
  // expected-error @+1 {{has type 'tensor<?xf32>'; a constant's shape is static}}
  %0 = qgraph.constant #qgraph.weight<"f", "w"> : tensor<?xf32>
  return
}

// -----

func.func @linear(%x: tensor<f32>, %w: tensor<6x8xf32>) {
  // expected-error @+1 {{input is a scalar, but must be [.., K]}}
  %0 = qgraph.linear %x, %w
     : (tensor<f32>, tensor<6x8xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @linear_1(%x: tensor<4x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{weight has shape [8], but must have rank 2 [N, K]}}
  %0 = qgraph.linear %x, %w
     : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @linear_2(%x: tensor<4x8xf32>, %w: tensor<6x9xf32>) {
  // expected-error @+1 {{input [4, 8] has K = 8, but weight [6, 9] has K = 9}}
  %0 = qgraph.linear %x, %w
     : (tensor<4x8xf32>, tensor<6x9xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @linear_3(%x: tensor<4x8xsi8>, %w: tensor<6x8xf32>) {
  // expected-error @+1 {{input has element type 'si8', but must be f32, f16 or bf16}}
  %0 = qgraph.linear %x, %w
     : (tensor<4x8xsi8>, tensor<6x8xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @linear_4(%x: tensor<4x8xf32>, %w: tensor<6x8xsi8>) {
  // expected-error @+1 {{weight has element type 'si8', but must be f32, f16 or bf16}}
  %0 = qgraph.linear %x, %w
     : (tensor<4x8xf32>, tensor<6x8xsi8>) -> tensor<4x6xf32>
  return
}

// -----

func.func @linear_5(%x: tensor<4x8xf32>, %w: tensor<6x8xf32>, %b: tensor<8xf32>) {
  // expected-error @+1 {{bias has shape [8], but must have [6]}}
  %0 = qgraph.linear %x, %w bias %b
     : (tensor<4x8xf32>, tensor<6x8xf32>, tensor<8xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @linear_6(%x: tensor<4x8xf32>, %w: tensor<6x8xf32>) {
  // expected-error @+1 {{result has shape [4, 8], but must have [4, 6]}}
  %0 = qgraph.linear %x, %w
     : (tensor<4x8xf32>, tensor<6x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @linear_7(%x: tensor<4x8xf32>, %w: tensor<6x8xf32>, %e: tensor<4x1x6xf32>) {
  // expected-error @+1 {{epilogue operand 0 has shape [4, 1, 6], which does not broadcast to [4, 6]}}
  %0 = qgraph.linear %x, %w epilogue(%e)
     : (tensor<4x8xf32>, tensor<6x8xf32>, tensor<4x1x6xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @linear_8(%x: tensor<4x8xf32>, %w: tensor<6x8xf32>, %e: tensor<5xf32>) {
  // expected-error @+1 {{epilogue operand 0 has shape [5], which does not broadcast to [4, 6]}}
  %0 = qgraph.linear %x, %w epilogue(%e)
     : (tensor<4x8xf32>, tensor<6x8xf32>, tensor<5xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @linear_9(%x: tensor<4x8xf32>, %w: tensor<6x8xf32>) {
  // expected-error @+1 {{epilogue step 0 is 'Softmax', which is no elementwise operator}}
  %0 = qgraph.linear %x, %w {epilogue = [#qgraph.step<"Softmax">]}
     : (tensor<4x8xf32>, tensor<6x8xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @linear_10(%x: tensor<4x8xf32>, %w: tensor<6x8xf32>, %e: tensor<6xf32>) {
  // expected-error @+1 {{epilogue step 0 (Add) refers to operand 1 of 1}}
  %0 = qgraph.linear %x, %w epilogue(%e) {epilogue = [#qgraph.step<"Add", operand = 1>]}
     : (tensor<4x8xf32>, tensor<6x8xf32>, tensor<6xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @linear_11(%x: tensor<4x8xf32>, %w: tensor<6x8xf32>) {
  // expected-error @+1 {{epilogue step 0 (Sub) takes 2 operands, but is given 1}}
  %0 = qgraph.linear %x, %w {epilogue = [#qgraph.step<"Sub">]}
     : (tensor<4x8xf32>, tensor<6x8xf32>) -> tensor<4x6xf32>
  return
}

// -----

func.func @quantized_linear(%x: tensor<si8>, %sx: tensor<4x1xf32>, %w: tensor<8x64xsi8>, %sw: tensor<8x1xf32>) {
  // expected-error @+1 {{input is a scalar, but must be [.., K]}}
  %0 = qgraph.quantized_linear %x scale %sx, %w scale %sw {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>}
     : (tensor<si8>, tensor<4x1xf32>, tensor<8x64xsi8>, tensor<8x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @quantized_linear_1(%x: tensor<4x64xsi8>, %sx: tensor<4x1xf32>, %w: tensor<64xsi8>, %sw: tensor<8x1xf32>) {
  // expected-error @+1 {{weight has shape [64], but must have rank 2 [N, K]}}
  %0 = qgraph.quantized_linear %x scale %sx, %w scale %sw {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>}
     : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<64xsi8>, tensor<8x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @quantized_linear_2(%x: tensor<4x64xf32>, %sx: tensor<4x1xf32>, %w: tensor<8x64xsi8>, %sw: tensor<8x1xf32>) {
  // expected-error @+1 {{input has element type 'f32', but must be a stored integer}}
  %0 = qgraph.quantized_linear %x scale %sx, %w scale %sw {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>}
     : (tensor<4x64xf32>, tensor<4x1xf32>, tensor<8x64xsi8>, tensor<8x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @quantized_linear_3(%x: tensor<4x64xsi8>, %sx: tensor<4x1xf32>, %w: tensor<8x64xf8E4M3FN>, %sw: tensor<8x1xf32>) {
  // expected-error @+1 {{weight has element type 'f8E4M3FN', but must be a stored integer}}
  %0 = qgraph.quantized_linear %x scale %sx, %w scale %sw {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>}
     : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<8x64xf8E4M3FN>, tensor<8x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @quantized_linear_4(%x: tensor<4x64xsi8>, %sx: tensor<4x1xf32>, %w: tensor<8x64xsi8>, %sw: tensor<8x1xf32>) {
  // expected-error @+1 {{input_block has 1 entries for a tensor of shape [4, 64]}}
  %0 = qgraph.quantized_linear %x scale %sx, %w scale %sw {input_block = array<i64: 1>, weight_block = array<i64: 1, 0>}
     : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<8x64xsi8>, tensor<8x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @quantized_linear_5(%x: tensor<4x64xsi8>, %sx: tensor<4x1xf32>, %w: tensor<8x64xsi8>, %sw: tensor<8x1xf32>) {
  // expected-error @+1 {{weight_scale has shape [8, 1], but [8, 64] in blocks [1, 32] needs [8, 2]}}
  %0 = qgraph.quantized_linear %x scale %sx, %w scale %sw {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 32>}
     : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<8x64xsi8>, tensor<8x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @quantized_linear_6(%x: tensor<4x64xsi8>, %sx: tensor<4x1xf32>, %zx: tensor<4x1xui8>, %w: tensor<8x64xsi8>, %sw: tensor<8x1xf32>) {
  // expected-error @+1 {{input_zero_point has element type 'ui8', but the stored type is 'si8'}}
  %0 = qgraph.quantized_linear %x scale %sx zero_point %zx, %w scale %sw {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>}
     : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<4x1xui8>, tensor<8x64xsi8>, tensor<8x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @quantized_linear_7(%x: tensor<4x64xsi8>, %sx: tensor<4x3xf32>, %w: tensor<8x64xsi8>, %sw: tensor<8x4xf32>) {
  // expected-error @+1 {{groups of 24 in the input and 16 in the weight: the finer must divide the other}}
  %0 = qgraph.quantized_linear %x scale %sx, %w scale %sw {input_block = array<i64: 1, 24>, weight_block = array<i64: 1, 16>}
     : (tensor<4x64xsi8>, tensor<4x3xf32>, tensor<8x64xsi8>, tensor<8x4xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @quantized_linear_8(%x: tensor<4x64xsi8>, %sx: tensor<4x1xf32>, %w: tensor<8x32xsi8>, %sw: tensor<8x1xf32>) {
  // expected-error @+1 {{input [4, 64] has K = 64, but weight [8, 32] has K = 32}}
  %0 = qgraph.quantized_linear %x scale %sx, %w scale %sw {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>}
     : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<8x32xsi8>, tensor<8x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @matmul(%a: tensor<8xf32>, %b: tensor<2x8x3xf32>) {
  // expected-error @+1 {{operands have shapes [8] and [2, 8, 3], but must have rank 2 or more}}
  %0 = qgraph.matmul %a, %b : (tensor<8xf32>, tensor<2x8x3xf32>) -> tensor<2x4x3xf32>
  return
}

// -----

func.func @matmul_1(%a: tensor<2x4x8xf32>, %b: tensor<2x9x3xf32>) {
  // expected-error @+1 {{lhs [2, 4, 8] and rhs [2, 9, 3] do not agree on K}}
  %0 = qgraph.matmul %a, %b : (tensor<2x4x8xf32>, tensor<2x9x3xf32>) -> tensor<2x4x3xf32>
  return
}

// -----

func.func @matmul_2(%a: tensor<2x4x8xf32>, %b: tensor<2x8x3xf32>) {
  // expected-error @+1 {{lhs [2, 4, 8] and rhs [2, 8, 3] (transposed) do not agree on K}}
  %0 = qgraph.matmul %a, %b {transpose_rhs} : (tensor<2x4x8xf32>, tensor<2x8x3xf32>) -> tensor<2x4x3xf32>
  return
}

// -----

func.func @matmul_3(%a: tensor<2x4x8xf32>, %b: tensor<2x8x3xf32>) {
  // expected-error @+1 {{result has shape [2, 4, 4], which is not that of [2, 4, 8] times [2, 8, 3]}}
  %0 = qgraph.matmul %a, %b : (tensor<2x4x8xf32>, tensor<2x8x3xf32>) -> tensor<2x4x4xf32>
  return
}

// -----

func.func @matmul_4(%a: tensor<2x4x8xf32>, %b: tensor<2x8x3xf16>) {
  // expected-error @+1 {{rhs has element type 'f16', but lhs has 'f32'}}
  %0 = qgraph.matmul %a, %b : (tensor<2x4x8xf32>, tensor<2x8x3xf16>) -> tensor<2x4x3xf32>
  return
}

// -----

func.func @embedding(%t: tensor<100xf32>, %i: tensor<5xsi64>) {
  // expected-error @+1 {{table has shape [100], but must have rank 2 [V, D]}}
  %0 = qgraph.embedding %t, %i : (tensor<100xf32>, tensor<5xsi64>) -> tensor<5x16xf32>
  return
}

// -----

func.func @embedding_1(%t: tensor<100x16xf32>, %i: tensor<5xsi8>) {
  // expected-error @+1 {{indices have element type 'si8', but must be 32- or 64-bit integers}}
  %0 = qgraph.embedding %t, %i : (tensor<100x16xf32>, tensor<5xsi8>) -> tensor<5x16xf32>
  return
}

// -----

func.func @embedding_2(%t: tensor<100x16xf32>, %i: tensor<5xsi64>) {
  // expected-error @+1 {{result has element type 'f16', but table has 'f32'}}
  %0 = qgraph.embedding %t, %i : (tensor<100x16xf32>, tensor<5xsi64>) -> tensor<5x16xf16>
  return
}

// -----

func.func @embedding_3(%t: tensor<100x16xf32>, %i: tensor<5xsi64>, %s: tensor<100x1xf32>) {
  // expected-error @+1 {{table has element type 'f32', which is no stored type}}
  %0 = qgraph.embedding %t, %i scale %s : (tensor<100x16xf32>, tensor<5xsi64>, tensor<100x1xf32>) -> tensor<5x16xf32>
  return
}

// -----

func.func @embedding_4(%t: tensor<100x16xsi8>, %i: tensor<5xsi64>, %s: tensor<100xf32>) {
  // expected-error @+1 {{scale has shape [100], but must have [100, 1]}}
  %0 = qgraph.embedding %t, %i scale %s : (tensor<100x16xsi8>, tensor<5xsi64>, tensor<100xf32>) -> tensor<5x16xf32>
  return
}

// -----

func.func @embedding_5(%t: tensor<100x16xf32>, %i: tensor<5xsi64>) {
  // expected-error @+1 {{result has shape [5, 8], but must have [5, 16]}}
  %0 = qgraph.embedding %t, %i : (tensor<100x16xf32>, tensor<5xsi64>) -> tensor<5x8xf32>
  return
}

// -----

func.func @norm(%x: tensor<f32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{input is a scalar, but must be [.., D]}}
  %0 = qgraph.norm layer %x weight %w {epsilon = 1.0e-5 : f32} : (tensor<f32>, tensor<8xf32>) -> tensor<f32>
  return
}

// -----

func.func @norm_1(%x: tensor<4x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{result has shape [4, 9], but must have [4, 8]}}
  %0 = qgraph.norm layer %x weight %w {epsilon = 1.0e-5 : f32} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x9xf32>
  return
}

// -----

func.func @norm_2(%x: tensor<4x8xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{weight has shape [4], but must have [8]}}
  %0 = qgraph.norm layer %x weight %w {epsilon = 1.0e-5 : f32} : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @norm_3(%x: tensor<4x8xf32>, %w: tensor<1xf32>) {
  // expected-error @+1 {{bias has shape [1], but must have [8]}}
  %0 = qgraph.norm layer %x bias %w {epsilon = 1.0e-5 : f32} : (tensor<4x8xf32>, tensor<1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @norm_4(%x: tensor<4x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{epsilon is -1.000000e+00, but must not be negative}}
  %0 = qgraph.norm layer %x weight %w {epsilon = -1.0 : f32} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @attention(%q: tensor<4x12x32xf32>, %k: tensor<1x5x4x32xf32>, %v: tensor<1x5x4x16xf32>) {
  // expected-error @+1 {{query has shape [4, 12, 32], but must have rank 4 [B, S, H, D]}}
  %0 = qgraph.attention %q, %k, %v {scale = 1.0 : f32}
     : (tensor<4x12x32xf32>, tensor<1x5x4x32xf32>, tensor<1x5x4x16xf32>) -> tensor<1x4x12x16xf32>
  return
}

// -----

func.func @attention_1(%q: tensor<1x4x12x32xf32>, %k: tensor<1x5x4x32xf16>, %v: tensor<1x5x4x16xf32>) {
  // expected-error @+1 {{key has element type 'f16', but query has 'f32'}}
  %0 = qgraph.attention %q, %k, %v {scale = 1.0 : f32}
     : (tensor<1x4x12x32xf32>, tensor<1x5x4x32xf16>, tensor<1x5x4x16xf32>) -> tensor<1x4x12x16xf32>
  return
}

// -----

func.func @attention_2(%q: tensor<1x4x12x32xf32>, %k: tensor<1x5x4x16xf32>, %v: tensor<1x5x4x16xf32>) {
  // expected-error @+1 {{query [1, 4, 12, 32] and key [1, 5, 4, 16] must agree on the batch and on D}}
  %0 = qgraph.attention %q, %k, %v {scale = 1.0 : f32}
     : (tensor<1x4x12x32xf32>, tensor<1x5x4x16xf32>, tensor<1x5x4x16xf32>) -> tensor<1x4x12x16xf32>
  return
}

// -----

func.func @attention_3(%q: tensor<1x4x12x32xf32>, %k: tensor<1x5x4x32xf32>, %v: tensor<1x6x4x16xf32>) {
  // expected-error @+1 {{key [1, 5, 4, 32] and value [1, 6, 4, 16] must agree on all but the last dimension}}
  %0 = qgraph.attention %q, %k, %v {scale = 1.0 : f32}
     : (tensor<1x4x12x32xf32>, tensor<1x5x4x32xf32>, tensor<1x6x4x16xf32>) -> tensor<1x4x12x16xf32>
  return
}

// -----

func.func @attention_4(%q: tensor<1x4x12x32xf32>, %k: tensor<1x5x5x32xf32>, %v: tensor<1x5x5x16xf32>) {
  // expected-error @+1 {{query has 12 heads and key 5; the former must be a multiple of the latter}}
  %0 = qgraph.attention %q, %k, %v {scale = 1.0 : f32}
     : (tensor<1x4x12x32xf32>, tensor<1x5x5x32xf32>, tensor<1x5x5x16xf32>) -> tensor<1x4x12x16xf32>
  return
}

// -----

func.func @attention_5(%q: tensor<1x4x12x32xf32>, %k: tensor<1x5x4x32xf32>, %v: tensor<1x5x4x16xf32>, %m: tensor<4x6xf32>) {
  // expected-error @+1 {{mask has shape [4, 6], which does not broadcast to [1, 12, 4, 5]}}
  %0 = qgraph.attention %q, %k, %v mask %m {scale = 1.0 : f32}
     : (tensor<1x4x12x32xf32>, tensor<1x5x4x32xf32>, tensor<1x5x4x16xf32>, tensor<4x6xf32>) -> tensor<1x4x12x16xf32>
  return
}

// -----

func.func @attention_6(%q: tensor<1x4x12x32xf32>, %k: tensor<1x5x4x32xf32>, %v: tensor<1x5x4x16xf32>, %m: tensor<4x5xsi64>) {
  // expected-error @+1 {{mask has element type 'si64', but must be f32, f16, bf16 or i1}}
  %0 = qgraph.attention %q, %k, %v mask %m {scale = 1.0 : f32}
     : (tensor<1x4x12x32xf32>, tensor<1x5x4x32xf32>, tensor<1x5x4x16xf32>, tensor<4x5xsi64>) -> tensor<1x4x12x16xf32>
  return
}

// -----

func.func @attention_7(%q: tensor<1x4x12x32xf32>, %k: tensor<1x5x4x32xf32>, %v: tensor<1x5x4x16xf32>) {
  // expected-error @+1 {{result has shape [1, 4, 12, 32], but must have [1, 4, 12, 16]}}
  %0 = qgraph.attention %q, %k, %v {scale = 1.0 : f32}
     : (tensor<1x4x12x32xf32>, tensor<1x5x4x32xf32>, tensor<1x5x4x16xf32>) -> tensor<1x4x12x32xf32>
  return
}

// -----

func.func @rows(%x: tensor<4xf32>) {
  // expected-error @+1 {{yields ('tensor<4xf32>'), but has results ('tensor<5xf32>')}}
  %0 = qgraph.rows {
    qgraph.yield %x : tensor<4xf32>
  } : tensor<5xf32>
  return
}

// -----

func.func @rows_body(%x: tensor<4x4xf32>) {
  // expected-error @+1 {{has 'qgraph.linear' in its body, which does not work on each row by itself}}
  %0 = qgraph.rows {
    %1 = qgraph.linear %x, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    qgraph.yield %1 : tensor<4x4xf32>
  } : tensor<4x4xf32>
  return
}

// -----

func.func @element_outside(%x: tensor<2xsi64>) {
  // expected-error @+1 {{element 2 is outside 'tensor<2xsi64>'}}
  %0 = qgraph.element %x[2] : tensor<2xsi64>
  return
}

// -----

func.func @element_float(%x: tensor<2xf16>) {
  // expected-error @+1 {{elements of type 'f16' cannot be read before the run}}
  %0 = qgraph.element %x[0] : tensor<2xf16>
  return
}

// -----

func.func @element_dynamic(%x: tensor<?xsi64>) {
  // expected-error @+1 {{must have a static shape}}
  %0 = qgraph.element %x[0] : tensor<?xsi64>
  return
}
