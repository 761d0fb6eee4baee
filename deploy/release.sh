#!/usr/bin/env bash
# Makes a release of the tree that it stands in: the binary for this machine's glibc, completions, documents and deploy/ in one
# archive, and its SHA-256.
#
#   deploy/release.sh [DIRECTORY]        # by default dist/
#   FEATURES=otlp deploy/release.sh      # with traces, which are off by default
set -euo pipefail
cd "$(dirname "$0")/.."

dist=${1:-dist}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
host=$(rustc -vV | sed -n 's/^host: //p')
name=wxgate-$version-$host

cargo build --release --locked --bin wxgate --features "${FEATURES:-}"
binary=${CARGO_TARGET_DIR:-target}/release/wxgate
[[ $("$binary" --version) == "wxgate $version" ]]

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/$name/completions" "$dist"
cp "$binary" config.toml README.md README.zh-CN.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$stage/$name"
cp -r deploy docs "$stage/$name"
for shell in bash zsh fish; do
    "$binary" completions "$shell" >"$stage/$name/completions/wxgate.$shell"
done

# The same tree makes the same archive: names in order, the last commit's time, nobody's user.
tar --create --gzip --file "$dist/$name.tar.gz" --directory "$stage" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" "$name"
(cd "$dist" && sha256sum "$name.tar.gz" | tee "$name.tar.gz.sha256")
