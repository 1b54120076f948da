"""The handler in urllib's global opener, in processes of its own, since that opener is global."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import index as faults
from tests.conftest import Ran, Run
from tests.index import Index

PRELUDE = """
import http.client, json, os, socket, sys, urllib.error, urllib.request
from cachedindex import sources
from cachedindex.process import Process
from cachedindex.clients.urllib import opener
process = Process()
process.configure(sources.load())
opener.install(process.cache)
url, origin = os.environ["INDEX"], os.environ["ORIGIN"]
def get(path, **options):
    with urllib.request.urlopen(origin + path, **options) as response:
        return response.read()
def ended():
    return [outcome.ended for outcome in process.report.outcomes]
"""

Python = Callable[..., Ran]


@pytest.fixture
def python(run: Run, index: Index) -> Python:
    def python(code: str, **variables: str) -> Ran:
        ran = run(sys.executable, "-c", PRELUDE + code, INDEX=index.url, ORIGIN=index.origin, **variables)
        assert ran.code == 0, ran.err
        return ran

    return python


EXPIRED = {"CACHEDINDEX_INDEX_TTL": "0"}
WHEEL = "/files/alpha-1.0-py3-none-any.whl"


def twice(handler: faults.Handler) -> bool:
    """Answer with two Cache-Control headers, of which the second alone would allow to store the page."""
    status, _, content = handler.answer()
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: text/html\r\nContent-Length: {len(content)}\r\n"
    handler.wfile.write(f"{head}Cache-Control: no-store\r\nCache-Control: max-age=600\r\n\r\n".encode() + content)
    return False


def test_all_headers_of_one_name_count(python: Python, index: Index) -> None:
    index.fault(twice)
    assert python("get('/simple/alpha/'); get('/simple/alpha/'); print(ended())").out.strip() == "['passed', 'passed']"


def test_pages_and_files_survive_the_index(python: Python, index: Index) -> None:
    code = f"""
import hashlib, re
page = get("/simple/alpha/").decode()
digest = re.search("#sha256=([0-9a-f]+)", page)[1]
assert hashlib.sha256(get("{WHEEL}#sha256=" + digest)).hexdigest() == digest
print(ended())
"""
    assert python(code).out.strip() == "['miss', 'miss']"
    index.close()
    assert python(code).out.strip() == "['hit', 'hit']"
    assert python(code, **EXPIRED).out.strip() == "['stale', 'hit']"


def test_a_response_has_what_buildout_reads_of_it(python: Python, index: Index) -> None:
    code = """
for _ in range(2):
    response = urllib.request.urlopen(url + "alpha/")
    print(response.status, response.code, response.msg, response.url, response.geturl())
    print(response.info().get_all("content-length"), response.headers.get_content_charset(failobj="?"),
          response.headers.get_content_type())
    response.close()
"""
    lines = python(code).out.splitlines()
    assert lines[:2] == lines[2:]


def test_a_404_is_urllibs_own_error(python: Python, index: Index) -> None:
    code = """
try:
    get("/simple/nothing/")
except urllib.error.HTTPError as error:
    print(error.code, error.reason, error.url == url + "nothing/", error.read())
"""
    assert python(code).out.strip() == "404 Not Found True b'not found'"


def test_a_cold_failure_is_urllibs_own(python: Python, index: Index) -> None:
    index.close()
    code = """
try:
    get("/simple/alpha/")
except urllib.error.URLError as error:
    print(type(error).__name__, type(error.reason).__name__)
"""
    assert python(code).out.strip() == "URLError ConnectionRefusedError"


def test_a_hanging_index_is_given_up(python: Python, index: Index) -> None:
    python('get("/simple/alpha/"); get("/simple/beta/"); get("/simple/gamma/")')
    index.fault(faults.hang)
    index.seen.clear()
    code = 'get("/simple/alpha/"); get("/simple/beta/"); get("/simple/gamma/"); print(ended())'
    ran = python(code, CACHEDINDEX_TIMEOUT="0.2", **EXPIRED)
    assert ran.out.strip() == "['stale', 'stale', 'stale']"
    assert ran.err == ""
    assert len(index.seen) == 2


def test_redirects_are_one_look_up(python: Python, index: Index) -> None:
    index.fault(faults.redirect("/simple/alpha/"), "/old/")
    code = """
