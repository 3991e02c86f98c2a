"""The same network in PyTorch, under PyTorch-VAE's key names: what parity is measured against. Needs torch."""

import math

import numpy as np
import torch
from torch import nn

from benchmarks.pytorch_vae import Twin


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


def draw(twin: Twin, batch_size: int, training: bool, num_draws: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return images [B, H, W, C] in [-1, 1] and noise [B, D] that keep every LeakyReLU's input away from zero.

    An input within rounding of zero takes the other slope in float32, which alone moves gradients by 1e-5 to 1e-4 of
    the largest, in any implementation; elsewhere they agree to 1e-6.
    """
    margins = []
    hooks = [
        module.register_forward_pre_hook(lambda _, inputs: margins.append(inputs[0].abs().min().item()))
        for module in twin.modules()
        if isinstance(module, nn.LeakyReLU)
    ]
    shape = (twin.bottleneck[1] * 2 ** len(twin.encoder), twin.bottleneck[2] * 2 ** len(twin.encoder), 3)
    best = (-1.0, None)
    kept = {name: value.clone() for name, value in twin.named_buffers()}
    twin.train(training)
    for seed in range(num_draws):
        generator = np.random.default_rng(seed)
        x = generator.uniform(-1, 1, (batch_size, *shape)).astype(np.float32)
        eps = generator.standard_normal((batch_size, twin.fc_mu.out_features)).astype(np.float32)
        margins.clear()
        with torch.no_grad():
            mean, logvar = twin.encode(torch.from_numpy(x).double().permute(0, 3, 1, 2))
            twin.decode(mean + torch.exp(0.5 * logvar) * torch.from_numpy(eps).double())
        best = max(best, (min(margins), (x, eps)), key=lambda pair: pair[0])
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        for name, value in twin.named_buffers():
            value.copy_(kept[name])
    return best[1]


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
