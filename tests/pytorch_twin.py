"""The same network in PyTorch, under PyTorch-VAE's key names: what parity is measured against. Needs torch."""

import math

import numpy as np
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


def make(image_shape, latent_dim, hidden_dims, seed=0) -> Twin:
    """Return a twin in double precision whose running statistics and BatchNorm weights are not their initial ones."""
    torch.manual_seed(seed)
    twin = Twin(image_shape, latent_dim, hidden_dims).double()
    height, width, channels = image_shape
    with torch.no_grad():
        for module in twin.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
        for _ in range(5):
            mean, _ = twin.encode(2 * torch.rand(8, channels, height, width).double() - 1)
            twin.decode(mean + torch.randn_like(mean))
        for value in (*twin.parameters(), *twin.buffers()):
            value.copy_(value.float())  # so that float32 holds the weights exactly
    return twin


def state(twin: Twin) -> dict[str, np.ndarray]:
    return {name: value.numpy().astype(np.float32) for name, value in twin.state_dict().items()}


def evaluate(twin: Twin, x: np.ndarray, eps: np.ndarray, training: bool) -> dict[str, np.ndarray]:
    """Run x [B, H, W, C] with the noise eps [B, D] through the twin, and the mean of distortion + KL back.

    Returns:
        mean, logvar [B, D], pred [B, H, W, C], distortion (sigma 1) and kl [B], the gradients as "grad/NAME" and,
        in training, the running statistics after the pass as "stats/NAME".
    """
    twin.train(training).zero_grad()
    images = torch.from_numpy(x).double().permute(0, 3, 1, 2)
    mean, logvar = twin.encode(images)
    pred = twin.decode(mean + torch.exp(0.5 * logvar) * torch.from_numpy(eps).double())
    error = (pred - images).square().flatten(1)
    distortion = 0.5 * error.sum(1) + 0.5 * error.shape[1] * math.log(2 * math.pi)
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1)
    (distortion + kl).mean().backward()
    outputs = {
        "mean": mean,
        "logvar": logvar,
        "pred": pred.permute(0, 2, 3, 1),
        "distortion": distortion,
        "kl": kl,
    }
    outputs |= {f"grad/{name}": value.grad for name, value in twin.named_parameters()}
    if training:
        outputs |= {f"stats/{name}": value for name, value in twin.named_buffers() if "running" in name}
    return {name: value.detach().numpy().astype(np.float32) for name, value in outputs.items()}
