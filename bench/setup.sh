# shellcheck shell=bash
# What both tools need: packages, and release builds. Sourced by them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=()
command -v nginx >/dev/null || packages+=(nginx)
[[ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ]] || packages+=(libnginx-mod-http-lua)
command -v haproxy >/dev/null || packages+=(haproxy)
command -v wrk >/dev/null || packages+=(wrk)
command -v python3 >/dev/null || packages+=(python3)
if ((${#packages[@]})); then
    # Debian starts what it installs; nothing here needs those.
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends "${packages[@]}"
fi
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR
[[ -n ${WXGATE:-} ]] || cargo build --release --locked
cargo build --release --locked --manifest-path bench/tools/Cargo.toml
export PYTHONPATH=bench PYTHONDONTWRITEBYTECODE=1
