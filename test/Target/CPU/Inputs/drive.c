/* Runs a compiled function `model` on the inputs of a file and writes what comes
 * out: drive INPUTS OUTPUTS. The file has, in numbers of 8 bytes, how many inputs
 * there are, and of each the rank, the dimensions, the bytes and then the data;
 * then how many outputs there are, and of each the rank and an element's bytes. */
#include "quantc/abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model(quantc_frame *frame, int64_t thread, int64_t threads);
void model_shapes(quantc_frame *frame);
int64_t model_arena(quantc_frame *frame, int64_t threads);
extern void *kernels[];

void quantc_rt_barrier(quantc_frame *frame, int64_t thread, int64_t threads) {}
void quantc_rt_mark(quantc_frame *frame, int64_t layer, int64_t thread) {}
void quantc_rt_fail(quantc_frame *frame, int64_t code, int64_t a, int64_t b) {
  frame->error = code;
}

static int64_t number(FILE *file) {
  int64_t value;
  if (fread(&value, 8, 1, file) != 1)
    exit(2);
  return value;
}

static void *memory(int64_t bytes) {
  return aligned_alloc(64, (bytes + 64) / 64 * 64);
}

int main(int argc, char **argv) {
  static void *inputs[64], *outputs[64];
  static int64_t in_dims[256], out_dims[256], ranks[64], sizes[64];
  FILE *file = fopen(argv[1], "rb");
  if (argc != 3 || !file)
    return 2;
  int64_t n_in = number(file), dims = 0;
  for (int64_t i = 0; i < n_in; ++i) {
    for (int64_t rank = number(file); rank > 0; --rank)
      in_dims[dims++] = number(file);
    int64_t bytes = number(file);
    inputs[i] = memory(bytes);
    if (fread(inputs[i], 1, bytes, file) != (size_t)bytes)
      return 2;
  }
  int64_t n_out = number(file);
  for (int64_t i = 0; i < n_out; ++i) {
    ranks[i] = number(file);
    sizes[i] = number(file);
  }
  quantc_frame frame = {inputs, outputs, in_dims, out_dims};
  frame.kernels = kernels;
  model_shapes(&frame);
  dims = 0;
  for (int64_t i = 0; i < n_out; ++i) {
    for (int64_t rank = ranks[i]; rank > 0; --rank)
      sizes[i] *= out_dims[dims++];
    outputs[i] = memory(sizes[i]);
  }
  frame.arena = memory(model_arena(&frame, 1));
  model(&frame, 0, 1);
  file = fopen(argv[2], "wb");
  for (int64_t i = 0; i < n_out; ++i)
    fwrite(outputs[i], 1, sizes[i], file);
  return fclose(file) || frame.error;
}
