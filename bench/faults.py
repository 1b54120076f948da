"""Measures the fault matrix: real clients build while their index misbehaves in every known way.

    python -m bench.faults [--fault NAME] [--client NAME] [--quick] [--peers] [--markdown FILE]

The command writes its page of the documentation, which says what is measured.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.clients import Client, Job, Pip
from tests.environments import NoNetwork
from tests.faults import FAULTS

from bench import peers
from bench.clients import CLIENTS, FEW, PROJECTS, clients
from bench.measure import AGAIN, FIRST, IMPATIENT, LATER, LONGEST, SECOND, Bench, ended
from bench.table import table

QUICK = ("refused", "accepts and never answers", "503 with Retry-After 30", "body shorter than Content-Length",
         "login portal", "404 for all")  # fmt: skip

HEAD = """# Faults

This page shows what real builds do while their index misbehaves.
The command that measures them writes the page:

    python -m bench.faults --peers --markdown docs/reference/faults.md

`--quick` measures only a few faults.
`--fault NAME` and `--client NAME` select one fault or client, and may be given several times.
The command needs this checkout's extra `[test]`, and root for the faults of name resolution.
`--peers` also measures these programs, if they are on `PATH`: `uv`, `devpi-server`, `flask` beside proxpi, `nginx`.
"""
EXPIRED_SAYS = f"""Each build asks for {PROJECTS} projects.
All pages are stored and expired, all files are stored, and `timeout` has its default.
Two builds ran one after the other on the same host.
Each cell has the verdict; then, for the first and the second build, how much longer it took than with a sound index;
then, for both, how many requests reached the index.
"ok" means: both exit codes are 0, the versions are the same as with a sound index, no stored page has changed, and the
first build took at most {FIRST:g} s longer and the second at most {SECOND:g} s.
A cell that is not ok was measured {AGAIN} times more, since other programs on the machine may cause a delay."""
COLD_SAYS = f"""The newest pip installs {len(FEW)} projects, nothing is stored, and it is killed after {LONGEST:g} s.
The bare pip and the pip with cachedindex ran with `--timeout 2 --retries 1`; by default a pip waits a hundred seconds
for a silent index.
Without a copy there is nothing to serve, so "ok" means: pip ends with the same exit code as the bare pip, and at most
{LATER:g} s later."""
PEERS_SAYS = f"""Bare clients install {len(FEW)} projects, with a cache of their own that was filled from a sound index.
Proxies are asked for one page that expires after {peers.EXPIRY} s.
After {peers.LONGEST:g} s without an answer they are not waited for any longer."""


def main() -> int:
    """Measure, print, and return 1 if anything is not as it should be."""
    arguments = _arguments()
    faults = arguments.fault or (QUICK if arguments.quick else tuple(FAULTS))
    with tempfile.TemporaryDirectory(prefix="cachedindex-bench-") as folder, ExitStack() as stack:
        try:
            measured, pip = clients(Path(folder), arguments.client)
        except NoNetwork as error:
            raise SystemExit(f"the real clients cannot be installed from this machine's index: {error}") from None
        bench = Bench(Path(folder), stack, measured)
        expired, wrong = _expired(bench, faults)
        cold, wrong_cold = _cold(bench, faults, pip)
        sections = [expired, cold]
        if arguments.peers:
            sections.append(_peers(bench, faults, Path(folder), pip))
    text = "\n\n".join(sections)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(f"{HEAD}\n{text}\n", "utf-8")
    return int(wrong or wrong_cold)


def _expired(bench: Bench, faults: Sequence[str]) -> tuple[str, bool]:
    rows, wrong = [], False
    for name in faults:
        met = [bench.meets(client, FAULTS[name]) for client in bench.clients]
        rows.append([name, *("-" if one is None else str(one) for one in met)])
        wrong = wrong or any(one.wrong for one in met if one)
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    head = "## Expired copies"
    return f"{head}\n\n{EXPIRED_SAYS}\n\n{table(['fault', *bench.clients], rows)}", wrong


def _cold(bench: Bench, faults: Sequence[str], python: Path) -> tuple[str, bool]:
    rows, wrong = [], False
    for name in faults:
        met = bench.meets_cold(python, FAULTS[name])
        rows.append([name, "-", "-"] if met is None else [name, ended(met.bare), str(met)])
        wrong = wrong or (met is not None and met.wrong)
        print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    head = "## Nothing stored"
    return f"{head}\n\n{COLD_SAYS}\n\n{table(['fault', 'bare pip', 'through cachedindex'], rows)}", wrong


def _peers(bench: Bench, faults: Sequence[str], folder: Path, python: Path) -> str:
    names = [name for name in faults if FAULTS[name].door == "address"]
    columns: dict[str, list[str]] = {"bare pip": _bare(bench, Pip(python, FEW, covered=False), names, folder / "bare")}
    if shutil.which("uv"):
        columns["uv"] = _bare(bench, peers.Uv(FEW), names, folder / "uv")
    site = bench.address
    for proxy in peers.installed():
        try:
            with peers.started(proxy, site.index.url, folder / "peers" / proxy) as pages:
                columns[proxy] = [peers.met(pages, FAULTS[name], site) for name in names]
        except OSError as error:
            print(f"NOT MEASURED: {proxy}: {error}", file=sys.stderr)
    rows = [[name, *(column[number] for column in columns.values())] for number, name in enumerate(names)]
    return f"## Others\n\n{PEERS_SAYS}\n\n{table(['fault', *columns], rows)}"


def _bare(bench: Bench, client: Client, names: Sequence[str], folder: Path) -> list[str]:
    site = bench.address
    job = Job(client, site, folder)
    # With their own caches, as on a CI host.
    own = {**IMPATIENT, "PIP_NO_CACHE_DIR": "0", "UV_HTTP_TIMEOUT": "2", "UV_HTTP_RETRIES": "1"}
    own |= {"PIP_TRUSTED_HOST": site.index.origin.removeprefix("http://")}
    job.build(own)
    return [ended(bench.ends(job, FAULTS[name], own)) for name in names]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description="The fault matrix.")
    parser.add_argument("--fault", action="append", choices=FAULTS, metavar="NAME", help="this one; may be repeated")
    parser.add_argument("--client", action="append", choices=CLIENTS, help="this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a few faults")
    parser.add_argument("--peers", action="store_true", help="measure other programs too, if they are installed")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page of the documentation")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
