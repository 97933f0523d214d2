#!/bin/sh
# Installs what the tests start besides Python, where it is missing: Debian's packages, as root or with sudo.
set -eu
missing=""
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v chromium >/dev/null || missing="$missing chromium"
command -v chromedriver >/dev/null || missing="$missing chromium-driver"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
command -v openssl >/dev/null || missing="$missing openssl"
command -v curl >/dev/null || missing="$missing curl"
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || missing="$missing haproxy"
command -v turnserver >/dev/null || missing="$missing coturn"
command -v faketime >/dev/null || missing="$missing faketime"
command -v promtool >/dev/null || missing="$missing prometheus"
if [ "${1:-}" = image ]; then
    command -v buildah >/dev/null || missing="$missing buildah"
    command -v debootstrap >/dev/null || missing="$missing debootstrap"
fi
if [ "${1:-}" = deb ]; then
    command -v dh >/dev/null || missing="$missing debhelper"
    command -v lintian >/dev/null || missing="$missing lintian"
    command -v debootstrap >/dev/null || missing="$missing debootstrap"
    /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
fi
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "the tests need:$missing (install them with your system's package manager)" >&2
    exit 1
fi
as_root=""
[ "$(id -u)" = 0 ] || as_root=sudo
export DEBIAN_FRONTEND=noninteractive
# The tests start what they need themselves: no package is to start its service (invoke-rc.d(8)).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod +x "$policy"
    trap '$as_root rm -f "$policy"' EXIT
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
