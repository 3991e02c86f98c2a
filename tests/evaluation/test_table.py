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
