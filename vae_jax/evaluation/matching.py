"""How well single latents match single factors of variation: MIG and SAP in two definitions each, and DCI.

Codes are flat codes [N, D], such as posterior means, and factors are integers [N, F], as `disentanglement.as_classes`
makes them.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.inference.chunks import pad

BINS = 20  # of a code
NUM_TREES = 100  # of the boosting for each value of a factor
PAIRS_PER_CALL = 2**23


def entropy(classes: np.ndarray) -> float:
    """Return the entropy of classes [N], -sum p ln p of their shares, in nats."""
    share = np.bincount(classes) / len(classes)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def gap(scores: np.ndarray) -> np.ndarray:
    """Return the largest of each column of scores [D, F] less the second largest, [F]; less 0 where D = 1."""
    ordered = np.sort(np.concatenate([scores, np.zeros((1, scores.shape[1]))]), axis=0)
    return ordered[-1] - (ordered[-2] if len(scores) > 1 else 0.0)


def mig_of_bins(codes: np.ndarray, factors: np.ndarray) -> float:
    """Return MIG, mean_f (I_1 - I_2) / H(f), with the mutual information of binned codes and factors by counting.

    The definition of disentanglement_lib: BINS bins of equal width for each latent of the codes.

    References:
        Locatello et al., 2019, arXiv 1811.12359, appendix C.
    """
    information = np.zeros((codes.shape[1], factors.shape[1]))
    for d, f in itertools.product(*map(range, information.shape)):
        edges = np.histogram_bin_edges(codes[:, d], BINS)
        binned = np.clip(np.digitize(codes[:, d], edges[:-1]) - 1, 0, BINS - 1)
        pairs = binned * (factors[:, f].max() + 1) + factors[:, f]
        information[d, f] = entropy(binned) + entropy(factors[:, f]) - entropy(pairs)
    return float((gap(information) / _entropies(factors)).mean())


def mig_of_posteriors(key: jax.Array, posterior: Any, factors: np.ndarray, num_samples: int = 2_000) -> float:
    """Return MIG, mean_f (I_1 - I_2) / H(f), with I = H(z_d) - H(z_d | f) of z from the aggregate posterior.

    The definition of the score's authors: the entropies are means of -log q(z_d) and -log q(z_d | f) over `num_samples`
    samples, where q(z_d) mixes all the posteriors and q(z_d | f) those of images that share the factor's value. An
    estimate of I below 0 counts as 0.

    Args:
        key: of the samples.
        posterior: q(z|x) of N images, a distribution over latents [N, D] with `log_density`.
        factors: [N, F].
        num_samples: images of which one sample each is taken, at most.

    References:
        Chen et al., 2018, arXiv 1802.04942, equation 6 and appendix C.
    """
    choose, draw = jax.random.split(key)
    rows = np.asarray(jax.random.choice(choose, len(factors), (min(num_samples, len(factors)),), replace=False))
    z = np.asarray(jax.tree.map(lambda leaf: leaf[rows], posterior).sample(draw))
    chunk = min(len(rows), max(1, PAIRS_PER_CALL // (len(factors) * z.shape[1])))
    parts = []
    for start in range(0, len(rows), chunk):
        part = pad(z[start : start + chunk], chunk), pad(factors[rows[start : start + chunk]], chunk)
        parts.append(jax.device_get(_log_densities(*part, posterior, factors)))
    marginal, conditional = (
        np.concatenate(column, axis=-2)[..., : len(rows), :] for column in zip(*parts, strict=True)
    )
    information = (conditional - marginal[None]).mean(axis=1).T  # [D, F]
    return float((gap(np.maximum(information, 0.0)) / _entropies(factors)).mean())


@jax.jit
def _log_densities(z: jax.Array, values: jax.Array, posterior: Any, factors: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return log q(z_d) [B, D] and log q(z_d | f) [F, B, D] of z [B, D] from images of factors `values` [B, F]."""
    pairs = posterior.log_density(jnp.broadcast_to(z[:, None], (len(z), len(factors), z.shape[1])))  # [B, N, D]
    largest = pairs.max(axis=1, keepdims=True)
    densities = jnp.exp(pairs - largest)
    same = (values.T[:, :, None] == factors.T[:, None, :]).astype(z.dtype)  # [F, B, N]
    conditional = jnp.einsum("fbn,bnd->fbd", same, densities) / same.sum(-1, keepdims=True)
    tiny = jnp.finfo(z.dtype).tiny
    shift = largest[:, 0]
    return jnp.log(densities.mean(1)) + shift, jnp.log(jnp.maximum(conditional, tiny)) + shift[None]


