"""What is handed out: the wheel and the source archive hold all that the package needs."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "flask_melody_mfa"
KEPT_OUT = ("tests/", "example_app/", ".ci/", ".git")


def needed() -> set[str]:
    """Every file of the package in this folder, as a path of the archive."""
    return {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The names in the wheel and in the source archive, as pip's build would make them."""
    buildapi = pytest.importorskip("flit_core.buildapi")
    folder = tmp_path_factory.mktemp("dist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        wheel = folder / buildapi.build_wheel(str(folder))
        archive = folder / buildapi.build_sdist(str(folder))
    with zipfile.ZipFile(wheel) as opened:
        in_wheel = set(opened.namelist())
    with tarfile.open(archive) as tar:
        in_archive = {name.partition("/")[2] for name in tar.getnames()}
    return {"wheel": in_wheel, "sdist": in_archive}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_every_file_of_the_package_is_in_it(built: dict[str, set[str]], kind: str) -> None:
    assert needed() - built[kind] == set()


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_translations_pages_styles_and_types_are_in_it(
    built: dict[str, set[str]], kind: str
) -> None:
    wanted = {
        "flask_melody_mfa/py.typed",
        "flask_melody_mfa/static/mfa/mfa.css",
        "flask_melody_mfa/static/mfa/mfa.js",
        "flask_melody_mfa/templates/mfa/base.html",
        "flask_melody_mfa/templates/mfa/mail/code.txt",
        *(
            f"flask_melody_mfa/translations/{language}/LC_MESSAGES/flask_melody_mfa.{kind}"
            for language in ("fr", "zh_Hans")
            for kind in ("mo", "po")
        ),
    }
    assert wanted - built[kind] == set()


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_nothing_else_is_in_it(built: dict[str, set[str]], kind: str) -> None:
    assert [name for name in built[kind] if name.startswith(KEPT_OUT)] == []
    assert [name for name in built[kind] if "__pycache__" in name] == []


def test_the_wheel_tells_flask_and_pytest_of_us(built: dict[str, set[str]]) -> None:
    assert any(name.endswith(".dist-info/entry_points.txt") for name in built["wheel"])


def test_what_git_keeps_is_what_is_here() -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    assert not {"*.mo", "*.po", "translations/"} & set(ignored)
