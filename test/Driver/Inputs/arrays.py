"""Writes the arrays of run.test to a folder: good ones and bad ones."""

import os
import sys

import numpy as np

os.chdir(sys.argv[1])
x = np.arange(8, dtype=np.float32).reshape(2, 4)
np.save("c.npy", x)
np.save("fortran.npy", np.asfortranarray(x))
np.savez("arrays.npz", other=np.zeros(3), x=x)
np.savez("other.npz", a=x, b=x)
np.savez_compressed("compressed.npz", x=x)
np.save("l.npy", x + 1)
np.save("n.npy", np.array([7, 8]))
np.save("rank.npy", x[0])
np.save("size.npy", np.zeros((2, 5), np.float32))
np.save("big-endian.npy", x.astype(">f4"))
np.save("text.npy", np.array(["abc"]))
open("empty.npy", "w").close()
for name, end in [("c.npy", -24), ("arrays.npz", -30)]:
    data = open(name, "rb").read()
    open(name.replace("c.npy", "cut.npy").replace("arrays", "cut"), "wb").write(data[:end])
damaged = bytearray(open("arrays.npz", "rb").read())
damaged[damaged.find(x.tobytes()) + 5] ^= 1
open("damaged.npz", "wb").write(damaged)
