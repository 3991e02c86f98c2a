"""The CelebA network and its training step in plain PyTorch: what the benchmarks and the parity tests compare with.

The network has PyTorch-VAE's key names. Images are [B, C, H, W]. Needs torch (the `parity` extra).
"""

import math
from collections.abc import Callable

import torch
from torch import nn


def _level(convolution: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.LeakyReLU())


def _up(inputs: int, outputs: int) -> nn.Sequential:
    return _level(nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1), outputs)


class Twin(nn.Module):
    """encoder.{i}.{0,1}, fc_mu, fc_var, decoder_input, decoder.{i}.{0,1}, final_layer.{0,1,3}; images [B, C, H, W]."""

    def __init__(self, image_shape, latent_dim, hidden_dims):
        super().__init__()
        height, width, channels = image_shape
        scale = 2 ** len(hidden_dims)
        self.bottleneck = (hidden_dims[-1], height // scale, width // scale)
        flat = math.prod(self.bottleneck)
        inputs = (channels, *hidden_dims[:-1])
        self.encoder = nn.Sequential(
            *(_level(nn.Conv2d(i, o, 3, stride=2, padding=1), o) for i, o in zip(inputs, hidden_dims, strict=True))
        )
        self.fc_mu = nn.Linear(flat, latent_dim)
        self.fc_var = nn.Linear(flat, latent_dim)
        self.decoder_input = nn.Linear(latent_dim, flat)
        widths = hidden_dims[::-1]
        self.decoder = nn.Sequential(*(_up(i, o) for i, o in zip(widths[:-1], widths[1:], strict=True)))
        self.final_layer = nn.Sequential(
            *_up(widths[-1], widths[-1]), nn.Conv2d(widths[-1], channels, 3, padding=1), nn.Tanh()
        )

    def encode(self, x):
        h = self.encoder(x).flatten(1)
        return self.fc_mu(h), self.fc_var(h)

    def decode(self, z):
        return self.final_layer(self.decoder(self.decoder_input(z).unflatten(1, self.bottleneck)))


def loss(twin: Twin, x: torch.Tensor, beta: float, eps: torch.Tensor) -> torch.Tensor:
    """The mean over images of -log N(x; pred, 1) + beta KL, in nats; eps [B, D] is the noise of z."""
    mean, logvar = twin.encode(x)
    pred = twin.decode(mean + torch.exp(0.5 * logvar) * eps)
    pixels = x[0].numel()
    distortion = 0.5 * (pred - x).square().flatten(1).sum(1) + 0.5 * pixels * math.log(2 * math.pi)
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1)
    return (distortion + beta * kl).mean()


def make_train_step(
    twin: Twin, *, beta: float, learning_rate: float, eps: float = 1e-8, compiled: bool = False, autocast: bool = False
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return step(images) -> loss of one Adam step on uint8 images [B, C, H, W], scaled to [-1, 1]; noise is drawn."""
    optimizer = torch.optim.Adam(twin.parameters(), learning_rate, eps=eps, fused=True)
    latent_dim = twin.fc_mu.out_features
    objective = torch.compile(loss) if compiled else loss

    def step(images: torch.Tensor) -> torch.Tensor:
        x = images.float() / 127.5 - 1.0
        eps = torch.randn(len(x), latent_dim, device=x.device)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=autocast):
            value = objective(twin, x, beta, eps)
        value.backward()
        optimizer.step()
        return value.detach()

    return step
