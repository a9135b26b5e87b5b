#!/usr/bin/env bash
# Builds and tests BUILD without a network for Bazel: see docs/bazel.md.
# Usage: tools/bazel_offline/run.sh query|build|test [option...] target...
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
version=2.1.0  # The newest that npm has with a JDK of its own.
package=$root/.build/bazel/node_modules/@bazel/bazel-linux_x64
bazel=$package/bazel-$version-linux-x86_64

[[ $(uname -sm) == "Linux x86_64" ]] || {
    echo "The Bazel that npm has is for Linux on x86-64." >&2
    exit 2
}
command=${1:?query, build or test}
shift
if [[ ! -x $bazel ]]; then
    npm install --silent --no-save --prefix "$root/.build/bazel" \
        "@bazel/bazel-linux_x64@$version"
fi

# A Python that sees the packages of .venv but not the project that is installed
# there in editable form: only declared dependencies can be imported.
python=$root/.build/bazel/python
"$root/.venv/bin/python" -m venv --without-pip "$python"
site() {
    "$1/bin/python" -c \
        'import sysconfig; print(sysconfig.get_path("purelib"))'
}
site "$root/.venv" > "$(site "$python")/packages.pth"

options=("--package_path=$root:%workspace%")
if [[ $command != query ]]; then
    options+=(--symlink_prefix=/ --jobs="${JOBS:-2}")
fi
if [[ $command == test ]]; then
    options+=(--local_test_jobs="${JOBS:-2}" --test_output=errors)
fi
cd "$root/tools/bazel_offline"
PATH=$python/bin:$PATH exec "$bazel" --max_idle_secs=60 "$command" \
    "${options[@]}" "$@"
