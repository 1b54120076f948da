"""`cachedindex export` on one machine, and `cachedindex import` on others: what comes of it is the union, verified."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from cachedindex.commands.line import main
from cachedindex.model import Outcome, Record, Run as Made
from cachedindex.rules import layout, privacy
from cachedindex.store import record, runs
from cachedindex.store.store import Store
from cachedindex.upkeep import bundle, streams
from tests.ageing import age
from tests.conftest import SOURCE, Ran, Run
from tests.index import Index
from tests.stored import DAY, file, page
from tests.values import replace

Command = Callable[..., Ran]
NOW = time.time()
OURS = (sys.executable, "-m", "cachedindex")
PIP = (*OURS, "run", "--", sys.executable, "-m", "pip", "install", "-q", "--no-cache-dir", "--target")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def command(
    environment: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Give a function that runs one of our commands in this process, which takes a tenth of the time."""
    monkeypatch.chdir(tmp_path)

    def command(*words: str, **variables: str) -> Ran:
        with pytest.MonkeyPatch.context() as patch:
            for name, text in {**environment, **variables}.items():
                patch.setenv(name, text)
            code = main(words)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return command


def put_page(store: Store, name: str, *, asked: float = NOW - 100, files: str = "") -> None:
    """Store a page that lists these files of files.example, as its index sent it at this time."""
    anchors = "".join(
        f'<a href="https://files.example/{each}#sha256={sha256(each.encode()).hexdigest()}">{each}</a>'
        for each in (files or f"{name}-1.0.tar.gz").split()
    )
    body = f"<!DOCTYPE html><title>Links for {name}</title>{anchors}".encode()
    url, digest = page(name).url, sha256(body).hexdigest()
    store.put(
        page(name), Record(url, url, {"content-type": "text/html"}, asked, asked, 0.1, len(body), digest, body, "html")
    )


def put_file(store: Store, name: str, *, asked: float = NOW - 100, data: bytes = b"") -> Path:
    data = data or name.encode()
    request = file(name, data)
    blob = store.new_blob(request)
    blob.write(data)
    blob.commit()
    store.put(request, Record(request.url, request.url, {}, asked, asked, 0.1, len(data), blob.sha256))
    return store._shared.blob_path(blob.sha256)


def put_project(store: Store, name: str, **how: float) -> None:
    put_page(store, name, **how)  # type: ignore[arg-type]
    put_file(store, f"{name}-1.0.tar.gz", **how)


def held(folder: Path) -> dict[str, bytes]:
    """Return all records and blobs of everybody; each of them has to verify."""
    found = {}
    for path in (each for name in ("records-v1", "blobs-v1") for each in (folder / name).rglob("*") if each.is_file()):
        assert not path.name.startswith("."), f"{path} was left"
        data = path.read_bytes()
        if "blobs-v1" in path.parts:
            assert sha256(data).hexdigest() == path.name
        else:
            assert record.decode(data), path
        found[path.relative_to(folder).as_posix()] = data
    return found


def tampered(folder: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], object]) -> Path:
    """Change the members of the folder's bundle, whose tar is written anew."""
    with tarfile.open(folder / "bundle.tar") as tar:
        found = [(each, tar.extractfile(each).read()) for each in tar]  # type: ignore[union-attr]
    change(found)
    with tarfile.open(folder / "tampered.tar", "w") as tar:
        for info, data in found:
            tar.addfile(info, io.BytesIO(data))
    return folder / "tampered.tar"


