#!/bin/sh
# Puts pytest-lsp, a client of language servers, into BUILD/pytest-lsp. Usage: install-pytest-lsp.sh BUILD
# Without a network the test that uses it says UNSUPPORTED.
set -eu
build="${1:?usage: $0 BUILD}"
[ -d "$build/pytest-lsp/pytest_lsp" ] && exit 0
echo "fetching pytest-lsp (PyPI)"
if ! python3 -m pip install -q --no-deps --only-binary=:all: --root-user-action=ignore --target "$build/pytest-lsp" \
    pytest-lsp==1.0.1 pygls==2.1.1 lsprotocol==2025.0.0 cattrs==26.2.1 attrs==26.1.0 pytest==9.2.0 pytest-asyncio==1.5.0 \
    pluggy==1.7.0 iniconfig==2.3.1 packaging==26.4 Pygments==2.21.0 typing_extensions==4.16.0; then
  rm -rf "$build/pytest-lsp"
  echo "note: pytest-lsp could not be fetched; its test is skipped" >&2
fi