response = urllib.request.urlopen(origin + "/old/alpha/")
print(response.url == url + "alpha/", ended())
response.close()
"""
    assert python(code).out.strip() == "True ['miss']"
    index.close()
    assert python(code).out.strip() == "True ['hit']"


def test_an_opener_that_is_installed_later_keeps_the_cache(python: Python, index: Index) -> None:
    code = """
urllib.request.install_opener(urllib.request.build_opener())
get("/simple/alpha/")
print(ended())
"""
    assert python(code).out.strip() == "['miss']"


@pytest.mark.parametrize("header", ["Authorization", "Private-token", "Cookie"])
def test_what_another_handler_authorizes_is_not_stored(
    python: Python, index: Index, tmp_path: Path, header: str
) -> None:
    code = f"""
class Auth(urllib.request.BaseHandler):
    def http_request(self, req):
        req.add_unredirected_header("{header}", "secret")
        return req
urllib.request.install_opener(urllib.request.build_opener(Auth()))
for _ in range(2):
    get("/simple/alpha/")
print(ended())
"""
    assert python(code).out.strip() == "['passed', 'passed']"
    assert [seen.headers[header.lower()] for seen in index.seen] == ["secret"] * 2
    assert not list((tmp_path / "cache").rglob("page.*"))


def test_the_callers_default_timeout_is_in_force(python: Python, index: Index) -> None:
    index.fault(faults.hang)
    code = """
socket.setdefaulttimeout(0.2)
try:
    get("/simple/alpha/")
except (TimeoutError, urllib.error.URLError) as error:
    print("timed out" in str(error))
"""
    assert python(code).out.strip() == "True"


def test_posts_other_schemes_and_contexts_pass(python: Python, index: Index, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("local")
    code = f"""
try:
    get("/simple/alpha/", data=b"x")
except urllib.error.HTTPError as error:
    print(error.code)
    error.close()
print(urllib.request.urlopen("{(tmp_path / "file").as_uri()}").read())
print(ended())
"""
    assert python(code).out.splitlines() == ["501", "b'local'", "['passed']"]


def test_whatever_can_be_done_with_http_clients_response_can_be_done_with_ours(python: Python, index: Index) -> None:
    code = """
import io
def everything():
    def fresh():
        return urllib.request.urlopen(url + "alpha/")
    results = [fresh().readline(), fresh().readlines(), list(fresh()), io.TextIOWrapper(fresh()).read()]
    buffer = bytearray(5)
    with fresh() as response:
        results += [response.readinto(buffer), bytes(buffer), response.peek(1) != b"", response.read1(3)]
        results += [response.read()]
        results += [response.getheader("Content-Type"), response.reason, response.version, response.isclosed()]
    return results
first, again = everything(), everything()
urllib.request.install_opener(None)
bare = everything()
print(first == again == bare, ended()[:2], len(ended()))
"""
    assert python(code).out.strip() == "True ['miss', 'hit'] 10"


def test_a_get_with_a_body_passes(python: Python, index: Index, tmp_path: Path) -> None:
    code = """
request = urllib.request.Request(url + "alpha/", data=b"x", method="GET")
print(len(urllib.request.urlopen(request).read()) > 0, ended())
"""
    assert python(code).out.strip() == "True ['passed']"
    assert index.seen[0].headers["content-length"] == "1"


def test_an_opener_that_only_looks_like_one_is_left_alone(python: Python) -> None:
    code = """
class Own:
    def open(self, *arguments):
        return "own"
urllib.request.install_opener(Own())
print(urllib.request.urlopen(url))
"""
    assert python(code).out.strip() == "own"


def test_a_replaced_default_context_is_not_taken_for_verified(python: Python) -> None:
    code = """
