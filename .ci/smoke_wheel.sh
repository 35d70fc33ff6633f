#!/usr/bin/env bash
# Builds sdist and wheel, installs the wheel into an environment of its own and uses it from an empty folder.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "building sdist and wheel"
.venv/bin/python -m build --outdir "$scratch/dist" . >"$scratch/build.log" 2>&1 || { cat "$scratch/build.log"; exit 1; }
wheel=$(echo "$scratch"/dist/*.whl)

.venv/bin/python - "$wheel" <<'PYTHON'
import sys
import zipfile

names = set(zipfile.ZipFile(sys.argv[1]).namelist())
folders = ("agents", "analysis", "benchmarks", "envs", "leaderboard")
wanted = {f"coordbench/{folder}/{name}" for folder in folders for name in ("__init__.py", "py.typed")}
wanted |= {"coordbench/benchmarks/suites/coordination.toml", "coordbench/analysis/reference_scores.json"}
if missing := wanted - names:
    sys.exit(f"missing in the wheel: {', '.join(sorted(missing))}")
if foreign := sorted(n for n in names if not n.startswith(("coordbench/", "coordbench-"))):
    sys.exit(f"in the wheel, but outside coordbench: {', '.join(foreign)}")
print(f"wheel: {len(names)} files, all that is needed among them")
PYTHON

echo "installing the wheel into a fresh environment"
.venv/bin/python -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install -qq --disable-pip-version-check -c constraints.txt "$wheel"

mkdir "$scratch/empty"
cd "$scratch/empty"
PATH=$scratch/venv/bin:$PATH
unset PYTHONPATH
bench --version
bench list
python - "$root" <<'PYTHON'
import sys
from importlib import import_module

for folder in ("agents", "analysis", "benchmarks", "envs", "leaderboard"):
    path = import_module(f"coordbench.{folder}").__file__
    assert path.startswith(sys.prefix) and not path.startswith(sys.argv[1]), f"{folder} comes from {path}"
from coordbench import envs

observation, _ = envs.make("cooperative_navigation_3-v1", num_envs=4).reset(seed=0)
assert observation.shape == (4, 3, 18), observation.shape
PYTHON
python -m coordbench.benchmarks run --suite coordination --budget smoke --results results \
  --tasks cooperative_navigation_3-v1 --agents maddpg,random --seeds 0
find results -name leaderboard.csv | grep -q . || { echo "the run wrote no leaderboard.csv"; exit 1; }
echo "wheel: installed, listed and trained from an empty folder"
