"""The same network, loss and optimiser in PyTorch: what the training step is measured beside. Needs torch.

The layers and their order are those of `vae_jax.models.VAE` with its defaults, for sizes that divide by
2 ** len(hidden_dims); the loss is its gaussian likelihood with sigma 1 and beta 1. Images are [B, C, H, W].
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional


def _level(convolution: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.LeakyReLU(0.01))


class VAE(nn.Module):
    """Convolutional VAE for images [B, C, H, W] in (0, 1).

    Attributes:
        encoder, mean, logvar: images to the posterior.
        input, decoder, output: latents to images; the last activation is the sigmoid.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 3),
        latent_dim: int = 128,
        hidden_dims: Sequence[int] = (32, 64, 128, 256, 512),
    ):
        super().__init__()
        height, width, channels = image_shape
        scale = 2 ** len(hidden_dims)
        if height % scale or width % scale:
            raise ValueError(f"image sizes must divide by {scale}, not {image_shape}")
        bottleneck = (hidden_dims[-1], height // scale, width // scale)
        downs = zip((channels, *hidden_dims[:-1]), hidden_dims, strict=True)
        self.encoder = nn.Sequential(
            *(_level(nn.Conv2d(i, o, 3, stride=2, padding=1), o) for i, o in downs), nn.Flatten()
        )
        self.mean = nn.Linear(math.prod(bottleneck), latent_dim)
        self.logvar = nn.Linear(math.prod(bottleneck), latent_dim)
        self.input = nn.Sequential(nn.Linear(latent_dim, math.prod(bottleneck)), nn.Unflatten(1, bottleneck))
        ups = zip(hidden_dims[::-1], (*hidden_dims[-2::-1], hidden_dims[0]), strict=True)
        self.decoder = nn.Sequential(
            *(_level(nn.ConvTranspose2d(i, o, 3, stride=2, padding=1, output_padding=1), o) for i, o in ups)
        )
        self.output = nn.Conv2d(hidden_dims[0], channels, 3, padding=1)

    def loss(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """-log N(x; decode(z), 1) + KL(q(z|x) || N(0, 1)), nats per image, with z = mean + sigma * noise [B, D]."""
        features = self.encoder(x)
        mean, logvar = self.mean(features), self.logvar(features).clamp(-30.0, 20.0)
        z = mean + torch.exp(0.5 * logvar) * noise
        pred = torch.sigmoid(self.output(self.decoder(self.input(z))))
        constant = 0.5 * math.log(2 * math.pi) * x[0].numel()
        distortion = 0.5 * functional.mse_loss(pred, x, reduction="sum") / len(x) + constant
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum() / len(x)
        return distortion + kl


def make_step(
    model: VAE, x: torch.Tensor, *, channels_last: bool, compiled: bool, bfloat16: bool = False
) -> Callable[[], float]:
    """Return a call that makes one Adam step on the images x and returns the loss.

    Args:
        channels_last: hold images and weights with the channels innermost.
        compiled: `torch.compile` the loss.
        bfloat16: autocast.
    """
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    loss_of = torch.compile(model.loss) if compiled else model.loss

    def step() -> float:
        optimiser.zero_grad(set_to_none=True)
        noise = torch.randn(len(x), model.mean.out_features)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = loss_of(x, noise)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step