def _entropies(factors: np.ndarray) -> np.ndarray:
    return np.array([entropy(column) for column in factors.T])


def halves(num: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that a learner is trained on, and the rows that it is judged on: a fixed random half each."""
    order = np.random.default_rng(0).permutation(num)
    return order[: num // 2], order[num // 2 :]


def dci(codes: np.ndarray, factors: np.ndarray) -> dict[str, float]:
    """Return disentanglement, completeness and informativeness, from boosted trees that tell a factor from the codes.

    Half of the images train the trees, and the other half give informativeness, the mean accuracy. Importances are the
    trees' own. The learner is disentanglement_lib's: scikit-learn's gradient boosting with its default settings.

    References:
        Eastwood and Williams, 2018, "A framework for the quantitative evaluation of disentangled representations",
        sections 2 and 3.
    """
    import joblib
    from sklearn.ensemble import GradientBoostingClassifier

    train, test = halves(len(codes))

    def learn(column: np.ndarray) -> tuple[np.ndarray, float]:
        trees = GradientBoostingClassifier(n_estimators=NUM_TREES, random_state=0).fit(codes[train], column[train])
        return np.asarray(trees.feature_importances_), trees.score(codes[test], column[test])

    learned = joblib.Parallel(n_jobs=-1, prefer="threads")(joblib.delayed(learn)(column) for column in factors.T)
    importances, accuracies = zip(*learned, strict=True)
    disentanglement, completeness = dci_of_importances(np.stack(importances, axis=1))
    return {
        "disentanglement": disentanglement,
        "completeness": completeness,
        "informativeness": float(np.mean(accuracies)),
    }


def dci_of_importances(importances: np.ndarray) -> tuple[float, float]:
    """Return (disentanglement, completeness) of importances R [D, F].

    Disentanglement is sum_d rho_d (1 - H(R_d / sum R_d)), with the entropy H in base F and rho_d the share of row d in
    the sum of R. Completeness is the same of the columns, with the entropy in base D.
    """
    return _one_less_entropy(importances), _one_less_entropy(importances.T)


def _one_less_entropy(rows: np.ndarray) -> float:
    mass = rows.sum(axis=1)
    if not mass.any():
        return 0.0
    if rows.shape[1] == 1:
        return 1.0
    share = rows / np.where(mass > 0, mass, 1.0)[:, None]
    entropies = -(share * np.log(np.where(share > 0, share, 1.0))).sum(1) / np.log(rows.shape[1])
    return float((mass / mass.sum() * (1.0 - entropies)).sum())


def sap_of_classes(codes: np.ndarray, factors: np.ndarray) -> float:
    """Return SAP of classes: the gap between the two best latents' accuracies on a factor, averaged over factors.

    Each latent tells the factor's value by a balanced linear SVM with C = 0.01, as in disentanglement_lib; half of the
    images train. Perfect codes do not score 1: the second best latent still has the accuracy of chance, which is 0.5
    for two values, and of many values a linear function of one latent tells only the outer ones well.

    References:
        Kumar et al., 2018, arXiv 1711.00848, section 4.
    """
    from sklearn.svm import LinearSVC

    train, test = halves(len(codes))
    accuracies = np.zeros((codes.shape[1], factors.shape[1]))
    for d, f in itertools.product(*map(range, accuracies.shape)):
        machine = LinearSVC(C=0.01, class_weight="balanced", dual=False)  # pyright: ignore[reportArgumentType]
        machine.fit(codes[train, d : d + 1], factors[train, f])
        accuracies[d, f] = machine.score(codes[test, d : d + 1], factors[test, f])
    return float(gap(accuracies).mean())


def sap_of_numbers(codes: np.ndarray, factors: np.ndarray) -> float:
    """Return SAP of numbers: the gap between the two largest R^2 of a factor on one latent, averaged over factors.

    Factors are taken for ordered numbers, as the paper takes continuous ones; for categories the score means little.

    References:
        Kumar et al., 2018, arXiv 1711.00848, section 4.
    """
    codes = codes - codes.mean(0)
    numbers = factors - factors.mean(0)
    variances = np.square(codes).sum(0)[:, None] * np.square(numbers).sum(0)[None]
    squares = np.square(codes.T @ numbers) / np.where(variances > 0, variances, 1.0)
    return float(gap(squares).mean())
