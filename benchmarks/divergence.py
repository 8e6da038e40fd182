"""How far a language model is from another: by logits, one sequence at a time."""

import numpy as np

ROWS = 64  # logits of so many positions are in memory as float64 at once


def log_probabilities(logits):
    """log softmax over the last axis, in float64."""
    x = logits.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    x -= np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return x


class Divergence:
    """Sums over sequences of what `add` is given; the properties are means.

    kl: of KL(reference || found) over all positions, in nats.
    perplexity: exp of the mean of -log p(next token) over the positions that have a next token.
    agreement: how often both find the same token most likely.
    """

    def __init__(self):
        self.kl_sum = self.nll_sum = self.reference_nll_sum = 0.0
        self.same = self.positions = self.predictions = 0

    def add(self, reference, found, tokens):
        """Logits [length, vocabulary] of both, and the tokens [length] they were computed for."""
        length = len(tokens)
        if reference.shape != found.shape or len(found) != length:
            raise RuntimeError(
                f"logits of shape {found.shape} instead of {reference.shape} for {length} tokens"
            )
        for start in range(0, length, ROWS):
            rows = slice(start, min(start + ROWS, length))
            p, q = log_probabilities(reference[rows]), log_probabilities(found[rows])
            self.kl_sum += float((np.exp(p) * (p - q)).sum())
            self.same += int((p.argmax(axis=-1) == q.argmax(axis=-1)).sum())
            following = tokens[start + 1 : rows.stop + 1]
            at = np.arange(len(following))
            self.nll_sum -= float(q[at, following].sum())
            self.reference_nll_sum -= float(p[at, following].sum())
        self.positions += length
        self.predictions += length - 1

    @property
    def kl(self):
        return self.kl_sum / self.positions

    @property
    def perplexity(self):
        return float(np.exp(self.nll_sum / self.predictions))

    @property
    def reference_perplexity(self):
        return float(np.exp(self.reference_nll_sum / self.predictions))

    @property
    def agreement(self):
        return self.same / self.positions
