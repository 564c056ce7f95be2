"""The authors' checkpoints, which their users download by hand."""

from __future__ import annotations

from invbench import Artifact

FOLDER = "https://drive.google.com/drive/folders/1h8vKYwTYSshljBuW9NdBRJQSp_HBPZdA"
PRESETS = {"ffhq256": "ffhq", "imagenet256": "imagenet"}
TASKS = {
    "deblur_ddrm_tiled": "gaussian",
    "sr4": "sr_averagepooling",
    "inpaint": "inpainting",
    "denoise": "deno",
    "colorize": "colorization",
}


def artifact(preset: str, task: str) -> Artifact:
    """The checkpoint for a preset and a task that the authors released."""
    file = f"{PRESETS[preset]}/{TASKS[task]}_ema.pt"
    by_hand = f"download {file} from {FOLDER} and put it at davi/{file} below the folder that INVBENCH_DATA names"
    return Artifact(name=f"davi_{preset}_{task}", filename=f"davi/{file}", url=FOLDER, by_hand=by_hand)


ARTIFACTS = tuple(artifact(preset, task) for preset in PRESETS for task in TASKS)
