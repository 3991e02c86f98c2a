"""What kind of file a path is, by its first bytes, and what a user can do where a source cannot read that kind."""

import tarfile
from pathlib import Path

_SIGNATURES = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"\x93NUMPY": "npy",
    b"\xff\xd8\xff": "image",
    b"\x89PNG\r\n\x1a\n": "image",
    b"GIF8": "image",
    b"BM": "image",
    b"II*\x00": "image",
    b"MM\x00*": "image",
    b"\x00\x00\x00\x0cjP  ": "image",
}
_ARCHIVES = ("tar", "7z", "rar", "gzip", "bzip2", "xz", "zstd")
_ARRAYS = ("npz", "npy", "hdf5")


def kind_of(path: Path) -> str:
    """Return zip, npz, npy, hdf5, image, the name of another archive's kind, or "" for anything else."""
    with open(path, "rb") as file:
        start = file.read(16)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image"
    if start[:1] == b"P" and start[1:2] in b"123456" and start[2:3].isspace():
        return "image"  # PPM and its kin
    kind = next((kind for signature, kind in _SIGNATURES.items() if start.startswith(signature)), "")
    if kind == "zip" and path.suffix.lower() == ".npz":
        return "npz"
    if kind in ("", "gzip", "bzip2", "xz") and tarfile.is_tarfile(path):
        return "tar"
    return kind


def remedy(kind: str, flag: str) -> str:
    """Return the end of a sentence that begins with a path: what the file is and what to do about it."""
    if kind in _ARCHIVES:
        return f"is a {kind} archive, which is not read: unpack it and set {flag} to the directory, or make a .zip"
    if kind in _ARRAYS:
        return "is a file of arrays: set --config.data.source=npz"
    return f"is neither a directory, a .zip nor an image: set {flag} to one of them"
