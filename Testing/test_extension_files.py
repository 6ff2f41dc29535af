"""The files by which Slicer builds, lists and installs the extension say the same, and miss no file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import FluoroSAMSlicerLib
import pytest
from PIL import Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # a dependency of pytest there

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "FluoroSAMSlicer"
LIBRARY = MODULE / "FluoroSAMSlicerLib"


@pytest.fixture(scope="module")
def cmake() -> dict[str, str]:
    """The variables of the top CMakeLists.txt, by the pattern of the Extensions Index: one quoted string."""
    text = (ROOT / "CMakeLists.txt").read_text("utf-8")
    variables = dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"\n]*)"\)$', text, re.MULTILINE))
    variables["NAME"] = re.search(r"^project\((\w+)\)$", text, re.MULTILINE).group(1)
    return variables


@pytest.fixture(scope="module")
def s4ext() -> dict[str, str]:
    lines = (ROOT / "FluoroSAMSlicer.s4ext").read_text("utf-8").splitlines()
    return dict(
        (key, value.strip())
        for key, _, value in (line.partition(" ") for line in lines if line.strip() and line[0] != "#")
    )


@pytest.fixture(scope="module")
def entry() -> dict:
    return json.loads((ROOT / "FluoroSAMSlicer.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def files_under(folder: Path, pattern: str = "*") -> set[str]:
    """Paths relative to the module folder, without byte code and hidden files."""
    return {
        path.relative_to(MODULE).as_posix()
        for path in folder.rglob(pattern)
        if path.is_file() and not re.search(r"(^|/)(__pycache__|\.)", path.relative_to(MODULE).as_posix())
    }


def test_one_name_everywhere(cmake):
    assert cmake["NAME"] == "FluoroSAMSlicer"
    # The Index wants an extension's name without "Slicer" in front.
    assert not cmake["NAME"].startswith("Slicer")
    assert f"set(MODULE_NAME {cmake['NAME']})" in (MODULE / "CMakeLists.txt").read_text("utf-8")
    assert {path.stem for path in ROOT.glob("*.s4ext")} == {path.stem for path in ROOT.glob("*.json")}
    assert (ROOT / f"{cmake['NAME']}.json").is_file() and LIBRARY.name == f"{cmake['NAME']}Lib"


def test_the_s4ext_says_what_cmake_says(cmake, s4ext):
    for key in (
        "homepage",
        "category",
        "contributors",
        "description",
        "iconurl",
        "screenshoturls",
        "depends",
    ):
        assert s4ext[key] == cmake[key.upper()], key
    assert (s4ext["scm"], s4ext["build_subdirectory"], s4ext["enabled"]) == ("git", ".", "1")


def test_the_catalogue_entry_says_what_cmake_says(cmake, entry, s4ext):
    assert entry["category"] == cmake["CATEGORY"]
    assert entry["build_dependencies"] == cmake["DEPENDS"].split()
    assert entry["scm_url"] == s4ext["scmurl"] and entry["scm_revision"] == s4ext["scmrevision"]
    assert entry["scm_url"].removesuffix(".git") == cmake["HOMEPAGE"]
    assert entry["build_subdirectory"] == s4ext["build_subdirectory"]


def test_the_catalogue_entry_fits_the_schema(entry):
    """Schema v1.0.2 of Slicer's catalogue: no other field, these types."""
    kinds = {
        "$schema": str,
        "category": str,
        "scm_url": str,
        "scm_revision": str,
        "scm_type": str,
        "build_dependencies": list,
        "build_subdirectory": str,
        "enabled": bool,
        "tier": int,
        "dicom_support_rule": str,
    }
    assert {"$schema", "category", "scm_url"} <= entry.keys() <= kinds.keys()
    assert all(type(value) is kinds[key] for key, value in entry.items())
    assert "catalog-entry-schema-v1.0.2.json" in entry["$schema"] and entry["tier"] in range(1, 6)
    assert re.fullmatch(r"https://[\w./-]+/Slicer\w+\.git", entry["scm_url"])


def test_description_and_dependencies_are_told(cmake):
    assert "X-ray" in cmake["DESCRIPTION"] and len(cmake["DESCRIPTION"]) < 300
    assert cmake["DEPENDS"] == "PyTorch" and cmake["CONTRIBUTORS"]


@pytest.mark.parametrize("name", ["CMakeLists.txt", "FluoroSAMSlicer.json", "FluoroSAMSlicer.s4ext"])
def test_lines_end_as_the_index_wants_them(name):
    content = (ROOT / name).read_bytes()
    assert b"\r" not in content and content.endswith(b"\n") and content.isascii()


