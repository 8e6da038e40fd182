"""Prints the symbols that the kernels of each level need: undefined_symbols.py DIRECTORY CC

DIRECTORY has the folders of kernels.py, one an architecture.
"""

import os
import subprocess
import sys

LEVELS = {
    "x86_64": ["avx2", "avx2vnni", "avx512", "avx512vnni", "amx"],
    "aarch64": ["neon", "dotprod"],
}


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, **options).stdout


directory, cc = sys.argv[1:]
for architecture, levels in LEVELS.items():
    for level in levels:
        module = run(
            "quant-opt",
            os.path.join(directory, architecture, "fast.mlir"),
            f"--set-target-level=level={level}",
            "--compile-kernels",
        )
        assembly = os.path.join(directory, level + ".s")
        run("quant-translate", "--mlir-to-asm", "-", "-o", assembly, input=module)
        target = [f"--target={architecture}-linux-gnu"]
        if architecture == "aarch64":
            target.append("-march=armv8.2-a+dotprod")
        run(*cc.split(), *target, "-c", assembly, "-o", assembly + ".o")
        names = run("llvm-nm", "-u", "-j", assembly + ".o", text=True).split()
        print(f"{level}: {' '.join(sorted(names))}")
