/*===-- run_model.c - Runs a model for tests on any target ----------*- C
 * -*-===*
 *
 *   run-model MODEL.so [--threads N] [--entry NAME] [--repeat N] [--output
 * FILE]
 *             [--dim NAME=N]... [--input NAME=FILE.npy|MODULUS]...
 *
 * A small stand-in for `quantc run` where that is not built: under qemu. Inputs
 * come from .npy files or are pseudo-random, the same everywhere: floats in
 * [-1, 1), integers below MODULUS (2 unless said otherwise). Prints a line for
 * each output: name, shape and hash; FILE gets the bytes of all of them.
 *
 *===----------------------------------------------------------------------===*/
#include "quantc/hash.h"
#include "quantc/runtime.h"
#include <stdio.h>
#include <stdlib.h>

typedef struct {
  const char *name; /* up to '=' */
  const char *value;
} pair;

static struct {
  const char *model, *output;
  quantc_options options;
  long repeat;
  pair dims[16], inputs[64];
  int n_dims, n_inputs;
} args;

static void die(const char *what, const char *which) {
  fprintf(stderr, "run-model: %s%s\n", what, which);
  exit(1);
}

static const char *find(const pair *pairs, int n, const char *name) {
  size_t length = strlen(name);
  int i;
  for (i = 0; i < n; ++i)
    if (strncmp(pairs[i].name, name, length) == 0 &&
        pairs[i].name[length] == '=')
      return pairs[i].value;
  return NULL;
}

static pair split(const char *text) {
  pair p;
  const char *equals = strrchr(text, '=');
  if (!equals)
    die("not NAME=VALUE: ", text);
  p.name = text;
  p.value = equals + 1;
  return p;
}

static void parse(int argc, char **argv) {
  int i;
  args.repeat = 1;
  args.options.threads = 1;
  for (i = 1; i < argc; ++i) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (argv[i][0] != '-') {
      args.model = argv[i];
      continue;
    }
    if (!value)
      die("needs a value: ", argv[i]);
    ++i;
    if (strcmp(argv[i - 1], "--threads") == 0)
      args.options.threads = strtol(value, NULL, 10);
    else if (strcmp(argv[i - 1], "--entry") == 0)
      args.options.entry = value;
    else if (strcmp(argv[i - 1], "--repeat") == 0)
      args.repeat = strtol(value, NULL, 10);
    else if (strcmp(argv[i - 1], "--output") == 0)
      args.output = value;
    else if (strcmp(argv[i - 1], "--dim") == 0 && args.n_dims < 16)
      args.dims[args.n_dims++] = split(value);
    else if (strcmp(argv[i - 1], "--input") == 0 && args.n_inputs < 64)
      args.inputs[args.n_inputs++] = split(value);
    else
      die("unknown option ", argv[i - 1]);
  }
  if (!args.model)
    die("which model?", "");
}

/* NumPy's .npy format, version 1: magic, header length, a Python dict, data.
 * The file must hold the input's type; its shape is taken, its order must be C.
 */