def test_of_two_bundles_the_union_is_the_same_in_either_order_and_twice(command: Command, tmp_path: Path) -> None:
    first, second = Store(tmp_path / "first"), Store(tmp_path / "second")
    for name in ("six", "seven"):
        put_project(first, name)
    put_project(second, "eight")
    put_page(second, "six", asked=NOW - 50, files="six-1.0.tar.gz six-1.1.tar.gz")
    put_page(second, "seven", asked=NOW - 500, files="seven-0.9.tar.gz")
    for each in (first, second):
        ran = command("export", f"{each.root.name}.tar", CACHEDINDEX_CACHE_DIR=str(each.root))
        assert (ran.code, ran.err) == (0, "")
    results = []
    for order in (("first", "second"), ("second", "first"), ("second", "second", "first", "second")):
        folder = tmp_path / "-".join(order)
        for name in order:
            ran = command("import", f"{name}.tar", CACHEDINDEX_CACHE_DIR=str(folder))
            assert (ran.code, ran.err) == (0, "")
        results.append(held(folder))
    assert results[0] == results[1] == results[2]
    assert len(results[0]) == 3 + 3 + 3
    assert [name for name, data in results[0].items() if b"six-1.1" in data]
    assert not [name for name, data in results[0].items() if b"seven-0.9" in data]


