"""FID's Inception-v3 weights, from PyTorch's file to the one that `--features inception` reads. Needs torch.

    python -m benchmarks.inception pt_inception-2015-12-05-6726825d.pth ~/.cache/vae_jax/data/inception.npz

The .pth is the state dict of the PyTorch port of the 2015 network, which the package pytorch-fid fetches on first use.
The network is written here in PyTorch, apart from ours in JAX, and what it makes of two fixed pictures goes into the
file as `activation`: ours is checked against it whenever the file is read.
"""

import argparse
import pathlib
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from vae_jax.evaluation.inception import fixed_images


class Conv(nn.Module):
    def __init__(self, into: int, out: int, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(into, out, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.bn(self.conv(x)))


def mean_pool(x: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class A(nn.Module):
    def __init__(self, into: int, pool: int):
        super().__init__()
        self.branch1x1 = Conv(into, 64, kernel_size=1)
        self.branch5x5_1 = Conv(into, 48, kernel_size=1)
        self.branch5x5_2 = Conv(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = Conv(into, 64, kernel_size=1)
        self.branch3x3dbl_2 = Conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, kernel_size=3, padding=1)
        self.branch_pool = Conv(into, pool, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(mean_pool(x))], 1)


class B(nn.Module):
    def __init__(self, into: int):
        super().__init__()
        self.branch3x3 = Conv(into, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = Conv(into, 64, kernel_size=1)
        self.branch3x3dbl_2 = Conv(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, kernel_size=3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, functional.max_pool2d(x, 3, stride=2)], 1)


class C(nn.Module):
    def __init__(self, into: int, c: int):
        super().__init__()
        self.branch1x1 = Conv(into, 192, kernel_size=1)
        self.branch7x7_1 = Conv(into, c, kernel_size=1)
        self.branch7x7_2 = Conv(c, c, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7_3 = Conv(c, 192, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7dbl_1 = Conv(into, c, kernel_size=1)
        self.branch7x7dbl_2 = Conv(c, c, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7dbl_3 = Conv(c, c, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7dbl_4 = Conv(c, c, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7dbl_5 = Conv(c, 192, kernel_size=(1, 7), padding=(0, 3))
        self.branch_pool = Conv(into, 192, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(mean_pool(x))], 1)


class D(nn.Module):
    def __init__(self, into: int):
        super().__init__()
        self.branch3x3_1 = Conv(into, 192, kernel_size=1)
        self.branch3x3_2 = Conv(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = Conv(into, 192, kernel_size=1)
        self.branch7x7x3_2 = Conv(192, 192, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Conv(192, 192, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Conv(192, 192, kernel_size=3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, functional.max_pool2d(x, 3, stride=2)], 1)


class E(nn.Module):
    def __init__(self, into: int, *, largest: bool):
        super().__init__()
        self.branch1x1 = Conv(into, 320, kernel_size=1)
        self.branch3x3_1 = Conv(into, 384, kernel_size=1)
        self.branch3x3_2a = Conv(384, 384, kernel_size=(1, 3), padding=(0, 1))
        self.branch3x3_2b = Conv(384, 384, kernel_size=(3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = Conv(into, 448, kernel_size=1)
        self.branch3x3dbl_2 = Conv(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = Conv(384, 384, kernel_size=(1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = Conv(384, 384, kernel_size=(3, 1), padding=(1, 0))
        self.branch_pool = Conv(into, 192, kernel_size=1)
        self.largest = largest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        three, double = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        three = torch.cat([self.branch3x3_2a(three), self.branch3x3_2b(three)], 1)
        double = torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], 1)
        pooled = functional.max_pool2d(x, 3, stride=1, padding=1) if self.largest else mean_pool(x)
        return torch.cat([self.branch1x1(x), three, double, self.branch_pool(pooled)], 1)


class Inception(nn.Module):
    """uint8 [N, H, W, 3] -> [N, 2048]."""

    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = Conv(32, 64, kernel_size=3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = Conv(80, 192, kernel_size=3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = A(192, 32), A(256, 64), A(288, 64)
        self.Mixed_6a = B(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = C(768, 128), C(768, 160), C(768, 160), C(768, 192)
        self.Mixed_7a = D(768)
        self.Mixed_7b, self.Mixed_7c = E(1280, largest=False), E(2048, largest=True)

    def forward(self, images: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        x = 2 * functional.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False) - 1
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(x, 3, stride=2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(functional.max_pool2d(x, 3, stride=2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        return self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))).mean((2, 3))


def arrays(network: Inception) -> dict[str, np.ndarray]:
    """What goes into the file: the network's arrays, and what it makes of the fixed pictures."""
    with torch.no_grad():
        activation = network.eval()(fixed_images()).numpy()
    named = {name: value.numpy() for name, value in network.state_dict().items() if "num_batches" not in name}
    return named | {"activation": activation}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help="the state dict, .pth")
    parser.add_argument("target", type=pathlib.Path, help="the .npz to write")
    given = parser.parse_args()
    state = torch.load(given.source, map_location="cpu", weights_only=True)
    network = Inception()
    found = network.load_state_dict({name: value for name, value in state.items() if not name.startswith("fc.")}, False)
    missing = [name for name in found.missing_keys if "num_batches" not in name]
    if missing or found.unexpected_keys:
        parser.error(f"{given.source} is another network: without {missing[:3]}, with {found.unexpected_keys[:3]}")
    given.target.parent.mkdir(parents=True, exist_ok=True)
    weights: dict[str, Any] = {**arrays(network)}
    np.savez(given.target, **weights)
    print(f"wrote {given.target}, {given.target.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
