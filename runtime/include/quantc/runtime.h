/*===-- runtime.h - Run a model compiled by quantc ------------------*- C
 * -*-===*
 *
 * C99. Needs nothing but the C library, and no library of quantc: a compiled
 * model carries its own hidden runtime. The first member of a model, session
 * or team points to that runtime's function table, and the functions below
 * call through it, so any number of models link into one program.
 *
 *     quantc_error err;
 *     quantc_model *m = quantc_load("model.so", NULL, &err);   // link
 * libquantc-rt quantc_model *m = NAME_model();                          // or
 * link model.so quantc_session *s = quantc_open(m, &(quantc_options){.threads =
 * 4}, &err); quantc_value in[1], out[1] = {{0}}; in[0] = quantc_tensor(data,
 * dims, 2, kDLFloat, 32); if (quantc_run(s, in, 1, out, 1, &err))
 *       fprintf(stderr, "%s\n", err.message);
 *     quantc_close(s);
 *     quantc_unload(m);
 *
 * Every function that can fail takes a quantc_error * (NULL is allowed) and
 * says so by NULL or by a nonzero int. No function aborts or prints.
 *
 *===----------------------------------------------------------------------===*/
#ifndef QUANTC_RUNTIME_H
#define QUANTC_RUNTIME_H

#include "quantc/dlpack.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when a structure of this file or of abi.h changes its meaning; a model
 * of another ABI version is refused when it is loaded or opened. */
#define QUANTC_ABI_VERSION 2

/*===-- Errors ----------------------------------------------------------===*/

typedef enum {
  QUANTC_OK = 0,
  QUANTC_ERROR_ARGUMENT = 1, /* names, shapes, types or counts do not fit */
  QUANTC_ERROR_LIBRARY = 2,  /* not a quantc library, or of another ABI */
  QUANTC_ERROR_WEIGHTS = 3,  /* weights file missing or of another model */
  QUANTC_ERROR_CPU = 4,      /* no instruction set level can run here */
  QUANTC_ERROR_MEMORY = 5,   /* the system has no memory or threads left */
  QUANTC_ERROR_MODEL = 6     /* a check inside the model failed at run time */
} quantc_status;

/* A value of the caller's, usually on its stack: nothing is ever freed. It is
 * written only by a function that fails. */
typedef struct quantc_error {
  int32_t status;     /* a quantc_status */
  char message[1020]; /* one line, no newline, ends in NUL */
} quantc_error;

/*===-- Signature -------------------------------------------------------===*/

/* A named dynamic dimension. It has one value in a run, wherever it occurs. */
typedef struct quantc_symbol_info {
  const char *name;
  int64_t min, max; /* inclusive; max = INT64_MAX where unbounded */
} quantc_symbol_info;

typedef struct quantc_tensor_info {
  const char *name;
  int64_t kind; /* QUANTC_TENSOR; or QUANTC_SEQUENCE, of tensors like this */
  int64_t code; /* a DLDataTypeCode */
  int64_t bits; /* bits of an element; sub-byte values are packed, low
                   bits first, rows not padded */
  int64_t rank;  /* of a sequence's elements -1 where they differ in rank */
  const int64_t *dims; /* rank values: >= 0 static, else -(1 + symbol); of a
                          sequence's elements < 0: each has its own */
  int64_t optional;    /* 1: it may be missing, a value of kind QUANTC_NONE */
} quantc_tensor_info;

typedef struct quantc_entry_info {
  const char *name;
  int64_t n_inputs;
  const quantc_tensor_info *inputs;
  int64_t n_outputs;
  const quantc_tensor_info *outputs;
  int64_t n_symbols;
  const quantc_symbol_info *symbols;
  int64_t n_layers; /* what quantc_profile counts */
  const char *const *layers;
} quantc_entry_info;

/*===-- Values ----------------------------------------------------------===*/

typedef enum {
  QUANTC_NONE = 0,
  QUANTC_TENSOR = 1,
  QUANTC_SEQUENCE = 2
} quantc_kind;

/* A tensor, a sequence of values, or none. A zeroed value is none. */
typedef struct quantc_value {
  int64_t kind;    /* a quantc_kind */
  DLTensor tensor; /* QUANTC_TENSOR: on kDLCPU, any strides for an input */
  struct quantc_value *items; /* QUANTC_SEQUENCE */
  int64_t n_items;
} quantc_value;

/*===-- Objects ---------------------------------------------------------===*/

typedef struct quantc_model quantc_model;     /* a library's */
typedef struct quantc_session quantc_session; /* one per stream of work */
typedef struct quantc_team quantc_team;       /* threads */

