#!/usr/bin/env python3
"""Fits the polynomials of include/quantc/Numerics/MathTables.h anew.

Prints every table as C++ literals, with the greatest error of the result
relative to the function's value. Needs mpmath. Takes a few seconds.

Each fit is a Remez exchange that minimises w(x) * |g(x) - p(x)|. Coefficients
are rounded to f32 one after the other, lowest power first, and those that are
left are fitted again, so that they make up for the rounding.
"""

import struct

from mpmath import cos, erf, erfc, exp, log, lu_solve, matrix, mp, mpf, pi, sqrt, tanh

mp.dps = 40
GRID = 600


def to_f32(x):
    return mpf(struct.unpack("<f", struct.pack("<f", float(x)))[0])


def remez(g, weight, low, high, powers):
    """Coefficients of `powers`, and the greatest weighted error on the grid."""
    count = len(powers)
    middle, half = (low + high) / 2, (high - low) / 2
    nodes = [middle - half * cos(pi * (2 * i + 1) / (2 * (count + 1)))
             for i in range(count + 1)]
    grid = [low + (high - low) * mpf(i) / GRID for i in range(GRID + 1)]
    values = [g(x) for x in grid]
    weights = [weight(x) for x in grid]
    for _ in range(12):
        system, right = matrix(count + 1, count + 1), matrix(count + 1, 1)
        for i, x in enumerate(nodes):
            for j, power in enumerate(powers):
                system[i, j] = x**power
            system[i, count] = mpf((-1) ** i) / weight(x)
            right[i] = g(x)
        solution = lu_solve(system, right)
        error = [weights[i] * (values[i] - sum(solution[j] * grid[i]**p
                                               for j, p in enumerate(powers)))
                 for i in range(GRID + 1)]
        # The greatest error of every stretch of one sign is the next node.
        stretches = [[0]]
        for i in range(1, GRID + 1):
            if (error[i] >= 0) == (error[stretches[-1][0]] >= 0):
                stretches[-1].append(i)
            else:
                stretches.append([i])
        extremes = [max(s, key=lambda i: abs(error[i])) for s in stretches]
        while len(extremes) > count + 1:
            smaller_end = 0 if abs(error[extremes[0]]) < abs(error[extremes[-1]]) else -1
            extremes.pop(smaller_end)
        if len(extremes) < count + 1:
            break
        nodes = [grid[i] for i in extremes]
    return [solution[j] for j in range(count)], max(abs(e) for e in error)


def fit(name, g, weight, low, high, powers, fixed=()):
    known = dict(fixed)
    powers = list(powers)
    error = None
    while powers:
        found, error = remez(lambda x: g(x) - sum(c * x**p for p, c in known.items()),
                             weight, mpf(low), mpf(high), powers)
        known[powers.pop(0)] = to_f32(found[0])
    print(f"{name}  // error 2^{float(log(error) / log(2)):.1f}")
    for power in sorted(known):
        mantissa, exponent = float(known[power]).hex().split("p")
        whole, _, fraction = mantissa.partition(".")
        print(f"    {whole}.{fraction[:6]}p{exponent}f,")


def near_zero(f, series, bound="1e-12"):
    """`f`, with its series where the quotient is 0 / 0."""
    return lambda x: series(x) if abs(x) < mpf(bound) else f(x)


def main():
    fit("kExp", exp, lambda r: 1 / exp(r), -log(2) / 2 * mpf("1.0005"),
        log(2) / 2 * mpf("1.0005"), range(2, 7), {0: mpf(1), 1: mpf(1)})

    fit("kTanh",
        near_zero(lambda s: (tanh(sqrt(s)) / sqrt(s) - 1) / s, lambda s: -mpf(1) / 3 + 2 * s / 15),
        near_zero(lambda s: s * sqrt(s) / tanh(sqrt(s)), lambda s: s),
        0, mpf("0.65625") ** 2, range(6))

    slope = 2 / sqrt(pi)
    fit("kErfSmall",
        near_zero(lambda s: erf(sqrt(s)) / sqrt(s) - 1, lambda s: slope - 1 - slope * s / 3),
        near_zero(lambda s: sqrt(s) / erf(sqrt(s)), lambda s: 1 / slope),
        0, mpf("0.9375") ** 2, range(7))
    fit("kErfLarge", lambda t: (log(erfc(t)) + t) / t, lambda t: t * erfc(t) / erf(t),
        "0.9375", 4, range(6))

    fit("kLog",
        near_zero(lambda f: (log(1 + f) - f + f * f / 2) / f**3,
                  lambda f: mpf(1) / 3 - f / 4 + f * f / 5, "1e-6"),
        near_zero(lambda f: f**3 / log(1 + f), lambda f: f * f, "1e-6"),
        sqrt(mpf(1) / 2) - 1 - mpf("1e-4"), sqrt(mpf(2)) - 1 + mpf("1e-4"), range(10))

    ln2 = log(mpf(2))
    fit("kGelu",
        near_zero(lambda a: log(erfc(a / sqrt(mpf(2)))) / ln2 / a,
                  lambda a: -sqrt(2 / pi) / ln2, "1e-9"),
        lambda a: a * a * erfc(a / sqrt(mpf(2))) / 2 + mpf("1e-9"), 0, 6, range(8))
    fit("kExp2Half", lambda r: exp(r * ln2) / 2, lambda r: 2 / exp(r * ln2),
        "-0.5005", "0.5005", range(1, 7), {0: mpf("0.5")})


if __name__ == "__main__":
    main()
