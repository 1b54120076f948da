"""Gives the package clients that this Python starts the hook's way in, if their variables or options would lose it.

`subprocess.Popen` gets a `__new__` that looks at the words of each child. A package client is then started by `_start`
instead of `Popen._execute_child` (Python 3.6 to 3.15, subprocess.py). Nothing is changed for any other child: there is
no frame of ours in its traceback, no other variable, and what Popen does to be fast stays.

`Popen.args` and the words that the client itself sees are what the program gave.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_RUNNER = os.path.join(_HERE, "_cachedindex_runner.py")
_UV = os.path.join(_HERE, "_cachedindex_uv.py")
_UVS = ("uv", "uvx")
UV_ASKS = frozenset(
    ("add", "build", "compile", "export", "install", "lock", "remove", "run", "sync", "tree", "upgrade")
)
"""Words without which a uv asks no index."""
_CLIENTS = frozenset(
    (
        "pip", "piptools", "pip-compile", "pip-sync", "pipx", "pipenv", "pdm", "poetry", "build", "pyproject-build",
        "buildout", "zc.buildout", "hatch", "nox", "tox", "virtualenv", "pre-commit", "pre_commit", "uv", "uvx",
    )
)  # fmt: skip
"""Programs and modules that look something up, or that start others which do."""
_PYTHONS = ("python", "pypy", "py") if os.name == "nt" else ("python", "pypy")
"""On Windows, `py` starts one of them."""
_TAKES = (
    "self", "args", "executable", "preexec_fn", "close_fds", "pass_fds", "cwd", "env", "startupinfo", "creationflags",
    "shell",
)  # fmt: skip
"""What `_execute_child` takes first, always by position."""
_OURS = ("CACHEDINDEX_", "VIRTUALENV_CACHEDINDEX_")
_CHECK = "PIP_DISABLE_PIP_VERSION_CHECK"
LEFT_ALONE = "_CACHEDINDEX_LEFT_ALONE"
"""Set for clients that have nothing to look up: loading the hook would take 25 ms of each."""
_WITH_VALUE = "cmWX"
"""The letters of Python's own options that take a value."""


def attach(subprocess, hook):
    """Have a `subprocess` module start package clients through `_start`; return whether it is built as expected.

    `hook` is the module beside this one.
    """
    popen = subprocess.Popen
    code = getattr(getattr(popen, "_execute_child", None), "__code__", None)
    if code is None or code.co_varnames[: len(_TAKES)] != _TAKES or popen.__new__ is not object.__new__:
        return False

    def new(cls, *arguments, **named):
        child = object.__new__(cls)
        try:
            if _may_be_client(arguments, named):
                child._execute_child = _Start(child, hook)
        except Exception:  # Whatever Popen thinks of such words, it says so itself.
            pass
        return child

    new.__wrapped__ = popen.__init__  # For inspect.signature.
    popen.__new__ = staticmethod(new)
    return True


def _may_be_client(arguments, named):
    words = _words(arguments[0] if arguments else named["args"])
    executable = dict(enumerate(arguments)).get(2, named.get("executable"))
    programs = [words[0]] + ([os.fsdecode(executable)] if executable else [])
    return any(parsed([program] + words[1:]).client for program in programs)


class _Start(object):
    """Stands in for the `_execute_child` of one Popen."""

    def __init__(self, child, hook):
        self._child = child
        self._hook = hook

    def __call__(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startup, flags, shell, *rest):
        child = self._child
        del child._execute_child, self._child
        try:
            args, env = covered(self._hook, args, executable, env, shell)
            if executable is None and not shell:
                args = switched(args, os.environ if env is None else env, cwd)
        except Exception:  # Then it starts as it would have.
            pass
        started = child._execute_child
        started(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startup, flags, shell, *rest)


class Parsed(object):
    """A command, as far as it is that of a package client."""

    def __init__(self, client="", python=(), module="", words=()):
        self.client = client
        """Its name; empty if the command is no package client's."""
        self.python = list(python)
        """Python and its own options, if a Python runs it."""
        self.module = module
        """What follows -m, if anything."""
        self.words = list(words)
        """The client's own words."""

    def by_runner(self):
        """Return the words with which Python runs a module by our runner, which loads the hook first."""
        return self.python + [_RUNNER, "-m", self.module] + self.words

    def ignores_variables(self):
        """Return whether this Python ignores PYTHONPATH."""
        letters = "".join(
            word[1:] for word in self.python[1:] if word[:1] == "-" and word[:2] not in ("-W", "-X", "--")
        )
        return "I" in letters or "E" in letters


