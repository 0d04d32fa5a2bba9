"""Development sessions. `nox -s quickstart` shows the main job; `nox -s tests` runs the tests."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tarfile
import tomllib
from pathlib import Path

import nox
from packaging.version import Version

nox.needs_version = ">=2025.2.9"  # with `nox.project.dependency_groups`
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = False
nox.options.sessions = ["lint", "tests", "isolated"]

ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
CORE = ROOT / "registry"
PLUGINS = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
DIST = ROOT / "dist"
VENV = ROOT / ".venv"
# A worker a core; each takes neighbouring tests, so that what they share is made once, and helps the others at the end.
WORKERS = ["-n", "logical", "--maxprocesses", "8", "--dist", "worksteal"]
EXTRAS = {"embeddings": "minilm", "vision": "imagenet"}
PYPROJECT = nox.project.load_toml("pyproject.toml")


# With the weights that other distributions ship, which the checkpoints of these extras need.
WITH_WEIGHTS = [f"{folder}[{EXTRAS[folder.name]}]" if folder.name in EXTRAS else folder for folder in PLUGINS]


def group(name: str) -> tuple[str, ...]:
    """The packages of a dependency group of pyproject.toml."""
    return nox.project.dependency_groups(PYPROJECT, name)


def install(session: nox.Session, *packages: str | Path, constrained: bool = True) -> None:
    """Install with pip, which also finds a CPU build of torch that lies on disk; the pin keeps CUDA packages away."""
    constraints = ["-c", str(CONSTRAINTS)] if constrained else []
    session.install("--quiet", *constraints, *map(str, packages))


def offline(session: nox.Session) -> None:
    """No session looks anything up on the Hub."""
    session.env["HF_HUB_OFFLINE"] = "1"
    session.env["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if folder := os.environ.get("TSUGIKI_DATASETS"):
        session.env["TSUGIKI_DATASETS"] = str(Path(folder).resolve())


def install_references(session: nox.Session) -> None:
    """Put torchvision and timm into a folder of their own, for the tests that compare with them.

    torchvision has no build beside a CPU-only torch. Where everything can import it, transformers does, and fails.
    """
    folder = Path(session.create_tmp(), "reference").resolve()
    options = ["--quiet", "--no-deps", "--upgrade", "--target", str(folder), "-c", str(CONSTRAINTS)]
    session.run("python", "-m", "pip", "install", *options, *group("reference"), silent=True)
    session.env["TSUGIKI_REFERENCE"] = str(folder)


@nox.session(venv_backend="none")
def dev(session: nox.Session) -> None:
    """Install everything that work on the project needs into `.venv`, the project's own parts editable."""
    if not VENV.exists():
        session.run(sys.executable, "-m", "venv", str(VENV))
    editable = [word for folder in (CORE, *WITH_WEIGHTS) for word in ("-e", str(folder))]
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "-c", str(CONSTRAINTS)]
    session.run(*pip, "torch", *editable, *group("dev"))
    session.run(*pip, "--no-deps", *group("peers"))


