"""The servers, each by one description; a new one is one more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.index import sha256
from tests.servers import devpi
from tests.servers.access import Certificates, Passwords
from tests.servers.server import Kind, Server, as_links

MODULES = Path("/usr/lib/apache2/modules")

# -- what it offers ----------------------------------------------------------------------------------------------------


def folders(server: Server) -> None:
    """Have a folder for each project, and one for all, as people make them by hand."""
    www = _emptied(server.folder / "www")
    for project, files in server.distributions().items():
        for folder in (www / "simple" / project, www / "packages"):
            folder.mkdir(parents=True, exist_ok=True)
            for path in files:
                shutil.copy2(path, folder)


def dumb(server: Server) -> None:
    """Have the pages that dumb-pypi writes."""
    www = _emptied(server.folder / "www")
    shutil.copytree(server.wheels, www / "packages")
    entries = []
    for path in sorted(server.wheels.iterdir()):
        entry = {"filename": path.name, "hash": f"sha256={sha256(path)}"}
        entries.append({**entry, "yanked_reason": "broken"} if path.name in server.yanked else entry)
    listed = server.folder / "list.json"
    listed.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    command = [server.tools / "dumb-pypi", "--package-list-json", listed, "--packages-url", "../../packages/"]
    command += ["--output-dir", www, "--no-per-release-json", "--no-generate-timestamp"]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def nothing_to_do(_server: Server) -> None:
    """Offer the folder of distributions itself."""


def _emptied(folder: Path) -> Path:
    """Return the folder without what was in it; it stays the same folder, as a server may hold it open."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder


# -- how it is configured ----------------------------------------------------------------------------------------------


def nginx(server: Server) -> Sequence[object]:
    options, folder = server.options, server.folder
    temporary = "\n".join(
        f"  {name}_temp_path {folder}/temporary;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  include /etc/nginx/mime.types; default_type application/octet-stream;
  log_format plain "$request"; access_log {folder}/access.log plain;
{temporary}
  {options.get("http", "")}
  server {{
    listen 127.0.0.1:{server.port} {"ssl" if server.kind.scheme == "https" else ""};
    root {folder}/www; autoindex on;
    {options.get("server", "").format(folder=folder)}
  }}
}}
""")
    return ("nginx", "-c", configuration, "-e", folder / "error.log")


def apache(server: Server) -> Sequence[object]:
    options, folder = server.options, server.folder
    modules = ["mpm_event", "dir", "autoindex", "mime", "authn_core", "authz_core"]
    modules += ["filter", *options.get("modules", ())]
    load = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in modules)
    configuration = folder / "apache.conf"
    configuration.write_text(f"""
ServerRoot {folder}
ServerName 127.0.0.1
PidFile {folder}/apache.pid
Listen 127.0.0.1:{server.port}
{load}
{"User www-data" if os.geteuid() == 0 else ""}
{"Group www-data" if os.geteuid() == 0 else ""}
Mutex posixsem
TypesConfig /etc/mime.types
ErrorLog {folder}/error.log
CustomLog {folder}/access.log "%r"
DocumentRoot {folder}/www
<Directory {folder}/www>
  Require all granted
  Options Indexes
  IndexOptions FancyIndexing
  DirectoryIndex index.html
</Directory>
{options.get("server", "").format(folder=folder)}
""")
    return ("apache2", "-f", configuration, "-DFOREGROUND")


def pypiserver(server: Server) -> Sequence[object]:
    program = (server.tools / "pypi-server", "run", "-i", "127.0.0.1", "-p", server.port)
    log = ("-v", "--log-file", server.log, "--log-stream", "none")
    fallback = server.options.get("fallback", "")
    behind = ("--fallback-url", fallback) if fallback else ("--disable-fallback",)
    access = ("-a", "list,download", "-P", server.folder / "users") if server.kind.access else ()
    return (*program, *log, *behind, *access, server.wheels)


def squid(server: Server) -> Sequence[object]:
    folder = server.folder
    helper = folder / "users.sh"
    helper.write_text("""#!/bin/sh
while read -r user password; do
    [ "$user $password" = "alice alice-secret" ] && echo OK || echo ERR