/* Threads that run one job together. A caller with threads of its own fills
 * one in and passes it in quantc_options.team. */
struct quantc_team {
  /* Calls job(arg, i, threads) once for each 0 <= i < threads, all of them AT
   * THE SAME TIME (they meet at barriers), and returns 0 when all have
   * returned; nonzero if it cannot, and then no job was called. May be called
   * by several threads at once. */
  int (*run)(quantc_team *self,
             void (*job)(void *arg, int64_t thread, int64_t threads), void *arg,
             int64_t threads);
};

/* Zero is the default of every field: quantc_options o = {0}. */
typedef struct quantc_options {
  int64_t threads;   /* 0: as many as CPUs this process may use */
  quantc_team *team; /* NULL: the library's own. Outlives the session */
  const char *entry; /* NULL: the library's first */
  int64_t profile;   /* nonzero: count time per layer, see quantc_profile */
  void *reserved[8];
} quantc_options;

typedef struct quantc_layer_time {
  uint64_t nanoseconds; /* sum over the calls */
  uint64_t calls;
} quantc_layer_time;

/* The function table of a model's runtime. Version 1 and later begin with
 * `abi_version`; call through the functions below, not through this. */
typedef struct quantc_api {
  int64_t abi_version;
  int64_t size; /* of this table, in bytes */
  int (*attach)(quantc_model *, const char *weights, quantc_error *);
  int (*detach)(quantc_model *, quantc_error *);
  quantc_session *(*open)(quantc_model *, const quantc_options *,
                          quantc_error *);
  int (*run)(quantc_session *, const quantc_value *, int64_t, quantc_value *,
             int64_t, quantc_error *);
  void (*close)(quantc_session *);
  const char *(*name)(const quantc_model *);
  const char *(*manifest)(const quantc_model *);
  int64_t (*entry_count)(const quantc_model *);
  const quantc_entry_info *(*entry_at)(const quantc_model *, int64_t);
  quantc_team *(*team_of)(quantc_model *);
  const quantc_entry_info *(*entry_of)(const quantc_session *);
  const char *(*isa_of)(const quantc_session *);
  int64_t (*threads_of)(const quantc_session *);
  int64_t (*memory_of)(const quantc_session *);
  const quantc_layer_time *(*profile)(quantc_session *, int reset);
  int64_t (*weights_bytes)(const quantc_model *);
} quantc_api;

struct quantc_model {
  const quantc_api *api;
};

struct quantc_session {
  const quantc_api *api;
};

/*===-- Loading ---------------------------------------------------------===*/

/* Opens the library at `path` and its weights. `weights` NULL: the file of the
 * library's manifest, beside the library. NULL and *err on failure: no such
 * file, not a quantc library, another machine or ABI, weights of another model,
 * no level that this CPU runs. The only function here that is not in the model
 * itself: link libquantc-rt. Loading a library twice gives the same model. */
quantc_model *quantc_load(const char *path, const char *weights,
                          quantc_error *err);

/* Undoes one quantc_load. Fails, and leaves the model usable, while sessions
 * are open. Also in libquantc-rt. */
int quantc_unload(quantc_model *m, quantc_error *err);

/* Maps the weights of a LINKED model, from `weights` or, where that is NULL,
 * from beside its library. Optional: quantc_open does it with NULL. */
static inline int quantc_attach(quantc_model *m, const char *weights,
                                quantc_error *err) {
  return m->api->attach(m, weights, err);
}

/*===-- Running ---------------------------------------------------------===*/

/* One per stream of work; holds the arena. Sessions of a model may run at the
 * same time, each in one thread at a time. */
static inline quantc_session *
quantc_open(quantc_model *m, const quantc_options *options, quantc_error *err) {
  if (m->api->abi_version != QUANTC_ABI_VERSION) {
    if (err) {
      static const char text[] =
          "the model was compiled for another version of the C interface; "
          "compile it again, or build this program with the runtime.h of "
          "the quantc that compiled it";
      err->status = QUANTC_ERROR_LIBRARY;
      memcpy(err->message, text, sizeof text);
    }
    return NULL;
  }
  return m->api->open(m, options, err);
}