import ssl
handler = next(handler for handler in urllib.request._opener.handlers if isinstance(handler, opener.CacheHandler))
print(handler._trust("https://index.example/"), handler._trust("http://index.example/"))
ssl._create_default_https_context = ssl._create_unverified_context
urllib.request.install_opener(urllib.request.build_opener())
handler = next(handler for handler in urllib.request._opener.handlers if isinstance(handler, opener.CacheHandler))
print(handler._trust("https://index.example/"))
"""
    assert python(code).out.splitlines() == ["tls http", "unverified"]


def test_urlretrieve(python: Python, index: Index, tmp_path: Path) -> None:
    code = f"urllib.request.urlretrieve(origin + '{WHEEL}', 'wheel'); print(ended())"
    assert python(code).out.strip() == "['miss']"
    index.close()
    assert python(code).out.strip() == "['stale']"
    assert (tmp_path / "wheel").read_bytes() == (index.folder / WHEEL.rpartition("/")[2]).read_bytes()


def extends(index: Index, text: str) -> None:
    (index.folder / "base.cfg").write_text(text)


def test_a_portal_never_stands_for_an_extends_file(python: Python, index: Index) -> None:
    extends(index, "# ours\n[buildout]\nparts =\n")
    code = "print(get('/files/base.cfg').decode().splitlines()[0], ended())"
    assert python(code).out.strip() == "# ours ['miss']"
    index.fault(faults.body(faults.PORTAL))
    assert python(code).out.strip() == "# ours ['stale']"
    index.heal()
    extends(index, "# newer\n[buildout]\n")
    assert python(code).out.strip() == "# newer ['miss']"
    index.close()
    assert python(code).out.strip() == "# newer ['stale']"


def test_a_portal_never_stands_for_an_archive(python: Python, index: Index) -> None:
    (index.folder / "tool-1.tar.gz").write_bytes(b"\x1f\x8b archive")
    code = "print(get('/files/tool-1.tar.gz')[3:].decode(), ended())"
    assert python(code).out.strip() == "archive ['miss']"
    index.fault(faults.body(faults.PORTAL))
    assert python(code).out.strip() == "archive ['stale']"


@pytest.fixture
def hanging(python: Python, index: Index) -> dict[str, str]:
    """Have a copy of a page, and an index that hangs; give what makes it expired."""
    python("get('/simple/alpha/')")
    index.fault(faults.hang)
    return {**EXPIRED, "CACHEDINDEX_TIMEOUT": "0.2"}


@pytest.mark.parametrize(
    "code",
    [
        "",
        "sys.exit(0)",
        "os._exit(0)",
        "import threading; threading.Thread(target=lambda: get('/simple/alpha/')).start()",
        "import os\nif (child := os.fork()) == 0: sys.exit(0)\nassert os.waitpid(child, 0)[1] == 0",
        "import multiprocessing as m\nwith m.get_context('fork').Pool(1) as pool: assert pool.apply(abs, (-1,)) == 1",
        "import multiprocessing as m\nm.get_context('fork').Process(target=get, args=('/simple/alpha/',)).start()",
    ],
    ids=["end", "exit", "_exit", "thread", "fork", "pool", "forked look-up"],
)
def test_nothing_hangs_or_is_printed_at_the_end_of_a_process(
    python: Python, hanging: dict[str, str], code: str
) -> None:
    ran = python(f"get('/simple/alpha/')\n{code}", **hanging)
    assert (ran.out, ran.err) == ("", "")


def test_an_interrupt_ends_a_process_whose_attempt_hangs(
    python: Python, hanging: dict[str, str], environment: dict[str, str], index: Index
) -> None:
    code = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell has its background jobs ignore it.
get('/simple/alpha/'); print('served', flush=True); get('/simple/alpha/'); sys.stdin.read()
"""
    variables = {**environment, **hanging, "INDEX": index.url, "ORIGIN": index.origin}
    command = [sys.executable, "-c", PRELUDE + code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=variables, text=True, **pipes) as process:
        assert process.stdout.readline() == "served\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert err.rstrip().splitlines()[-1] == "KeyboardInterrupt"
    assert err.count("Traceback") == 1


# -- credentials that handlers below ours add --------------------------------------------------------------------------