def test_several_at_once_and_what_is_here_already(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    command("export", "bundle.tar")
    ran = command("import", "bundle.tar", "bundle.tar", CACHEDINDEX_CACHE_DIR=str(tmp_path / "other"))
    assert ran.out.splitlines() == [
        "bundle.tar: 1 pages and 1 files are new, 0 were here",
        "bundle.tar: 0 pages and 0 files are new, 2 were here",
    ]
    assert command("ls", "six", "--files", CACHEDINDEX_CACHE_DIR=str(tmp_path / "other")).code == 0


def test_the_same_folder_gives_the_same_bytes(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    put_project(store, "seven")
    command("export", "a.tar")
    command("export", "b.tar", "--all")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = tar.getnames()
    assert (names[0], names[-1]) == (bundle.CONTENTS, bundle.END)
    blobs = [names.index(name) for name in names if name.startswith("blobs-v1/")]
    assert all("/files/" in names[at + 1] for at in blobs)


@pytest.mark.parametrize("program", [True, False])
def test_zstandard_and_pipes(
    command: Command, run: Run, store: Store, tmp_path: Path, program: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the program; and without it by this Python, or by nothing: then a plain tar is what is left."""
    put_project(store, "six")
    path = os.environ["PATH"] if program else str(tmp_path / "programs")
    if program and not shutil.which("zstd"):
        pytest.skip("SKIPPED FOR WANT OF zstd")
    (tmp_path / "programs").mkdir()
    for name in ("sh", "cat"):
        (tmp_path / "programs" / name).symlink_to(shutil.which(name) or name)
    ran = command("export", "bundle.tar.zst", PATH=path)
    if not program and streams._module() is None:
        assert ran.code == 2
        assert "install the program zstd" in ran.err
        assert not [*tmp_path.glob("*bundle*"), *tmp_path.glob(".bundle*")]
        return
    assert (ran.code, ran.err) == (0, "")
    assert (tmp_path / "bundle.tar.zst").read_bytes().startswith(b"\x28\xb5\x2f\xfd")
    ours = " ".join(OURS)
    through = f"{ours} export - | cat | {ours} import --cache-dir {tmp_path / 'piped'} -"
    assert run("sh", "-c", through).code == 0
    through = f"cat bundle.tar.zst | {ours} import --cache-dir {tmp_path / 'unpacked'} -"
    assert run("sh", "-c", through, PATH=path).code == 0
    assert held(tmp_path / "piped") == held(tmp_path / "unpacked") == held(tmp_path / "cache")
    (tmp_path / "cut.tar.zst").write_bytes((tmp_path / "bundle.tar.zst").read_bytes()[:-9])
    ran = run(*OURS, "import", "cut.tar.zst", "--cache-dir", tmp_path / "cut")
    assert (ran.code, ran.err) == (1, "")


def test_zstandard_by_a_module(command: Command, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here by a module of the standard library that every Python has, with the same function."""
    put_project(store, "six")
    put_file(store, "six-1.1.tar.gz", data=os.urandom(100_000))
    monkeypatch.setattr(streams, "_MODULES", ("gzip",))
    monkeypatch.setattr(streams, "_MAGIC", b"\x1f\x8b")
    assert command("export", "bundle.tar.zst").code == 0
    assert (tmp_path / "bundle.tar.zst").read_bytes().startswith(b"\x1f\x8b")
    assert command("import", "bundle.tar.zst", CACHEDINDEX_CACHE_DIR=str(tmp_path / "other")).code == 0
    assert held(tmp_path / "other") == held(store.root)
    (tmp_path / "cut.tar.zst").write_bytes((tmp_path / "bundle.tar.zst").read_bytes()[:-20])
    ran = command("import", "cut.tar.zst", CACHEDINDEX_CACHE_DIR=str(tmp_path / "other"))
    assert "the rest is not read: " in ran.out


def test_a_cut_bundle_gives_what_is_whole_and_says_what_is_missing(
    command: Command, store: Store, tmp_path: Path
) -> None:
    for number in range(8):
        put_project(store, f"six{number}")
    command("export", "bundle.tar")
    whole = (tmp_path / "bundle.tar").read_bytes()
    everything, sizes = held(store.root), []
    for part in (0.3, 0.6, 0.8, 0.95):
        (tmp_path / "cut.tar").write_bytes(whole[: int(len(whole.rstrip(b"\0")) * part)])
        other = tmp_path / f"other-{part}"
        ran = command("import", "cut.tar", CACHEDINDEX_CACHE_DIR=str(other))
        assert ran.code == 1
        assert "cut.tar: the rest is not read: " in ran.out
        found = held(other)
        assert found.items() <= everything.items()
        missing = [line for line in ran.out.splitlines() if line.startswith("cut.tar: missing: ")]
        assert len(missing) + len(found) == len(everything)
        sizes.append(len(found))
        assert command("import", "bundle.tar", CACHEDINDEX_CACHE_DIR=str(other)).code == 0
        assert held(other) == everything
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_an_import_that_is_killed_leaves_what_is_whole(command: Command, store: Store, tmp_path: Path) -> None:
    """It is killed while it waits for the rest."""
    for number in range(20):
        put_project(store, f"six{number}")
    command("export", "bundle.tar")
    whole = (tmp_path / "bundle.tar").read_bytes()
    other = tmp_path / "other"
    process = subprocess.Popen([*OURS, "import", "-", "--cache-dir", str(other)], stdin=subprocess.PIPE)
    assert process.stdin
    half = len(whole) * 2 // 3
    process.stdin.write(whole[:half])
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not list((other / "records-v1").rglob("page.*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    process.stdin.close()
    for stray in [*other.rglob(".*.tmp")]:
        stray.rmdir() if stray.is_dir() else stray.unlink()
    assert held(other).items() < held(store.root).items()
    assert command("import", "bundle.tar", CACHEDINDEX_CACHE_DIR=str(other)).code == 0
    assert held(other) == held(store.root)


def test_nothing_that_is_one_users_leaves(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    for scope in (privacy.USER, "0" * 32):
        body = f"<!DOCTYPE html><title>Links for secret</title>{scope}".encode()
        own = page("secret").within(scope)
        store.put(own, Record(own.url, own.url, {}, NOW, NOW, 0.1, len(body), sha256(body).hexdigest(), body, "html"))
    left_out = "2 pages and files are left out, as they are this user's alone"
    assert left_out in command("export", "bundle.tar").out
    assert b"secret" not in (tmp_path / "bundle.tar").read_bytes()


def test_if_all_is_one_users_nothing_is_written(command: Command, store: Store, tmp_path: Path) -> None:
    own = page("secret").within("0" * 32)
    store.put(own, Record(own.url, own.url, {}, NOW, NOW, 0.1, 0, sha256().hexdigest(), b"", "html"))
    ran = command("export", "bundle.tar")
    assert (ran.code, ran.out.splitlines()[1:]) == (
        1, ["1 pages and files are left out, as they are this user's alone", "bundle.tar is not written"]
    )  # fmt: skip
    assert not (tmp_path / "bundle.tar").exists()


def test_a_run_that_needs_what_is_one_users_is_not_all_there(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    own = page("secret").within("0" * 32)
    body = b"<!DOCTYPE html><title>Links for secret</title>"
    store.put(own, Record(own.url, own.url, {}, NOW, NOW, 0.1, len(body), sha256(body).hexdigest(), body, "html"))
    outcomes = [
        Outcome("hit", "page", each.url, "https://index.example", "", seen_by=readers)
        for each, readers in ((page("six"), "all"), (own, "user"))
    ]
    runs.write(store.root, Made("pip", "", "", NOW, 1.0, 0, outcomes=outcomes))
    ran = command("export", "bundle.tar", "--runs", "1")
    assert ran.code == 1
    assert ran.out.splitlines()[0].startswith("1 pages and 0 files, ")
    assert ran.out.splitlines()[1:] == [
        "1 look-ups were of what is this user's alone, so a build that needs that lacks it there"
    ]


def test_what_nobody_is_served_stays(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    put_project(store, "seven")
    command("purge", "seven")
    store.put_prohibition(page("eight"), Record("", "", {}, NOW, NOW, 0.1, 0, sha256().hexdigest(), b""))
    command("export", "bundle.tar")
    with tarfile.open(tmp_path / "bundle.tar") as tar:
        assert [name for name in tar.getnames() if "seven" in name or layout.FORBIDDEN in name] == []


def test_that_an_index_did_not_have_a_page_is_kept(command: Command, store: Store, tmp_path: Path) -> None:
    store.put_absence(page("six"), absence(NOW))
    command("export", "bundle.tar")
    assert command("import", "bundle.tar", CACHEDINDEX_CACHE_DIR=str(tmp_path / "other")).code == 0
    assert Store(tmp_path / "other").absence(page("six"))


def absence(asked: float) -> Record:
    return Record(page("six").url, "", {}, asked, asked, 0.1, 0, sha256().hexdigest(), b"")


@pytest.mark.parametrize(("asked", "comes"), [(NOW - 200, True), (NOW - 50, False)], ids=["before", "later"])
def test_a_page_that_its_index_did_not_have_later_stays_away(
    command: Command, store: Store, tmp_path: Path, asked: float, comes: bool
) -> None:
    put_page(store, "six", asked=NOW - 100)
    command("export", "bundle.tar")
    other = Store(tmp_path / "other")
    other.put_absence(page("six"), absence(asked))
    ran = command("import", "bundle.tar", CACHEDINDEX_CACHE_DIR=str(other.root))
    assert ran.code == 0
    assert (other.get(page("six")) is not None) == comes
    assert ("1 stay away" in ran.out) != comes


def test_that_an_index_did_not_have_a_page_is_no_news_where_the_page_is(
    command: Command, store: Store, tmp_path: Path
) -> None:
    store.put_absence(page("six"), absence(NOW))
    command("export", "bundle.tar")
    other = Store(tmp_path / "other")
    put_page(other, "six")
    ran = command("import", "bundle.tar", CACHEDINDEX_CACHE_DIR=str(other.root))
    assert (ran.code, ran.out) == (0, "bundle.tar: 0 pages and 0 files are new, 1 were here\n")
    assert other.absence(page("six")) is None


def test_what_was_purged_here_stays_away(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    command("export", "bundle.tar")
    command("purge", "six")
    ran = command("import", "bundle.tar")
    assert ran.out.splitlines() == [
        "bundle.tar: 0 pages and 0 files are new, 0 were here",
        "bundle.tar: 2 stay away, as they were purged or refused here, or not there any more",
    ]
    assert store.get(page("six")) is None


def test_what_is_damaged_or_gone_is_left_out(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    put_project(store, "seven")
    put_file(store, "six-1.0.tar.gz").write_bytes(b"damaged")
    put_file(store, "seven-1.0.tar.gz").unlink()
    ran = command("export", "bundle.tar")
    assert ran.code == 1
    assert "2 pages and files, such as https://files.example/seven-1.0.tar.gz, " in ran.out
    ran = command("import", "bundle.tar", CACHEDINDEX_CACHE_DIR=str(tmp_path / "other"))
    assert ran.code == 0
    assert len(held(tmp_path / "other")) == 2


def test_a_damaged_copy_is_mended(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    command("export", "bundle.tar")
    blob = put_file(store, "six-1.0.tar.gz")
    blob.write_bytes(b"six-0.0.tar.gz")
    assert command("import", "bundle.tar").code == 0
    assert len(held(store.root)) == 3


def changed(at: str, **fields: object) -> Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]:
    """Return a change of the first member whose name has this in it."""

    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info, _ = next(each for each in members if at in each[0].name)
        for name, value in fields.items():
            setattr(info, name, value)

    return change


def with_bytes(at: str, edit: Callable[[bytes], bytes]) -> Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        number = next(number for number, each in enumerate(members) if at in each[0].name)
        info, data = members[number]
        members[number] = info, edit(data)
        info.size = len(edit(data))

    return change


def edited(edit: Callable[[Record], Record]) -> Callable[[bytes], bytes]:
    def change(raw: bytes) -> bytes:
        found = record.decode(raw)
        assert found
        return record.encode(edit(found))

    return change


HOSTILE = {
    "a path out of the folder": (changed("page.html", name="records-v1/../../page.html.0123456789abcdef"), "neither"),
    "an absolute path": (changed("page.html", name="/etc/passwd"), "neither"),
    "a blob out of the folder": (changed("blobs-v1", name="blobs-v1/../x"), "neither"),
    "a private tree": (changed("page.html", name=f"private-v1/0/records-v1/x/page.html.{'0' * 16}"), "neither"),
    "a file of the folder": (changed("page.html", name="CACHEDIR.TAG"), "neither"),
    "a symbolic link": (changed("blobs-v1", type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0), "no plain file"),
    "a hard link": (changed("page.html", type=tarfile.LNKTYPE, linkname="/etc/passwd", size=0), "no plain file"),
    "a device": (changed("page.html", type=tarfile.CHRTYPE, size=0), "no plain file"),
    "a FIFO": (changed("page.html", type=tarfile.FIFOTYPE, size=0), "no plain file"),
    "another blob's name": (changed("blobs-v1", name=f"blobs-v1/00/{'0' * 64}"), "other bytes"),
    "a changed blob": (with_bytes("blobs-v1", lambda data: data.upper()), "other bytes"),
    "a changed record": (with_bytes("page.html", lambda data: data.replace(b"Links", b"Lynks")), "damaged"),
    "another release's record": (
        with_bytes("page.html", lambda raw: forged(raw, b'"took"', b'"tock"')), "another release"
    ),
    "a record at another's place": (
        changed("page.html", name="records-v1/index.example/simple/other/page.html.0123456789abcdef"), "wrong place"
    ),
    "a record of other bytes": (
        with_bytes("/files/", edited(lambda each: replace(each, sha256="0" * 64))), "its file is not there"
    ),
    "a record of another size": (
        with_bytes("/files/", edited(lambda each: replace(each, size=each.size + 1))), "its file is not there"
    ),
    "a record of a URL that is none": (
        with_bytes("page.html", lambda raw: forged(raw, b'"url":"https://index', b'"url":"https://[index')), "its URL"
    ),
    "a record that bars": (with_bytes("page.html", edited(lambda each: replace(each, barred=True))), "wrong place"),
}  # fmt: skip


def forged(raw: bytes, old: bytes, new: bytes) -> bytes:
    """Return a record with another header, whose digest is right."""
    magic, header, body = raw.split(b"\n", 2)
    header = header.replace(old, new)
    return b"%s %s\n%s\n%s" % (magic.split()[0], sha256(header).hexdigest().encode(), header, body)


@pytest.mark.parametrize(("change", "why"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_member_is_refused_and_the_rest_is_added(
    command: Command, store: Store, tmp_path: Path, change: Callable[..., object], why: str
) -> None:
    put_project(store, "six")
    put_project(store, "seven")
    command("export", "bundle.tar")
    everything = held(store.root)
    other, before = tmp_path / "other", {path for path in tmp_path.iterdir() if path.name != "cache"}
    bad = tampered(tmp_path, change)
    ran = command("import", bad.name, CACHEDINDEX_CACHE_DIR=str(other))
    assert ran.code == 1, ran.out
    assert "tampered.tar: not added: " in ran.out
    assert why in ran.out
    assert held(other).items() < everything.items()
    assert len(held(other)) >= len(everything) - 2
    assert set(tmp_path.iterdir()) - before <= {other, bad, store.root}
    assert ran.err == ""


def test_of_many_hostile_members_the_first_are_named(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    command("export", "bundle.tar")
    bad = tampered(tmp_path, lambda found: found.extend((tarfile.TarInfo(f"bad-{at}"), b"") for at in range(150)))
    ran = command("import", bad.name, CACHEDINDEX_CACHE_DIR=str(tmp_path / "other"))
    assert ran.out.count("not added: bad-") == 20
    assert "tampered.tar: not added: 130 more\n" in ran.out


def test_what_is_there_twice_is_added_once(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    command("export", "bundle.tar")
    bad = tampered(tmp_path, lambda members: members.extend(members[1:-1]))
    assert command("import", bad.name, CACHEDINDEX_CACHE_DIR=str(tmp_path / "other")).code == 0
    assert held(tmp_path / "other") == held(store.root)


def pax_bomb() -> bytes:
    """Return a tar whose first extended header claims to have a terabyte."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 40
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(30_000_000)


@pytest.mark.parametrize("data", [b"", b"x" * 5000, pax_bomb(), b"\x28\xb5\x2f\xfd" + b"x" * 500])
def test_what_is_no_bundle_is_said_to_be_none(command: Command, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(data)
    ran = command("import", "x.tar", CACHEDINDEX_CACHE_DIR=str(tmp_path / "other"))
    if "knows Zstandard" in ran.err:
        pytest.skip("SKIPPED FOR WANT OF zstd")
    assert ran.code == 1
    assert ran.out.startswith("x.tar: ")
    assert "Traceback" not in ran.err
    assert not held(tmp_path / "other")


def test_a_header_in_the_middle_that_is_too_long_ends_it(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    command("export", "bundle.tar")
    whole = (tmp_path / "bundle.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(whole.rstrip(b"\0") + bytes(-len(whole.rstrip(b"\0")) % 512) + pax_bomb())
    ran = command("import", "x.tar", CACHEDINDEX_CACHE_DIR=str(tmp_path / "other"))
    assert "a header is too long" in ran.out


def test_more_than_may_be_stored_is_not_read(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    command("export", "bundle.tar")

    def grow(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        data = bytes(5_000_000)
        info = tarfile.TarInfo(f"blobs-v1/{sha256(data).hexdigest()[:2]}/{sha256(data).hexdigest()}")
        info.size = len(data)
        members.insert(1, (info, data))

    bad = tampered(tmp_path, grow)
    ran = command("import", bad.name, "--max-size", "1 MB", CACHEDINDEX_CACHE_DIR=str(tmp_path / "other"))
    assert ran.code == 1
    assert "it holds more than max-size allows" in ran.out


def test_what_is_over_max_size_is_said(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    command("export", "bundle.tar")
    put_project(Store(tmp_path / "other"), "seven")
    ran = command("import", "bundle.tar", "--max-size", "1500 b", CACHEDINDEX_CACHE_DIR=str(tmp_path / "other"))
    assert ran.code == 0
    assert "and max-size is 1.5 kB: raise it" in ran.out


def test_a_folder_that_is_not_to_be_changed(command: Command, store: Store, tmp_path: Path) -> None:
    put_project(store, "six")
    command("export", "bundle.tar")
    for folder in ("cache", "new"):
        how = {"CACHEDINDEX_CACHE_DIR": str(tmp_path / folder), "CACHEDINDEX_READ_ONLY": "true"}
        assert command("import", "bundle.tar", **how).code == 2
    assert not (tmp_path / "new").exists()


def test_a_file_that_cannot_be_read_or_written(command: Command, store: Store, tmp_path: Path) -> None:
    assert command("export", "bundle.tar").code == 1
    put_project(store, "six")
    assert command("export", "nowhere/bundle.tar").code == 2
    assert command("import", "nowhere.tar").out == "nowhere.tar: No such file or directory\n"
    assert command("export", "x.tar", "--runs", "0").code == 2
    ran = command("export", "x.tar", "--runs", "3")
    assert (ran.code, (tmp_path / "x.tar").exists()) == (1, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED FOR WANT OF ROOT: only root can be another user")
def test_a_file_that_may_not_be_written_is_not_replaced_either(tmp_path: Path) -> None:
    code = "import os, sys; from cachedindex.upkeep import streams; os.seteuid(65534)\n"
    code += "with streams.writing(sys.argv[1]) as file: file.write(b'x')"
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # noqa: PTH101
        before = Path(folder, "bundle.tar")
        before.write_bytes(b"before")
        before.chmod(0o644)
        for name, is_known in (("bundle.tar", False), ("new.tar", True)):
            command = [sys.executable, "-c", code, str(Path(folder, name))]
            ran = subprocess.run(command, env={"PYTHONPATH": SOURCE}, capture_output=True, text=True, check=False)
            assert (ran.returncode == 0) == is_known, ran.stderr
        assert before.read_bytes() == b"before"


def test_closed_standard_streams(run: Run, command: Command, store: Store) -> None:
    put_project(store, "six")
    ours = f"{sys.executable} -m cachedindex"
    assert run("sh", "-c", f"{ours} import - <&-").out == "-: Bad file descriptor\n"
    ran = run("sh", "-c", f"{ours} export - >&-")
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_an_export_that_fails_leaves_the_file_as_it_was(
    command: Command, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundle.tar").write_bytes(b"before")
    monkeypatch.chdir(tmp_path)

    def fail() -> None:
        with streams.writing("bundle.tar") as out:
            out.write(b"half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert [path.name for path in tmp_path.glob("*bundle*")] == ["bundle.tar"]
    assert (tmp_path / "bundle.tar").read_bytes() == b"before"


@pytest.fixture
def other_machine(environment: Mapping[str, str], tmp_path: Path) -> dict[str, str]:
    """Give the variables of a machine that has nothing."""
    home = tmp_path / "other-home"
    home.mkdir()
    return {"CACHEDINDEX_CACHE_DIR": str(tmp_path / "other"), "HOME": str(home), "PIP_CACHE_DIR": str(home / "pip")}


@pytest.fixture
def without_network(run: Run) -> tuple[str, ...]:
    """Give the beginning of a command that has no network, not even this machine's own."""
    prefix = ("unshare", "-rn") if os.geteuid() else ("unshare", "-n")
    if not shutil.which("unshare") or run(*prefix, "true").code:
        pytest.skip("SKIPPED FOR WANT OF unshare(1)")
    return prefix


def test_a_machine_without_a_network_builds_what_the_last_run_used(
    run: Run,
    command: Command,
    index: Index,
    other_machine: dict[str, str],
    without_network: tuple[str, ...],
    tmp_path: Path,
) -> None:
    asked = {"PIP_INDEX_URL": index.url}
    assert run(*PIP, tmp_path / "x", "epsilon", **asked).code == 0
    assert run(*PIP, tmp_path / "a", "delta", "source", **asked).code == 0
    assert command("export", "bundle.tar", "--runs", "1").code == 0
    assert command("import", "bundle.tar", **other_machine).code == 0
    age(tmp_path / "other", 2 * DAY)
    ran = run(*without_network, *PIP, tmp_path / "b", "delta", "source", **asked, **other_machine, PIP_RETRIES="0")
    assert ran.code == 0, ran.err
    assert "stale" in ran.err
    assert sorted(path.name for path in (tmp_path / "b").glob("*.dist-info")) == [
        "delta-1.0.dist-info", "epsilon-1.0.dist-info", "source-2.0.dist-info"
    ]  # fmt: skip
    with tarfile.open(tmp_path / "bundle.tar") as tar:
        assert [name for name in tar.getnames() if "/tinybackend" in name]