def parsed(words):
    """Return what a command is as a client's; one without a name if it is none, or cannot be read."""
    name = _name(words[0])
    if name in _CLIENTS:
        return Parsed(name, words=words[1:])
    if not _is_python(name):
        return Parsed()
    at = 1
    while at < len(words):
        word = words[at]
        if not word.startswith("-") or word == "-":
            return Parsed(_if_client(_name(word)), words[:at], words=words[at + 1 :])
        letter = "" if word.startswith("--") else next((each for each in word[1:] if each in _WITH_VALUE), "")
        before, _, value = word.partition(letter) if letter else (word, "", "")
        if letter == "c":
            break
        if letter == "m":
            python = words[:at] + ([before] if before != "-" else [])
            module, *rest = ([value] if value else []) + words[at + 1 :] or [""]
            return Parsed(_if_client(_of_module(module)), python, module, rest)
        takes_next = (letter and not value) or word == "--check-hash-based-pycs"
        at += 2 if takes_next else 1
    return Parsed()


def _of_module(module):
    return module if module in _CLIENTS else module.partition(".")[0]


def _if_client(name):
    return name if name in _CLIENTS else ""


def _is_python(name):
    return name.rstrip("0123456789.t") in _PYTHONS


def name_of(word, system=os.name):
    """Return the name of a program without its folder; on Windows in lower case, and without .exe, .cmd or .bat."""
    if system != "nt":
        return os.path.basename(word)
    name = word.replace("\\", "/").rpartition("/")[2].lower()
    start, ending = os.path.splitext(name)
    return start if ending in (".exe", ".cmd", ".bat") else name


def _name(word):
    """Return the same without its version: pip for /usr/bin/pip3.11."""
    name = name_of(word)
    return name if _is_python(name) else name.rstrip("0123456789.") or name


def _words(args):
    """Return the words of a child; those of a shell's line if it is a text, as far as spaces tell them apart."""
    if isinstance(args, (list, tuple)):
        return [os.fsdecode(word) for word in args]
    return os.fsdecode(args).split() if args is not None else []


def covered(hook, args, executable, env, shell):
    """Return the words and the variables with which a package client is started."""
    given = os.environ if env is None else env
    texts = {os.fsdecode(name): os.fsdecode(text) for name, text in given.items()}
    words = _words(args)
    program = words[0] if shell or executable is None else os.fsdecode(executable)
    command = parsed([program] + words[1:])
    if not command.client or texts.get(LEFT_ALONE) or hook.is_set("CACHEDINDEX_DISABLE"):
        return args, env
    more = _lacking(texts, hook.BY_PATH)
    is_isolated = command.ignores_variables() or not _has_way(dict(texts, **more))
    is_list = isinstance(args, (list, tuple)) and not shell
    if command.module and is_list and is_isolated and hook.is_whole(_RUNNER):
        args = words[:1] + command.by_runner()[1:]
        more.update(hook.settings(dict(texts, **more)))
    if command.client in _UVS and hook.is_set("CACHEDINDEX_OFFLINE") and "UV_OFFLINE" not in texts:
        more["UV_OFFLINE"] = "1"
    return args, dict(texts, **more) if more else env


def switched(args, env, cwd):
    """Return the words with which a uv of a run is set offline if its indexes are down; other words as they are."""
    words = _words(args) if isinstance(args, (list, tuple)) else [""]
    command = parsed(words)
    asks = command.client == "uvx" or (command.client == "uv" and UV_ASKS.intersection(command.words))
    run = env.get("CACHEDINDEX_RUN")
    is_possible = sys.version_info >= (3, 10) and os.name == "posix"  # On Windows nothing takes a process's place.
    if not asks or "UV_OFFLINE" in env or not run or not is_possible:
        return args
    if os.path.dirname(words[0]) == os.path.join(run, "bin"):  # The run's own, which does the same.
        return args
    folders = [cwd or ""] if os.sep in words[0] else env.get("PATH", os.defpath).split(os.pathsep)
    is_there = any(os.access(os.path.join(folder, words[0]), os.X_OK) for folder in folders)
    return [sys.executable, "-I", "-S", _UV] + words if is_there and sys.executable and os.path.isfile(_UV) else args


def _lacking(texts, by_path):
    """Return the variables of ours that a child lacks and this process has."""
    more = {name: text for name, text in os.environ.items() if name.startswith(_OURS) and name not in texts}
    if by_path and not _has_way(texts):
        path = texts.get("PYTHONPATH")
        more["PYTHONPATH"] = os.pathsep.join([_HERE, path]) if path else _HERE
        if _CHECK in os.environ and _CHECK not in texts:  # The run has set it: pip would wait for a newer pip.
            more[_CHECK] = os.environ[_CHECK]
    return more


def _has_way(texts):
    return _HERE in texts.get("PYTHONPATH", "").split(os.pathsep)
