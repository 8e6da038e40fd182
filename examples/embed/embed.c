/* Embeds sentences with a compiled sentence embedder (see export.py), from C.
 *
 *     cc -std=c99 embed.c -I<include> -L<lib> -lquantc-rt -o embed
 *     ./embed model.so tokens.txt vectors.bin [THREADS [REPEAT]]
 *
 * tokens.txt: a line of token ids for each sentence; Python writes it with the
 * model's tokenizer (minilm.py). The sentences run as one batch, padded to the
 * longest. vectors.bin receives float32 [sentences, size], row by row. Standard
 * output has a line "NAME VALUE" for the level and the threads that ran, the
 * milliseconds from before loading to the first result, and, with REPEAT, the
 * median of that many more runs.
 */
#define _POSIX_C_SOURCE 200809L
#include "quantc/runtime.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void *allocate(size_t bytes) {
  void *memory = calloc(1, bytes ? bytes : 1);
  if (!memory) {
    fprintf(stderr, "out of memory\n");
    exit(1);
  }
  return memory;
}

static char *read_text(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text;
  long size;
  if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
    perror(path);
    exit(1);
  }
  rewind(file);
  text = allocate((size_t)size + 1);
  if (fread(text, 1, (size_t)size, file) != (size_t)size) {
    perror(path);
    exit(1);
  }
  fclose(file);
  return text;
}

/* The batch of the model: dims[0] sentences of dims[1] tokens. */
typedef struct {
  int64_t dims[2];
  int64_t *ids, *mask, *types;
} batch;

/* Once with b->ids NULL, to count; then once more, to fill in. */
static void scan(const char *text, batch *b) {
  int64_t row = 0, column = 0, longest = 0;
  for (;;) {
    char *end;
    if (*text == '\n' || *text == '\0') {
      longest = column > longest ? column : longest;
      row += column > 0;
      column = 0;
      if (*text++ == '\0')
        break;
    } else if (*text == ' ') {
      ++text;
    } else {
      long long id = strtoll(text, &end, 10);
      if (end == text) {
        fprintf(stderr, "not a token id: %.20s\n", text);
        exit(1);
      }
      if (b->ids) {
        b->ids[row * b->dims[1] + column] = id;
        b->mask[row * b->dims[1] + column] = 1;
      }
      ++column;
      text = end;
    }
  }
  b->dims[0] = row;
  b->dims[1] = longest;
}

static batch read_batch(const char *path) {
  batch b = {{0, 0}, NULL, NULL, NULL};
  char *text = read_text(path);
  size_t bytes;
  scan(text, &b);
  bytes = sizeof(int64_t) * (size_t)(b.dims[0] * b.dims[1]);
  b.ids = allocate(bytes);
  b.mask = allocate(bytes);
  b.types = allocate(bytes);
  scan(text, &b);
  free(text);
  return b;
}

static void check(int failed, const quantc_error *error) {
  if (!failed)
    return;
  fprintf(stderr, "%s\n", error->message);
  exit(1);
}

int main(int argc, char **argv) {
  quantc_options options = {0};
  quantc_error error;
  quantc_model *model;
  quantc_session *session;
  const quantc_entry_info *entry;
  quantc_value inputs[3], output;
  int repeat = argc > 5 ? atoi(argv[5]) : 0, i;
  double start, *times;
  size_t count;
  batch b;
  FILE *file;
  if (argc < 4) {
    fprintf(
        stderr,
        "usage: embed MODEL.so TOKENS.txt VECTORS.bin [THREADS [REPEAT]]\n");
    return 2;
  }
  b = read_batch(argv[2]);
  options.threads = argc > 4 ? atoi(argv[4]) : 0;

  start = now_ms();
  model = quantc_load(argv[1], NULL, &error);
  check(!model, &error);
  session = quantc_open(model, &options, &error);
  check(!session, &error);
  entry = quantc_entry_of(session);
  if (entry->n_inputs != 3 || entry->n_outputs != 1) {
    fprintf(stderr, "%s is no sentence embedder\n", argv[1]);
    return 1;
  }
  for (i = 0; i < 3; ++i) {
    const char *name = entry->inputs[i].name;
    int64_t *data = strcmp(name, "input_ids") == 0        ? b.ids
                    : strcmp(name, "attention_mask") == 0 ? b.mask
                                                          : b.types;
    inputs[i] = quantc_tensor(data, b.dims, 2, kDLInt, 64);
  }
  /* Of kind none: the session gives it memory. */
  memset(&output, 0, sizeof output);
  check(quantc_run(session, inputs, 3, &output, 1, &error), &error);
  printf("level %s\nthreads %lld\nfirst_ms %.3f\n", quantc_isa_of(session),
         (long long)quantc_threads_of(session), now_ms() - start);

  file = fopen(argv[3], "wb");
  count = (size_t)(output.tensor.shape[0] * output.tensor.shape[1]);
  if (!file ||
      fwrite(output.tensor.data, sizeof(float), count, file) != count ||
      fclose(file) != 0) {
    perror(argv[3]);
    return 1;
  }

  if (repeat > 0) {
    times = allocate(sizeof(double) * (size_t)repeat);
    for (i = 0; i < repeat; ++i) {
      start = now_ms();
      check(quantc_run(session, inputs, 3, &output, 1, &error), &error);
      times[i] = now_ms() - start;
    }
    qsort(times, (size_t)repeat, sizeof(double), by_value);
    printf("run_ms %.3f\n", times[repeat / 2]);
    free(times);
  }

  quantc_close(session);
  check(quantc_unload(model, &error), &error);
  free(b.ids);
  free(b.mask);
  free(b.types);
  return 0;
}
