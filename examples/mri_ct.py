"""MRI and CT with a network of one's own, trained on images of one's own, here discs: a minute on a CPU.

pip install 'invbench[deepinv]' && python mri_ct.py     # writes mri.png and ct.png
"""

import torch
from deepinv.physics import MRI, Tomography
from torch import nn

import invbench as ib

SIDE, drawn, v = 32, torch.Generator().manual_seed(0), torch.linspace(-1, 1, 32)


def discs(n, channels):  # (n, 1, 32, 32) in [-1, 1], or complex: (n, 2, 32, 32), real and imaginary part
    a, b, radius, grey = torch.rand(4, n, 3, 1, 1, generator=drawn)
    inside = (v[:, None] - a + 0.5) ** 2 + (v - b + 0.5) ** 2 < (0.1 + 0.4 * radius) ** 2
    x, phase = (inside * (0.2 + 0.8 * grey)).amax(1, keepdim=True), 3 * v[:, None] * v
    return 2 * x - 1 if channels == 1 else torch.cat([x * phase.cos(), x * phase.sin()], 1)


class Network(nn.Module):  # the image x, from x + sigma z
    def __init__(self, channels):
        super().__init__()
        sizes = [(channels + 1, 24, 1), (24, 24, 2), (24, 24, 4), (24, 24, 4), (24, 24, 2), (24, channels, 1)]
        self.layers = nn.Sequential(*[m for i, o, d in sizes for m in (nn.Conv2d(i, o, 3, 1, d, d), nn.ReLU())][:-1])

    def forward(self, x, sigma):
        sigma = sigma.reshape(-1, 1, 1, 1).expand(len(x), 1, SIDE, SIDE)
        share = 1 / (1 + 4 * sigma**2)  # of x in the best linear guess, where images have deviation 1/2
        return share * x + share.sqrt() * sigma * self.layers(torch.cat([2 * share.sqrt() * x, sigma.log() / 4], 1))


def trained(channels, steps):
    net = ib.seeded(lambda: Network(channels))
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(steps):
        x, sigma = discs(16, channels), (1.5 * torch.randn(16, 1, 1, 1, generator=drawn) - 1).exp()
        error = net(x + sigma * torch.randn(x.shape, generator=drawn), sigma) - x
        optimizer.zero_grad()
        (error.square() * (4 + sigma**-2)).mean().backward()
        optimizer.step()
    return net


lines = ((torch.rand(SIDE, 1, generator=drawn) < 0.3) | (v[:, None].abs() < 0.15)).expand(SIDE, SIDE)  # of k-space
physics = {"mri": MRI(lines.float()), "ct": Tomography(12, SIDE, normalize=True)}
for name, channels, solver in (("mri", 2, "ddrm"), ("ct", 1, "diffpir")):
    A, x = ib.from_physics(physics[name], (channels, SIDE, SIDE)), discs(1, channels)
    y = A(x) + 0.1 * torch.randn(A(x).shape, generator=drawn)
    prior = ib.prior_from(trained(channels, steps=400), A.x_shape, predicts="denoiser")
    restored = ib.restore(solver, y[0], A, sigma="0.1 [-1,1]", prior=prior, solver__nfe=20, samples=8, progress=False)
    restored.save(f"{name}.png")
    before, after = (10 * (4 / (each - x).square().mean()).log10() for each in (A.guess(y), restored.mean))
    print(f"{name}: least squares {before:.1f} dB, {solver} {after:.1f} dB; {restored}")
