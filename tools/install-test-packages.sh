#!/bin/sh
# Puts Python packages that tests read our files and messages with into folders of BUILD. Usage: install-test-packages.sh BUILD
# Without a network the tests that use them say UNSUPPORTED.
set -eu
build="${1:?usage: $0 BUILD}"

# fetch FOLDER MODULE PACKAGE...
fetch() {
  folder="$build/$1"; module="$2"
  [ -d "$folder/$module" ] && return 0
  echo "fetching $1 (PyPI)"
  shift 2
  if ! python3 -m pip install -q --no-deps --only-binary=:all: --root-user-action=ignore --target "$folder" "$@"; then
    rm -rf "$folder"
    echo "note: it could not be fetched; its test is skipped" >&2
  fi
}

# A client of language servers that checks each message (test/e2e/language_client.py).
fetch pytest-lsp pytest_lsp pytest-lsp==1.0.1 pygls==2.1.1 lsprotocol==2025.0.0 cattrs==26.2.1 attrs==26.1.0 pytest==9.2.0 pytest-asyncio==1.5.0 \
  pluggy==1.7.0 iniconfig==2.3.1 packaging==26.4 Pygments==2.21.0 typing_extensions==4.16.0
# TensorBoard's reader of event files (test/e2e/logs.py).
fetch tensorboard tensorboard tensorboard==2.19.0 protobuf==5.29.5 absl-py==2.1.0 packaging==26.4
