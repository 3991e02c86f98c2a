"""FactorVAE's and BetaVAE's scores: how well the factor that was held fixed in a batch is told from the batch's codes.

Batches are drawn from the codes of images that share a value of one factor, so that no generator of images is needed.
Codes are flat codes [N, D], such as posterior means, and factors are integers [N, F].
"""

import numpy as np

BATCH = 64  # images in a batch of which one factor is fixed
NUM_TRAIN, NUM_TEST = 10_000, 5_000
PRUNED = 0.05  # standard deviation below which a latent does not vote
CHUNK = 1_000


def factor_vae_score(codes: np.ndarray, factors: np.ndarray) -> float:
    """Return the accuracy of the majority vote: latent d = argmin_d Var_batch(z_d) / Var(z_d) -> the fixed factor.

    NUM_TRAIN votes make the table, and NUM_TEST others are judged by the table. The score is 0 where no latent varies.

    References:
        Kim and Mnih, 2018, arXiv 1802.05983, section 4.
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


def beta_vae_scores(codes: np.ndarray, factors: np.ndarray) -> dict[str, float]:
    """Return the accuracy of a logistic regression that tells the shared factor from mean |z - z'| over BATCH pairs.

    Returns:
        `beta_vae_score`: the regression's inputs are divided by their standard deviations, so that the score does not
        depend on the scale of the codes. `beta_vae_score_raw_inputs`: the inputs are taken as they are, as
        disentanglement_lib does; codes of small scale score lower, since the regression's weights are penalised.

    References:
        Higgins et al., 2017, "beta-VAE", section 2; Locatello et al., 2019, arXiv 1811.12359 (disentanglement_lib).
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)

    def differences(num: int) -> tuple[np.ndarray, np.ndarray]:
        fixed, rows = _draw(rng, factors, num, 2 * BATCH, pairs=True)
        chunks = [rows[start : start + CHUNK] for start in range(0, num, CHUNK)]
        means = [np.abs(codes[chunk[:, ::2]] - codes[chunk[:, 1::2]]).mean(axis=1) for chunk in chunks]
        return np.concatenate(means), fixed

    inputs, fixed = differences(NUM_TRAIN)
    test_inputs, test_fixed = differences(NUM_TEST)
    scales = {"beta_vae_score": inputs.std(axis=0) + 1e-12, "beta_vae_score_raw_inputs": 1.0}
    if len(np.unique(fixed)) == 1:
        return dict.fromkeys(scales, 1.0)
    scores = {}
    for name, scale in scales.items():
        classifier = LogisticRegression(max_iter=200).fit(inputs / scale, fixed)
        scores[name] = float(classifier.score(test_inputs / scale, test_fixed))
    return scores


def _draw(
    rng: np.random.Generator, factors: np.ndarray, num: int, size: int, *, pairs: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor that is fixed in each batch, [num], and the batches' rows [num, size], which share its value.

    With `pairs`, only rows 2i and 2i + 1 share a value, which is drawn for each pair by itself.
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