AFTER_A_401 = """
passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
passwords.add_password(None, origin, "julia", "correct-horse")
urllib.request._opener.add_handler(urllib.request.HTTPBasicAuthHandler(passwords))
"""
BEFORE_ASKING = """
class Adds(urllib.request.BaseHandler):
    def http_request(self, request):
        request.add_header("Authorization", "Basic anVsaWE6Y29ycmVjdC1ob3JzZQ==")
        return request
urllib.request._opener.add_handler(Adds())
"""
WHILE_CONNECTING = """
class Adds(urllib.request.HTTPHandler):
    def http_open(self, request):
        request.add_unredirected_header("Authorization", "Basic anVsaWE6Y29ycmVjdC1ob3JzZQ==")
        return super().http_open(request)
urllib.request._opener.add_handler(Adds())
"""
FETCH = f"""
try:
    page = get("/simple/alpha/").decode()
    get("{WHEEL}")
    print(ended())
except urllib.error.URLError as error:
    print(getattr(error, "code", "failed"), ended()[-1])
"""
TELLING = (b"correct-horse", b"anVsaWE6Y29ycmVjdC1ob3JzZQ")


@pytest.fixture
def private(index: Index, tmp_path: Path) -> Iterator[Index]:
    """Give an index that answers to one password only, and look for it in what was stored."""
    index.fault(faults.unless("Authorization", "Basic anVsaWE6Y29ycmVjdC1ob3JzZQ=="))
    yield index
    assert not (tmp_path / f"cache/private-v1/{os.getuid()}").stat().st_mode & 0o077
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not [path for path in files if any(secret in path.read_bytes() for secret in TELLING)]
    assert not (tmp_path / "cache/records-v1").exists()


@pytest.mark.parametrize("adds", [AFTER_A_401, WHILE_CONNECTING], ids=["after a 401", "while connecting"])
def test_a_credential_that_is_added_below_us_is_this_users_alone(python: Python, private: Index, adds: str) -> None:
    assert python(adds + FETCH).out.strip() == "['miss', 'miss']"
    # Nobody sees in advance whether the credential is still there: only upstream can tell, and only its outage is
    # taken for a yes.
    assert python(FETCH).out.strip() == "401 passed"
    assert python(adds + FETCH).out.strip() == "['miss', 'hit']"
    private.close()
    assert python(adds + FETCH).out.strip() == "['stale', 'hit']"


def test_a_credential_that_is_added_before_asking_is_a_scope(python: Python, private: Index) -> None:
    assert python(BEFORE_ASKING + FETCH).out.strip() == "['miss', 'miss']"
    assert python(BEFORE_ASKING + FETCH).out.strip() == "['hit', 'hit']"
    assert python(FETCH).out.strip() == "401 passed"
    private.close()
    assert python(BEFORE_ASKING + FETCH, **EXPIRED).out.strip() == "['stale', 'hit']"
    wrong = BEFORE_ASKING.replace("anVsaWE6", "d3Jvbmc6")
    assert python(wrong + FETCH, **EXPIRED).out.strip() == "failed failed"


def test_a_public_copy_is_kept_when_a_handler_begins_to_add_credentials(python: Python, index: Index) -> None:
    assert python(FETCH).out.strip() == "['miss', 'miss']"
    index.fault(faults.unless("Authorization", "Basic anVsaWE6Y29ycmVjdC1ob3JzZQ=="))
    assert python(AFTER_A_401 + FETCH, **EXPIRED).out.strip().startswith("['passed'")
    index.close()
    assert python(FETCH, **EXPIRED).out.strip() == "['stale', 'hit']"


def test_a_proxy_that_is_set_late_is_used(python: Python, index: Index) -> None:
    code = """
os.environ.pop("no_proxy", None); os.environ.pop("NO_PROXY", None)
os.environ["http_proxy"] = origin
print(urllib.request.urlopen("http://index.example/simple/alpha/").status)
"""
    assert python(code).out.strip() == "200"
    assert index.seen[0].headers["host"] == "index.example", "which is none but the proxy's to answer"


def test_handlers_that_are_added_before_the_first_look_up_stay(python: Python, index: Index) -> None:
    code = """
class Witness(urllib.request.BaseHandler):
    def http_request(self, req):
        witnessed.add(req.full_url)
        return req
witnessed = set()
urllib.request._opener.add_handler(Witness())
get("/simple/alpha/"), get("/simple/beta/")
print(len(witnessed), ended())
"""
    assert python(code).out.strip() == "2 ['miss', 'miss']"


def test_a_context_of_its_own_is_as_without_us(python: Python, index: Index) -> None:
    code = """
import ssl
response = urllib.request.urlopen(url + "alpha/", context=ssl.create_default_context())
print(response.status, ended())
response.close()
"""
    assert python(code).out.strip() == "200 []"


