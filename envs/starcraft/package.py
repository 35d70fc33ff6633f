"""What must be installed, said in one line where it is not, and which version of it is here."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from types import ModuleType
from typing import Any

from ..settings import suggestion

GUIDE = "docs/starcraft.md says how"


@dataclass(frozen=True)
class Package:
    """One of the two packages.

    Attributes:
        name: what it is imported as.
        title: what it is called.
        environment: name of its environment's class in ``<name>.env``.
    """

    name: str
    title: str
    environment: str

    @property
    def remedy(self) -> str:
        """The command that installs it."""
        return f"pip install git+https://github.com/oxwhirl/{self.name}.git"

    def load(self) -> type:
        """The class of its environment.

        Raises:
            ValueError: the package, or one that it needs, is missing, or another one has its name.
        """
        return getattr(self._module("env"), self.environment)

    def maps(self) -> Mapping[str, Mapping[str, Any]]:
        """Its maps by name.

        Raises:
            ValueError: as ``load``.
        """
        return self._module("env.starcraft2.maps.smac_maps").get_smac_map_registry()

    def check_map(self, name: str) -> None:
        """Raises ValueError unless it knows the map."""
        known = self.maps()
        if name not in known:
            hint = suggestion(name, known) or f"; its maps: {', '.join(known)}"
            raise ValueError(f"{self.title} has no map {name!r}{hint}")

    def versions(self) -> dict[str, str]:
        """The package's version, with the commit where pip has noted one, and pysc2's."""
        return {f"version_{name}": _version(name) for name in (self.name, "pysc2")}

    def _module(self, path: str) -> ModuleType:
        try:
            return importlib.import_module(f"{self.name}.{path}")
        except (ImportError, TypeError) as error:  # TypeError: generated code that protobuf is too new for
            raise ValueError(f"{self.title} {self._fault(error)} ({GUIDE})") from error

    def _fault(self, error: ImportError | TypeError) -> str:
        try:
            importlib.import_module(self.name)
        except ImportError as absent:
            if absent.name == self.name:
                return f"is not installed: {self.remedy}"
        # PyPI's smac is SMAC3, which has no smac.env.
        if getattr(error, "name", None) == f"{self.name}.env":
            return (
                f"is not installed, but another package named {self.name!r}, which is SMAC3 if it came from "
                f"PyPI: pip uninstall {self.name}, then {self.remedy}"
            )
        reason = str(error).partition("\n")[0]
        return f"cannot be imported: {reason}; install it with what it needs: {self.remedy}"


SMAC = Package("smac", "SMAC", "StarCraft2Env")
SMACV2 = Package("smacv2", "SMACv2", "StarCraftCapabilityEnvWrapper")


def game(version: str | None) -> Any:
    """pysc2's run configuration of the game that ``version`` chooses; starts nothing.

    Raises:
        ValueError: there is no StarCraft II where pysc2 looks for it, or not that version.
    """
    run_configs: Any = importlib.import_module("pysc2.run_configs")
    try:
        return run_configs.get(version=version)
    except Exception as error:  # pysc2 raises its own exceptions, OSError and ValueError
        wanted = f"StarCraft II {version}" if version else "StarCraft II"
        raise ValueError(
            f"{wanted} is not found: {error}; install the game and let SC2PATH name its folder ({GUIDE})"
        ) from error


def check_map_file(config: Any, map_name: str) -> None:
    """Raises ValueError unless the map's file lies where the game looks for maps."""
    maps: Any = importlib.import_module("pysc2.maps")
    try:
        path = maps.get(map_name).path
    except maps.lib.DuplicateMapError as error:
        raise ValueError(
            "SMAC and SMACv2 cannot be used in one process, as both name their maps to pysc2: run them apart"
        ) from error
    try:
        config.map_data(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the map file {path} is missing: put the folder SMAC_Maps into {config.data_dir}/Maps ({GUIDE})"
        ) from error


def game_version(config: Any) -> str:
    """Build and known name of the game, as ``75689 (4.10.0)``."""
    lib: Any = importlib.import_module("pysc2.run_configs.lib")
    build = config.version.build_version
    chosen = config.version.game_version
    names = [name for name, known in lib.VERSIONS.items() if known.build_version == build]
    name = chosen if chosen != "latest" else " or ".join(names)
    return f"{build} ({name or 'not known to pysc2'})"


def _version(name: str) -> str:
    """Version, and commit if it was installed from git: both packages have been 1.0.0 since 2019 and 2022."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return "unknown"
    source = json.loads(found.read_text("direct_url.json") or "{}")
    commit = source.get("vcs_info", {}).get("commit_id", "")
    return f"{found.version} {commit[:12]}".strip()
