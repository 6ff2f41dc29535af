"""Make the bundled compact model: render the training set, train, export. Stops and goes on at any moment.

    python Resources/train_compact.py CT_FOLDER WORK_FOLDER [--steps N] [--until N]

CT_FOLDER holds NAME_ct_synthetic.nrrd, NAME_labels.nrrd and NAME_labels.json of the bodies below. The
shards, the training state and the log are kept in WORK_FOLDER; run the same command again to go on. The
weights are written to FluoroSAMSlicer/Resources/Models/compact when the last step is done.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from FluoroSAMSlicerLib.dataset import Body, generate
from FluoroSAMSlicerLib.model import Provenance
from FluoroSAMSlicerLib.training.export import export
from FluoroSAMSlicerLib.training.fit import Recipe, Trainer
from tqdm import tqdm

SHARDS = {
    "ts_s0011_torso": 90,
    "mosaic_whole_body": 60,
    "osim_leg_right": 15,
    "osim_forearm_hand_right": 20,
    "bp3d_head_neck": 20,
    "spl_knee": 13,
    "spl_abdomen": 14,
}
"""Random variations of each body, 24 views each. ts_real_abdopelvis and spl_head_neck are held out."""

SEED = 20261122
TARGET = Path(__file__).resolve().parents[1] / "FluoroSAMSlicer" / "Resources" / "Models" / "compact"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct_folder", type=Path)
    parser.add_argument("work_folder", type=Path)
    parser.add_argument("--steps", type=int, default=3000, help="length of the whole training")
    parser.add_argument("--until", type=int, help="stop at this step and go on another time")
    wanted = parser.parse_args()

    ct = wanted.ct_folder
    bodies = [Body.read(ct / f"{name}_ct_synthetic.nrrd", ct / f"{name}_labels.nrrd") for name in SHARDS]
    shards = wanted.work_folder / "shards"
    with tqdm(total=sum(SHARDS.values()), desc="rendering", unit="shard") as bar:
        generate(bodies, shards, list(SHARDS.values()), SEED, on_shard=lambda _: bar.update())

    recipe = Recipe(steps=wanted.steps, images=16, prompts=3, rate=1.5e-3, corrections=0.3, decay=0.3)
    trainer = Trainer(shards, wanted.work_folder / "run", recipe)
    with tqdm(total=recipe.steps, initial=trainer.step, desc="training", unit="step") as bar:
        trainer.run(
            wanted.until, on_step=lambda _, figures: (bar.update(), bar.set_postfix(loss=figures["loss"]))
        )
    if trainer.step == recipe.steps:
        print(export(wanted.work_folder / "run", TARGET, provenance(recipe)))


def provenance(recipe: Recipe) -> Provenance:
    return Provenance(
        name="compact",
        licence="Apache-2.0 (weights of this project; training bodies credited in README.md)",
        source="trained by FluoroSAMSlicer on its own synthetic radiographs",
        details={
            "steps": recipe.steps,
            "images_per_step": recipe.images,
            "seed": recipe.seed,
            "set_seed": SEED,
        },
    )


if __name__ == "__main__":
    main()
