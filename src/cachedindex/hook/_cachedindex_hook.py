"""Waits until pip or buildout imports its own modules, then attaches the cache; it does nothing in other programs.

In pip, four places change: `PipSession.get_adapter`, which every look-up calls; `PackageFinder`, which knows if none
was successful; `Resolver`, which knows what it will ask for, and can choose another file; and `get_runnable_pip`,
which names the pip that pip itself starts, for isolated builds and `--python` (pip 22.2 and later). In buildout, it is
the main module: at its import, buildout has not read anything yet. In poetry, pdm and pipenv, it is the module that
makes their sessions.

Where `subprocess` is imported, the package clients that this Python starts get the hook, too
(`_cachedindex_children.py`).
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGE = os.path.dirname(_HERE)
_RUNNER = os.path.join(_HERE, "_cachedindex_runner.py")
_CHILDREN = os.path.join(_HERE, "_cachedindex_children.py")
_LAST_LINE = b'runpy.run_path(_runnable, run_name="__main__")\n'
_ASKING = ("download", "index", "install", "lock", "wheel")
"""The commands of pip that may ask an index."""
RUNNABLE = "_CACHEDINDEX_RUNNABLE_PIP"
_SAID = "_CACHEDINDEX_SAID_TOO_OLD"
_OLDEST_PYTHON = (3, 10)
CONFIG = None
"""The configuration file of an installed hook, beside those that every process reads."""
BY_PATH = _HERE in os.environ.get("PYTHONPATH", "").split(os.pathsep)
"""Whether PYTHONPATH has the hook: then children have it, too, unless somebody takes it away."""


def activate():
    """Begin to wait, once in a process."""
    kind = _Finder if sys.version_info >= (3, 4) else _FinderOfPython2
    if not any(isinstance(finder, kind) for finder in sys.meta_path):
        sys.meta_path.insert(0, kind())
        if "subprocess" in sys.modules and kind is _Finder:  # A .pth file has imported it.
            _cover_children(sys.modules["subprocess"])


class _FinderOfPython2(object):
    """Finds nothing, and says once that a client which begins to import these modules is left alone."""

    def find_module(self, name, _path=None):
        """Return None, so that the other finders go on."""
        if name in ("pip._internal.network.session", "pip._internal.download", "zc.buildout.buildout"):
            _load_package("pip" if name.startswith("pip") else "buildout")


class _Finder(object):
    """Finds these modules through the other finders, and calls a function after they have run."""

    def find_spec(self, name, path=None, target=None):
        """Return the module's spec with a loader around its own; None for any other module."""
        after = _AFTER.get(name)
        if after is None:
            return None
        for finder in sys.meta_path:
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec = find_spec(name, path, target) if find_spec else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, after)
                return spec
        return None


class _Loader(object):
    """Calls a function after a module's own loader, which stays as it is: zipimport has one for many modules."""

    def __init__(self, loader, after):
        self._loader = loader
        self._after = after

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        module.__spec__.loader = module.__loader__ = self._loader
        try:
            self._after(module)
        except Exception as error:
            client = module.__name__.split(".")[0]
            who = "buildout" if client == "zc" else client
            _say("%s continues without the cache: %s: %s" % (who, type(error).__name__, error))


def _attach(session_module):
    """Hand pip's session module to the package beside this file."""
    if _load_package("pip"):
        from cachedindex import standard

        with standard.library():  # Once around all imports, as each begins with a look at all modules that are loaded.
            from cachedindex.clients.pip import sessions

            sessions.attach(session_module)


def _attach_finder(finder_module):
    """Hand pip's finder to the package too, if it has pip's sessions."""
    if "cachedindex.clients.pip.sessions" in sys.modules:
        from cachedindex.clients.pip import finder

        finder.attach(finder_module)


def _attach_resolver(resolver_module):
    """Hand pip's resolver to the package too, if it has pip's sessions."""
    if "cachedindex.clients.pip.sessions" in sys.modules:
        from cachedindex.clients.pip import newest, resolver, sessions

        newest.attach_resolver(resolver_module)
        if sessions.looks_ahead():
            from cachedindex.clients.pip import ahead

            ahead.attach(resolver_module)
        resolver.attach(resolver_module)  # Around it: what is resolved again is looked up ahead again.


def _attach_buildout(_main_module):
    """Have the package cover buildout from before its first read."""
    if _load_package("buildout"):
        from cachedindex.clients.buildout import extension

        extension.attach()


def _attach_pipenv(session_module):
    """Hand the session module of pipenv's own pip to the package."""
    if _load_package("pipenv"):
        from cachedindex.clients import pipenv

        pipenv.attach(session_module)


def _attach_finder_of_pipenv(finder_module):
    """Hand its finder to the package too, if it has its sessions."""
    if "cachedindex.clients.pipenv" in sys.modules:
        from cachedindex.clients import pipenv

        pipenv.attach_finder(finder_module)


def _attach_poetry(authenticator_module):
    """Hand poetry's authenticator module to the package."""
    if _load_package("poetry"):
        from cachedindex.clients import poetry

        poetry.attach(authenticator_module)


def _attach_pdm(session_module):
    """Hand pdm's session module to the package."""
    if _load_package("pdm"):
        from cachedindex.clients import pdm

        pdm.attach(session_module)


class _FirstOpener(object):
    """Stands for urllib's global opener below a run, until a program first opens something by it."""

    is_cachedindex = True

    def open(self, *arguments, **named):
        """Put the cache before the opener that urllib makes, and open by that."""
        import urllib.request

        if urllib.request._opener is self:
            urllib.request._opener = None
            try:
                if _load_package("urllib"):
                    from cachedindex.clients.urllib import program

                    program.attach()
            except Exception as error:
                _say("urllib continues without the cache: %s: %s" % (type(error).__name__, error))
            if urllib.request._opener is None:
                urllib.request.install_opener(urllib.request.build_opener())
        return urllib.request._opener.open(*arguments, **named)


