// RUN: quant-opt %s --verify-diagnostics --split-input-file

func.func @channels(%x: tensor<1x8x8x4xf32>, %w: tensor<6x3x3x3xf32>) {
  // expected-error @+1 {{input [1, 8, 8, 4] has 4 channels, but weight [6, 3, 3, 3] in 1 groups takes 3}}
  %0 = qgraph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x4xf32>, tensor<6x3x3x3xf32>) -> tensor<1x8x8x6xf32>
  return
}

// -----

func.func @extent(%x: tensor<1x8x8x4xf32>, %w: tensor<6x3x3x4xf32>) {
  // expected-error @+1 {{result has shape [1, 8, 8, 6], but must have [1, 6, 6, 6]}}
  %0 = qgraph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : (tensor<1x8x8x4xf32>, tensor<6x3x3x4xf32>) -> tensor<1x8x8x6xf32>
  return
}

// -----

func.func @lists(%x: tensor<1x8x8x4xf32>, %w: tensor<6x3x3x4xf32>) {
  // expected-error @+1 {{pads has 2 entries, but must have 4}}
  %0 = qgraph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1>} : (tensor<1x8x8x4xf32>, tensor<6x3x3x4xf32>) -> tensor<1x8x8x6xf32>
  return
}

// -----

func.func @stride(%x: tensor<1x8x4xf32>, %w: tensor<6x3x4xf32>) {
  // expected-error @+1 {{strides and dilations must be positive}}
  %0 = qgraph.conv %x, %w {strides = array<i64: 0>, dilations = array<i64: 1>, pads = array<i64: 1, 1>} : (tensor<1x8x4xf32>, tensor<6x3x4xf32>) -> tensor<1x8x6xf32>
  return
}

// -----

func.func @groups(%x: tensor<1x8x4xf32>, %w: tensor<5x3x2xf32>) {
  // expected-error @+1 {{has 2 groups, which do not divide 5 columns}}
  %0 = qgraph.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, 1>, groups = 2 : i64} : (tensor<1x8x4xf32>, tensor<5x3x2xf32>) -> tensor<1x8x5xf32>
  return
}

// -----

func.func @dims(%x: tensor<1x?x4xf32>, %w: tensor<5x3x4xf32>) {
  // expected-error @+1 {{has 0 dims for 1 dynamic spatial dimensions}}
  %0 = qgraph.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, 1>} : (tensor<1x?x4xf32>, tensor<5x3x4xf32>) -> tensor<1x?x5xf32>
  return
}

// -----

func.func @rank(%x: tensor<8x4xf32>, %w: tensor<5x4xf32>) {
  // expected-error @+1 {{input has shape [8, 4], but must be [N, spatial.., C] with 1 to 3 spatial dimensions}}
  %0 = qgraph.conv %x, %w {strides = array<i64>, dilations = array<i64>, pads = array<i64>} : (tensor<8x4xf32>, tensor<5x4xf32>) -> tensor<8x5xf32>
  return
}

// -----

func.func @one_scale(%x: tensor<1x8x4xsi8>, %s: tensor<1x1x4xf32>, %w: tensor<5x3x4xsi8>, %t: tensor<5x1x1xf32>) {
  // expected-error @+1 {{input_block [0, 0, 1] must have 0 or 1 first and then zeros: one scale for all of a sum}}
  %0 = qgraph.quantized_conv %x scale %s, %w scale %t {input_block = array<i64: 0, 0, 1>, weight_block = array<i64: 1, 0, 0>, strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, 1>}
     : (tensor<1x8x4xsi8>, tensor<1x1x4xf32>, tensor<5x3x4xsi8>, tensor<5x1x1xf32>) -> tensor<1x8x5xf32>
  return
}

// -----

func.func @stores(%x: tensor<1x8x4xf32>, %w: tensor<5x3x4xf32>, %s: tensor<1xf32>) {
  // expected-error @+1 {{result has element type 'f32', but its last step makes si8}}
  %0 = qgraph.conv %x, %w epilogue(%s) {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, 1>, epilogue = [#qgraph.step<"Quantize", scale = 0>]} : (tensor<1x8x4xf32>, tensor<5x3x4xf32>, tensor<1xf32>) -> tensor<1x8x5xf32>
  return
}

// -----

func.func @last(%x: tensor<4x4xf32>, %w: tensor<5x4xf32>, %s: tensor<1xf32>) {
  // expected-error @+1 {{epilogue step 0 (Quantize) must be the last one}}
  %0 = qgraph.linear %x, %w epilogue(%s) {epilogue = [#qgraph.step<"Quantize", scale = 0>, #qgraph.step<"Relu">]} : (tensor<4x4xf32>, tensor<5x4xf32>, tensor<1xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @no_scale(%x: tensor<4x4xf32>, %w: tensor<5x4xf32>) {
  // expected-error @+1 {{epilogue step 0 (QuantizeDequantize) refers to operand -1 of 0 for its scale}}
  %0 = qgraph.linear %x, %w {epilogue = [#qgraph.step<"QuantizeDequantize">]} : (tensor<4x4xf32>, tensor<5x4xf32>) -> tensor<4x5xf32>
  return
}

// -----

func.func @scale_type(%x: tensor<4x4xf32>, %w: tensor<5x4xf32>, %s: tensor<5xf32>) {
  // expected-error @+1 {{epilogue step 0 (Quantize) has a scale of type 'tensor<5xf32>', but it must be one f32}}
  %0 = qgraph.linear %x, %w epilogue(%s) {epilogue = [#qgraph.step<"Quantize", scale = 0>]} : (tensor<4x4xf32>, tensor<5x4xf32>, tensor<5xf32>) -> tensor<4x5xsi8>
  return
}

// -----

func.func @stored_operand(%x: tensor<4x4xf32>, %w: tensor<5x4xf32>, %r: tensor<4x5xsi8>) {
  // expected-error @+1 {{epilogue step 0 (Add) has an operand of 'si8', but must have f32, f16 or bf16}}
  %0 = qgraph.linear %x, %w epilogue(%r) {epilogue = [#qgraph.step<"Add", operand = 0>]} : (tensor<4x4xf32>, tensor<5x4xf32>, tensor<4x5xsi8>) -> tensor<4x5xf32>
  return
}