@nox.session
def quickstart(session: nox.Session) -> None:
    """Install one plugin, graft a new head on a pretrained network, and see what it buys."""
    install(session, "torch", CORE, ROOT / "packages" / "vision")
    session.env["HF_HUB_OFFLINE"] = "1"
    session.run("python", "examples/quickstart.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests in one environment with every plugin."""
    install(session, "torch", CORE, *WITH_WEIGHTS, *group("test"))
    install(session, "--no-deps", *group("peers"))
    install_references(session)
    offline(session)
    session.run("pytest", *WORKERS, *session.posargs)


@nox.session
def core(session: nox.Session) -> None:
    """The core's tests where no plugin is installed: they run on a toy of their own."""
    install(session, "torch", f"{CORE}[audio,onnx]", *group("test"))
    offline(session)
    session.run("pytest", *WORKERS, "tests/registry", *session.posargs)


@nox.session
def isolated(session: nox.Session) -> None:
    """Each plugin's wheel alone: its declared dependencies must be enough to load, predict and fine-tune."""
    wheels = build_wheels(session)
    offline(session)
    core = next(wheels.glob("tsugiki-*.whl"))
    for plugin in PLUGINS:
        wheel = next(wheels.glob(f"tsugiki_{plugin.name.replace('-', '_')}-*.whl"))
        folder = Path(session.create_tmp()) / plugin.name
        shutil.rmtree(folder, ignore_errors=True)
        session.run("python", "-m", "venv", str(folder))
        python = str(folder / "bin" / "python")
        options = ["--quiet", "-c", str(CONSTRAINTS), "--find-links", str(wheels)]  # one of ours may need another
        session.run(python, "-m", "pip", "install", *options, "torch", str(core), str(wheel), external=True)
        session.run(python, "-m", "tsugiki", "check-plugin", plugin.name, external=True)
        session.run(python, str(ROOT / "tests" / "isolated" / f"{plugin.name.replace('-', '_')}.py"), external=True)
        shutil.rmtree(folder)  # 2 GB each


@nox.session
def lowest(session: nox.Session) -> None:
    """The tests under the lower bounds of every declared dependency (torch stays at the tested pin)."""
    bounds: dict[str, Version] = {}
    for name, bound in (found for folder in (CORE, *PLUGINS) for found in lower_bounds(folder)):
        bounds[name] = max(bound, bounds.get(name, bound))  # together they need the highest of their bounds
    install(session, next(line for line in CONSTRAINTS.read_text().splitlines() if line.startswith("torch==")))
    lowest = [f"{name}=={bound}" for name, bound in sorted(bounds.items())]
    install(session, *lowest, CORE, *WITH_WEIGHTS, *group("test"), constrained=False)
    install(session, "--no-deps", *group("peers"))
    install_references(session)
    offline(session)
    # Old libraries warn of what became of the newer ones below them, and leave files open; that is not ours to mend.
    theirs = ["-W", "ignore::DeprecationWarning", "-W", "ignore::pytest.PytestUnraisableExceptionWarning"]
    session.run("pytest", *WORKERS, *theirs, *session.posargs)


def lower_bounds(folder: Path) -> list[tuple[str, Version]]:
    """Name and lower bound of each dependency that has one, ours and torch aside."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = []
    for requirement in project["dependencies"]:
        match = re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", requirement)
        if match and not match[1].startswith("tsugiki") and match[1] != "torch":
            found.append((match[1], Version(match[2])))
    return found


@nox.session
def peers(session: nox.Session) -> None:
    """transformers' own common tests on every family, scikit-learn's on every estimator, gensim's readers on vectors.

    `-- -k resnet` runs those of one family.
    """
    install(session, "torch", CORE, *PLUGINS, *group("test"), *group("transformers-tests"))
    version = session.run(
        "python", "-c", "from importlib.metadata import version; print(version('transformers'))", silent=True
    ).strip()
    folder = Path(session.create_tmp(), "transformers").resolve()
    unpacked = folder / f"transformers-{version}"
    if not unpacked.exists():  # the wheel comes without tests, the source distribution has them
        options = ["--quiet", "--no-deps", "--no-binary", "transformers", "--dest", str(folder)]
        session.run("python", "-m", "pip", "download", *options, f"transformers=={version}", silent=True)
        with tarfile.open(f"{unpacked}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    session.env["TSUGIKI_PEERS"] = str(unpacked)
    offline(session)
    # Their tests open files and leave them so, and look at what is deprecated; that is not ours to mend.
    session.run("pytest", *WORKERS, "-W", "default", "tests/peers", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Format, lint, types, and generated files that drifted."""
    install(session, "torch", CORE, *PLUGINS, *group("lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("tsugiki", "card", "--check")


def build_wheels(session: nox.Session) -> Path:
    """Wheels of the core and of every plugin, in ``dist/``."""
    shutil.rmtree(DIST, ignore_errors=True)
    install(session, *group("build"))
    for folder in (CORE, *PLUGINS):
        session.run(
            "python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(DIST), str(folder), silent=True
        )
    for wheel in sorted(DIST.glob("*.whl")):
        session.log(f"{wheel.name}: {wheel.stat().st_size / 2**20:.1f} MB")
    return DIST


@nox.session
def build(session: nox.Session) -> None:
    """Build all wheels."""
    build_wheels(session)


@nox.session
def verify(session: nox.Session) -> None:
    """Measure every card again; `-- --fast` takes at most 1,000 rows of each."""
    install(session, "torch", CORE, *WITH_WEIGHTS)
    offline(session)
    session.run("tsugiki", "verify", "--all", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks; name scripts to run only those."""
    install(session, "torch", CORE, *WITH_WEIGHTS)
    offline(session)
    chosen = session.posargs or sorted(path.stem for path in ROOT.glob("benchmarks/*.py"))
    for name in chosen:
        session.run("python", f"benchmarks/{name}.py")
