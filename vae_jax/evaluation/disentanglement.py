"""Codes against known factors of variation, by every score in common use, and what each was measured on.

Scores of different definitions, numbers of images or bins do not compare; each is named by its definition. `matching`
has the scores of latents against factors, and `interventions` those of batches in which a factor is held fixed.
"""

from typing import Any

import jax
import numpy as np

from vae_jax.evaluation import interventions, matching

NUM_IMAGES = 10_000
FACTOR_BINS = 20  # of a factor that is not discrete
MAX_VALUES = 100  # a factor of more is binned

NO_MIG = "needs one posterior per image, with a density of each latent by itself"


def scores(key: jax.Array, code: np.ndarray, posterior: Any | None, factors: np.ndarray) -> dict[str, Any]:
    """Return the scores of N images' codes against their factors, on at most NUM_IMAGES of them at random.

    Args:
        key: of the samples that MIG in its authors' definition takes.
        code: flat codes, [N, D].
        posterior: q(z|x) of the images; None for codes without a density, for which that MIG is absent.
        factors: [N, F].
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(factors))[:NUM_IMAGES])
    classes = as_classes(factors[rows])
    if not classes.shape[1]:
        return {"absent": "no factor has two values"}
    learning, _ = matching.halves(len(rows))
    if any(len(np.unique(column)) < 2 for column in classes[learning].T):
        return {"absent": f"{len(rows)} images are too few to learn their factors from"}
    codes = np.asarray(code[rows], np.float64)
    result = {
        "num_images": len(rows),
        "values_of_factors": [int(size) for size in classes.max(axis=0) + 1],
        "mig_20_bins": matching.mig_of_bins(codes, classes),
        "factor_vae_score": interventions.factor_vae_score(codes, classes),
        **interventions.beta_vae_scores(codes, classes),
        "dci_gradient_boosting": matching.dci(codes, classes),
        "sap_svm": matching.sap_of_classes(codes, classes),
        "sap_r2": matching.sap_of_numbers(codes, classes),
    }
    if not hasattr(posterior, "log_density"):
        return result | {"no_mig_aggregate_posterior": NO_MIG}
    chosen = jax.tree.map(lambda leaf: leaf[rows], posterior)
    return result | {"mig_aggregate_posterior": matching.mig_of_posteriors(key, chosen, classes)}


def as_classes(factors: np.ndarray) -> np.ndarray:
    """Return factors [N, F] with the values of each numbered from 0 on, without the factors that have one value only.

    A factor of more than MAX_VALUES values is put into FACTOR_BINS bins of equal mass.
    """
    columns = []
    for column in np.asarray(factors).T:
        values, classes = np.unique(column, return_inverse=True)
        if len(values) > MAX_VALUES:
            edges = np.quantile(column, np.linspace(0, 1, FACTOR_BINS + 1)[1:-1])
            classes = np.unique(np.searchsorted(edges, column, side="right"), return_inverse=True)[1]
        if len(values) > 1:
            columns.append(classes)
    return np.stack(columns, axis=1) if columns else np.zeros((len(factors), 0), int)
