#!/usr/bin/env bash
# wxgate beside nginx, nginx with Lua, HAProxy and a byte relay: one table after the other, as Markdown.
#
#   bench/compare.sh                    about eight minutes, after the build
#   bench/compare.sh --quick            about two
#   bench/compare.sh --only latency     one part of it: small, bodies, latency, memory or trouble
#
# bench/README.md says what is measured, and how.
# shellcheck source=bench/setup.sh
source "$(dirname "$0")/setup.sh"
exec python3 -m harness.compare "$@"
