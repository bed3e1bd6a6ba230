"""What every test runs under: no network but loopback, and a loud word where a test cannot run."""

import atexit
import gc
import importlib.metadata
import importlib.util
import ipaddress
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # here, so that it holds for every import and every process a test starts
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In a shell's background; every process that a test sends Ctrl-C to would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# One thread a process: the tests prove behaviour, not speed, and two of them may share two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Locks of its own for each process of tests: the machine's one CPU would let them measure one by one.
os.environ["AUTOTUNE_LOCKS"] = tempfile.mkdtemp(prefix="autotune-locks-")
atexit.register(shutil.rmtree, os.environ["AUTOTUNE_LOCKS"], ignore_errors=True)

GOLDEN = Path(__file__).parent / "golden"
# Fixtures that build a pipeline, or run one: a test that asks for them takes seconds.
PIPELINES = frozenset({"folder_of", "phases", "reference", "references"})
# Files of twenty seconds and more, the longest first: they are begun first, so that all cores end together.
LONGEST = (
    "knobs/test_contract.py",
    "knobs/test_pairs.py",
    "cli/test_demo.py",
    "cli/test_verify.py",
    "pipeline/test_footprint.py",
    "runners/test_local.py",
    "knobs/test_conflicts.py",
    "pipeline/test_families.py",
    "test_script.py",
    "runners/test_device_lock.py",
    "runners/test_trust.py",
    "pipeline/test_step_error.py",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--rewrite-golden`, which `make golden` gives."""
    parser.addoption("--rewrite-golden", action="store_true", help="write the golden files again")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures that they use, and put the longest files first."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "golden" in fixtures:
            item.add_marker("golden")
        if not PIPELINES.isdisjoint(fixtures):
            item.add_marker("slow")
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Look for garbage among what tests leave, not through all of torch, and not all the time.

    Python would spend a quarter of the time on it while graphs are traced.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose machinery is missing, or fail it where `AUTOTUNE_REQUIRE` names its marker."""
    required = os.environ.get("AUTOTUNE_REQUIRE", "").replace(",", " ").split()
    for marker, missing in WHY_NOT.items():
        if item.get_closest_marker(marker) is None:
            continue
        reason = missing()
        if reason and marker in required:
            pytest.fail(f"AUTOTUNE_REQUIRE asks for '{marker}', but {reason}", pytrace=False)
        if reason:
            pytest.skip(f"{marker}: {reason}")


def _why_no_gpu() -> str:
    """Why tests marked gpu cannot run here, asked of the driver: importing torch would take seconds.

    Where AUTOTUNE_CHECK_DEVICE is "cpu", what they can show on one is asked for: see `tests/gpu/card.py`.
    """
    if os.environ.get("AUTOTUNE_CHECK_DEVICE") == "cpu":
        return ""
    if importlib.metadata.version("torch").endswith("+cpu"):
        return "the installed torch is a CPU build."
    import pynvml

    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError as error:
        return f"there is no NVIDIA driver ({error})."
    return "" if count else "the driver sees no device."


def _why_no_browser() -> str:
    """Why tests marked browser cannot run here."""
    return "" if _find_browser() else f"none of {', '.join(BROWSERS)} is on the PATH: install chromium."


def _find_browser() -> str:
    """The path of the first browser found, or nothing."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), "")


def _why_no_postgres() -> str:
    """Why tests marked postgres cannot run here."""
    if os.environ.get("AUTOTUNE_POSTGRES") or any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return ""
    return "neither AUTOTUNE_POSTGRES (a URL) is set nor is a server installed: install postgresql."


def _why_no_ray() -> str:
    """Why tests marked ray cannot run here."""
    return "" if importlib.util.find_spec("ray") else "ray is not installed: pip install 'autotune[ray]'."


WHY_NOT: dict[str, Callable[[], str]] = {
    "gpu": _why_no_gpu,
    "browser": _why_no_browser,
    "postgres": _why_no_postgres,
    "ray": _why_no_ray,
}


@pytest.fixture
def browser() -> str:
    """The path of a Chromium, for tests marked browser."""
    return _find_browser()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """A function of a file name and a text that fails where the text differs from tests/golden/NAME."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.exists():
            pytest.fail(f"There is no {path}: 'make golden' writes it.")
        assert path.read_text(encoding="utf-8") == text, f"{path} is stale: 'make golden', then review."

    return compare


@pytest.fixture(autouse=True)
def _closed_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that reaches for anything but this machine."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: object) -> None:
        _refuse_outside(self, address)
        connect(self, address)  # type: ignore[arg-type]

    def guarded_connect_ex(self: socket.socket, address: object) -> int:
        _refuse_outside(self, address)
        return connect_ex(self, address)  # type: ignore[arg-type]

    def guarded_look_up(host: object, *args: object, **kwargs: object) -> object:
        if not _is_this_machine(host):
            pytest.fail(f"The test looked up '{host!r}': tests reach loopback only.")
        return look_up(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)


def _refuse_outside(sock: socket.socket, address: object) -> None:
    """Fail the test unless the address is a local socket or loopback."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        host = address[0] if isinstance(address, tuple) else address
        if not _is_this_machine(host):
            pytest.fail(f"The test connected to {address!r}: tests reach loopback only.")


def _is_this_machine(host: object) -> bool:
    """Whether a host of a socket address is loopback or the machine's own name."""
    text = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if text in ("localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
