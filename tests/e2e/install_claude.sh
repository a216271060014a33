#!/bin/sh
# Install the Claude Code CLI that the end-to-end tests run, outside the checkout, and print the path of the executable.
# Quiet, and does nothing where it is installed already. Usage: SYMBIONT_TEST_CLAUDE=$(tests/e2e/install_claude.sh)
set -eu

version=${SYMBIONT_TEST_CLAUDE_VERSION:-2.1.329}
folder=${XDG_CACHE_HOME:-$HOME/.cache}/symbiont-tests/claude-$version
claude=$folder/node_modules/.bin/claude

if [ ! -x "$claude" ]; then
    command -v npm >/dev/null 2>&1 || {
        echo "expected npm on PATH to install the Claude Code CLI, got: none (install Node.js first)" >&2
        exit 1
    }
    mkdir -p "$folder"
    npm install --silent --no-audit --no-fund --no-package-lock --prefix "$folder" \
        "@anthropic-ai/claude-code@$version" >"$folder/install.log" 2>&1 || {
        echo "expected npm to install @anthropic-ai/claude-code@$version, got: a failure (see $folder/install.log)" >&2
        exit 1
    }
    [ -x "$claude" ] || {
        echo "expected an executable at $claude, got: none (see $folder/install.log)" >&2
        exit 1
    }
fi

echo "$claude"
