"""How well does the shipped prior know an image's mean colour? Prints the table quoted in its model card."""

import torch

from invbench import Rng
from invbench.plugins import load_catalog

catalog = load_catalog()
photos = catalog.get("dataset", "photos")(split="tune")
ids = photos.ids()[:16]
x = torch.stack([photos.load(i) for i in ids])
prior = catalog.get("prior", "adm_photos")().load(photos.x_shape, "cpu")

print("   t  sigma_t  rms error of the predicted mean  of a plain average of the pixels")
for t in (100, 300, 500, 700, 800, 900, 950):
    abar = prior.alpha_bar(t)
    sigma_t = ((1 - abar) / abar) ** 0.5
    noise = Rng.for_images(ids, t=t).randn_like(x)
    with torch.inference_mode():
        x0 = prior.x0(abar**0.5 * x + (1 - abar) ** 0.5 * noise, t)
    predicted = (x0 - x).mean((2, 3)).square().mean().sqrt()
    plain = (sigma_t * noise).mean((2, 3)).square().mean().sqrt()
    print(f"{t:4d}  {sigma_t:7.2f}  {predicted:31.3f}  {plain:32.3f}")
print(f"the means themselves spread by {x.mean((2, 3)).std():.2f}")
