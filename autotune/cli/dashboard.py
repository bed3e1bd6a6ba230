"""`autotune dashboard`: optuna-dashboard on the database of the studies."""

import ipaddress
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.options import MaybeStudyName, Storage
from autotune.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer
    from wsgiref.types import WSGIApplication

_PORTS = 65_535

EXAMPLES = ("autotune dashboard demo --port 8080",)


def dashboard(
    study: MaybeStudyName = "",
    host: Annotated[str, typer.Option(help="An address of this machine's own loopback.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any.")] = 8080,
    storage: Storage = "",
) -> None:
    """Serve optuna-dashboard on the studies, until Ctrl-C."""
    from autotune.cli.console import say
    from autotune.cli.studies import names_of_studies

    check_loopback(host)
    if not 0 <= port <= _PORTS:
        raise UsageError(f"'--port {port}' is no port. Give a number from 1 to {_PORTS}, or 0 for any.")
    names = names_of_studies(storage)
    if study and study not in names:
        raise UnknownName("study", study, names, remedy="'autotune show' lists them all.")
    page, application = _application(study, storage)
    server = _server(host, port, application)
    try:
        say(f"http://{_in_url(host)}:{server.server_port}{page}   (Ctrl-C stops it)")
        server.serve_forever()
    except KeyboardInterrupt:
        say("stopped")
    finally:
        server.server_close()


def check_loopback(host: str) -> None:
    """Refuse an address that other machines can reach.

    Raises:
        UsageError: The dashboard would be open to them.

    >>> check_loopback("localhost")
    """
    if host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise UsageError(
            f"The dashboard cannot listen on '{host}': it has no password and can delete studies, so only "
            "this machine may reach it. Use --host 127.0.0.1, and from elsewhere a tunnel: "
            "ssh -L 8080:127.0.0.1:8080 THIS-MACHINE."
        )


def _application(study: str, storage: str) -> "tuple[str, WSGIApplication]":
    """Return the path of the page to open, and the dashboard as a WSGI application."""
    import optuna_dashboard

    from autotune.cli.studies import storage_url
    from autotune.store.engine import open_database
    from autotune.store.images import artifact_store
    from autotune.store.optuna_tables import optuna_storage

    database = open_database(storage_url(storage), must_exist=True)
    tables = optuna_storage(database)
    page = f"/dashboard/studies/{tables.get_study_id_from_name(study)}" if study else "/dashboard"
    return page, optuna_dashboard.wsgi(tables, artifact_store=artifact_store(database.folders))


def _server(host: str, port: int, application: "WSGIApplication") -> "WSGIServer":
    """Bind the port.

    Raises:
        UsageError: It is in use, or not ours to use.
    """
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    class Server(ThreadingMixIn, WSGIServer):
        """A thread a request: a browser keeps connections open that it does not use."""

        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    class QuietHandler(WSGIRequestHandler):
        """Serves without a line on stderr for each request."""

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    try:
        return make_server(host, port, application, Server, QuietHandler)
    except OSError as error:
        raise UsageError(
            f"Port {port} of {host} cannot be used: {error.strerror}. "
            "Choose another with --port, or 0 for any."
        ) from error


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
