"""The tables of docs/results.md, from the evaluation.json of trained runs.

    python -m benchmarks.results --table=likelihood runs/mnist-k1-s0 runs/mnist-k1-s1 runs/mnist-k5-s0

Runs named NAME-sSEED are seeds of one row, NAME. A number is their mean, then the smallest and the largest; nothing is
said of a row that has no evaluation, and a number that some seed lacks is "-".
"""

import argparse
import json
import pathlib
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Column(NamedTuple):
    heading: str
    path: str  # of evaluation.json, keys joined by /
    digits: int = 2
    scale: float = 1.0


_ELBO = Column("-ELBO", "bound/elbo", 2, -1.0)
_ACTIVE = Column("active units", "latents/active_units", 0)
_FRECHET = Column("Fréchet, N(0, I)", "generated/samples/frechet_distance")
_MIXTURE = Column("Fréchet, mixture:10", "generated/samples of mixture:10/frechet_distance")
_FLOOR = Column("floor", "generated/floor/frechet_distance")
TABLES = {
    "likelihood": (
        _ELBO,
        Column("NLL", "bound/importance_weighted/bound", 2, -1.0),
        Column("K", "bound/importance_weighted/num_samples", 0),
        Column("images", "bound/importance_weighted/num_images", 0),
        _ACTIVE,
    ),
    "samples": (
        _ELBO,
        _ACTIVE,
        _FRECHET,
        _MIXTURE,
        Column("precision, N(0, I)", "generated/samples/precision", 3),
        Column("precision, mixture:10", "generated/samples of mixture:10/precision", 3),
        Column("recall, N(0, I)", "generated/samples/recall", 3),
        Column("recall, mixture:10", "generated/samples of mixture:10/recall", 3),
        _FLOOR,
    ),
    "reconstructions": (
        Column("MSE", "reconstruction/mse", 5),
        Column("PSNR, dB", "reconstruction/psnr"),
        _ACTIVE,
        Column("sharpness, images", "generated/reference/sharpness", 5),
        Column("reconstructions", "generated/reconstructions/sharpness", 5),
        Column("samples", "generated/samples/sharpness", 5),
        _FRECHET,
        _MIXTURE,
        Column("Fréchet, reconstructions", "generated/reconstructions/frechet_distance"),
        _FLOOR,
    ),
    "disentanglement": (
        _ELBO,
        _ACTIVE,
        Column("MIG, 20 bins", "disentanglement/mig_20_bins", 3),
        Column("MIG, q(z)", "disentanglement/mig_aggregate_posterior", 3),
        Column("FactorVAE score", "disentanglement/factor_vae_score", 3),
        Column("DCI disentanglement", "disentanglement/dci_gradient_boosting/disentanglement", 3),
        Column("DCI completeness", "disentanglement/dci_gradient_boosting/completeness", 3),
        Column("DCI informativeness", "disentanglement/dci_gradient_boosting/informativeness", 3),
    ),
}


def rows(runs: Mapping[str, Mapping[str, Any]], columns: Sequence[Column]) -> list[list[str]]:
    """Return a row for each NAME among the runs {NAME-sSEED: evaluation}: its name, how many seeds, the columns."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for name, evaluation in runs.items():
        groups.setdefault(re.sub(r"-s\d+$", "", name), []).append(evaluation)
    return [
        [name, str(len(seeds)), *(_spread([_at(seed, column) for seed in seeds], column.digits) for column in columns)]
        for name, seeds in groups.items()
    ]


def _at(evaluation: Mapping[str, Any], column: Column) -> float | None:
    value: Any = evaluation
    for key in column.path.split("/"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if value is None else column.scale * value


def _spread(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "-"
    low, high = min(known), max(known)
    if low == high:
        return f"{low:.{digits}f}"
    mean = sum(known) / len(known)
    return f"{mean:.{max(digits, 1)}f} ({low:.{digits}f} to {high:.{digits}f})"


def render(table: str, runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a Markdown table."""
    columns = TABLES[table]
    lines = [["run", "seeds", *(column.heading for column in columns)], ["---"] * (2 + len(columns))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines + rows(runs, columns))


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=TABLES, required=True)
    parser.add_argument("runs", nargs="+", type=pathlib.Path)
    given = parser.parse_args(arguments)
    files = {path.name: path / "evaluation.json" for path in given.runs}
    for name in [name for name, file in files.items() if not file.exists()]:
        print(f"{name} has no evaluation.json: left out", file=sys.stderr)
        del files[name]
    print(render(given.table, {name: json.loads(file.read_text()) for name, file in files.items()}))


if __name__ == "__main__":
    main(sys.argv[1:])
