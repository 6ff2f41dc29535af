"""How long the panel leaves a user without an answer: processor time of the main thread, action by action.

    python Testing/benchmarks/panel_speed.py [--runs 5] [--against CHECKOUT]

Both tabs run without Slicer, with the scene's real nodes, the bundled model and no display, each run in a process of
its own that finds all code compiled, as an installed extension does. With ``--against`` another checkout is measured
in turn, so that both meet the same machine. For each action: milliseconds of all its turns of the event loop, of the
longest one, and both as multiples of the update of one empty segment; medians of the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("open", "use")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another checkout that has this script")
    parser.add_argument("--only", choices=PARTS, help="measure the opening, or the use, alone")
    parser.add_argument("--once", choices=PARTS, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.once:
        once(wanted.once)
        return
    checkouts = [ROOT, *([wanted.against.resolve()] if wanted.against else [])]
    parts = [wanted.only] if wanted.only else PARTS
    figures = {checkout: defaultdict(list) for checkout in checkouts}
    with tempfile.TemporaryDirectory() as compiled:
        for number in range(wanted.runs + 1):
            for checkout in checkouts:
                for part in parts:
                    for name, values in one_run(checkout, part, compiled).items():
                        # The first run compiles.
                        figures[checkout][name] += [values] if number else []
    for checkout in checkouts:
        print(f"{checkout}: milliseconds (multiples of the update of an empty segment), {wanted.runs} runs")
        unit = median(figures[checkout]["empty segment"])
        print(f"  {'update of an empty segment':34} {unit:8.2f}")
        for name, values in figures[checkout].items():
            if name != "empty segment":
                total, longest = (median(one[part] for one in values) for part in (0, 1))
                ratios = f"({total / unit:.0f})", f"({longest / unit:.0f})"
                print(
                    f"  {name:34} all {total:8.1f} {ratios[0]:>7}   longest turn {longest:7.1f} {ratios[1]:>6}"
                )


def one_run(checkout: Path, part: str, compiled: str) -> dict:
    command = [sys.executable, str(checkout / "Testing/benchmarks/panel_speed.py"), "--once", part]
    environment = os.environ | {"PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def once(part: str) -> None:
    sys.path[:0] = [str(ROOT / "FluoroSAMSlicer"), str(ROOT / "Testing")]
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        figures = {"open": opening, "use": use}[part](Path(folder))
        print(json.dumps(figures), flush=True)
    # VTK and Qt are not torn down in an order that suits both.
    os._exit(0)


def opening(folder: Path) -> dict:
    """From nothing imported to a panel that can be used, as on the first visit of the module; then the other tab."""
    import slicer
    from panel import bench, main_thread, slicer_parts
    from PySide6 import QtWidgets

    application = QtWidgets.QApplication([])
    bench.use_settings(folder)
    parent, module, scene = opened(bench, slicer, slicer_parts, application)

    def visit() -> None:
        widget = module.FluoroSAMSlicerWidget(parent)
        widget.setup()
        parent.__dict__["isEntered"] = True
        widget.enter()
        kept.append(widget)

    kept: list = []
    parent.show()
    taken = main_thread.cost(application, visit, lambda: kept[0].segmentTab.making)
    (widget,) = kept
    other = main_thread.cost(
        application, lambda: widget.tabs.setCurrentIndex(1), lambda: widget.synthesizeTab.making
    )
    assert widget.panel.context.ready and widget.synthesis.ui.root.isVisible()
    figures = {"empty segment": main_thread.cost_of_an_update(scene)}
    for name, one in (("first opening", taken), ("the Synthesize tab, first shown", other)):
        figures[name] = one.total_ms, one.longest_ms
    return figures


def opened(bench, slicer, slicer_parts, application):
    """The application as the module meets it, nothing of the library imported."""
    import importlib.util
    from types import SimpleNamespace

    from panel import pythonqt
    from PySide6 import QtWidgets

    scene = slicer.vtkMRMLScene()
    layout = slicer_parts.LayoutManager(scene)
    slicer_parts.add_interaction_node(scene)
    slicer.mrmlScene, slicer.modules = scene, SimpleNamespace()
    slicer.app = SimpleNamespace(
        majorVersion=5,
        minorVersion=13,
        connect=lambda *_: True,
        layoutManager=lambda: layout,
        processEvents=application.processEvents,
    )
    slicer.util.setSliceViewerLayers = layout.show
    parent = pythonqt.pythonqt(QtWidgets.QWidget)()
    QtWidgets.QVBoxLayout(parent)
    parent.__dict__["isEntered"] = False
    spec = importlib.util.spec_from_file_location("FluoroSAMSlicer", bench.MODULE / "FluoroSAMSlicer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return parent, module, scene


def use(folder: Path) -> dict:
    """The actions of a session, in its order."""
    from panel import actions, bench, main_thread
    from panel.synthesize.bench import new_drr_bench
    from PySide6 import QtWidgets

    application = QtWidgets.QApplication([])
    figures: dict[str, object] = {}

    def measure(name: str, wanted) -> None:
        taken = main_thread.cost(application, *wanted)
        figures[name] = taken.total_ms, taken.longest_ms

    with bench.new_bench(application, folder, real_model()) as tab:
        figures["empty segment"] = main_thread.cost_of_an_update(tab.scene)
        measure("Sample, with the model's loading", actions.sample(tab))
        measure("four names", actions.ask(tab))
        measure("threshold, 13 steps", actions.threshold(tab))
        for title, name in EXPORTS.items():
            place = folder / "written"
            place.mkdir(exist_ok=True)
            measure(f"export, {title}", actions.export(tab, title, place / name if name else place))
        measure(f"load {actions.LARGE} x {actions.LARGE}", actions.load(tab, actions.large_file(folder)))
        measure("four names on it", actions.ask(tab))
        measure("threshold on it, 13 steps", actions.threshold(tab))
        for title in ("PNG masks", "Slicer segmentation"):
            place = folder / "written" / EXPORTS[title]
            measure(f"export of it, {title}", actions.export(tab, title, place))
        actions.many_segments(tab)
        place = folder / "written" / "many.seg.nrrd"
        measure(f"export of {actions.MANY}", actions.export(tab, "Slicer segmentation", place))
    with new_drr_bench(application, folder) as tab:
        image = actions.checked_image(tab)
        measure(f"Dice of {actions.MANY}", actions.check(tab, image))
    return figures


EXPORTS = {
    "Slicer segmentation": "a.seg.nrrd",
    "NIfTI": "",
    "PNG masks": "",
    "PNG overlay": "a.png",
    "COCO": "a.json",
    "Table": "a.csv",
}


class real_model:
    """The bundled model, loaded by the first job that needs it."""

    device = "cpu"

    def __init__(self) -> None:
        self._predictor = None

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        if self._predictor is None:
            from FluoroSAMSlicerLib.segmentation import Predictor

            self._predictor = Predictor.load("compact", device="cpu", threads=1)
        return getattr(self._predictor, name)


if __name__ == "__main__":
    started = time.monotonic()
    main()
