"""Radiographs as volume nodes, and volume nodes of any origin as radiographs."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import slicer
import vtk
from FluoroSAMSlicerLib.mrml import NotOneImage, SlicerMissing, radiograph_from_volume, volume_node
from FluoroSAMSlicerLib.mrml.library import scene_library
from FluoroSAMSlicerLib.radiograph import Radiograph, read_radiograph


@pytest.fixture
def scene():
    return slicer.vtkMRMLScene()


@pytest.fixture
def ramp() -> np.ndarray:
    """(30, 50): no two pixels equal, so that a flip or a transpose shows."""
    return np.linspace(0.05, 0.95, 1500, dtype=np.float32).reshape(30, 50)


def plain_node(scene, voxels, kind="vtkMRMLScalarVolumeNode", spacing=(1.0, 1.0, 1.0)):
    """A node as Slicer's readers leave it: voxels and spacing, none of our attributes."""
    node = scene.AddNewNodeByClass(kind, "film")
    slicer.util.updateVolumeFromArray(node, voxels)
    node.SetSpacing(*spacing)
    return node


def test_a_radiograph_lies_in_the_axial_plane_with_row_0_on_top(scene, ramp):
    node = volume_node(scene, Radiograph(ramp, (0.2, 0.35), "PixelSpacing"), "knee")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    at = np.array([matrix.MultiplyPoint((i, j, 0, 1)) for i, j in ((0, 0), (10, 0), (0, 20))])
    assert at[:, :3] == pytest.approx(np.array([[0, 0, 0], [-2, 0, 0], [0, -7, 0]]))
    assert node.GetImageData().GetDimensions() == (50, 30, 1)
    assert node.GetSpacing() == pytest.approx((0.2, 0.35, 1))
    assert np.array_equal(slicer.util.arrayFromVolume(node)[0], ramp)
    assert node.GetName() == "knee"
    assert node.GetAttribute("FluoroSAM.spacingSource") == "PixelSpacing"
    shown = node.GetDisplayNode()
    assert (shown.GetWindow(), shown.GetLevel(), shown.GetAutoWindowLevel()) == (1, 0.5, 0)


def test_unknown_spacing_is_one_millimetre_and_said_to_be_unknown(scene, ramp):
    node = volume_node(scene, Radiograph(ramp), "scan")
    assert node.GetSpacing() == (1, 1, 1)
    assert node.GetAttribute("FluoroSAM.spacingSource") == "unknown"
    assert radiograph_from_volume(node).spacing is None


@pytest.mark.parametrize("source", ["PixelSpacing", "ImagerPixelSpacing", "file header"])
def test_a_radiograph_comes_back_as_it_went_in(scene, ramp, source):
    back = radiograph_from_volume(volume_node(scene, Radiograph(ramp, (0.2, 0.35), source), "film"))
    assert np.array_equal(back.pixels, ramp) and back.pixels.dtype == np.float32
    assert back.spacing == pytest.approx((0.2, 0.35)) and back.spacing_source == source
    assert (back.frame, back.frame_count) == (0, 1)


def test_changing_what_came_back_leaves_the_node_alone(scene, ramp):
    node = volume_node(scene, Radiograph(ramp), "film")
    radiograph_from_volume(node).pixels[:] = 0
    assert np.array_equal(slicer.util.arrayFromVolume(node)[0], ramp)


def test_the_sample_file_goes_through_a_scene_unchanged(scene, pytestconfig):
    path = pytestconfig.rootpath / "FluoroSAMSlicer" / "Resources" / "SampleData" / "chest_drr.dcm"
    film = read_radiograph(path)
    back = radiograph_from_volume(volume_node(scene, film, path.stem))
    assert np.array_equal(back.pixels, film.pixels)
    assert back.spacing == pytest.approx(film.spacing) and back.spacing_source == film.spacing_source


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.float64])
def test_stored_values_of_any_type_are_stretched_to_0_and_1(scene, kind):
    voxels = np.array([[[20, 40, 60], [80, 100, 120]]], kind)
    back = radiograph_from_volume(plain_node(scene, voxels, spacing=(0.5, 0.25, 2)))
    assert back.pixels == pytest.approx(np.array([[0, 0.2, 0.4], [0.6, 0.8, 1]]))
    assert back.spacing == (0.5, 0.25) and back.spacing_source == "file header"