@pytest.mark.parametrize("variable", ["ICONURL", "SCREENSHOTURLS"])
def test_pictures_of_the_catalogue_are_files_of_this_repository(cmake, variable):
    for url in cmake[variable].split():
        place = url.removeprefix(cmake["HOMEPAGE"].replace("//github.com/", "//raw.githubusercontent.com/"))
        branch, _, path = place.strip("/").partition("/")
        assert branch == "main" and place != url
        with Image.open(ROOT / path) as picture:
            assert picture.format in ("PNG", "JPEG", "GIF")


@pytest.mark.parametrize("path", ["Resources", "FluoroSAMSlicer/Resources/Icons"])
def test_the_icon_is_128_pixels_square_and_not_empty(path):
    with Image.open(ROOT / path / "FluoroSAMSlicer.png") as icon:
        assert (icon.format, icon.size) == ("PNG", (128, 128))
        assert len(icon.convert("RGBA").getcolors(128 * 128)) > 8


def test_the_licence_is_where_both_look_for_it(project):
    assert project["project"]["license"] == "Apache-2.0"
    for name in project["project"]["license-files"]:
        # Names under which the Index finds a licence.
        assert name in {"LICENSE", "LICENSE.txt", "License.txt", "license.txt", "COPYING", "COPYING.txt"}
        assert "Apache License" in (ROOT / name).read_text("utf-8")


def test_the_python_package_and_the_module_are_one(project):
    assert project["project"]["version"] == FluoroSAMSlicerLib.__version__
    listed = set(project["tool"]["setuptools"]["packages"]) - {"FluoroSAMSlicerLib.Resources"}
    present = {".".join(path.parent.relative_to(MODULE).parts) for path in LIBRARY.rglob("__init__.py")}
    assert listed == present
    folders = project["tool"]["setuptools"]["package-dir"]
    assert ROOT / folders[""] == MODULE
    assert ROOT / folders["FluoroSAMSlicerLib.Resources"] == MODULE / "Resources"


def test_nothing_beside_the_module_file_is_taken_for_a_module():
    """Slicer tries to load every Python file in a module folder."""
    assert {path.name for path in MODULE.glob("*.py")} <= {"FluoroSAMSlicer.py"}


def test_every_folder_with_code_is_a_package():
    assert {path.parent for path in LIBRARY.rglob("*.py")} == {
        path.parent for path in LIBRARY.rglob("__init__.py")
    }


def test_in_slicer_tests_have_the_name_that_registers_them():
    found = {path.name for path in (ROOT / "Testing" / "Python").glob("*.py")} - {"fluorosam_hands.py"}
    assert all(re.fullmatch(r"FluoroSAMSlicer\w*Test\.py", name) for name in found), found


def test_a_build_installs_every_file_of_the_module(tmp_path):
    """Configures the module with stand-ins for Slicer's macros, which report what they are given."""
    program = shutil.which("cmake")
    if program is None:
        pytest.skip("cmake is not installed")
    (tmp_path / "CMakeLists.txt").write_text(
        f"""cmake_minimum_required(VERSION 3.16.3...3.28)
project(StandIn NONE)
include(CMakeParseArguments)
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(GIVEN "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${{ARGN}})
  foreach(kind NAME SCRIPTS RESOURCES WITH_GENERIC_TESTS UNPARSED_ARGUMENTS)
    foreach(value ${{GIVEN_${{kind}}}})
      file(APPEND "${{CMAKE_BINARY_DIR}}/given" "${{kind}}|${{value}}\\n")
    endforeach()
  endforeach()
endmacro()
macro(slicer_add_python_unittest)
  cmake_parse_arguments(UNIT "" "SCRIPT" "" ${{ARGN}})
  file(APPEND "${{CMAKE_BINARY_DIR}}/given" "TEST|${{UNIT_SCRIPT}}\\n")
endmacro()
set(BUILD_TESTING ON)
add_subdirectory("{MODULE.as_posix()}" module)
add_subdirectory("{(ROOT / "Testing").as_posix()}" testing)
""",
        "utf-8",
    )
    subprocess.run([program, "-S", tmp_path, "-B", tmp_path / "build"], check=True, capture_output=True)
    given: dict[str, list[str]] = {}
    for line in (tmp_path / "build" / "given").read_text("utf-8").splitlines():
        kind, value = line.split("|")
        given.setdefault(kind, []).append(value)
    assert given["NAME"] == ["FluoroSAMSlicer"] and given["WITH_GENERIC_TESTS"] == ["TRUE"]
    assert "UNPARSED_ARGUMENTS" not in given
    assert given["SCRIPTS"][0] == "FluoroSAMSlicer.py"
    assert sorted(given["SCRIPTS"][1:]) == sorted(files_under(LIBRARY, "*.py"))
    assert sorted(given["RESOURCES"]) == sorted(files_under(MODULE / "Resources"))
    in_slicer = {path.name for path in (ROOT / "Testing" / "Python").glob("*Test.py")}
    assert set(given["TEST"]) == {"FluoroSAMSlicer.py"} | in_slicer
