"""The tables of docs/results.md, from evaluations written by hand."""

import json

from benchmarks import results


def evaluation(elbo, units):
    weighted = {"bound": elbo + 3.5, "num_samples": 100, "num_images": 10}
    return {"bound": {"elbo": elbo, "importance_weighted": weighted}, "latents": {"active_units": units}}


def test_seeds_of_a_row_are_averaged_and_their_spread_shown():
    runs = {"k1-s0": evaluation(-94.0, 19), "k1-s10": evaluation(-95.0, 22), "k5-s0": evaluation(-97.0, 22)}
    lines = results.render("likelihood", runs).splitlines()
    assert lines[0] == "| run | seeds | -ELBO | NLL | K | images | active units |"
    assert lines[2] == "| k1 | 2 | 94.50 (94.00 to 95.00) | 91.00 (90.50 to 91.50) | 100 | 10 | 20.5 (19 to 22) |"
    assert lines[3] == "| k5 | 1 | 97.00 | 93.50 | 100 | 10 | 22 |"


def test_what_a_seed_lacks_is_not_averaged_away():
    lacking = evaluation(-95.0, 20)
    del lacking["latents"]
    lines = results.render("likelihood", {"a-s0": evaluation(-94.0, 19), "a-s1": lacking}).splitlines()
    assert lines[2].endswith("| - |")


def test_runs_without_an_evaluation_are_left_out_and_named(tmp_path, capsys):
    for name in ("a-s0", "a-s1"):
        (tmp_path / name).mkdir()
    (tmp_path / "a-s1" / "evaluation.json").write_text(json.dumps(evaluation(-94.0, 19)))
    results.main(["--table=likelihood", *(str(tmp_path / name) for name in ("a-s0", "a-s1"))])
    told = capsys.readouterr()
    assert "a-s0 has no evaluation.json" in told.err and "| a | 1 | 94.00 |" in told.out
