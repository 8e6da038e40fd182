/* Links a compiled model into the program, which then needs no library of
 * quantc and no dlopen. For a model compiled with `-o minilm`:
 *
 *     cc link.c -DMODEL=minilm -include minilm.h -I<include> ./minilm.so \
 *        -Wl,-rpath,'$ORIGIN' -o link
 *     ./link
 */
#include "zeros.h"

#ifndef MODEL
#error "say which model: -DMODEL=minilm -include minilm.h"
#endif
#define JOIN(a, b) a##b
#define MODEL_OF(name) JOIN(name, _model)

int main(void) {
  quantc_options options = {0};
  options.threads = 2;
  return run_on_zeros(MODEL_OF(MODEL)(), &options, NULL, 0);
}
