# make demo   segment the sample radiograph; the result is in demo-output
# make test   run the tests
#
# Each target makes its own virtual environment once, and again when the dependencies change. PYTHON chooses the
# interpreter (3.10 or newer). PIP_ARGS goes to pip: on Linux without an NVIDIA GPU,
# PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu" saves a download of some 3 GB.

PYTHON ?= python3
PIP_ARGS ?=
PYTEST_ARGS ?=
BIN := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
SAMPLE := FluoroSAMSlicer/Resources/SampleData/chest_drr.dcm

.PHONY: demo test clean

demo: .venv-demo/installed
	.venv-demo/$(BIN)/fluorosam segment $(SAMPLE) \
	    --text "left lung, right lung" --text "spine" \
	    --point "right lung:310,575,-" --point "left lung:690,520,+" \
	    --overlay --json --output demo-output

test: .venv-test/installed
	.venv-test/$(BIN)/python -m pytest $(PYTEST_ARGS)

.venv-demo/installed: EXTRA := standalone
.venv-test/installed: EXTRA := test
.venv-demo/installed .venv-test/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "Python 3.10 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e ".[$(EXTRA)]"
	@touch $@

clean:
	rm -rf .venv-demo .venv-test demo-output build FluoroSAMSlicer/*.egg-info
