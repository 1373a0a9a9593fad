# The README's commands. Everything is installed into .venv, with the versions of constraints.txt,
# which has Pyserini 1.6 for Python 3.11 and Pyserini 2 for newer ones.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# A Python of Pyserini's current line.
PYTHON2 ?= python3.13
# Processes that run the tests; a file's tests stay in one, because they share its fixtures.
JOBS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# Of `soak` and `fuzz`, in all.
MINUTES ?= 10
# Moments of each command at which it is disturbed, at most, and kills of each at random times.
MOMENTS ?= 40
RANDOM ?= 20
EXAMPLES ?= $(shell $(PYTHON) -c 'print(max(100, round(100 * $(MINUTES))))')

# What the demo needs: real weights, Java for Lucene and stock Pyserini, training and pages.
DEMO = .[demo,java,train,serve,report]
ALL = .[demo,java,datasets,train,lora,score,openvino,ray,engine,qdrant,sentence-transformers,onnx,mteb,pyterrier,serve,report,test,lint,release,docs]
COMMA := ,
# What the tests need of the extras.
LOWEST = demo,datasets,train,score,engine,serve,report,test
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

.PHONY: demo demo-full test test-all record-tests test-pyserini2 test-other-systems test-integrations test-lowest lowest lint types site notebooks screenshots bench soak fuzz planted faults release-check clean install data train distil evaluate

# BM25, a backbone, a dual encoder and I³ compared in three minutes; demo-full is larger.
demo: $(VENV)/.demo
	$(BIN)/python -m i3_pyserini demo

demo-full: $(VENV)/.demo
	$(BIN)/python -m i3_pyserini demo --full

# The quick tests, in five to eight minutes on two cores.
test: $(VENV)/.installed
	$(PYTEST) -m "not slow"

# All that `make test` leaves out, and nothing else: the tests that are marked slow. CI runs both.
test-all: $(VENV)/.installed
	$(PYTEST) -m slow

# All tests, and their counts for docs/reference/compatibility.md.
record-tests: $(VENV)/.installed
	$(PYTEST) --record tests/records/$$($(BIN)/python -m tests.compatibility --name).json
	$(BIN)/python -m tests.compatibility

# The same with Pyserini 2 and a newer Python, in an environment of its own (6 GB, CUDA's libraries
# included, because there is no other torch for it on PyPI).
test-pyserini2:
	$(MAKE) record-tests VENV=.venv-pyserini2 PYTHON=$(PYTHON2)

# The quick tests on a Python that lacks what only Linux has, and warns of texts without an encoding.
test-other-systems: $(VENV)/.installed
	I3_OTHER_SYSTEM=missing PYTHONWARNDEFAULTENCODING=1 PYTHONPATH=$(CURDIR)/tests/other_systems:$(CURDIR) \
		$(PYTEST) -m "not slow"

# The quick tests with the lowest versions that pyproject.toml allows, in an environment of their own
# with Python 3.11; torch excepted, which is 2.13.0.
test-lowest: .venv-lowest/.installed
	.venv-lowest/bin/python -m pytest -n $(JOBS) --dist loadfile -m "not slow"

# The tests of docs/how-to/integrations.md, with tools that cannot be installed beside the others: each has
# an environment of its own.
fastembed = fastembed==0.9.1
haystack = haystack-ai==3.4.1
langchain = langchain-openai==1.7.4
llamaindex = llama-index-embeddings-openai-like==0.4.0
OUTSIDE = fastembed haystack langchain llamaindex

test-integrations: $(VENV)/.installed $(OUTSIDE:%=.venv-outside/%/.installed)
	FASTEMBED_PYTHON=$(CURDIR)/.venv-outside/fastembed/bin/python \
	HAYSTACK_PYTHON=$(CURDIR)/.venv-outside/haystack/bin/python \
	LANGCHAIN_PYTHON=$(CURDIR)/.venv-outside/langchain/bin/python \
	LLAMAINDEX_PYTHON=$(CURDIR)/.venv-outside/llamaindex/bin/python \
		sh -c '$(PYTEST) --junitxml .venv-outside/results.xml tests/integrations && \
			$(BIN)/python -m tests.integrations.table .venv-outside/results.xml'

.venv-outside/%/.installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet $($*)
	touch $@

