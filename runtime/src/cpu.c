/*===-- cpu.c - Which instruction set level runs here ---------------*- C
 * -*-===*
 *
 * x86: CPUID, and XGETBV for what the kernel saves (Intel SDM volume 1, 13 and
 * 14); AMX tile state is granted per process by arch_prctl and must be asked
 * for. AArch64: the hwcaps of the auxiliary vector.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"
#include <stdlib.h>

typedef struct {
  const char *name;
  uint64_t bit;
} feature_name;

#define HAS(ARCH, NAME) (UINT64_C(1) << QUANTC_##ARCH##_##NAME##_BIT)

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROW_X86(NAME, BIT, LLVM) {LLVM, UINT64_C(1) << (BIT)},
#define ROW_AARCH64(NAME, BIT, LLVM)
#define AMX_BITS (HAS(X86, AMXTILE) | HAS(X86, AMXINT8) | HAS(X86, AMXBF16))

static uint64_t saved_states(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

static bool amx_granted(void) {
  enum { request_permission = 0x1023, tile_data = 18 };
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

static uint64_t detect(void) {
  uint32_t a, b, c, d, c1, b7 = 0, c7 = 0, d7 = 0, a71 = 0, d71 = 0, cx = 0;
  uint64_t f = 0, states = 0;
  if (!__get_cpuid(1, &a, &b, &c1, &d))
    return 0;
  if (__get_cpuid_count(7, 0, &a, &b7, &c7, &d7) && a >= 1)
    __get_cpuid_count(7, 1, &a71, &b, &c, &d71);
  if (__get_cpuid(0x80000001, &a, &b, &c, &d))
    cx = c;
  if (c1 >> 27 & 1) /* OSXSAVE */
    states = saved_states();

#define BIT(REGISTER, N, NAME) f |= ((REGISTER) >> (N) & 1) ? HAS(X86, NAME) : 0
  BIT(c1, 0, SSE3);
  BIT(c1, 9, SSSE3);
  BIT(c1, 13, CX16);
  BIT(c1, 19, SSE41);
  BIT(c1, 20, SSE42);
  BIT(c1, 22, MOVBE);
  BIT(c1, 23, POPCNT);
  BIT(b7, 3, BMI);
  BIT(b7, 8, BMI2);
  BIT(c7, 8, GFNI);
  BIT(cx, 0, SAHF);
  BIT(cx, 5, LZCNT);
  if ((states & 0x6) == 0x6) { /* xmm and ymm */
    BIT(c1, 28, AVX);
    BIT(c1, 12, FMA);
    BIT(c1, 29, F16C);
    BIT(b7, 5, AVX2);
    BIT(a71, 4, AVXVNNI);
    BIT(d71, 4, AVXVNNIINT8);
  }
  if ((states & 0xe6) == 0xe6) { /* and masks and zmm */
    BIT(b7, 16, AVX512F);
    BIT(b7, 17, AVX512DQ);
    BIT(b7, 28, AVX512CD);
    BIT(b7, 30, AVX512BW);
    BIT(b7, 31, AVX512VL);
    BIT(c7, 1, AVX512VBMI);
    BIT(c7, 11, AVX512VNNI);
    BIT(a71, 5, AVX512BF16);
    BIT(d7, 23, AVX512FP16);
  }
  if ((states & 0x60000) == 0x60000) { /* and tiles */
    BIT(d7, 22, AMXBF16);
    BIT(d7, 24, AMXTILE);
    BIT(d7, 25, AMXINT8);
  }
#undef BIT
  return f;
}

