"""What is passed over, refused or named: runs, other suffixes, archives, encryption."""

import tarfile
import zipfile

import numpy as np
import pytest
from made_images import levels, png, write_tree, write_zip

from vae_jax import errors
from vae_jax.data import file_kinds, sources, stores

RUN = ["config.json", "metrics.jsonl", "checkpoints/3/_METADATA"]


def with_run(root, at="runs/digits"):
    for name in RUN:
        (root / at / name).parent.mkdir(parents=True, exist_ok=True)
        (root / at / name).write_text("{}")
    write_tree(root, [f"{at}/images/samples_3.png", f"{at}/samples.png"], first=100)


def load(data_config, place, **fields):
    return sources.load(data_config(source="folder", dir=str(place), **fields))


@pytest.mark.parametrize("at", ["runs/digits", "digits", "a/runs", "my runs/[x]/y"])
def test_the_pictures_of_runs_are_never_data(tmp_path, data_config, monkeypatch, capsys, at):
    root = write_tree(tmp_path / "photos", [f"a/{i}.png" for i in range(9)])
    monkeypatch.chdir(root)
    before = load(data_config, ".")
    with_run(root, at)
    after = load(data_config, ".")
    assert sorted(levels(after.train) + levels(after.valid)) == list(range(9))
    np.testing.assert_array_equal(after.train["name"], before.train["name"])
    assert after.label_names == ("a",)
    assert f"passed over 1 directories that hold runs: {at}" in capsys.readouterr().err


def test_runs_in_zips(tmp_path, data_config, capsys):
    place = write_zip(tmp_path / "d.zip", [f"p/a/{i}.png" for i in range(9)])
    with zipfile.ZipFile(place, "a") as archive:
        for name in RUN:
            archive.writestr(f"p/runs/x/{name}", "{}")
        archive.writestr("p/runs/x/samples.png", png(100))
    data = load(data_config, place)
    assert sorted(levels(data.train) + levels(data.valid)) == list(range(9))
    assert "passed over 1 directories that hold runs: p/runs/x" in capsys.readouterr().err


def test_a_run_itself_is_refused_and_its_pictures_may_be_asked_for(tmp_path, data_config):
    with_run(tmp_path, "run")
    with pytest.raises(errors.UserError, match="is the directory of a run, not of data: set --config.data.dir"):
        load(data_config, tmp_path / "run")
    assert len(load(data_config, tmp_path / "run" / "images").train["image"]) == 1


def test_files_that_are_not_used_are_counted_by_suffix(tmp_path, data_config, capsys):
    root = write_tree(tmp_path / "d", ["a/1.png", "a/2.png", "a/.hidden.png"])
    for name in ("x.heic", "y.HEIC", "z.heic", "notes.txt", "raw", "a/.DS_Store"):
        (root / name).write_bytes(b"x")
    load(data_config, root)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("not used")]
    assert line.startswith("not used: 3 .heic, 1 ") and "1 .txt" in line and "1 hidden" in line
    assert "1 suffixless" in line and "DS_Store" not in line
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        archive.writestr("a/1.png", png(1))
        archive.writestr("a/1.avif", b"x")
        archive.writestr("__MACOSX/a/._1.png", b"x")
    load(data_config, tmp_path / "d.zip")
    assert "not used: 1 .avif, 1 hidden files" in capsys.readouterr().err


def test_nothing_is_said_where_everything_is_used(tmp_path, data_config, capsys):
    load(data_config, write_tree(tmp_path / "d", [f"a/{i}.png" for i in range(12)], first=200))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["d:", "found", "pixel"]  # decoded, found, range


def test_suffixes_of_a_folder_without_images(tmp_path, data_config):
    (tmp_path / "d").mkdir()
    for i in range(3):
        (tmp_path / "d" / f"{i}.heic").write_bytes(b"x")
    with pytest.raises(errors.UserError, match=r"of \.jpg \.jpeg \.png .*it holds 3 \.heic files"):
        load(data_config, tmp_path / "d")


def encrypted(path, names):
    write_zip(path, names)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    path.write_bytes(data)
    return path


def test_encrypted_zips_say_so(tmp_path, data_config, capsys):
    with pytest.raises(errors.UserError, match="is encrypted: unpack it with its password"):
        load(data_config, encrypted(tmp_path / "d.zip", ["a/1.png", "a/2.png"]))
    place = write_zip(tmp_path / "part.zip", ["a/1.png", "a/2.png"])
    other = encrypted(tmp_path / "other.zip", ["a/3.png"])
    with zipfile.ZipFile(place, "a") as archive, zipfile.ZipFile(other) as source:
        info = source.getinfo("a/3.png")
        archive.writestr("a/3.png", png(9))
        archive.getinfo("a/3.png").flag_bits |= info.flag_bits
    load(data_config, place)
    assert "a/3.png (encrypted)" in capsys.readouterr().err


ARCHIVES = {
    "d.tar": "tar",
    "d.tar.gz": "tar",
    "d.tgz": "tar",
    "d.tar.xz": "tar",
    "d.7z": "7z",
    "d.rar": "rar",
    "d.gz": "gzip",
    "d.zst": "zstd",
}
STARTS = {"7z": b"7z\xbc\xaf\x27\x1c", "rar": b"Rar!\x1a\x07\x01", "gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}


@pytest.mark.parametrize("name", ARCHIVES)
def test_other_archives_are_named(tmp_path, data_config, name):
    root = write_tree(tmp_path / "d", ["a/1.png"])
    kind = ARCHIVES[name]
    if kind == "tar":
        mode = {"d.tar": "w", "d.tar.xz": "w:xz"}.get(name, "w:gz")
        with tarfile.open(tmp_path / name, mode) as archive:
            archive.add(root, "d")
    else:
        (tmp_path / name).write_bytes(STARTS[kind] + bytes(600))
    with pytest.raises(errors.UserError, match=f"is a {kind} archive, which is not read: unpack it and set"):
        load(data_config, tmp_path / name)


def test_arrays_name_their_source(tmp_path, data_config):
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 4, 4), np.uint8))
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 4), np.uint8))
    for name in ("a.npz", "a.npy"):
        with pytest.raises(errors.UserError, match="is a file of arrays: set --config.data.source=npz"):
            load(data_config, tmp_path / name)
    assert file_kinds.kind_of(tmp_path / "a.npz") == "npz"


@pytest.mark.parametrize("sizes, flag", [([(32, 32)], "32,32"), ([(32, 40), (48, 20)], "32,20")])
def test_small_images_name_the_size_that_reads_them(tmp_path, data_config, sizes, flag):
    root = tmp_path / "d"
    root.mkdir()
    for i in range(8):
        (root / f"{i}.png").write_bytes(png(i, size=sizes[i % len(sizes)]))
    with pytest.raises(errors.UserError, match=f"--config.data.image_size={flag}") as mistake:
        load(data_config, root, image_size=(64, 64))
    assert "\n" not in str(mistake.value)
    height, width = map(int, flag.split(","))
    data = load(data_config, root, image_size=(height, width))
    assert len(data.train["image"]) + len(data.valid["image"]) == 8


def test_too_small_for_the_crop(tmp_path, data_config):
    root = write_tree(tmp_path / "d", ["1.png"], size=(50, 50))
    with pytest.raises(errors.UserError, match="--config.data.crop=square"):
        load(data_config, root, crop="center148", image_size=(32, 32))


def test_a_missing_directory_speaks_of_its_flag(tmp_path):
    with pytest.raises(errors.UserError, match="set --input"):
        stores.open_path(tmp_path / "none", "--input")