static quantc_value read_npy(const quantc_tensor_info *info, const char *path) {
  unsigned char head[10];
  char *text, *at;
  int64_t dims[8], *shape, bytes = info->bits / 8, d;
  int32_t rank = 0;
  void *data;
  size_t length;
  FILE *f = fopen(path, "rb");
  if (!f || fread(head, 1, 10, f) != 10 || memcmp(head, "\x93NUMPY\x01", 7))
    die("no .npy file of version 1: ", path);
  length = head[8] | (size_t)head[9] << 8;
  text = calloc(1, length + 1);
  if (!text || fread(text, 1, length, f) != length)
    die("cut off: ", path);
  at = strstr(text, "'shape': (");
  if (!at || !strstr(text, "'fortran_order': False"))
    die("not in C order: ", path);
  for (at += strlen("'shape': ("); *at != ')' && rank < 8;) {
    dims[rank++] = strtoll(at, &at, 10);
    while (*at == ',' || *at == ' ')
      ++at;
  }
  free(text);
  for (d = 0; d < rank; ++d)
    bytes *= dims[d];
  shape = malloc(sizeof dims);
  data = malloc((size_t)bytes + 1);
  if (!shape || !data || fread(data, 1, (size_t)bytes, f) != (size_t)bytes)
    die("cut off, or of another type than the input: ", path);
  fclose(f);
  memcpy(shape, dims, sizeof dims);
  return quantc_tensor(data, shape, rank, (int)info->code, (int)info->bits);
}

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static quantc_value make_random(const quantc_entry_info *e,
                                const quantc_tensor_info *info, uint64_t seed,
                                uint64_t modulus) {
  int64_t *shape = malloc(8 * (size_t)info->rank + 8), n = 1, d, i;
  int64_t size = (info->bits + 7) / 8;
  char *data;
  for (d = 0; d < info->rank; ++d) {
    const char *name = quantc_dim_name(e, info, d);
    const char *given = name ? find(args.dims, args.n_dims, name) : NULL;
    shape[d] = !name ? info->dims[d] : given ? strtoll(given, NULL, 10) : 1;
    n *= shape[d];
  }
  data = calloc((size_t)n + 1, (size_t)size);
  if (!data)
    die("out of memory", "");
  for (i = 0; i < n; ++i) {
    uint64_t r = next_random(&seed);
    if (info->code == kDLFloat && info->bits == 32) {
      float x = (float)(int32_t)(r >> 32) * 0x1p-31f;
      memcpy(data + 4 * i, &x, 4);
    } else if (info->code == kDLFloat && info->bits == 64) {
      double x = (double)(int64_t)r * 0x1p-63;
      memcpy(data + 8 * i, &x, 8);
    } else if (info->code == kDLInt || info->code == kDLUInt ||
               info->code == kDLBool) {
      r %= modulus;
      memcpy(data + size * i, &r, (size_t)size);
    }
  }
  return quantc_tensor(data, shape, (int32_t)info->rank, (int)info->code,
                       (int)info->bits);
}

static quantc_value make_input(const quantc_entry_info *e, int64_t i) {
  const quantc_tensor_info *info = &e->inputs[i];
  const char *given = find(args.inputs, args.n_inputs, info->name);
  char *end = NULL;
  uint64_t modulus = given ? strtoull(given, &end, 10) : 2;
  if (given && (*end || modulus == 0))
    return read_npy(info, given);
  return make_random(e, info, (uint64_t)i + 1, modulus);
}

static void report(const quantc_tensor_info *info, const DLTensor *t,
                   FILE *output) {
  size_t bits = (size_t)info->bits, bytes;
  int32_t d;
  printf("%s [", info->name);
  for (d = 0; d < t->ndim; ++d) {
    printf(d ? ", %lld" : "%lld", (long long)t->shape[d]);
    bits *= (size_t)t->shape[d];
  }
  bytes = (bits + 7) / 8;
  printf("] %016llx\n", (unsigned long long)quantc_hash(t->data, bytes));
  if (output && fwrite(t->data, 1, bytes, output) != bytes)
    die("cannot write ", args.output);
}

int main(int argc, char **argv) {
  quantc_error error;
  quantc_model *model;
  quantc_session *session;
  const quantc_entry_info *entry;
  quantc_value inputs[64], outputs[64];
  FILE *output = NULL;
  int64_t i;
  parse(argc, argv);
  model = quantc_load(args.model, NULL, &error);
  session = model ? quantc_open(model, &args.options, &error) : NULL;
  if (!session)
    die(error.message, "");
  entry = quantc_entry_of(session);
  if (entry->n_inputs > 64 || entry->n_outputs > 64)
    die("more than 64 inputs or outputs", "");
  for (i = 0; i < entry->n_inputs; ++i)
    inputs[i] = make_input(entry, i);
  memset(outputs, 0, sizeof outputs);
  for (i = 0; i < args.repeat; ++i)
    if (quantc_run(session, inputs, entry->n_inputs, outputs, entry->n_outputs,
                   &error))
      die(error.message, "");
  if (args.output && !(output = fopen(args.output, "wb")))
    die("cannot write ", args.output);
  for (i = 0; i < entry->n_outputs; ++i)
    report(&entry->outputs[i], &outputs[i].tensor, output);
  if (output && fclose(output) != 0)
    die("cannot write ", args.output);
  quantc_close(session);
  return 0;
}
