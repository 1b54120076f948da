"""The fault matrix: real clients build while their index misbehaves in every way that we know.

    python -m bench.faults [--fault NAME] [--client NAME] [--quick] [--peers] [--markdown FILE]

Its page in the documentation says what is measured, and is made by this command.
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

What real builds do while their index misbehaves, as measured by this command; nothing here is typed by hand.

    python -m bench.faults --peers --markdown docs/reference/faults.md

`--quick` takes a few faults, `--fault NAME` and `--client NAME` one; both may be given several times.
It needs this checkout's `[test]` extra, and root for the faults of names.
Peers are measured where they are on `PATH`: `uv`, `devpi-server`, `flask` beside proxpi, `nginx`.
"""
EXPIRED_SAYS = f"""{PROJECTS} projects, all pages stored and expired, all files stored; `timeout` has its default.
Each cell: the verdict; by how much the first build was longer than with a sound index, and the next one on this host,
right after it; how many requests of each reached the index.
"ok" is: exit code 0 twice, the same versions as with a sound index, every stored page as it was, the first build longer
by at most {FIRST:g} s and the second by at most {SECOND:g} s. What is not is measured {AGAIN} times more, since other
programs take their time too."""
COLD_SAYS = f"""The newest pip, nothing stored, {len(FEW)} projects, killed after {LONGEST:g} s.
Both sides with `--timeout 2 --retries 1`, since by default a pip waits for a silent index for a hundred seconds.
Without a copy there is nothing to serve: "ok" is to end as the bare pip does, and at most {LATER:g} s later."""
PEERS_SAYS = f"""Bare clients install {len(FEW)} projects, with a cache of their own that a sound index has filled.
Proxies are asked for one page that has expired after {peers.EXPIRY} s, and are waited for {peers.LONGEST:g} s."""


def main() -> int:
    """Measure, print, and return 1 where something is not as it should be."""
    arguments = _arguments()
    faults = arguments.fault or (QUICK if arguments.quick else tuple(FAULTS))
    with tempfile.TemporaryDirectory(prefix="cachedindex-bench-") as folder, ExitStack() as stack:
        try:
            measured, pip = clients(Path(folder), arguments.client)
        except NoNetwork as error:
            raise SystemExit(f"the real clients cannot be had from this machine's index: {error}") from None
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
            with peers.started(proxy, site, folder / "peers" / proxy) as pages:
                columns[proxy] = [peers.met(pages, FAULTS[name], site) for name in names]
        except OSError as error:
            print(f"NOT MEASURED: {proxy}: {error}", file=sys.stderr)
    rows = [[name, *(column[number] for column in columns.values())] for number, name in enumerate(names)]
    return f"## Others\n\n{PEERS_SAYS}\n\n{table(['fault', *columns], rows)}"


def _bare(bench: Bench, client: Client, names: Sequence[str], folder: Path) -> list[str]:
    site = bench.address
    job = Job(client, site, folder)
    # They keep what they fetch in caches of their own, as they would on a CI host.
    own = {**IMPATIENT, "PIP_NO_CACHE_DIR": "0", "UV_HTTP_TIMEOUT": "2", "UV_HTTP_RETRIES": "1"}
    own |= {"PIP_TRUSTED_HOST": site.index.origin.removeprefix("http://")}
    job.build(own)
    return [ended(bench.ends(job, FAULTS[name], own)) for name in names]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description="The fault matrix.")
    parser.add_argument("--fault", action="append", choices=FAULTS, metavar="NAME", help="this one; may be repeated")
    parser.add_argument("--client", action="append", choices=CLIENTS, help="this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="a few faults")
    parser.add_argument("--peers", action="store_true", help="what others do, too, where they are installed")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page of the documentation")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
