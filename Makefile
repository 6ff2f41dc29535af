# make demo         segment the sample radiograph; the result is in demo-output
# make test         run the tests; PYTEST_ARGS="Testing/drr -x" chooses
# make check        ruff and mypy
# make benchmarks   how long segmenting takes on this machine
# make evaluation   how good the bundled model is: MANIFEST=set.jsonl, the result is in evaluation-output
# make screenshots  draw the Segment tab into Resources/Screenshots
#
# Each target makes its own virtual environment once, and again when the dependencies change. PYTHON chooses the
# interpreter (3.10 or newer). PIP_ARGS goes to pip: on Linux without an NVIDIA GPU,
# PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu" saves a download of some 3 GB.

PYTHON ?= python3
PIP_ARGS ?=
PYTEST_ARGS ?=
BIN := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
SAMPLE := FluoroSAMSlicer/Resources/SampleData/chest_drr.dcm

.PHONY: demo test check benchmarks evaluation screenshots clean

demo: .venv-demo/installed
	.venv-demo/$(BIN)/fluorosam segment $(SAMPLE) \
	    --text "left lung, right lung" --text "spine" \
	    --point "right lung:310,575,-" --point "left lung:690,520,+" \
	    --overlay --json --output demo-output

test: .venv-test/installed
	.venv-test/$(BIN)/python -m pytest $(PYTEST_ARGS)

check: .venv-test/installed
	.venv-test/$(BIN)/python -m ruff check .
	.venv-test/$(BIN)/python -m mypy

benchmarks: .venv-test/installed
	.venv-test/$(BIN)/python Testing/benchmarks/segment_speed.py $(SAMPLE)
	.venv-test/$(BIN)/python Testing/benchmarks/panel_speed.py

evaluation: .venv-test/installed
	@test -n "$(MANIFEST)" || { echo "Say on what: make evaluation MANIFEST=set.jsonl" >&2; exit 1; }
	.venv-test/$(BIN)/fluorosam evaluate $(MANIFEST) --output evaluation-output

screenshots: .venv-test/installed
	.venv-test/$(BIN)/python Testing/panel/segment/screenshot.py Resources/Screenshots/segment_tab.png
	.venv-test/$(BIN)/python Testing/panel/segment/screenshot.py Resources/Screenshots/run_row.png run

.venv-demo/installed: EXTRA := standalone
.venv-test/installed: EXTRA := test
.venv-demo/installed .venv-test/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "Python 3.10 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e ".[$(EXTRA)]"
	@touch $@

clean:
	rm -rf .venv-demo .venv-test demo-output evaluation-output build FluoroSAMSlicer/*.egg-info
