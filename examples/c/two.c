/* Two models linked into one program. Each carries its own hidden runtime, so
 * nothing of theirs can clash; here they also share one team of threads. For
 * models compiled with `-o small` and `-o large`:
 *
 *     cc two.c -DFIRST=small -DSECOND=large -include small.h -include large.h \
 *        -I<include> ./small.so ./large.so -Wl,-rpath,'$ORIGIN' -o two
 *     ./two
 */
#include "zeros.h"

#if !defined FIRST || !defined SECOND
#error                                                                         \
    "say which models: -DFIRST=small -DSECOND=large, and include their headers"
#endif
#define JOIN(a, b) a##b
#define MODEL_OF(name) JOIN(name, _model)

int main(void) {
  quantc_model *first = MODEL_OF(FIRST)(), *second = MODEL_OF(SECOND)();
  quantc_options options = {0};
  options.threads = 2;
  options.team = quantc_team_of(first);
  if (run_on_zeros(first, &options, NULL, 0))
    return 1;
  return run_on_zeros(second, &options, NULL, 0);
}