def test_values_that_a_user_pushed_out_of_range_are_stretched_again(scene, ramp):
    node = volume_node(scene, Radiograph(ramp), "film")
    slicer.util.arrayFromVolume(node)[:] *= 1000
    back = radiograph_from_volume(node).pixels
    assert (back.min(), back.max()) == (0, 1)


@pytest.mark.parametrize("components", [3, 4])
def test_colour_becomes_luminance_and_alpha_is_dropped(scene, components):
    voxels = np.zeros((1, 2, 2, components), np.uint8)
    voxels[0, 0, 1, 0], voxels[0, 1, 0, 1], voxels[0, 1, 1, :3] = 255, 255, 255
    voxels[..., 3:] = np.arange(4).reshape(1, 2, 2, 1)
    back = radiograph_from_volume(plain_node(scene, voxels, "vtkMRMLVectorVolumeNode"))
    assert back.pixels == pytest.approx(np.array([[0, 0.2126], [0.7152, 1]]), abs=1e-5)


def test_two_values_per_pixel_are_refused(scene):
    node = plain_node(scene, np.zeros((1, 4, 4, 2), np.uint8), "vtkMRMLVectorVolumeNode")
    with pytest.raises(NotOneImage, match="2 values per pixel"):
        radiograph_from_volume(node)


def test_a_stack_is_refused_with_advice_unless_a_slice_is_named(scene):
    voxels = np.arange(5 * 4 * 3, dtype=np.int16).reshape(5, 4, 3)
    node = plain_node(scene, voxels)
    with pytest.raises(NotOneImage, match="film is a stack of 5 slices.*Choose one"):
        radiograph_from_volume(node)
    back = radiograph_from_volume(node, frame=2)
    assert back.pixels.shape == (4, 3) and (back.frame, back.frame_count) == (2, 5)
    with pytest.raises(NotOneImage, match="slices 0 to 4"):
        radiograph_from_volume(node, frame=5)


def test_pixels_that_are_not_finite_take_the_lowest_value(scene):
    back = radiograph_from_volume(plain_node(scene, np.array([[[2.0, np.nan], [np.inf, 4.0]]])))
    assert np.array_equal(back.pixels, [[0, 0], [0, 1]])
    with pytest.raises(NotOneImage, match="no finite"):
        radiograph_from_volume(plain_node(scene, np.full((1, 2, 2), np.nan)))


def test_an_even_image_is_black(scene):
    assert not radiograph_from_volume(plain_node(scene, np.full((1, 3, 3), 700, np.int16))).pixels.any()


@pytest.mark.parametrize("kind", ["vtkMRMLLabelMapVolumeNode", "vtkMRMLScalarVolumeNode", "vtkMRMLTextNode"])
def test_what_holds_no_image_is_refused_by_name(scene, kind):
    node = scene.AddNewNodeByClass(kind, "thing")
    with pytest.raises(NotOneImage, match="thing"):
        radiograph_from_volume(node)


@pytest.mark.parametrize("shape", [(0, 5), (3, 4, 5)])
def test_pixels_of_another_shape_make_no_node(scene, shape):
    before = scene.GetNumberOfNodes()
    with pytest.raises(NotOneImage, match="rows x columns"):
        volume_node(scene, Radiograph(np.zeros(shape, np.float32)), "film")
    assert scene.GetNumberOfNodes() == before


def test_importing_the_room_is_light():
    code = "import sys, FluoroSAMSlicerLib.mrml; print(*{m.partition('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"slicer", "vtk", "vtkmodules", "torch", "transformers", "numba", "scipy", "SimpleITK", "qt"}
    assert not heavy & set(loaded.stdout.split())


@pytest.mark.parametrize(
    ("module", "advice"),
    [(None, "pip install slicer-core"), (ModuleType("slicer"), "pip uninstall slicer")],
    ids=["absent", "another package of that name"],
)
def test_without_slicers_library_the_message_says_what_to_install(monkeypatch, module, advice):
    monkeypatch.setitem(sys.modules, "slicer", module)
    scene_library.cache_clear()
    try:
        with pytest.raises(SlicerMissing, match=advice):
            volume_node(None, Radiograph(np.zeros((2, 2), np.float32)), "film")
    finally:
        scene_library.cache_clear()
