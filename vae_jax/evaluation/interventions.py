"""FactorVAE's and BetaVAE's scores: which factor was held fixed in a batch, told from its codes.

Batches are drawn from the codes of images that share a value of one factor, so that no generator of images is needed.
Codes are posterior means [N, D], factors integers [N, F].
"""

import numpy as np

BATCH = 64  # images in a batch of which one factor is fixed
NUM_TRAIN, NUM_TEST = 10_000, 5_000
PRUNED = 0.05  # standard deviation below which a latent does not vote
CHUNK = 1_000


def factor_vae_score(codes: np.ndarray, factors: np.ndarray) -> float:
    """Accuracy of the majority vote: latent d = argmin_d Var_batch(z_d) / Var(z_d) -> the factor that was fixed.

    NUM_TRAIN votes make the table, NUM_TEST others are judged by it. 0 where no latent varies.

    Reference: Kim and Mnih, 2018, arXiv 1802.05983, section 4.
    """
    variances = codes.var(axis=0, ddof=1)
    kept = np.sqrt(variances) >= PRUNED
    if not kept.any():
        return 0.0
    scaled = codes[:, kept] / np.sqrt(variances[kept])
    rng = np.random.default_rng(0)

    def votes(num: int) -> tuple[np.ndarray, np.ndarray]:
        fixed, rows = _draw(rng, factors, num, BATCH)
        chunks = [rows[start : start + CHUNK] for start in range(0, num, CHUNK)]
        return np.concatenate([scaled[chunk].var(axis=1, ddof=1).argmin(1) for chunk in chunks]), fixed

    table = np.zeros((scaled.shape[1], factors.shape[1]), int)
    np.add.at(table, votes(NUM_TRAIN), 1)
    latent, fixed = votes(NUM_TEST)
    return float((table.argmax(1)[latent] == fixed).mean())


def beta_vae_score(codes: np.ndarray, factors: np.ndarray) -> float:
    """Accuracy of a logistic regression from mean |z - z'| over BATCH pairs that share a factor to which factor.

    Reference: Higgins et al., 2017, "beta-VAE", section 2.
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)

    def differences(num: int) -> tuple[np.ndarray, np.ndarray]:
        fixed, rows = _draw(rng, factors, num, 2 * BATCH, pairs=True)
        chunks = [rows[start : start + CHUNK] for start in range(0, num, CHUNK)]
        means = [np.abs(codes[chunk[:, ::2]] - codes[chunk[:, 1::2]]).mean(axis=1) for chunk in chunks]
        return np.concatenate(means), fixed

    inputs, fixed = differences(NUM_TRAIN)
    if len(np.unique(fixed)) == 1:
        return 1.0
    scale = inputs.std(axis=0) + 1e-12
    classifier = LogisticRegression(max_iter=200).fit(inputs / scale, fixed)
    inputs, fixed = differences(NUM_TEST)
    return float(classifier.score(inputs / scale, fixed))


def _draw(
    rng: np.random.Generator, factors: np.ndarray, num: int, size: int, *, pairs: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Which factor is fixed, [num], and the rows [num, size] that share a value of it.

    With `pairs`, only rows 2i and 2i + 1 share a value, one that is drawn for each pair.
    """
    fixed = rng.integers(factors.shape[1], size=num)
    rows = np.empty((num, size), np.int64)
    for f in range(factors.shape[1]):
        order = np.argsort(factors[:, f], kind="stable")
        counts = np.bincount(factors[:, f])
        starts = np.cumsum(counts) - counts
        mine = fixed == f
        shape = (int(mine.sum()), size // 2 if pairs else 1)
        value = rng.choice(np.flatnonzero(counts), size=shape).repeat(2 if pairs else size, axis=1)
        rows[mine] = order[starts[value] + (rng.random(value.shape) * counts[value]).astype(np.int64)]
    return fixed, rows
