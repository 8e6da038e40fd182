/* Shared by the examples: runs a session once on inputs of zeros and prints the
 * shapes and first values of its outputs. Works for any model: a named
 * dimension is 1, or the least that the model takes, or what the caller says.
 */
#ifndef QUANTC_EXAMPLE_ZEROS_H
#define QUANTC_EXAMPLE_ZEROS_H

#include "quantc/runtime.h"
#include <stdio.h>
#include <stdlib.h>

/* A "NAME=N" argument of the program. */
typedef struct {
  const char *name;
  size_t name_length;
  int64_t value;
} dimension;

static int64_t dim_value(const quantc_entry_info *entry, int64_t dim,
                         const dimension *given, int n_given) {
  const quantc_symbol_info *symbol;
  int i;
  if (dim >= 0)
    return dim; /* static */
  symbol = &entry->symbols[-1 - dim];
  for (i = 0; i < n_given; ++i)
    if (strlen(symbol->name) == given[i].name_length &&
        memcmp(symbol->name, given[i].name, given[i].name_length) == 0)
      return given[i].value;
  return symbol->min > 1 ? symbol->min : 1;
}

/* A dense tensor of zeros for an input; data and shape are one allocation. */
static quantc_value zeros(const quantc_entry_info *entry,
                          const quantc_tensor_info *input,
                          const dimension *given, int n_given) {
  int64_t elements = 1, d;
  int64_t *memory;
  size_t head = 8 * (size_t)input->rank;
  for (d = 0; d < input->rank; ++d)
    elements *= dim_value(entry, input->dims[d], given, n_given);
  memory = calloc(1, head + (size_t)(elements * input->bits / 8) + 8);
  if (!memory) {
    fprintf(stderr, "out of memory\n");
    exit(1);
  }
  for (d = 0; d < input->rank; ++d)
    memory[d] = dim_value(entry, input->dims[d], given, n_given);
  return quantc_tensor(memory + input->rank, memory, (int32_t)input->rank,
                       (int)input->code, (int)input->bits);
}

static void print_tensor(const char *name, const DLTensor *t) {
  int64_t elements = 1, i;
  int32_t d;
  printf("%s [", name);
  for (d = 0; d < t->ndim; ++d) {
    printf(d ? ", %lld" : "%lld", (long long)t->shape[d]);
    elements *= t->shape[d];
  }
  printf("]");
  for (i = 0; i < elements && i < 4; ++i) {
    if (t->dtype.code == kDLFloat && t->dtype.bits == 32)
      printf(" %g", ((const float *)t->data)[i]);
    else if (t->dtype.code == kDLInt && t->dtype.bits == 64)
      printf(" %lld", (long long)((const int64_t *)t->data)[i]);
  }
  printf(elements > 4 ? " ...\n" : "\n");
}

/* Returns 0, or 1 after printing what went wrong. */
static int run_on_zeros(quantc_model *model, const quantc_options *options,
                        const dimension *given, int n_given) {
  quantc_error error;
  quantc_session *session = quantc_open(model, options, &error);
  const quantc_entry_info *entry;
  quantc_value *inputs, *outputs;
  int64_t i;
  int failed;
  if (!session) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  entry = quantc_entry_of(session);
  inputs = calloc((size_t)entry->n_inputs + 1, sizeof *inputs);
  outputs = calloc((size_t)entry->n_outputs + 1, sizeof *outputs);
  if (!inputs || !outputs) {
    fprintf(stderr, "out of memory\n");
    exit(1);
  }
  for (i = 0; i < entry->n_inputs; ++i)
    inputs[i] = zeros(entry, &entry->inputs[i], given, n_given);

  /* Outputs of kind none: the session gives them memory, until its next run. */
  failed = quantc_run(session, inputs, entry->n_inputs, outputs,
                      entry->n_outputs, &error);
  if (failed) {
    fprintf(stderr, "%s\n", error.message);
  } else {
    printf("%s on %s, %lld threads\n", quantc_name(model),
           quantc_isa_of(session), (long long)quantc_threads_of(session));
    for (i = 0; i < entry->n_outputs; ++i)
      print_tensor(entry->outputs[i].name, &outputs[i].tensor);
  }

  for (i = 0; i < entry->n_inputs; ++i)
    free(inputs[i].tensor.shape);
  free(inputs);
  free(outputs);
  quantc_close(session);
  return failed != 0;
}

#endif /* QUANTC_EXAMPLE_ZEROS_H */