# -- recipes -----------------------------------------------------------------------------------------------------------

POLLS = """
import time
def poll(path, times, **headers):
    for _ in range(times):
        try:
            with urllib.request.urlopen(urllib.request.Request(origin + path, headers=headers)) as response:
                yield response.read().decode()
        except urllib.error.HTTPError as error:
            yield error.code
        except urllib.error.URLError as error:
            yield type(error.reason).__name__
        except OSError as error:
            yield type(error).__name__
"""
READER = "**{'User-Agent': 'setuptools/80.9.0 Python-urllib/3.13'}"


@pytest.mark.parametrize(
    ("state", "seen"),
    [(faults.status(404), "404"), (faults.status(503), "503"), (faults.reset, "'RemoteDisconnected'")],
)
def test_a_recipe_that_waits_for_a_server_sees_it_ready(
    python: Python, index: Index, state: faults.Fault, seen: str
) -> None:
    index.fault(faults.becoming(state, state, faults.body(b"ready")), "/ready/")
    ran = python(f"{POLLS}print(*map(repr, poll('/ready/', 3)), sep=', ')")
    assert ran.out.strip().replace("ConnectionResetError", "RemoteDisconnected") == f"{seen}, {seen}, 'ready'"


def test_a_recipe_that_waits_for_a_server_gets_its_own_errors(python: Python, index: Index) -> None:
    index.close()
    ran = python(f"{POLLS}print(*poll('/ready/', 2), *poll('/ready', 2), *poll('/tool.bin', 2))")
    assert set(ran.out.split()) == {"ConnectionRefusedError"}


def test_what_an_index_reader_was_refused_is_remembered(python: Python, index: Index) -> None:
    index.fault(faults.becoming(faults.status(404), faults.body(b"<html>ready</html>")), "/simple/ready/")
    assert python(f"{POLLS}print(*poll('/simple/ready/', 2, {READER}))").out.split() == ["404", "404"]
    index.close()
    ran = python(f"{POLLS}print(*poll('/simple/new/', 2, {READER}))")
    assert ran.out.split() == ["ConnectionRefusedError", "504"]


def test_what_a_recipe_asks_of_a_program_is_not_stored(python: Python, index: Index, tmp_path: Path) -> None:
    def status(text: str) -> faults.Fault:
        return faults.body(f"<html>{text}</html>".encode())

    index.fault(faults.becoming(status("starting"), status("ready")), "/ready/")
    index.fault(faults.becoming(faults.body(b"starting", "text/plain"), faults.body(b"ready", "text/plain")), "/health")
    ran = python(f"{POLLS}print(*poll('/ready/', 2), *poll('/health', 2), ended())")
    assert ran.out.strip() == (
        "<html>starting</html> <html>ready</html> starting ready ['passed', 'passed', 'passed', 'passed']"
    )
    assert ran.err == ""
    index.close()
    ran = python(f"{POLLS}print(*poll('/ready/', 1), *poll('/health', 1))")
    assert ran.out.split() == ["ConnectionRefusedError"] * 2
    assert not list((tmp_path / "cache").rglob("page.*"))


DOWNLOAD = f"""
import resource
{POLLS}
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
get("/simple/alpha/")
response = urllib.request.urlopen(origin + "/export/")
first, before = response.read(1 << 16), peak()
list(poll("/go", 1))
size = len(first)
while data := response.read(1 << 16):
    size += len(data)
print(size, peak() - before)
"""


@pytest.mark.parametrize("media", ["application/octet-stream", "text/html"])
def test_a_chunked_download_below_a_slash_takes_little_memory(python: Python, index: Index, media: str) -> None:
    go, mib = threading.Event(), b"PK\3\4" * (1 << 18)

    def export(handler: faults.Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Type", media)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for number in range(100):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(mib), mib))
            if number == 0 and not go.wait(20):
                return False
        handler.wfile.write(b"0\r\n\r\n")
        return False

    index.fault(export, "/export/")
    index.fault(lambda _: go.set() or True, "/go")
    size, grown = map(int, python(DOWNLOAD).out.split())
    assert size == 100 << 20
    assert grown < 16 << 20
