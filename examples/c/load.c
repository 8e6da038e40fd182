/* Loads a compiled model by its path, prints its signature and runs it once on
 * zeros.
 *
 *     cc load.c -I<include> -lquantc-rt -o load
 *     ./load model.so [batch=1 sequence=16 ...]
 */
#include "zeros.h"

static void print_signature(const char *what, const quantc_entry_info *entry,
                            const quantc_tensor_info *tensors, int64_t n) {
  int64_t i, d;
  for (i = 0; i < n; ++i) {
    printf("  %s %s [", what, tensors[i].name);
    for (d = 0; d < tensors[i].rank; ++d) {
      const char *name = quantc_dim_name(entry, &tensors[i], d);
      if (d)
        printf(", ");
      if (name)
        printf("%s", name);
      else
        printf("%lld", (long long)tensors[i].dims[d]);
    }
    printf("]\n");
  }
}

int main(int argc, char **argv) {
  quantc_error error;
  quantc_model *model;
  dimension given[16];
  int n_given = 0, failed, i;
  int64_t e;
  if (argc < 2) {
    fprintf(stderr, "usage: load MODEL.so [DIMENSION=N]...\n");
    return 2;
  }
  for (i = 2; i < argc && n_given < 16; ++i) {
    char *equals = strchr(argv[i], '=');
    if (!equals) {
      fprintf(stderr, "'%s' is not DIMENSION=N\n", argv[i]);
      return 2;
    }
    given[n_given].name = argv[i];
    given[n_given].name_length = (size_t)(equals - argv[i]);
    given[n_given++].value = strtoll(equals + 1, NULL, 10);
  }

  /* NULL: the weights lie beside the library. */
  model = quantc_load(argv[1], NULL, &error);
  if (!model) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  for (e = 0; e < quantc_entry_count(model); ++e) {
    const quantc_entry_info *entry = quantc_entry_at(model, e);
    printf("entry %s\n", entry->name);
    print_signature("input", entry, entry->inputs, entry->n_inputs);
    print_signature("output", entry, entry->outputs, entry->n_outputs);
  }

  /* NULL: the first entry, as many threads as there are CPUs. */
  failed = run_on_zeros(model, NULL, given, n_given);
  quantc_unload(model, NULL);
  return failed;
}
