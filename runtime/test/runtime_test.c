/*===-- runtime_test.c - The runtime's own test ---------------------*- C
 * -*-===*
 *
 *   runtime_test FOLDER
 *
 * FOLDER holds fake.so and other.so (fake_model.c with BIAS 0 and 100). Prints
 * one line a failed check and exits 1, or prints "passed".
 *
 *===----------------------------------------------------------------------===*/
#include "fake_model.h"
#include "quantc/hash.h"
#include "quantc/runtime.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int failures;
static _Thread_local quantc_error err;

#define CHECK(CONDITION)                                                       \
  do {                                                                         \
    if (!(CONDITION)) {                                                        \
      printf("line %d: %s\n", __LINE__, #CONDITION);                           \
      ++failures;                                                              \
    }                                                                          \
  } while (0)

/* CALL must fail with a message that holds TEXT. */
#define REFUSES(CALL, TEXT)                                                    \
  do {                                                                         \
    strcpy(err.message, "(no message)");                                       \
    if (!(CALL) || !strstr(err.message, TEXT)) {                               \
      printf("line %d: expected '%s', got '%s'\n", __LINE__, TEXT,             \
             err.message);                                                     \
      ++failures;                                                              \
    }                                                                          \
  } while (0)

#define OK(CALL)                                                               \
  do {                                                                         \
    strcpy(err.message, "(no message)");                                       \
    if (!(CALL)) {                                                             \
      printf("line %d: %s: %s\n", __LINE__, #CALL, err.message);               \
      ++failures;                                                              \
    }                                                                          \
  } while (0)

static char folder[1024];

/* FOLDER/file, in one of two buffers. */
static const char *path(const char *file) {
  static char buffers[2][2048];
  static int turn;
  turn = 1 - turn;
  snprintf(buffers[turn], sizeof buffers[turn], "%s/%s", folder, file);
  return buffers[turn];
}

static void write_file(const char *file, const void *data, size_t bytes) {
  FILE *f = fopen(path(file), "wb");
  CHECK(f && fwrite(data, 1, bytes, f) == bytes);
  if (f)
    fclose(f);
}

/* A safetensors file whose data section is `data`, padded to start at 64. */
static void write_weights(const char *file, const void *data, size_t bytes) {
  char buffer[256];
  uint64_t header = 56;
  memset(buffer, ' ', sizeof buffer);
  memcpy(buffer, &header, 8);
  memcpy(buffer + 8, "{\"w\":{}}", 8);
  memcpy(buffer + 64, data, bytes);
  write_file(file, buffer, 64 + bytes);
}

static const float weights[4] = {1, 2, 3, 4};

static quantc_value f32(float *data, int64_t *dims) {
  return quantc_tensor(data, dims, 2, kDLFloat, 32);
}

static void test_loading(void) {
  static const float others[4] = {1, 2, 3, 5};
  char copy[4096];
  FILE *f;
  size_t n;
  REFUSES(!quantc_load(path("none.so"), NULL, &err), "No such file");
  write_file("empty.so", "", 0);
  REFUSES(!quantc_load(path("empty.so"), NULL, &err), "not a library that");
  write_file("text.so", "hello", 5);
  REFUSES(!quantc_load(path("text.so"), NULL, &err), "not a library that");
  REFUSES(!quantc_load(folder, NULL, &err), "not a regular file");
  REFUSES(!quantc_load(path("plain.so"), NULL, &err),
          "no symbol 'quantc_entry'");
  f = fopen(path("fake.so"), "rb");
  n = f ? fread(copy, 1, sizeof copy, f) : 0;
  if (f)
    fclose(f);
  write_file("cut.so", copy, n);
  REFUSES(!quantc_load(path("cut.so"), NULL, &err), "cut off or damaged");

  remove(path("weights.safetensors"));
  REFUSES(!quantc_load(path("fake.so"), NULL, &err), "weights.safetensors");
  write_weights("weights.safetensors", weights, 12);
  REFUSES(!quantc_load(path("fake.so"), NULL, &err), "12 bytes of data");
  write_weights("weights.safetensors", others, 16);
  REFUSES(!quantc_load(path("fake.so"), NULL, &err), "its hash differs");
  write_file("weights.safetensors", "abc", 3);
  REFUSES(!quantc_load(path("fake.so"), NULL, &err), "it has 3 bytes");
  write_file("weights.safetensors", "\377\377\377\377\377\377\377\377{", 9);
  REFUSES(!quantc_load(path("fake.so"), NULL, &err), "header is damaged");
  write_file("weights.safetensors", "", 0);
  REFUSES(!quantc_load(path("fake.so"), NULL, &err), "is empty");
  write_weights("weights.safetensors", weights, 16);
}

static void test_isa(quantc_model *m) {
  quantc_session *s;
  OK(s = quantc_open(m, NULL, &err));
  CHECK(strcmp(quantc_isa_of(s), "avx2") == 0);
  quantc_close(s);
  setenv("QUANTC_ISA", "avx512", 1);
  REFUSES(!quantc_open(m, NULL, &err), "QUANTC_ISA=avx512 cannot run");
  CHECK(strstr(err.message, "avx2 (runs here)") != NULL);
  setenv("QUANTC_ISA", "sve", 1);
  REFUSES(!quantc_open(m, NULL, &err), "the library lacks this level");
  setenv("QUANTC_ISA", "sse9", 1);
  REFUSES(!quantc_open(m, NULL, &err), "is no instruction set level");
  setenv("QUANTC_ISA", "avx2", 1);
  OK(s = quantc_open(m, NULL, &err));
  quantc_close(s);
  unsetenv("QUANTC_ISA");
}

static void test_signature(quantc_model *m) {
  const quantc_entry_info *e = quantc_entry_at(m, 0);
  CHECK(quantc_entry_count(m) == 4 && quantc_entry_at(m, 4) == NULL);
  CHECK(strcmp(quantc_name(m), "fake") == 0);
  CHECK(quantc_weights_bytes(m) == 16);
  CHECK(quantc_find(e->inputs, e->n_inputs, "y") == 1);
  CHECK(quantc_find(e->inputs, e->n_inputs, "q") == -1);
  CHECK(strcmp(quantc_dim_name(e, &e->inputs[0], 0), "n") == 0);
  CHECK(quantc_dim_name(e, &e->inputs[0], 1) == NULL);
}

static void test_refusals(quantc_model *m) {
  quantc_options o = {0};
  quantc_session *s;
  float data[64] = {0};
  int64_t dims[2] = {3, 4}, other[2] = {2, 4}, wrong[2] = {3, 5};
  int64_t big[2] = {1001, 4}, none[2] = {0, 4}, negative[2] = {-1, 4};
  int64_t unlucky[2] = {13, 4}, strides[2] = {8, 1};
  quantc_value in[2], out[2], bad[2];
  memset(out, 0, sizeof out);
  in[0] = in[1] = f32(data, dims);
  o.entry = "absent";
  REFUSES(!quantc_open(m, &o, &err), "it has 'sum', 'meet'");
  o.entry = NULL;
  o.threads = -1;
  REFUSES(!quantc_open(m, &o, &err), "threads is -1");
  o.threads = 2;
  OK(s = quantc_open(m, &o, &err));
  REFUSES(quantc_run(s, in, 1, out, 2, &err), "they are 'x', 'y'");
  REFUSES(quantc_run(s, NULL, 2, out, 2, &err), "they are 'x', 'y'");
  REFUSES(quantc_run(s, in, 2, out, 1, &err), "they are 'z', 'count'");
#define WITH(CHANGE, TEXT)                                                     \
  memcpy(bad, in, sizeof in);                                                  \
  CHANGE;                                                                      \
  REFUSES(quantc_run(s, bad, 2, out, 2, &err), TEXT)
  WITH(bad[1].kind = QUANTC_NONE, "input 'y' is given as none");
  WITH(bad[1].kind = QUANTC_SEQUENCE, "input 'y' is given as a sequence");
  WITH(bad[0].tensor.device.device_type = kDLCUDA, "input 'x' lies on DLPack");
  WITH(bad[0].tensor.dtype.code = kDLInt,
       "input 'x' is int32; the model has float32[n, 4]");
  WITH(bad[0].tensor.dtype.lanes = 4, "4 lanes");
  WITH(bad[0].tensor.ndim = 1, "has 1 dimensions; the model has 2");
  WITH(bad[0].tensor.shape = NULL, "no shape");
  WITH(bad[0].tensor.shape = wrong, "dimension 1 must be 4");
  WITH(bad[0].tensor.shape = negative, "negative dimension");
  WITH(bad[0].tensor.shape = big, "('n') must be at least 1 and at most 1000");
  WITH(bad[0].tensor.shape = none, "must be at least 1");
  WITH(bad[1].tensor.shape = other,
       "'n' is 3 in input 'x' (dimension 0) and 2 in input 'y' (dimension 0)");
  WITH(bad[0].tensor.data = NULL, "input 'x' of shape [3, 4] has no data");
  WITH(bad[0].tensor.shape = bad[1].tensor.shape = unlucky,
       "dimension 'n' is 13 and may not be, by 4");
  out[0] = f32(data + 32, other);
  REFUSES(quantc_run(s, in, 2, out, 2, &err), "this run makes [3, 4]");
  out[0].tensor.shape = dims;
  out[0].tensor.strides = strides;
  REFUSES(quantc_run(s, in, 2, out, 2, &err), "memory with strides");
  out[0].tensor.strides = NULL;
  out[0].tensor.dtype.bits = 64;
  REFUSES(quantc_run(s, in, 2, out, 2, &err), "output 'z' is float64");
  REFUSES(quantc_unload(m, &err), "1 open sessions");
  quantc_close(s);
}

/* z of `sum` for x[i] = i, y[i] = 10 i. */
static int right(const float *z, int64_t n, float bias) {
  int64_t i, j;
  for (i = 0; i < n; ++i)
    for (j = 0; j < 4; ++j)
      if (z[4 * i + j] != (float)(4 * i + j) +
                              10 * (float)(4 * ((i + 1) % n) + j) + weights[j] +
                              bias)
        return 0;
  return 1;
}

static void test_running(quantc_model *m, int64_t threads, float bias) {
  quantc_options o = {0};
  quantc_session *s;
  float x[400], y[400], z[400];
  int64_t dims[2] = {5, 4}, strides[2] = {1, 5}, i, memory;
  int64_t dims100[2] = {100, 4};
  quantc_value in[2], out[2];
  float *first;
  for (i = 0; i < 400; ++i) {
    x[i] = (float)i;
    y[i] = 10 * (float)i;
  }
  memset(out, 0, sizeof out);
  o.threads = threads;
  o.profile = 1;
  OK(s = quantc_open(m, &o, &err));
  CHECK(quantc_threads_of(s) == threads);
  in[0] = f32(x, dims);
  in[1] = f32(y, dims);
  OK(!quantc_run(s, in, 2, out, 2, &err));
  CHECK(right(out[0].tensor.data, 5, bias));
  CHECK(out[0].tensor.ndim == 2 && out[0].tensor.shape[0] == 5);
  CHECK(out[1].tensor.ndim == 0 && *(int64_t *)out[1].tensor.data == 5);
  CHECK(quantc_profile(s, 0)[1].calls == 1);
  CHECK(quantc_profile(s, 1)[1].calls == 0);

  /* An output of the session may not be an input of the next run. */
  in[0] = out[0];
  in[0].tensor.shape = dims;
  REFUSES(quantc_run(s, in, 2, out, 2, &err), "which this run overwrites");

  /* Larger, with the values of the last run as outputs; then no larger. */
  in[0] = f32(x, dims100);
  in[1] = f32(y, dims100);
  OK(!quantc_run(s, in, 2, out, 2, &err));
  CHECK(right(out[0].tensor.data, 100, bias));
  memory = quantc_memory_of(s);
  first = out[0].tensor.data;
  OK(!quantc_run(s, in, 2, out, 2, &err));
  CHECK(out[0].tensor.data == first && quantc_memory_of(s) == memory);

  /* Our own memory, in place; x transposed in memory; y not aligned. */
  for (i = 0; i < 20; ++i)
    x[(i % 4) * 5 + i / 4] = (float)i;
  in[0] = f32(x, dims);
  in[0].tensor.strides = strides;
  memmove((char *)y + 1, y, 80);
  in[1] = f32(y, dims);
  in[1].tensor.byte_offset = 1;
  out[0] = f32(z, dims);
  OK(!quantc_run(s, in, 2, out, 2, &err));
  CHECK(out[0].tensor.data == z && right(z, 5, bias));
  quantc_close(s);
}

/* Elements of less than 8 bits: packed for us, one a byte for kernels. */
static void test_packed(quantc_model *m, int64_t threads) {
  static const int64_t sizes[] = {0, 1, 2, 3, 7, 64, 1001, 64, 1};
  static const int bits[3] = {4, 2, 6},
                   codes[3] = {kDLInt, kDLUInt, kDLFloat6_e2m3fn};
  static unsigned char data[3][1024], given[1024];
  quantc_options o = {0};
  quantc_session *s;
  int64_t memory = 0, n, bytes, i;
  size_t turn;
  int j, b;
  o.threads = threads;
  o.entry = "packed";
  OK(s = quantc_open(m, &o, &err));
  for (turn = 0; turn < sizeof sizes / sizeof *sizes; ++turn) {
    quantc_value in[3], out[6];
    n = sizes[turn];
    memset(out, 0, sizeof out);
    memset(given, 0xff, sizeof given);
    for (j = 0; j < 3; ++j) {
      bytes = (n * bits[j] + 7) / 8;
      for (i = 0; i < bytes; ++i)
        data[j][i] = (unsigned char)(i * 37 + turn * 11 + 0x91);
      in[j] = quantc_tensor(data[j], &n, 1, codes[j], bits[j]);
    }
    /* One output into our memory, the others into the session's. */
    out[2] = quantc_tensor(given, &n, 1, codes[2], bits[2]);
    OK(!quantc_run(s, in, 3, out, 6, &err));
    CHECK(given[(n * 6 + 7) / 8] == 0xff);
    for (j = 0; j < 3; ++j) {
      const unsigned char *packed = out[j].tensor.data;
      const signed char *raw = out[3 + j].tensor.data;
      CHECK(out[j].tensor.dtype.bits == bits[j]);
      for (i = 0; i < n; ++i) {
        int code = 0;
        for (b = 0; b < bits[j]; ++b) {
          int64_t at = i * bits[j] + b;
          code |= (data[j][at / 8] >> (at % 8) & 1) << b;
        }
        CHECK(raw[i] == (j == 0 && code >= 8 ? code - 16 : code));
      }
      bytes = n * bits[j] / 8;
      CHECK(memcmp(packed, data[j], (size_t)bytes) == 0);
      b = (int)(n * bits[j] % 8); /* bits behind the last element are 0 */
      CHECK(b == 0 || packed[bytes] == (data[j][bytes] & ((1 << b) - 1)));
    }
    if (n == 1001)
      memory = quantc_memory_of(s);
  }
  CHECK(quantc_memory_of(s) == memory);
  quantc_close(s);
}

/* Outputs whose size the run finds out, sequences, optionals. */
static void test_late(quantc_model *m, int64_t threads) {
  quantc_options o = {0};
  quantc_session *s;
  float a[] = {1, 2, 3, 4, 5, 6}, b[] = {7};
  int64_t x[400], own[400], dims[1], shape_a[2] = {2, 3}, strides_a[2] = {1, 2},
                                     shape_b[1] = {1}, shape_c[1] = {0},
                                     given[1] = {0}, memory = 0;
  quantc_value in[2], out[3], words[3];
  int round, i;
  o.threads = threads;
  o.entry = "late";
  OK(s = quantc_open(m, &o, &err));
  words[0] = quantc_tensor(b, shape_b, 1, kDLFloat, 32);
  words[1] = quantc_tensor(NULL, shape_c, 1, kDLFloat, 32);
  words[2] = quantc_tensor(a, shape_b, 1, kDLFloat, 32);
  memset(in, 0, sizeof in);
  memset(out, 0, sizeof out);
  in[0] = quantc_tensor(x, dims, 1, kDLInt, 64);
  in[1].kind = QUANTC_SEQUENCE;
  in[1].items = words;
  for (round = 0; round < 6; ++round) {
    int64_t n = round % 3 == 0 ? 300 : 2, expected = 0;
    for (i = 0; i < n; ++i)
      x[i] = i % 4 == 0 ? i + 1000 : -i;
    dims[0] = n;
    in[1].n_items = round % 4;
    OK(!quantc_run(s, in, 2, out, 3, &err));
    for (i = 0; i < n; ++i)
      if (x[i] > 0)
        CHECK(((int64_t *)out[0].tensor.data)[expected++] == x[i]);
    CHECK(out[0].tensor.shape[0] == expected);
    CHECK(out[1].kind == QUANTC_SEQUENCE && out[1].n_items == round % 4);
    for (i = 0; i < out[1].n_items; ++i) {
      const DLTensor *t = &out[1].items[i].tensor;
      CHECK(t->ndim == 1 && t->shape[0] == (i == 1 ? 0 : 1));
      CHECK(i == 1 || *(float *)t->data == (i == 0 ? 7 : 1));
    }
    CHECK(out[2].kind == (n > 2 ? QUANTC_TENSOR : QUANTC_NONE));
    if (n > 2)
      CHECK(out[2].tensor.shape[0] == n &&
            ((int64_t *)out[2].tensor.data)[4] == x[4]);
    if (round == 3)
      memory = quantc_memory_of(s);
  }
  CHECK(quantc_memory_of(s) == memory);

  /* Memory of the caller's own: its shape is looked at after the run. */
  in[1].n_items = 0;
  out[0] = quantc_tensor(own, given, 1, kDLInt, 64);
  REFUSES(quantc_run(s, in, 2, out, 3, &err),
          "output 'kept' is given memory of shape [0]; this run makes [1]");
  given[0] = 1;
  OK(!quantc_run(s, in, 2, out, 3, &err));
  CHECK(own[0] == 1000);

  /* The whole team leaves, and can run again. */
  memset(out, 0, sizeof out);
  x[1] = 77;
  REFUSES(quantc_run(s, in, 2, out, 3, &err), "dimension 'n' is 1");
  x[1] = 78;
  REFUSES(quantc_run(s, in, 2, out, 3, &err), "cannot get 1152921504606846976");
  CHECK(err.status == QUANTC_ERROR_MEMORY);
  x[1] = 79;
  REFUSES(quantc_run(s, in, 2, out, 3, &err), "negative dimension");
  x[1] = -1;
  OK(!quantc_run(s, in, 2, out, 3, &err));
  in[0].tensor.data = out[0].tensor.data;
  REFUSES(quantc_run(s, in, 2, out, 3, &err),
          "lies in memory that the session");
  in[0].tensor.data = x;

  /* Sequences that do not fit. */
  in[1].n_items = 1;
  words[0] = quantc_tensor(a, shape_a, 2, kDLFloat, 32);
  REFUSES(quantc_run(s, in, 2, out, 3, &err), "'words' has 2 dimensions");
  words[0] = quantc_tensor(a, shape_b, 1, kDLInt, 32);
  REFUSES(quantc_run(s, in, 2, out, 3, &err), "'words' is int32");
  words[0] = quantc_tensor(a, shape_a, 1, kDLFloat, 32);
  words[0].tensor.strides = strides_a + 1;
  OK(!quantc_run(s, in, 2, out, 3, &err));
  CHECK(((float *)out[1].items[0].tensor.data)[1] == 3);
  in[1].items = NULL;
  REFUSES(quantc_run(s, in, 2, out, 3, &err), "null pointer");
  in[1].kind = QUANTC_NONE;
  REFUSES(quantc_run(s, in, 2, out, 3, &err), "is given as none");
  quantc_close(s);
}

static void test_barrier(quantc_model *m, quantc_team *team, int64_t threads,
                         int64_t rounds) {
  quantc_options o = {0};
  quantc_session *s;
  quantc_value in, out;
  memset(&out, 0, sizeof out);
  in = quantc_tensor(&rounds, NULL, 0, kDLInt, 64);
  o.threads = threads;
  o.entry = "meet";
  o.team = team;
  OK(s = quantc_open(m, &o, &err));
  OK(!quantc_run(s, &in, 1, &out, 1, &err));
  CHECK(*(int64_t *)out.tensor.data == rounds);
  quantc_close(s);
}

static void *run_often(void *arg) {
  int i;
  for (i = 0; i < 20; ++i)
    test_barrier(arg, NULL, 2, 50);
  return NULL;
}

static void test_sharing(quantc_model *m) {
  pthread_t threads[4];
  int i;
  for (i = 0; i < 4; ++i)
    pthread_create(&threads[i], NULL, run_often, m);
  for (i = 0; i < 4; ++i)
    pthread_join(threads[i], NULL);
}

static int no_threads(quantc_team *self, void (*job)(void *, int64_t, int64_t),
                      void *arg, int64_t threads) {
  (void)self, (void)job, (void)arg, (void)threads;
  return 1;
}

static void test_own_team(quantc_model *m) {
  quantc_team own = {no_threads};
  quantc_options o = {0};
  quantc_session *s;
  int64_t rounds = 1;
  quantc_value in = quantc_tensor(&rounds, NULL, 0, kDLInt, 64), out;
  memset(&out, 0, sizeof out);
  o.team = &own;
  o.entry = "meet";
  o.threads = 3;
  OK(s = quantc_open(m, &o, &err));
  REFUSES(quantc_run(s, &in, 1, &out, 1, &err), "cannot run 3 threads");
  quantc_close(s);
}

/* Workers that have nothing to do use no CPU time. */
static void test_idle(void) {
  struct timespec pause = {0, 300000000}, before, after;
  int64_t used;
  nanosleep(&(struct timespec){0, 10000000}, NULL);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  nanosleep(&pause, NULL);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  used = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
         before.tv_nsec;
  CHECK(used < 20000000);
}

static void test_hash(void) {
  unsigned char data[200];
  uint64_t seen[201];
  quantc_hash_state state;
  int i, j;
  for (i = 0; i < 200; ++i)
    data[i] = 0;
  for (i = 0; i <= 200; ++i) {
    seen[i] = quantc_hash(data, (size_t)i);
    for (j = 0; j < i; ++j)
      CHECK(seen[i] != seen[j]);
  }
  quantc_hash_begin(&state);
  quantc_hash_blocks(&state, data, 64);
  quantc_hash_blocks(&state, data + 64, 64);
  CHECK(quantc_hash_end(&state, data + 128, 72) == seen[200]);
  for (i = 0; i < 200; ++i) {
    data[i] ^= 128;
    CHECK(quantc_hash(data, 200) != seen[200]);
    data[i] ^= 128;
  }
}

int main(int argc, char **argv) {
  quantc_model *m, *other, *again;
  int64_t threads[] = {1, 2, 3, 8};
  int i;
  if (argc != 2)
    return 2;
  snprintf(folder, sizeof folder, "%s", argv[1]);
  if (quantc_hash(weights, 16) != WEIGHTS_HASH) {
    printf("the hash of the weights is 0x%016llx\n",
           (unsigned long long)quantc_hash(weights, 16));
    return 1;
  }
  test_hash();
  test_loading();
  OK(m = quantc_load(path("fake.so"), NULL, &err));
  OK(other = quantc_load(path("other.so"), path("weights.safetensors"), &err));
  if (!m || !other)
    return 1;
  OK(again = quantc_load(path("fake.so"), NULL, &err));
  CHECK(again == m && other != m);
  OK(!quantc_unload(again, &err));
  test_signature(m);
  test_isa(m);
  test_refusals(m);
  for (i = 0; i < 4; ++i) {
    test_running(m, threads[i], 0);
    test_running(other, threads[i], 100);
    test_packed(m, threads[i]);
    test_late(m, threads[i]);
    test_barrier(m, NULL, threads[i], 200);
    test_barrier(m, quantc_team_of(other), threads[i], 200);
  }
  test_sharing(m);
  test_own_team(m);
  test_idle();
  OK(!quantc_unload(m, &err));
  OK(!quantc_unload(other, &err));
  OK(m = quantc_load(path("fake.so"), NULL, &err));
  test_running(m, 2, 0);
  OK(!quantc_unload(m, &err));
  if (!failures)
    printf("passed\n");
  return failures != 0;
}
