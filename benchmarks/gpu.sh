#!/usr/bin/env bash
# Every test and every figure that needs a GPU, in under ten minutes: benchmarks/gpu.sh
#
# Run from an environment with featgeom[dev]; PYTHON names its interpreter (.venv/bin/python). Where FEATGEOM_DATA names
# the folder of real data, extraction is timed, too. Each step has a limit of its own; one that fails fails the
# script, after the others have run.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}

if ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  echo "benchmarks/gpu.sh: $python sees no GPU (torch.cuda.is_available() is false); nothing was run" >&2
  exit 2
fi

failed=0
step() { # step SECONDS COMMAND...: one step within its limit
  local limit=$1
  shift
  echo "== $*"
  timeout "$limit" "$@" || { echo "failed: $*" >&2; failed=1; }
}

nvidia-smi --query-gpu=name,memory.total --format=csv,noheader || true
step 240 "$python" -m pytest -q -p no:cacheprovider tests/test_devices.py tests/hulls/test_input.py -k "cuda"
step 180 "$python" benchmarks/bench_device.py --device cuda
if [ -n "${FEATGEOM_DATA:-}" ]; then
  step 150 "$python" benchmarks/bench_extract.py --device cuda --images 10000
else
  echo "FEATGEOM_DATA is not set: extraction is not timed"
fi
exit $failed
