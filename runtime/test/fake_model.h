/*===-- fake_model.h - What the fake model and its test agree on ----*- C
 * -*-===*/
#ifndef FAKE_MODEL_H
#define FAKE_MODEL_H

/* The weights are the floats 1 2 3 4. That their hash is this one is also a
 * test that the hash never changes. */
#define WEIGHTS_HASH UINT64_C(0x68fb991dd5ed945c)

#endif /* FAKE_MODEL_H */