/* Runs the entry once. `inputs` are in the signature's order; `outputs`
 * likewise, all of them.
 *
 * Input: a tensor of the signature's type, rank and static dimensions on
 * kDLCPU. Dense row-major data is read where it lies; other strides, and
 * elements of less than 8 bits, are copied first. It may not overlap an output.
 *
 * A sequence is copied. It is a value of kind QUANTC_SEQUENCE with `items`; what
 * may be missing is then of kind QUANTC_NONE.
 *
 * Output: a value of kind QUANTC_NONE, or a tensor whose `data` is NULL, is
 * given memory AND shape by the session, both valid until its next run or its
 * close; so is, again, what an earlier run of the session filled in this way.
 * Otherwise a tensor with data must be dense, of the right type and exactly the
 * right shape, and is written in place (if its size follows from the data, after
 * the run). Sequences and optionals are always given memory by the session.
 *
 * Returns 0, or nonzero and *err; outputs are then unspecified. Does not
 * allocate when no larger than an earlier run of the session. */
static inline int quantc_run(quantc_session *s, const quantc_value *inputs,
                             int64_t n_inputs, quantc_value *outputs,
                             int64_t n_outputs, quantc_error *err) {
  return s->api->run(s, inputs, n_inputs, outputs, n_outputs, err);
}

/* NULL is allowed. */
static inline void quantc_close(quantc_session *s) {
  if (s)
    s->api->close(s);
}

/* A dense CPU tensor over the caller's data and dims (which are not copied). */
static inline quantc_value quantc_tensor(void *data, int64_t *dims,
                                         int32_t rank, int code, int bits) {
  quantc_value v;
  memset(&v, 0, sizeof v);
  v.kind = QUANTC_TENSOR;
  v.tensor.data = data;
  v.tensor.device.device_type = kDLCPU;
  v.tensor.ndim = rank;
  v.tensor.dtype.code = (uint8_t)code;
  v.tensor.dtype.bits = (uint8_t)bits;
  v.tensor.dtype.lanes = 1;
  v.tensor.shape = dims;
  return v;
}

/*===-- Asking ----------------------------------------------------------===*/

/* The model's name, that of NAME_model(). */
static inline const char *quantc_name(const quantc_model *m) {
  return m->api->name(m);
}

/* The manifest (PREFIX.json), or NULL if the library carries none. */
static inline const char *quantc_manifest(const quantc_model *m) {
  return m->api->manifest(m);
}

static inline int64_t quantc_weights_bytes(const quantc_model *m) {
  return m->api->weights_bytes(m);
}

static inline int64_t quantc_entry_count(const quantc_model *m) {
  return m->api->entry_count(m);
}

/* The signature of entry `i`; NULL if there is none. */
static inline const quantc_entry_info *quantc_entry_at(const quantc_model *m,
                                                       int64_t i) {
  return m->api->entry_at(m, i);
}

/* The library's thread team, for quantc_options.team of other models. */
static inline quantc_team *quantc_team_of(quantc_model *m) {
  return m->api->team_of(m);
}

/* The signature of the session's entry. */
static inline const quantc_entry_info *
quantc_entry_of(const quantc_session *s) {
  return s->api->entry_of(s);
}

/* The instruction set level that the session runs: "avx2", "neon", ... */
static inline const char *quantc_isa_of(const quantc_session *s) {
  return s->api->isa_of(s);
}

static inline int64_t quantc_threads_of(const quantc_session *s) {
  return s->api->threads_of(s);
}

/* Bytes that the session holds for its arena, outputs and copies of either. */
static inline int64_t quantc_memory_of(const quantc_session *s) {
  return s->api->memory_of(s);
}

/* Time per layer since the last reset, n_layers values in the order of
 * quantc_entry_info.layers; NULL unless opened with options.profile. Read it
 * between runs. reset != 0 clears the counters before returning. */
static inline const quantc_layer_time *quantc_profile(quantc_session *s,
                                                      int reset) {
  return s->api->profile(s, reset);
}

/* The index of the tensor called `name` among n infos, or -1. */
static inline int64_t quantc_find(const quantc_tensor_info *infos, int64_t n,
                                  const char *name) {
  int64_t i;
  for (i = 0; i < n; ++i)
    if (strcmp(infos[i].name, name) == 0)
      return i;
  return -1;
}

/* The name of a tensor's dynamic dimension, or NULL if the dimension is static,
 * or one of a sequence or of an optional, where it has no name. */
static inline const char *quantc_dim_name(const quantc_entry_info *e,
                                          const quantc_tensor_info *t,
                                          int64_t dim) {
  return t->dims[dim] < 0 && t->kind == QUANTC_TENSOR && !t->optional
             ? e->symbols[-1 - t->dims[dim]].name
             : NULL;
}

#ifdef __cplusplus
}
#endif
#endif /* QUANTC_RUNTIME_H */
