"""The ADM network, its weight files, and the priors made of them."""
