"""DAVI: amortised variational inference with a diffusion prior (Lee et al., ECCV 2024)."""