# Writes those versions again, after a change of pyproject.toml.
lowest: .venv-lowest/.created
	.venv-lowest/bin/uv pip compile --quiet --config-file .ci/lowest.toml --resolution lowest-direct \
		--python .venv-lowest/bin/python --no-annotate --custom-compile-command "make lowest" \
		pyproject.toml $(addprefix --extra ,$(subst $(COMMA), ,$(LOWEST))) \
		--upgrade --output-file constraints-lowest.txt

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff check --preview --select PLW1514 .  # text is UTF-8 on every system
	$(BIN)/ruff format --check .
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive i3_pyserini
	$(BIN)/lint-imports
	$(BIN)/python -m tests.licences --check

types: $(VENV)/.installed
	$(BIN)/mypy

# The documentation as a site, in .site/html; needs no network. Links, anchors and names of the
# package that lead nowhere are errors.
site: $(VENV)/.installed
	$(BIN)/python -m sphinx --builder html --conf-dir docs --doctree-dir .site/doctrees \
		--fail-on-warning --keep-going --nitpicky --quiet . .site/html

# MINUTES of random worlds through all routes that should agree (tests/worlds), half of the time;
# damaged files (EXAMPLES of each property, whatever time they take); and encode, search and serve,
# whose memory and descriptors must not grow (judged from nine minutes of each on: MINUTES=60).
SHARE = $(BIN)/python -c 'print($(MINUTES) * $(1))'

soak: $(VENV)/.installed
	$(BIN)/python -m tests.worlds.soak --minutes $$($(call SHARE,1/2)) --slow
	I3_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q tests -m hypothesis
	$(BIN)/python -m benchmarks.encode_soak --minutes $$($(call SHARE,1/6))
	$(BIN)/python -m benchmarks.search_soak --minutes $$($(call SHARE,1/6))
	$(BIN)/python -m benchmarks.serve_soak --minutes $$($(call SHARE,1/6))

# All readers, guided by coverage: MINUTES in all. What reached new code is kept in .fuzz for the
# next time; a failure's input is in .fuzz/TARGET/found. With RUNS=200 instead so many inputs for each
# reader, from the seeds and with the same random numbers, as in CI. `planted` shows what fuzzing
# finds of fifty mistakes.
fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz $(if $(RUNS),--runs $(RUNS),--minutes $(MINUTES)) --jobs $(JOBS)

planted: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz.planted

# What would be published, in dist/, and whether the wheel installs and shows its demo on each Python.
PYTHONS ?= python3.11 python3.12 python3.13
release-check: $(VENV)/.installed
	$(BIN)/python -m tests.release $(PYTHONS)

# Every command that writes, disturbed at every moment of its writing: killed, stopped, on a full
# disk, beside another one. Linux only; root also mounts small disks.
faults: $(VENV)/.installed
	$(BIN)/python -m tests.faults --moments $(MOMENTS) --random $(RANDOM) --json .faults.json

# Runs the notebooks of examples/ and stores what they show: NOTEBOOKS=comparison for one of them.
notebooks: $(VENV)/.installed
	$(BIN)/python -m tests.notebooks $(NOTEBOOKS)

# The pictures of pages in docs/images; needs chromium and chromedriver.
screenshots: $(VENV)/.installed
	$(BIN)/python -m tests.eval.report.screenshots
	$(BIN)/python -m tests.serve.screenshots

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/encode_overhead.py

# The original's five steps on MS MARCO: docs/tutorials/msmarco.md. DRY_RUN=1 prints the commands only;
# SET='launch=python size=-1gpu' is for one GPU.
install: $(VENV)/.installed

data train distil evaluate: $(VENV)/.installed
	$(BIN)/i3-pyserini experiment steps msmarco $@ \
		$(if $(DRY_RUN),--dry-run) $(if $(SET),--values $(SET))

# A stamp is written last, so that an interrupted installation is resumed.
$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) '$(DEMO)'
	touch $@

$(VENV)/.installed: $(VENV)/.demo
	$(INSTALL) '$(ALL)'
	touch $@

$(VENV)/.fuzz: $(VENV)/.installed
	$(INSTALL) '.[fuzz]'
	touch $@

.venv-lowest/.created:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet uv
	touch $@

.venv-lowest/.installed: .venv-lowest/.created constraints-lowest.txt
	.venv-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt \
		torch==2.13.0 --editable '.[$(LOWEST)]'
	touch $@

clean:
	rm -rf $(VENV) .venv-lowest .venv-outside .site demo-output
