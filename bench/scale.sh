#!/usr/bin/env bash
# How wxgate's cost grows with connections, accounts, bodies and workers: a table each, as Markdown.
#
#   bench/scale.sh                      about eight minutes, after the build
#   bench/scale.sh --quick              about three
#   bench/scale.sh --only accounts      one part of it: connections, accounts, bodies, cores or spread
#
# bench/README.md says what is measured, and how.
# shellcheck source=bench/setup.sh
source "$(dirname "$0")/setup.sh"
exec python3 -m harness.scale "$@"
