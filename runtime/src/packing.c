/*===-- packing.c - Elements of less than 8 bits at the C border ----*- C
 * -*-===*
 *
 * A caller's tensors of such types are packed as ONNX and DLPack pack them:
 * element i is bits i * bits ... of the data, low bits first, rows not padded,
 * and the bits behind the last element are 0. Kernels have an element a byte:
 * signed integers sign-extended, all others their code.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"

void quantc_rt_unpack(void *data, const void *packed, int64_t n, int64_t bits,
                      bool is_signed) {
  unsigned char *to = data;
  const unsigned char *from = packed;
  /* x -> (x ^ sign) - sign extends the sign of a code. */
  unsigned sign = is_signed ? 1u << (bits - 1) : 0;
  unsigned mask = (1u << bits) - 1, window = 0;
  int have = 0;
  int64_t i;
  if (bits == 4) {
    for (i = 0; i < n / 2; ++i) {
      to[2 * i] = (unsigned char)(((from[i] & 15) ^ sign) - sign);
      to[2 * i + 1] = (unsigned char)((((unsigned)from[i] >> 4) ^ sign) - sign);
    }
    if (n % 2)
      to[n - 1] = (unsigned char)(((from[n / 2] & 15) ^ sign) - sign);
    return;
  }
  for (i = 0; i < n; ++i) {
    if (have < bits) {
      window |= (unsigned)*from++ << have;
      have += 8;
    }
    to[i] = (unsigned char)(((window & mask) ^ sign) - sign);
    window >>= bits;
    have -= (int)bits;
  }
}

void quantc_rt_pack(void *packed, const void *data, int64_t n, int64_t bits) {
  unsigned char *to = packed;
  const unsigned char *from = data;
  unsigned mask = (1u << bits) - 1, window = 0;
  int have = 0;
  int64_t i;
  if (bits == 4) {
    for (i = 0; i < n / 2; ++i)
      to[i] = (unsigned char)((from[2 * i] & 15) | from[2 * i + 1] << 4);
    if (n % 2)
      to[i] = from[n - 1] & 15;
    return;
  }
  for (i = 0; i < n; ++i) {
    window |= (from[i] & mask) << have;
    have += (int)bits;
    if (have >= 8) {
      *to++ = (unsigned char)window;
      window >>= 8;
      have -= 8;
    }
  }
  if (have > 0)
    *to = (unsigned char)window;
}
