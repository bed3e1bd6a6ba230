"""Folders: where the files of a study live, beside its database, so that the two can be moved together."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from autotune.knob import Situation


@dataclass(frozen=True)
class Folders:
    """The folder of files beside one database; nothing is created by asking.

    Attributes:
        root: Holds everything below.
    """

    root: Path

    @property
    def artifacts(self) -> Path:
        """Optuna's artifact store: pictures that the dashboard shows."""
        return self.root / "artifacts"

    @property
    def cache(self) -> Path:
        """The compile cache that all trials share."""
        return self.root / "cache"

    def reference(self, situation: Situation) -> Path:
        """The untuned pictures of a workload, by weights and kind of device: each kind rounds differently."""
        weights = situation.blueprint.facts.get("weights")
        parts = (situation.workload.digest, situation.target.kind, *([str(weights)] if weights else []))
        return self.root / "references" / "-".join(parts)

    def study(self, name: str) -> Path:
        """Everything of one study."""
        return self.root / folder_name(name)

    def trial(self, study: str, number: int, digest: str) -> Path:
        """The log and the pictures of one trial.

        >>> Folders(Path("x-files")).trial("first", 7, "0f3a").as_posix()
        'x-files/first/trials/0007-0f3a'
        """
        return self.study(study) / "trials" / f"{number:04d}-{digest}"


def folder_name(study: str) -> str:
    """Return a study's name as the name of a folder: distinct studies never share one.

    >>> folder_name("sdxl-1024")
    'sdxl-1024'
    >>> folder_name("SD 1.5 / H200")
    'SD-1.5-H200-3142f5'
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", study).strip("-.")[:80]
    if plain == study and plain not in {"artifacts", "cache", "references"}:
        return plain
    return f"{plain or 'study'}-{hashlib.sha256(study.encode()).hexdigest()[:6]}"
