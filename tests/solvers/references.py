"""Slow references, written from the formulas of the papers with matrices.

They draw the same numbers in the same order as the solvers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from dense import ABAR, Case, Gaussian, Noise, Vector, abar_of, even, stride
from torch import Tensor

import invbench as ib

Reference = Callable[[Vector, Gaussian, Noise], Vector]


def slow_ddrm(
    A: ib.SVDOperator, y: Tensor, prior: ib.Prior, sigma_y: float, eta: float, eta_b: float, nfe: int
) -> Vector:
    """One image, coefficient by coefficient, as equations 7 and 8 are printed."""
    n = math.prod(A.x_shape)
    s = [*A.s.double().tolist(), *[0.0] * (n - len(A.s))]
    uty = [*A.Ut(y)[0].tolist(), *[0.0] * (n - len(A.s))]
    abar = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    grid = [k * (1000 // nfe) for k in range(nfe)][::-1]
    noise = ib.Rng.for_images(["0"], seed=0)

    z, bar = noise.randn((n,))[0].double().numpy(), np.zeros(n)
    top = math.sqrt((1 - abar[grid[0]]) / abar[grid[0]])
    for i in range(n):
        if s[i] * top > sigma_y:
            bar[i] = uty[i] / s[i] + math.sqrt(max(top**2 - (sigma_y / s[i]) ** 2, 0)) * z[i]
        else:
            bar[i] = top * z[i]
    for step, t in enumerate(grid):
        x_t = math.sqrt(abar[t]) * A.V(torch.from_numpy(bar)[None])
        eps = prior.eps(x_t, t)
        x0 = (x_t - math.sqrt(1 - abar[t]) * eps) / math.sqrt(abar[t])
        if step == nfe - 1:
            return x0[0].numpy()
        sigma = math.sqrt((1 - abar[grid[step + 1]]) / abar[grid[step + 1]])
        theta, e = A.Vt(x0)[0].numpy(), A.Vt(eps)[0].numpy()
        z, bar = noise.randn((n,))[0].double().numpy(), np.zeros(n)
        for i in range(n):
            keep = math.sqrt(1 - eta**2) * sigma
            if s[i] == 0 or s[i] * sigma == sigma_y:
                bar[i] = theta[i] + keep * e[i] + eta * sigma * z[i]
            elif s[i] * sigma < sigma_y:
                bar[i] = theta[i] + keep * (uty[i] - s[i] * theta[i]) / sigma_y + eta * sigma * z[i]
            else:
                spread = math.sqrt(sigma**2 - (eta_b * sigma_y / s[i]) ** 2)
                bar[i] = (1 - eta_b) * theta[i] + eta_b * uty[i] / s[i] + spread * z[i]
    raise AssertionError("the grid is empty")


WALK = [4, 3, 2, 3, 4, 3, 2, 1, 0, 1, 2, 1, 0, -1]  # five steps, travel of length 2, twice: from 2 to 4, from 0 to 2


def slow_ddnm_plus(case: Case, eta: float, travel: bool) -> Reference:
    """DDRM's eqs. 7 and 8, component by component, with V Lambda V^T H^+ as a matrix."""

    def run(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H, V = len(gaussian.mu), case.H, case.V
        s = np.concatenate([case.s, np.zeros(n - len(case.s))])
        grid = [*(200 * j for j in range(5)), -1] if travel else [*(100 * j for j in range(10)), -1]
        x, x0 = noise(n), np.zeros(n)
        for i, j in pairwise(WALK if travel else [*range(9, -1, -1), -1]):
            a, sigma = math.sqrt(abar_of(grid[j])), math.sqrt(1 - abar_of(grid[j]))
            if j > i:
                x = a * x0 + sigma * noise(n)
                continue
            eps, x0 = gaussian.eps(x, grid[i]), gaussian.x0(x, grid[i])
            if j == -1:
                return x0
            lam, d1, d2 = np.ones(n), np.full(n, eta * sigma), np.full(n, math.sqrt(1 - eta**2) * sigma)
            for k in range(len(case.s)):
                spread = a * case.sigma / s[k]
                strong = sigma > spread
                lam[k] = 1 if strong else sigma * math.sqrt(1 - eta**2) / spread
                d1[k] = math.sqrt(sigma**2 - spread**2) if strong else eta * sigma
                d2[k] = 0
            x_hat = x0 - V @ np.diag(lam) @ V.T @ np.linalg.pinv(H) @ (H @ x0 - y)
            x = a * x_hat + V @ (d1 * noise(n)) + V @ (d2 * (V.T @ eps))
        raise AssertionError("the walk ends at -1")

    return run


def slow_dps(
    case: Case,
    nfe: int,
    zeta: float,
    v: float | None = None,
    project: bool = False,
    clipped: list[int] | None = None,
    matched: bool = False,
) -> Reference:
    """Spec 3.3 and, with ``project``, 3.4, where y is diffused to the level of the state it is compared with."""

    def run(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H = len(gaussian.mu), case.H
        x = noise(n)
        for t, s in pairwise([*even(nfe), -1]):
            a_t, a_s = abar_of(t), abar_of(s)
            raw = gaussian.x0(x, t)
            x0, inside = raw.clip(-1, 1), np.abs(raw) <= 1
            if clipped is not None:
                clipped.append(int((~inside).sum()))
            r = y - H @ x0
            gradient = -gaussian.jacobian(t).T @ (inside * (H.T @ r)) / np.linalg.norm(r)
            beta = 1 - a_t / a_s
            mean = beta * math.sqrt(a_s) / (1 - a_t) * x0 + (1 - a_s) * math.sqrt(1 - beta) / (1 - a_t) * x
            small, share = beta * (1 - a_s) / (1 - a_t), 0.0 if v is None else (v + 1) / 2
            std = math.sqrt(beta**share * small ** (1 - share)) if s >= 0 else 0.0
            x = mean + std * noise(n) - zeta * 1000 / nfe * gradient
            if project:
                z = H @ noise(n) if matched else noise(len(y))
                y_s = math.sqrt(a_s) * y + math.sqrt(1 - a_s) * z
                x = x - np.linalg.pinv(H) @ (H @ x - y_s)
        return x

    return run


def slow_pigdm(case: Case, eta: float, noisy: bool) -> Reference:
    """Spec 3.5 with kappa = sqrt(abar_s abar_t)."""

    def run(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H, sigma = len(gaussian.mu), case.H, case.sigma if noisy else 0.0
        grid = stride(10)
        a = abar_of(grid[0])
        x = math.sqrt(a) * np.linalg.pinv(H) @ y + math.sqrt(1 - a) * noise(n)
        for t, s in pairwise([*grid, -1]):
            a_t, a_s = abar_of(t), abar_of(s)
            eps, x0, r2 = gaussian.eps(x, t), gaussian.x0(x, t), 1 - a_t
            pull = r2 * H.T @ np.linalg.solve(r2 * H @ H.T + sigma**2 * np.eye(len(y)), y - H @ x0)
            g = gaussian.jacobian(t).T @ pull
            c1 = eta * math.sqrt((1 - a_t / a_s) * (1 - a_s) / (1 - a_t))
            c2 = math.sqrt(max(1 - a_s - c1**2, 0))
            x = math.sqrt(a_s) * x0 + c1 * noise(n) + c2 * eps + math.sqrt(a_s * a_t) * g
        return x

    return run


def slow_diffpir(case: Case, lam: float, zeta: float) -> Reference:
    """Spec 3.6 with eta = 0, one scale of noise, and the last prediction as the result."""

    def run(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H = len(gaussian.mu), case.H
        grid = [999 - min(999, math.floor(1000 * math.sqrt(j / 9))) for j in range(10)]
        assert grid == [999, 666, 528, 422, 333, 254, 183, 118, 57, 0]
        a = abar_of(grid[0])
        x = math.sqrt(a) * np.linalg.pinv(H) @ y + math.sqrt(1 - a) * noise(n)
        for t, s in pairwise(grid):
            a_t, a_s = abar_of(t), abar_of(s)
            x0 = gaussian.x0(x, t).clip(-1, 1)
            rho = lam * case.sigma**2 / ((1 - a_t) / a_t)
            x0_hat = np.linalg.solve(H.T @ H + rho * np.eye(n), H.T @ y + rho * x0)
            eps_hat = (x - math.sqrt(a_t) * x0_hat) / math.sqrt(1 - a_t)
            fresh = noise(n)
            x = math.sqrt(a_s) * x0_hat + math.sqrt(1 - a_s) * (math.sqrt(1 - zeta) * eps_hat + math.sqrt(zeta) * fresh)
        return gaussian.x0(x, 0).clip(-1, 1)

    return run


def slow_red_diff(case: Case, nfe: int, lam: float, scale: float = 1.0, reduce: str = "mean") -> Reference:
    """Spec 3.7 as a loss handed to torch's Adam, both of its terms times ``scale``."""

    def run(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H, target = len(gaussian.mu), torch.from_numpy(case.H), torch.from_numpy(y)
        mu = torch.from_numpy(np.linalg.pinv(case.H) @ y).requires_grad_()
        adam = torch.optim.Adam([mu], lr=0.1, betas=(0.9, 0.99))
        for t in stride(nfe):
            a = abar_of(t)
            eps = noise(n)
            x_t = math.sqrt(a) * mu.detach().numpy() + math.sqrt(1 - a) * eps
            disagreement = torch.from_numpy(gaussian.eps(x_t, t) - eps)
            w = lam * math.sqrt((1 - a) / a)
            misfit, prior = 0.5 * (target - H @ mu).square(), disagreement * mu
            terms = (misfit.mean(), prior.mean()) if reduce == "mean" else (misfit.sum(), prior.sum())
            adam.zero_grad()
            (scale * (terms[0] + w * terms[1])).backward()
            adam.step()
        return mu.detach().numpy()

    return run


def slow_fps(case: Case, c: float, clip: bool) -> Reference:
    """Spec 3.8 with one particle, begun at index 998 and conditioned on y_s; covariances are n x n matrices."""

    def run(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H, V = len(gaussian.mu), case.H, case.V
        I = np.eye(n)  # noqa: E741
        HtH = H.T @ H

        def root(M: Vector) -> Vector:
            """Symmetric square root, by V, which diagonalises every matrix here."""
            return V @ np.diag(np.sqrt(np.diag(V.T @ M @ V)))

        kappa = case.sigma**2 * abar_of(998)
        y_s = H @ V @ noise(n)
        shrink = np.linalg.inv(I + HtH / kappa)
        x = shrink @ H.T @ y_s / kappa + root(shrink) @ noise(n)
        for t in range(998, 0, -1):
            a_t, a_s = abar_of(t), abar_of(t - 1)
            x0 = gaussian.x0(x, t)
            x0 = x0.clip(-1, 1) if clip else x0
            y_s = math.sqrt(a_s) * y + math.sqrt((1 - c) * (1 - a_s) / (1 - a_t)) * (y_s - math.sqrt(a_t) * y)
            y_s = y_s + math.sqrt(c * (1 - a_s)) * H @ V @ noise(n)
            mu = math.sqrt(a_s) * x0 + math.sqrt((1 - c) * (1 - a_s)) * gaussian.eps(x, t)
            v, kappa = c * (1 - a_s), case.sigma**2 * a_s
            shrink = np.linalg.inv(I + v / kappa * HtH)
            x = shrink @ (mu + v / kappa * H.T @ y_s) + math.sqrt(v) * root(shrink) @ noise(n)
        x0 = gaussian.x0(x, 0)
        return x0.clip(-1, 1) if clip else x0

    return run


def slow_daps(case: Case, steps: int, ode_steps: int, langevin: int, tau: float, lr: float) -> Reference:
    """Algorithm 1 with delta = 0.01: the ODE as DDIM on images of variance one, Langevin steps with matrices."""
    sigmas = np.sqrt((1 - ABAR) / ABAR)

    def spaced(high: float, low: float, n: int) -> list[int]:
        roots = np.linspace(high ** (1 / 7), low ** (1 / 7), n + 1)
        return [int(np.abs(sigmas - level).argmin()) for level in roots**7]

    def run(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H = len(gaussian.mu), case.H
        grid = spaced(100.0, 0.1, steps)[:-1]
        beta = tau * case.sigma
        x = sigmas[grid[0]] * noise(n)
        for i, t in enumerate(grid):
            z = math.sqrt(abar_of(t)) * x
            for a, b in pairwise(spaced(sigmas[t], 0.01, ode_steps)):
                z = math.sqrt(abar_of(b)) * gaussian.x0(z, a) + math.sqrt(1 - abar_of(b)) * gaussian.eps(z, a)
            x_hat = z / math.sqrt(abar_of(0))
            eta = lr * beta**2 * (0.01 + (1 - i / steps) * 0.99)
            precision = H.T @ H / beta**2 + np.eye(n) / sigmas[t] ** 2
            x = x_hat
            for _ in range(langevin):
                drift = H.T @ y / beta**2 + x_hat / sigmas[t] ** 2 - precision @ x
                x = x + eta * drift + math.sqrt(2 * eta) * noise(n)
            if i + 1 < steps:
                x = x + sigmas[grid[i + 1]] * noise(n)
        return x

    return run


def slow_dmps(case: Case, nfe: int, lam: float, v: float | None = None) -> Reference:
    """Algorithm 1, its score with a matrix inverse: ancestral steps, of learned variance where v is given."""

    def run(y: Vector, gaussian: Gaussian, noise: Noise) -> Vector:
        n, H = len(gaussian.mu), case.H
        x = noise(n)
        for t, s in pairwise([*even(nfe), -1]):
            a_t, a_s = abar_of(t), abar_of(s)
            spread = case.sigma**2 * np.eye(len(y)) + (1 - a_t) / a_t * H @ H.T
            score = H.T @ np.linalg.solve(spread, y - H @ x / math.sqrt(a_t)) / math.sqrt(a_t)
            x0, alpha = gaussian.x0(x, t).clip(-1, 1), a_t / a_s
            mean = math.sqrt(a_s) * (1 - alpha) / (1 - a_t) * x0 + math.sqrt(alpha) * (1 - a_s) / (1 - a_t) * x
            small, share = (1 - alpha) * (1 - a_s) / (1 - a_t), 0.0 if v is None else (v + 1) / 2
            std = math.sqrt((1 - alpha) ** share * small ** (1 - share)) if s >= 0 else 0.0
            x = mean + std * noise(n) + lam * (1 - alpha) / math.sqrt(alpha) * score
        return x

    return run
