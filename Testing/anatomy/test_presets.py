"""The names that one click asks for."""

from __future__ import annotations

from FluoroSAMSlicerLib.anatomy import resolve
from FluoroSAMSlicerLib.anatomy.presets import PRESETS


def test_every_preset_names_different_structures_of_the_vocabulary():
    assert list(PRESETS) == ["chest", "pelvis", "spine", "knee", "hand", "foot"]
    for names in PRESETS.values():
        structures = [resolve(name).name for name in names]
        assert len(structures) >= 4 and len(set(structures)) == len(names)