def _attach_urllib(request_module):
    """Have a program that reads by urllib below a run load the package when it does so; most of them never do."""
    if os.environ.get("CACHEDINDEX_RUN") and sys.version_info >= _OLDEST_PYTHON and request_module._opener is None:
        request_module._opener = _FirstOpener()


def _cover_children(subprocess_module):
    """Have the package clients that this process starts get the hook."""
    try:
        _load("_cachedindex_children", _CHILDREN)
        is_known = sys.modules["_cachedindex_children"].attach(subprocess_module, sys.modules[__name__])
    except Exception:  # A part of cachedindex is gone, which the client itself says.
        return
    if not is_known and _is_first_to_say("children"):
        _say("Python %s starts its children in another way; some go on without the cache" % sys.version.split()[0])


def _is_first_to_say(topic):
    """Return whether no process of the run has asked this about the same topic before; False without a run."""
    try:
        said = os.path.join(os.environ["CACHEDINDEX_RUN"], "said-" + topic)
        os.close(os.open(said, os.O_CREAT | os.O_EXCL))
    except (KeyError, OSError):
        return False
    return True


def is_set(name):
    """Return whether an option that is true or false is set to true in the environment."""
    return os.environ.get(name, "").strip().lower() in ("true", "yes", "on", "1")


def _end(why):
    if why:
        _say(why)
        raise SystemExit(2)


def settings(environ):
    """Return the variable by which a process reads the configuration file of an installed hook; nothing without one."""
    named = environ.get("CACHEDINDEX_CONFIG", "").split(os.pathsep)
    if not CONFIG or CONFIG in named:
        return {}
    return {"CACHEDINDEX_CONFIG": os.pathsep.join(part for part in named + [CONFIG] if part)}


def _load_package(client):
    """Load the package by its path: on sys.path, the packages beside it would count as installed. False if it fails."""
    if sys.version_info < _OLDEST_PYTHON:
        if client == "pip" and is_set("CACHEDINDEX_OFFLINE") and set(sys.argv) & set(_ASKING):
            _end("pip on Python %s could reach the network, which offline = true forbids" % sys.version.split()[0])
        if _is_idle(client):
            return False
        if not os.environ.get(_SAID):  # A buildout starts a pip for each distribution.
            os.environ[_SAID] = "1"
            version = sys.version.split()[0]
            _say("%s on Python %s continues without the cache, which needs Python 3.10" % (client, version))
        _note_uncovered("%s (on Python %d.%d)" % ((client,) + tuple(sys.version_info[:2])))
        return False
    os.environ.update(settings(os.environ))
    if "cachedindex" in sys.modules:
        return True
    _load("cachedindex", os.path.join(_PACKAGE, "__init__.py"), [_PACKAGE])
    return True


def _is_idle(client):
    """Return whether this process is a pip, not another program that uses one, whose command asks no index."""
    folder, name = os.path.split(sys.argv[0])
    is_pip = os.path.basename(folder) == "pip" or name.rstrip("0123456789.") == "pip"
    return client == "pip" and is_pip and not set(sys.argv) & set(_ASKING)


def _note_uncovered(client):
    """Note in the run that a client takes no part (run/folder.py)."""
    try:
        with open(os.path.join(os.environ["CACHEDINDEX_RUN"], "uncovered"), "a") as file:
            file.write("%d %s\n" % (os.getpid(), client))
    except (KeyError, IOError, OSError):  # There is no run, or it has ended.
        pass


def _load(name, path, places=None):
    """Load a module, or a package with these `places`, by its path."""
    # importlib.util could be another one, in the folder of a `python -m pip`.
    from _frozen_importlib import module_from_spec
    from _frozen_importlib_external import spec_from_file_location

    spec = spec_from_file_location(name, path, submodule_search_locations=places)
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)


def _redirect(module):
    """Have pip start our runner, which starts that of pip by its name.

    PYTHONPATH does not suffice, since pip clears it for some of its children.
    """
    original = getattr(module, "get_runnable_pip", None)
    if original is None or original.__module__ != module.__name__:
        return

    def get_runnable_pip():
        runnable = original()
        if not is_whole(_RUNNER):  # pip's own runner works.
            return runnable
        os.environ[RUNNABLE] = runnable
        return _RUNNER

    module.get_runnable_pip = get_runnable_pip


def is_whole(runner):
    """Return whether our runner can be run: it may be gone, unreadable, or cut by a full disk."""
    try:
        with open(runner, "rb") as file:
            return file.read().endswith(_LAST_LINE)
    except OSError:
        return False


def _say(line):
    try:
        os.write(sys.stderr.fileno(), ("cachedindex: %s\n" % line).encode())
    except Exception:  # It is closed, or full.
        pass


_AFTER = {
    "subprocess": _cover_children,
    "pip._internal.network.session": _attach,
    "pip._internal.index.package_finder": _attach_finder,
    "pip._internal.resolution.resolvelib.resolver": _attach_resolver,
    "pip._internal.build_env": _redirect,  # get_runnable_pip's home up to pip 25.3
    "pip._internal.utils.misc": _redirect,  # and since 26.0
    "urllib.request": _attach_urllib,
    "zc.buildout.buildout": _attach_buildout,
    "pdm.models.session": _attach_pdm,
    "pipenv.patched.pip._internal.network.session": _attach_pipenv,
    "pipenv.patched.pip._internal.index.package_finder": _attach_finder_of_pipenv,
    "poetry.utils.authenticator": _attach_poetry,
}
