"""How well single latents match single factors of variation: MIG and SAP in two definitions each, DCI.

Codes are posterior means [N, D], factors integers [N, F], as `disentanglement.as_classes` makes them.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions import LOG_2PI, Gaussian
from vae_jax.inference.chunks import pad

BINS = 20  # of a code
NUM_TREES = 100  # of the boosting for each value of a factor
PAIRS_PER_CALL = 2**23


def entropy(classes: np.ndarray) -> float:
    """-sum p ln p of the classes' shares, nats."""
    share = np.bincount(classes) / len(classes)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def gap(scores: np.ndarray) -> np.ndarray:
    """The largest of each column less the second largest, of scores [D, F]: [F]; against 0 where D = 1."""
    ordered = np.sort(np.concatenate([scores, np.zeros((1, scores.shape[1]))]), axis=0)
    return ordered[-1] - (ordered[-2] if len(scores) > 1 else 0.0)


def mig_of_bins(codes: np.ndarray, factors: np.ndarray) -> float:
    """mean_f (I_1 - I_2) / H(f): mutual information of binned codes and factors, by counting.

    The definition of disentanglement_lib: BINS bins of equal width for each code.

    Reference: Locatello et al., 2019, arXiv 1811.12359, appendix C.
    """
    information = np.zeros((codes.shape[1], factors.shape[1]))
    for d, f in itertools.product(*map(range, information.shape)):
        edges = np.histogram_bin_edges(codes[:, d], BINS)
        binned = np.clip(np.digitize(codes[:, d], edges[:-1]) - 1, 0, BINS - 1)
        pairs = binned * (factors[:, f].max() + 1) + factors[:, f]
        information[d, f] = entropy(binned) + entropy(factors[:, f]) - entropy(pairs)
    return float((gap(information) / _entropies(factors)).mean())


def mig_of_posteriors(key: jax.Array, posterior: Gaussian, factors: np.ndarray, num_samples: int = 2_000) -> float:
    """mean_f (I_1 - I_2) / H(f), I = H(z_d) - H(z_d | f) at least 0, z from the aggregate posterior itself.

    The definition of the score's authors: entropies are means of -log q(z_d) and -log q(z_d | f), mixtures of all the
    posteriors and of those that share the factor's value, over `num_samples` samples.

    Reference: Chen et al., 2018, arXiv 1802.04942, equation 6 and appendix C.
    """
    choose, draw = jax.random.split(key)
    rows = np.asarray(jax.random.choice(choose, len(factors), (min(num_samples, len(factors)),), replace=False))
    z = np.asarray(Gaussian(posterior.mean[rows], posterior.logvar[rows]).sample(draw))
    chunk = min(len(rows), max(1, PAIRS_PER_CALL // np.size(posterior.mean)))
    parts = []
    for start in range(0, len(rows), chunk):
        part = pad(z[start : start + chunk], chunk), pad(factors[rows[start : start + chunk]], chunk)
        parts.append(jax.device_get(_log_densities(*part, posterior.mean, posterior.logvar, factors)))
    marginal, conditional = (
        np.concatenate(column, axis=-2)[..., : len(rows), :] for column in zip(*parts, strict=True)
    )
    information = (conditional - marginal[None]).mean(axis=1).T  # [D, F]
    return float((gap(np.maximum(information, 0.0)) / _entropies(factors)).mean())


@jax.jit
def _log_densities(
    z: jax.Array, values: jax.Array, mean: jax.Array, logvar: jax.Array, factors: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """log q(z_d) [B, D] and log q(z_d | f) [F, B, D] of z [B, D] drawn from images of factors `values` [B, F]."""
    error = (z[:, None] - mean[None]) * jnp.exp(-0.5 * logvar)[None]
    pairs = -0.5 * (LOG_2PI + logvar[None] + jnp.square(error))  # [B, N, D]
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
    """Rows that learn, and rows that judge what was learned."""
    order = np.random.default_rng(0).permutation(num)
    return order[: num // 2], order[num // 2 :]


def dci(codes: np.ndarray, factors: np.ndarray) -> dict[str, float]:
    """Disentanglement, completeness and informativeness, from boosted trees that tell a factor from the codes.

    Half of the images train, the other half give informativeness, the mean accuracy. Importances are the trees' own;
    the learner is disentanglement_lib's, scikit-learn's gradient boosting as it comes.

    Reference: Eastwood and Williams, 2018, "A framework for the quantitative evaluation of disentangled
    representations", sections 2 and 3.
    """
    import joblib
    from sklearn.ensemble import GradientBoostingClassifier

    train, test = halves(len(codes))

    def learn(column: np.ndarray) -> tuple[np.ndarray, float]:
        trees = GradientBoostingClassifier(n_estimators=NUM_TREES, random_state=0).fit(codes[train], column[train])
        return trees.feature_importances_, trees.score(codes[test], column[test])

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

    sum_d rho_d (1 - H_F(R_d / sum R_d)), rho the rows' share of all, and the same of the columns in base D.
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
    """mean_f of the gap between the two best codes' accuracies, each telling f's value by a linear SVM, balanced.

    disentanglement_lib's, with its C of 0.01; half of the images train. Perfect codes do not score 1: chance is taken
    off (two values: 0.5), and of many values a line through one code tells but the outer ones well.

    Reference: Kumar et al., 2018, arXiv 1711.00848, section 4.
    """
    from sklearn.svm import LinearSVC

    train, test = halves(len(codes))
    accuracies = np.zeros((codes.shape[1], factors.shape[1]))
    for d, f in itertools.product(*map(range, accuracies.shape)):
        machine = LinearSVC(C=0.01, class_weight="balanced", dual=False).fit(codes[train, d : d + 1], factors[train, f])
        accuracies[d, f] = machine.score(codes[test, d : d + 1], factors[test, f])
    return float(gap(accuracies).mean())


def sap_of_numbers(codes: np.ndarray, factors: np.ndarray) -> float:
    """mean_f of the gap between the two largest R^2 of a factor's linear regression on one code.

    Takes factors for ordered numbers, as the paper does for continuous ones; it means little of categories.

    Reference: Kumar et al., 2018, arXiv 1711.00848, section 4.
    """
    codes = codes - codes.mean(0)
    numbers = factors - factors.mean(0)
    variances = np.square(codes).sum(0)[:, None] * np.square(numbers).sum(0)[None]
    squares = np.square(codes.T @ numbers) / np.where(variances > 0, variances, 1.0)
    return float(gap(squares).mean())
