"""Make the bundled compact model: render the training set, train, export. Stops and goes on at any moment.

    python Resources/train_compact.py CT_FOLDER WORK_FOLDER [--start compact] [--radiographs MANIFEST]

CT_FOLDER holds NAME_ct_synthetic.nrrd, NAME_labels.nrrd and NAME_labels.json of the bodies below. The
shards, the training state and the log are kept in WORK_FOLDER; run the same command again to go on. The
weights are written to FluoroSAMSlicer/Resources/Models/compact when the last step is done.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from FluoroSAMSlicerLib.dataset import Body, ShardReader, generate
from FluoroSAMSlicerLib.model import Provenance, load_model
from FluoroSAMSlicerLib.training.export import export
from FluoroSAMSlicerLib.training.fit import Recipe, Trainer
from FluoroSAMSlicerLib.training.parallel import train
from FluoroSAMSlicerLib.training.radiographs import JoinedReader, RadiographReader
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
RECIPE = Recipe(
    steps=3300, places=2000, place_images=20, place_rate=3e-3, images=8, prompts=4, rate=1.2e-3, corrections=0.9,
    decay=0.95, average=0.99, seed=5,
)  # fmt: skip

AT_LAST = Recipe(
    steps=240, images=8, prompts=3, rate=5e-4, decay=1.0, corrections=1.4, average=0.99, seed=6, language=0
)
"""What follows with real radiographs among the images, one in three."""

TARGET = Path(__file__).resolve().parents[1] / "FluoroSAMSlicer" / "Resources" / "Models" / "compact"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct_folder", type=Path)
    parser.add_argument("work_folder", type=Path)
    parser.add_argument("--start", metavar="MODEL", help="go on from a trained model, such as compact")
    parser.add_argument(
        "--radiographs", type=Path, help="manifest of real radiographs to go on with at the end"
    )
    parser.add_argument("--steps", type=int, default=RECIPE.steps, help="length of the whole training")
    parser.add_argument("--processes", type=int, default=2, help="processes that share each step")
    parser.add_argument("--until", type=int, help="stop at this step and go on another time")
    wanted = parser.parse_args()

    ct = wanted.ct_folder
    bodies = [Body.read(ct / f"{name}_ct_synthetic.nrrd", ct / f"{name}_labels.nrrd") for name in SHARDS]
    shards = wanted.work_folder / "shards"
    with tqdm(total=sum(SHARDS.values()), desc="rendering", unit="shard") as bar:
        generate(bodies, shards, list(SHARDS.values()), SEED, on_shard=lambda _: bar.update())

    recipe = replace(RECIPE, steps=wanted.steps)
    start = load_model(wanted.start)[:2] if wanted.start else ()
    trainer = trained(shards, wanted.work_folder / "run", recipe, wanted, *start)
    if trainer.step < recipe.steps:
        return
    folder, made = wanted.work_folder / "synthetic", provenance(recipe, wanted.processes)
    print(export(wanted.work_folder / "run", folder, made))
    if wanted.radiographs:
        model = load_model(folder)[:2]
        reader = JoinedReader(ShardReader(shards), RadiographReader(wanted.radiographs))
        run = wanted.work_folder / "run_radiographs"
        if trained(reader, run, AT_LAST, wanted, *model).step < AT_LAST.steps:
            return
        folder, details = wanted.work_folder / "radiographs", {"radiographs": wanted.radiographs.name}
        print(export(run, folder, replace(made, details=made.details | details)))
    shutil.copytree(folder, TARGET, dirs_exist_ok=True)


def trained(images, run: Path, recipe: Recipe, wanted: argparse.Namespace, *model) -> Trainer:
    with tqdm(total=recipe.steps, desc=run.name, unit="step") as bar:

        def on_step(step: int, figures: dict[str, float]) -> None:
            bar.set_postfix(loss=f"{figures['loss']:.3f}", refresh=False)
            bar.update(step - bar.n)

        return train(
            images, run, recipe, *model, processes=wanted.processes, until=wanted.until, on_step=on_step
        )


def provenance(recipe: Recipe, processes: int) -> Provenance:
    return Provenance(
        name="compact",
        licence="Apache-2.0 (weights of this project; training bodies credited in README.md)",
        source="trained by FluoroSAMSlicer on its own synthetic radiographs",
        details={
            "steps": recipe.steps,
            "images_per_step": recipe.images * processes,
            "seed": recipe.seed,
            "set_seed": SEED,
        },
    )


if __name__ == "__main__":
    main()
