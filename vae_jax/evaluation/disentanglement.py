"""Codes against known factors of variation, by every score in common use, and what each was measured on.

No score is comparable across definitions, sample sizes or bins; each is named by its definition. `matching` has the
scores of latents against factors, `interventions` those of batches in which a factor is held fixed.
"""

from typing import Any

import jax
import numpy as np

from vae_jax.distributions import Gaussian
from vae_jax.evaluation import interventions, matching

NUM_IMAGES = 10_000
FACTOR_BINS = 20  # of a factor that is not discrete
MAX_VALUES = 100  # a factor of more is binned


def scores(key: jax.Array, posterior: Gaussian, factors: np.ndarray, *, stochastic: bool = True) -> dict[str, Any]:
    """Score the posteriors of N images [N, D] against their factors [N, F], at most NUM_IMAGES of them at random.

    Args:
        key: of the samples that MIG in its authors' definition takes.
        stochastic: whether the posteriors have a width; without one that definition says nothing.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(factors))[:NUM_IMAGES])
    classes = as_classes(factors[rows])
    if not classes.shape[1]:
        return {"absent": "no factor has two values"}
    learning, _ = matching.halves(len(rows))
    if any(len(np.unique(column)) < 2 for column in classes[learning].T):
        return {"absent": f"{len(rows)} images are too few to learn their factors from"}
    codes = np.asarray(posterior.mean[rows], np.float64)
    result = {
        "num_images": len(rows),
        "values_of_factors": [int(size) for size in classes.max(axis=0) + 1],
        "mig_20_bins": matching.mig_of_bins(codes, classes),
        "factor_vae_score": interventions.factor_vae_score(codes, classes),
        "beta_vae_score": interventions.beta_vae_score(codes, classes),
        "dci_gradient_boosting": matching.dci(codes, classes),
        "sap_svm": matching.sap_of_classes(codes, classes),
        "sap_r2": matching.sap_of_numbers(codes, classes),
    }
    if stochastic:
        chosen = Gaussian(posterior.mean[rows], posterior.logvar[rows])
        result["mig_aggregate_posterior"] = matching.mig_of_posteriors(key, chosen, classes)
    return result


def as_classes(factors: np.ndarray) -> np.ndarray:
    """Number the values of each factor [N, F] from 0 on; one of more than MAX_VALUES falls into bins of equal mass.

    Factors of one value alone are left out.
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
