"""Target: the machine that a recipe is tuned for, as plain facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from autotune.units import format_bytes


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a trial runs: a device, its memory and the software around it.

    Attributes:
        device: The torch device string, such as "cpu" or "cuda:0".
        name: What the device calls itself, such as "NVIDIA H200" or "AMD EPYC".
        memory_bytes: Total memory of the device (of the machine, for a CPU).
        compute_capability: CUDA compute capability such as (9, 0); None where there is none.
        cores: CPU cores that this process may use.
        libraries: Installed packages that knobs care about, name to version.
        backends: SDPA kernels and other torch features that are available, such as "flash" or "bf16".
        has_compiler: Whether `torch.compile` can build kernels here (a C++ compiler, or Triton on CUDA).
        stands_for: Name of the GPU that this machine stands in for: what it lacks is not offered, and
            `memory_bytes` is what it can give to a program. "" when the machine is itself.
        uuid: What tells the device from all others, such as "GPU-…", "MIG-…" or "cpu-…"; "" where unknown.
        has_energy_counter: Whether a counter tells the energy that it takes; None where nobody looked.
    """

    device: str
    name: str = ""
    memory_bytes: int = 0
    compute_capability: tuple[int, int] | None = None
    cores: int = 1
    libraries: Mapping[str, str] = field(default_factory=dict)
    backends: frozenset[str] = frozenset()
    has_compiler: bool = False
    stands_for: str = ""
    uuid: str = ""
    has_energy_counter: bool | None = None

    @property
    def kind(self) -> str:
        """The type of the device: "cpu", "cuda", "mps" or "xpu".

        >>> Target(device="cuda:1").kind
        'cuda'
        """
        return self.device.partition(":")[0]

    def is_at_least(self, major: int, minor: int = 0) -> bool:
        """Whether the compute capability is at least `major.minor`; False on devices that have none.

        >>> Target(device="cuda", compute_capability=(8, 6)).is_at_least(8, 9)
        False
        """
        return self.compute_capability is not None and self.compute_capability >= (major, minor)

    def has(self, library: str) -> bool:
        """Whether a package is installed.

        >>> Target(device="cpu", libraries={"torchao": "0.18.0"}).has("torchao")
        True
        """
        return library in self.libraries

    def describe(self) -> str:
        """One line for a person.

        >>> Target(device="cpu", name="AMD EPYC", memory_bytes=24 * 2**30, cores=2).describe()
        'AMD EPYC (cpu, 24 GiB, 2 cores)'
        """
        facts = [self.device] if self.stands_for else [self.device, format_bytes(self.memory_bytes)]
        if self.kind == "cpu":
            facts.append(f"{self.cores} {'core' if self.cores == 1 else 'cores'}")
        if self.compute_capability:
            facts.append("sm_" + "".join(map(str, self.compute_capability)))
        place = f"{self.name or self.device} ({', '.join(facts)})"
        if not self.stands_for:
            return place
        return f"{place} under a cap of {format_bytes(self.memory_bytes)}, for {self.stands_for}"

    def to_json(self) -> dict[str, object]:
        """Return plain JSON types, accepted by `from_json`."""
        plain: dict[str, object] = {
            "device": self.device,
            "name": self.name,
            "memory_bytes": self.memory_bytes,
            "compute_capability": list(self.compute_capability) if self.compute_capability else None,
            "cores": self.cores,
            "libraries": dict(sorted(self.libraries.items())),
            "backends": sorted(self.backends),
            "has_compiler": self.has_compiler,
            "stands_for": self.stands_for,
            "uuid": self.uuid,
        }
        known = self.has_energy_counter is not None
        return plain | ({"has_energy_counter": self.has_energy_counter} if known else {})

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """Build a target from what `to_json` returned.

        >>> target = Target(device="cuda", compute_capability=(9, 0), backends=frozenset({"flash"}))
        >>> Target.from_json(target.to_json()) == target
        True
        """
        fields: dict[str, object] = dict(data)
        capability = fields.get("compute_capability")
        fields["compute_capability"] = tuple(capability) if isinstance(capability, list) else None
        backends = fields.get("backends")
        fields["backends"] = frozenset(backends) if isinstance(backends, list) else frozenset()
        return cls(**fields)  # type: ignore[arg-type]