done
""")
    helper.chmod(0o755)
    folder.chmod(0o777)  # As root it becomes a user of its own, who writes its logs.
    configuration = folder / "squid.conf"
    configuration.write_text(f"""
http_port 127.0.0.1:{server.port}
auth_param basic program {helper}
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
pid_filename none
coredump_dir {folder}
netdb_filename none
server_persistent_connections off
pinger_enable off
shutdown_lifetime 0 seconds
visible_hostname localhost
""")
    return ("squid", "-N", "-f", configuration)


def tinyproxy(server: Server) -> Sequence[object]:
    configuration = server.folder / "tinyproxy.conf"
    configuration.write_text(f"""
Port {server.port}
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 60
LogFile "{server.log}"
LogLevel Connect
MaxClients 50
BasicAuth alice alice-secret
""")
    return ("tinyproxy", "-d", "-c", configuration)


# -- the list ----------------------------------------------------------------------------------------------------------

FOLDER = Kind("nginx, a folder", ("nginx",), nginx, folders)
LINKS = replace(FOLDER, name="nginx, one folder as find-links", path="/packages/", flags=as_links)
DUMB = Kind("dumb-pypi on nginx", ("nginx", "dumb-pypi"), nginx, dumb, yanks=True)
APACHE = Kind("Apache, a folder", ("apache2",), apache, folders)
DUMB_APACHE = Kind("dumb-pypi on Apache", ("apache2", "dumb-pypi"), apache, dumb, yanks=True)
PYPISERVER = Kind("pypiserver", ("pypiserver", "passlib"), pypiserver, nothing_to_do, data="wheels", log="access.log")

DEFLATE = {
    "modules": ("deflate",),
    "server": "AddOutputFilterByType DEFLATE text/html",
}
EXPIRES = {
    "modules": ("expires",),
    "server": 'ExpiresActive On\nExpiresDefault "access plus 1 hour"',
}

KINDS = [
    FOLDER,
    DUMB,
    APACHE,
    replace(DUMB_APACHE, name="dumb-pypi on Apache with DEFLATE", options=DEFLATE),
    PYPISERVER,
    devpi.OWN,
    devpi.BASED,
]
"""Those that live the whole life."""
LIKE_THEM = [
    LINKS,
    replace(DUMB_APACHE, name="dumb-pypi on Apache with mod_expires", options=EXPIRES),
    replace(DUMB, name="dumb-pypi on nginx with gzip", options={"http": "gzip on; gzip_min_length 1;"}),
    replace(APACHE, name="Apache, one folder as find-links", path="/packages/", flags=as_links),
    replace(PYPISERVER, name="pypiserver as find-links", path="/packages/", flags=as_links),
]
"""Those that send nearly the same as another one, so that a part of it will do."""

NGINX_PASSWORDS = 'auth_basic "index"; auth_basic_user_file {folder}/users;'
NGINX_CERTIFICATES = """
ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
ssl_client_certificate {folder}/authority.pem; ssl_crl {folder}/revoked.pem; ssl_verify_client on;
"""
APACHE_CERTIFICATES = """
SSLEngine on
SSLCertificateFile {folder}/server.pem
SSLCACertificateFile {folder}/authority.pem
SSLCARevocationFile {folder}/revoked.pem
SSLCARevocationCheck leaf
SSLVerifyClient require
"""
PASSWORDS, CERTIFICATES = Passwords(), Certificates()

CLOSED = [
    replace(FOLDER, name="nginx with passwords", access=PASSWORDS, options={"server": NGINX_PASSWORDS}),
    replace(PYPISERVER, name="pypiserver with passwords", access=PASSWORDS),
    replace(
        FOLDER, name="nginx with client certificates", scheme="https", access=CERTIFICATES,
        options={"server": NGINX_CERTIFICATES},
    ),
    replace(
        APACHE, name="Apache with client certificates", scheme="https", access=CERTIFICATES,
        options={"server": APACHE_CERTIFICATES, "modules": ("ssl", "socache_shmcb")},
    ),
]  # fmt: skip
"""Those that know their users."""

PROXIES = [
    Kind("squid", ("squid",), squid, nothing_to_do),
    Kind("tinyproxy", ("tinyproxy",), tinyproxy, nothing_to_do),
]
