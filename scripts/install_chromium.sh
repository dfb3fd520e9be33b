#!/bin/sh
# Chromium, and a font with Japanese, for the tests of the report's page: from Debian's or Ubuntu's packages, where that can be done.
# Always ends well: where nothing can be installed those tests are skipped, and the last lines of the test run say so.
set -u

there() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null 2>&1 && "$name" --version >/dev/null 2>&1 && return 0
    done
    return 1
}

give_up() {
    echo "No Chromium: $1. The tests of the page in a browser will be skipped."
    exit 0
}

there && exit 0
command -v apt-get >/dev/null 2>&1 || give_up "none on the PATH, and no apt-get to install one with"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    sudo -n true >/dev/null 2>&1 || give_up "none on the PATH, and installing one needs root or sudo without a password"
    as_root="sudo -n"
fi

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=2 -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

install() {
    apt install --yes --no-install-recommends chromium fonts-noto-cjk
}

echo "Installing Chromium …"
# a bare machine has no package lists; one that has them need not fetch them again
install >/dev/null 2>&1 || { apt update && install; } || give_up "apt-get could not install it"
there || give_up "the package that apt-get installed does not start"
