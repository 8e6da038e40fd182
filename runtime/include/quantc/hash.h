/*===-- hash.h - The 64-bit hash of weights -------------------------*- C
 * -*-===*
 *
 * Finds a wrong or damaged weights file at load, at memory speed: eight
 * independent multiply-xor-rotate lanes over blocks of 64 bytes, which a
 * superscalar core runs side by side. It is no defence against an attacker.
 * C99 and C++, for compiler and runtime alike; little-endian.
 *
 *===----------------------------------------------------------------------===*/
#ifndef QUANTC_HASH_H
#define QUANTC_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A hash under way: for data that does not come in one piece. */
typedef struct quantc_hash_state {
  uint64_t lanes[8];
  uint64_t bytes; /* of whole blocks so far */
} quantc_hash_state;

/* MurmurHash3's 64-bit finalizer (A. Appleby, public domain): every bit of the
 * input changes every bit of the output with probability about one half. */
static inline uint64_t quantc_hash_mix(uint64_t x) {
  x ^= x >> 33;
  x *= UINT64_C(0xff51afd7ed558ccd);
  x ^= x >> 33;
  x *= UINT64_C(0xc4ceb9fe1a85ec53);
  return x ^ x >> 33;
}

static inline void quantc_hash_begin(quantc_hash_state *s) {
  int i;
  for (i = 0; i < 8; ++i)
    s->lanes[i] = quantc_hash_mix((uint64_t)i + 1);
  s->bytes = 0;
}

/* Adds `bytes` bytes, a multiple of 64. */
static inline void quantc_hash_blocks(quantc_hash_state *s, const void *data,
                                      size_t bytes) {
  const unsigned char *p = (const unsigned char *)data;
  uint64_t h[8], w[8];
  size_t at;
  int i;
  memcpy(h, s->lanes, sizeof h);
  for (at = 0; at + 64 <= bytes; at += 64) {
    memcpy(w, p + at, 64);
    for (i = 0; i < 8; ++i) {
      h[i] = (h[i] ^ w[i]) * UINT64_C(0x9e3779b97f4a7c15);
      h[i] = h[i] << 29 | h[i] >> 35;
    }
  }
  memcpy(s->lanes, h, sizeof h);
  s->bytes += bytes;
}

/* Adds the last `bytes` bytes, any number, and gives the hash. */
static inline uint64_t quantc_hash_end(quantc_hash_state *s, const void *data,
                                       size_t bytes) {
  size_t whole = bytes / 64 * 64;
  unsigned char tail[64];
  uint64_t h;
  int i;
  quantc_hash_blocks(s, data, whole);
  if (whole != bytes) {
    memset(tail, 0, sizeof tail);
    memcpy(tail, (const unsigned char *)data + whole, bytes - whole);
    quantc_hash_blocks(s, tail, sizeof tail);
    s->bytes += bytes - whole - sizeof tail;
  }
  h = quantc_hash_mix(s->bytes);
  for (i = 0; i < 8; ++i)
    h = quantc_hash_mix(h ^ s->lanes[i]) * 3;
  return h;
}

/* The hash of `bytes` bytes at `data`. */
static inline uint64_t quantc_hash(const void *data, size_t bytes) {
  quantc_hash_state s;
  quantc_hash_begin(&s);
  return quantc_hash_end(&s, data, bytes);
}

#ifdef __cplusplus
}
#endif
#endif /* QUANTC_HASH_H */
