"""The table says every number once, under its heading."""

from vae_jax.evaluation import table


def test_sections_are_grouped_in_order_and_long_lists_cut():
    said = table.render(
        {
            "latents": {"verdict": "Not collapsed: " + "word " * 40, "kl_per_dimension": [0.1 * i for i in range(20)]},
            "bound": {"elbo": -12.34567, "importance_weighted": {"num_samples": 1000, "tiny": 1.5e-5}},
            "disentanglement": {"values_of_factors": [3, 40, 6]},
            "checkpoint": 3,
        }
    ).splitlines()
    assert said[0].startswith("Bounds") and said[1].split() == ["elbo", "-12.3457"]
    assert said[3].split() == ["num", "samples", "1,000"] and said[4].endswith("1.5e-05")
    assert "1.90, 1.80, 1.70" in "".join(said) and any(line.endswith("and 4 more") for line in said)
    assert said[-1].endswith("  3, 40, 6")
    assert max(map(len, said)) <= table.WIDTH and not any("checkpoint" in line for line in said)


def test_sections_of_numbers_alone_are_rows_of_one_table():
    sets = {"samples": {"frechet_distance": 5.0, "recall": 0.5}, "reference": {"sharpness": 1.0}}
    section = {"num_images": 9, "features": {"name": "random", "dimension": 64}} | sets
    taken = table.parts(section)
    assert (taken.values, taken.sections, taken.rows) == ({"num_images": 9}, {"features": section["features"]}, sets)
    assert table.columns(taken.rows) == ["frechet_distance", "recall", "sharpness"]
    head, first, second = table.render({"generated": section}).splitlines()[-3:]
    assert head.split() == ["frechet", "distance", "recall", "sharpness"]
    assert first.split() == ["samples", "5.0000", "0.5000", "-"] and second.split() == ["reference", "-", "-", "1.0000"]
    assert head.index("recall") == first.index("0.5") and head.index("sharpness") == second.index("1.0")
    assert table.parts({"one": {"alone": 1.0}}).rows == {}
