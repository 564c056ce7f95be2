"""First-party priors: networks of guided-diffusion, and mixtures whose posterior is known."""
