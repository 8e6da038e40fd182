/*===-- fpenv.h - The floating-point mode of a run ------------------*- C
 * -*-===*
 *
 * A result may not depend on what the calling program did to the rounding mode
 * or to denormals, so a run is made in IEEE's default mode and the caller's is
 * put back.
 *
 *===----------------------------------------------------------------------===*/
#ifndef QUANTC_RUNTIME_FPENV_H
#define QUANTC_RUNTIME_FPENV_H

#include <stdint.h>

#if defined(__x86_64__)
static inline uint64_t quantc_rt_set_fp_mode(uint64_t mode) {
  uint64_t old = __builtin_ia32_stmxcsr();
  if (old != mode)
    __builtin_ia32_ldmxcsr((uint32_t)mode);
  return old;
}
#define QUANTC_RT_FP_DEFAULT 0x1f80 /* MXCSR: nearest even, all masked */
#else
static inline uint64_t quantc_rt_set_fp_mode(uint64_t mode) {
  uint64_t old;
  __asm__ volatile("mrs %0, fpcr" : "=r"(old));
  if (old != mode)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
  return old;
}
#define QUANTC_RT_FP_DEFAULT 0
#endif

#endif /* QUANTC_RUNTIME_FPENV_H */