uint64_t quantc_rt_cpu_features(uint64_t wanted) {
  uint64_t f = detect();
  if ((f & AMX_BITS) && (!(wanted & AMX_BITS) || !amx_granted()))
    f &= ~(uint64_t)AMX_BITS;
  return f;
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

#define ROW_X86(NAME, BIT, LLVM)
#define ROW_AARCH64(NAME, BIT, LLVM) {LLVM, UINT64_C(1) << (BIT)},

uint64_t quantc_rt_cpu_features(uint64_t wanted) {
  /* Numbers of the kernel's ABI (Documentation/arch/arm64/elf_hwcaps.rst),
     spelled out since older headers lack the newer ones. */
  uint64_t h1 = getauxval(AT_HWCAP), h2 = getauxval(AT_HWCAP2), f = 0;
  (void)wanted;
#define BIT(WORD, N, NAME) f |= ((WORD) >> (N) & 1) ? HAS(AARCH64, NAME) : 0
  BIT(h1, 0, FPARMV8);
  BIT(h1, 1, NEON);
  BIT(h1, 8, LSE);
  BIT(h1, 10, FULLFP16);
  BIT(h1, 12, RDM);
  BIT(h1, 20, DOTPROD);
  BIT(h1, 22, SVE);
  BIT(h2, 1, SVE2);
  BIT(h2, 13, I8MM);
  BIT(h2, 14, BF16);
  BIT(h2, 23, SME);
  BIT(h2, 37, SME2);
#undef BIT
  return f;
}

#else
#error "quantc's runtime knows x86-64 and AArch64"
#endif

static const feature_name feature_names[] = {
#define QUANTC_CPU_FEATURE(ARCH, NAME, BIT, LLVM) ROW_##ARCH(NAME, BIT, LLVM)
#include "quantc/cpu_features.def"
};

static void append_features(quantc_error *err, uint64_t features) {
  const char *comma = "";
  size_t i;
  for (i = 0; i < sizeof feature_names / sizeof *feature_names; ++i)
    if (features & feature_names[i].bit) {
      quantc_rt_append(err, "%s%s", comma, feature_names[i].name);
      comma = ", ";
    }
}

/* "; the library has avx2 (runs here), amx (lacks amx-tile, amx-int8)" */
static void append_levels(quantc_error *err, const quantc_entry_desc *entry) {
  int64_t i;
  quantc_rt_append(err, "; the library has ");
  for (i = 0; i < entry->n_levels; ++i) {
    const quantc_level_desc *level = &entry->levels[i];
    uint64_t missing =
        level->features & ~quantc_rt_cpu_features(level->features);
    quantc_rt_append(err, "%s%s (", i ? ", " : "", level->name);
    if (missing) {
      quantc_rt_append(err, "this CPU lacks ");
      append_features(err, missing);
    } else {
      quantc_rt_append(err, "runs here");
    }
    quantc_rt_append(err, ")");
  }
}

static bool is_level_name(const char *name) {
  static const char *const names[] = {
      "avx2", "avx2vnni", "avx512", "avx512vnni", "amx",
      "neon", "dotprod",  "i8mm",   "sve",        "sme"};
  size_t i;
  for (i = 0; i < sizeof names / sizeof *names; ++i)
    if (strcmp(names[i], name) == 0)
      return true;
  return false;
}

static const quantc_level_desc *forced_level(const quantc_entry_desc *entry,
                                             const char *name,
                                             quantc_error *err) {
  int64_t i;
  for (i = 0; i < entry->n_levels; ++i) {
    const quantc_level_desc *level = &entry->levels[i];
    uint64_t missing;
    if (strcmp(level->name, name) != 0)
      continue;
    missing = level->features & ~quantc_rt_cpu_features(level->features);
    if (!missing)
      return level;
    quantc_rt_error(err, QUANTC_ERROR_CPU,
                    "QUANTC_ISA=%s cannot run: this CPU lacks ", name);
    append_features(err, missing);
    append_levels(err, entry);
    return NULL;
  }
  if (is_level_name(name))
    quantc_rt_error(err, QUANTC_ERROR_CPU,
                    "QUANTC_ISA=%s: the library lacks this level", name);
  else
    quantc_rt_error(err, QUANTC_ERROR_CPU,
                    "QUANTC_ISA=%s is no instruction set level", name);
  append_levels(err, entry);
  return NULL;
}

const quantc_level_desc *quantc_rt_pick_level(const quantc_entry_desc *entry,
                                              quantc_error *err) {
  const quantc_level_desc *best = NULL;
  const char *forced = getenv("QUANTC_ISA");
  int64_t i;
  if (forced && *forced)
    return forced_level(entry, forced, err);
  for (i = 0; i < entry->n_levels; ++i) {
    const quantc_level_desc *level = &entry->levels[i];
    if (level->features & ~quantc_rt_cpu_features(level->features))
      continue;
    if (!best || level->rank > best->rank)
      best = level;
  }
  if (!best) {
    quantc_rt_error(err, QUANTC_ERROR_CPU,
                    "this CPU runs no instruction set level of entry '%s'",
                    entry->info.name);
    append_levels(err, entry);
    quantc_rt_append(err, "; compile the model for this machine's --target");
  }
  return best;
}
