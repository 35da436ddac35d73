"""The house in order: links, wheel, layers, who imports what, and how long files are."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "transport_abm"
LONGEST_FILE = 450
SOURCES = sorted(PACKAGE.rglob("*.py"))
HEAVY_OF_KERNELS = {"pandas", "mesa", "pydantic", "networkx"}


def name_of(path: Path) -> str:
    """Path inside the package, with slashes."""
    return path.relative_to(PACKAGE).as_posix()


def imported(path: Path) -> set[str]:
    """Top-level names of all modules that a file imports, at the top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def importers(module: str) -> set[str]:
    """Files of the package that import a module."""
    return {name_of(path) for path in SOURCES if module in imported(path)}


def package_files() -> set[str]:
    """Every file of the package that a wheel should hold."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".pyc", ".nbi", ".nbc")
    }


@pytest.mark.parametrize("folder", ["agents", "networks", "calibration", "experiments"])
def test_the_links_at_the_top_lead_into_the_package(folder: str) -> None:
    link = ROOT / folder
    if not link.is_symlink():
        # Git writes a link as a one-line file where the system has none.
        assert link.is_file()
        assert link.read_text(encoding="utf-8").strip() == f"transport_abm/{folder}"
        return
    assert link.readlink().as_posix() == f"transport_abm/{folder}"
    assert (PACKAGE / folder / "__init__.py").is_file()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the files that it is built from."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, copy / name)
        else:
            (copy / name).write_text(name, encoding="utf-8")
    shutil.copytree(PACKAGE, copy / "transport_abm", ignore=shutil.ignore_patterns("__pycache__"))
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(copy / "dist")],
        cwd=copy, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (found,) = (copy / "dist").glob("*.whl")
    return found


def test_the_wheel_holds_every_file_of_the_package_once(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert len(names) == len(set(names))
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == package_files()
    assert {".py", ".csv", ".toml"} <= {Path(name).suffix for name in inside}
    assert "transport_abm/py.typed" in inside


def test_the_wheel_runs_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Its catalogues, scenarios and command line work from the files of the wheel alone."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = (
        "import sys; sys.path.insert(0, 'site'); import transport_abm; "
        "from transport_abm.policy.scenario import Scenario; "
        "assert 'site' in transport_abm.__file__; "
        "sys.argv = ['transport-abm', 'levers', '--json']; Scenario.named('plan'); "
        "from transport_abm.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) > 20


def test_the_layers_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.is_file():
        pytest.skip("import-linter is not installed")
    done = subprocess.run([str(program), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mesa_is_imported_by_its_face_and_the_model_alone() -> None:
    allowed = {name for name in map(name_of, SOURCES) if re.fullmatch(r"core/mesa_\w+\.py", name)} | {
        "model.py"
    }
    assert importers("mesa") <= allowed
    assert importers("mesa")


def test_each_heavy_library_stays_in_its_room() -> None:
    assert importers("osmnx") <= {"networks/osm/osm_roads.py"}
    assert importers("networkx") <= {"networks/osm/osm_roads.py"}
    assert all(name.startswith("networks/") for name in importers("osmium"))
    assert all(name.startswith(("cli/", "app/")) for name in importers("typer") | importers("rich"))


def test_parquet_is_read_by_its_one_reader() -> None:
    readers = re.compile(r"read_parquet|pq\.read_|ParquetFile|ParquetDataset|pyarrow\.dataset|pacsv\.read")
    assert {name_of(path) for path in SOURCES if readers.search(path.read_text(encoding="utf-8"))} == {
        "core/parquet.py"
    }


def test_kernel_files_hold_arrays_and_arithmetic_only() -> None:
    kernels = [path for path in SOURCES if path.name.startswith("kernels_")]
    assert len(kernels) >= 7
    faults = {name_of(path): imported(path) & HEAVY_OF_KERNELS for path in kernels}
    assert not {name: found for name, found in faults.items() if found}


def test_compiled_functions_live_in_kernel_files() -> None:
    compiled = {
        name_of(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and node.module == "numba"
        and {alias.name for alias in node.names} & {"njit", "jit", "prange", "guvectorize", "vectorize"}
    }
    outside = {name for name in compiled if not Path(name).name.startswith("kernels_")}
    # The counter-based numbers are called from every kernel, and stand with the streams that address them.
    assert outside <= {"core/draws.py"}
    assert len(compiled) >= 7


def test_no_kernel_gives_up_the_order_of_its_sums() -> None:
    trees = ((path, ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES)
    found = [
        name_of(path)
        for path, tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "fastmath"
    ]
    assert not found


def test_no_draw_comes_from_a_sequence() -> None:
    """Neither numpy's generators nor Python's: all draws are addressed by stream, agent and year."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            own = (
                isinstance(node, ast.Attribute) and node.attr == "random" and isinstance(node.value, ast.Name)
            )
            if own and node.value.id in ("np", "numpy"):
                found.add(name_of(path))
            if isinstance(node, ast.ImportFrom) and node.module == "numpy.random":
                found.add(name_of(path))
    # Mesa's sets shuffle agents by the model's own generator: the order of a user's calls, no behaviour.
    mesa_sets = {"core/mesa_rows.py", "core/mesa_sets.py"}
    assert found | importers("random") <= mesa_sets


def test_the_package_is_imported_without_its_heavy_libraries() -> None:
    program = (
        "import sys, transport_abm; "
        "heavy = ['mesa', 'numba', 'pandas', 'scipy', 'networkx', 'osmnx', 'pydantic']; "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_every_public_name_of_the_package_can_be_had() -> None:
    import transport_abm

    assert len(transport_abm.__all__) > 5
    for name in transport_abm.__all__:
        assert getattr(transport_abm, name) is not None
    with pytest.raises(AttributeError):
        transport_abm.no_such_name  # noqa: B018


def test_no_file_is_too_long_to_read() -> None:
    long = {
        name_of(path): n
        for path in SOURCES
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert not long


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name_of(path)
        for path in SOURCES
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent
