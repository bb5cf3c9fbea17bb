# What the README's commands run. `make demo` and `make test` are enough on a fresh machine.
.DEFAULT_GOAL := help
.PHONY: help setup demo test fuzz fuzz-bpf leak faults soak documented pictures dist lint manual install uninstall clean \
	box validate test-vagrant
SHELL := /bin/bash

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PACKAGES := bpf controller intercept lab sender

help:
	@echo "make setup   packages of the system (apt-get) and .venv with gryphon and gryphon-intercept"
	@echo "make demo    hosts, nginx and a recording in network namespaces; replays in all three topologies"
	@echo "make test    all tests: without root, in the kernel, in network namespaces (sudo where need be)"
	@echo "make fuzz    mutated and hostile captures and channels for 10 minutes (FUZZ_SECONDS=3600: an hour); finds in build/fuzz"
	@echo "make fuzz-bpf  ten million frames to the BPF programs and to the same rules in Python (FUZZ_PACKETS=...)"
	@echo "make leak    captures beyond the interception while runs live and die in every way, in all three topologies"
	@echo "make faults  what a run makes of dead processes, a cut or slow channel, a server short of files (build/faults.txt)"
	@echo "make soak    an hour of users that come back, and what of memory, files, threads, timers, latency drifts (SOAK_SECONDS=...)"
	@echo "make documented  the commands of docs/tutorial.md and docs/howto/ as they are written, in the lab: three minutes"
	@echo "make box     boxes for Vagrant, out of Debian's packages: Debian 12 and 13 with their own kernels"
	@echo "make validate  vagrant/Vagrantfile is one (packages: vagrant, vagrant-libvirt)"
	@echo "make test-vagrant  the three topologies and more in virtual machines of both boxes, without a network (BOX=debian12)"
	@echo "make pictures    docs/pictures out of real runs in the lab"
	@echo "make lint    ruff and mypy --strict"
	@echo "make manual  manual pages out of the commands and the docs (manual/pages)"
	@echo "make dist    wheel and source distribution in dist/"
	@echo "make install links both commands into /usr/local/bin, where sudo looks, and installs the manual pages"
	@echo "make clean   removes .venv and everything that was built"

setup:
	@lab/setup.sh

demo: setup
	$(SUDO) .venv/bin/gryphon demo

# CI stands for what must not be skipped there. All tests run on all cores, each file on one: those with users and servers,
# too, which wait more than they calculate (two side by side took ten minutes where one after the other takes fifteen).
PARALLEL := -n auto --dist loadfile
test: setup
	$(SUDO) env $(if $(CI),CI=$(CI)) .venv/bin/python -m pytest $(PARALLEL) tests/unit --ignore tests/unit/fuzz
	$(SUDO) env $(if $(CI),CI=$(CI)) .venv/bin/python -m pytest $(PARALLEL) --maxprocesses 4 tests/kernel
	$(SUDO) env $(if $(CI),CI=$(CI)) .venv/bin/python -m pytest $(PARALLEL) --maxprocesses 2 tests/unit/fuzz tests/netns

FUZZ_SECONDS := 600
FUZZ_ENGINE := all
fuzz: setup
	.venv/bin/python -c 'import atheris' 2>/dev/null || \
	    .venv/bin/python -m pip install --disable-pip-version-check --quiet --editable '.[dev,fuzz]'
	.venv/bin/python -m tests.fuzz --seconds $(FUZZ_SECONDS) --engine $(FUZZ_ENGINE)

FUZZ_PACKETS := 10000000
fuzz-bpf: setup
	$(SUDO) .venv/bin/python -m tests.bpf_fuzz --packets $(FUZZ_PACKETS)

LEAK_ROUNDS := 1
leak: setup
	$(SUDO) env LEAK_ROUNDS=$(LEAK_ROUNDS) .venv/bin/python -m pytest -s tests/netns/test_leak.py

faults: setup
	$(SUDO) .venv/bin/python -m pytest tests/faults

SOAK_SECONDS := 3600
soak: setup
	$(SUDO) .venv/bin/python -m benchmarks.soak --seconds $(SOAK_SECONDS)

documented: setup
	$(SUDO) env GRYPHON_DOCUMENTED=all .venv/bin/python -m pytest tests/netns/test_documented.py

# A mount namespace: whatever ends it, no mount stays.
BOX := all
box: setup
	$(SUDO) vagrant/setup.sh machines
	$(SUDO) unshare --mount .venv/bin/python -m vagrant.build $(filter-out all,$(BOX))

validate:
	$(SUDO) vagrant/setup.sh validate
	cd vagrant && VAGRANT_HOME=$(CURDIR)/build/vagrant/home VAGRANT_DOTFILE_PATH=$(CURDIR)/build/vagrant/dot \
	    VAGRANT_CHECKPOINT_DISABLE=1 VAGRANT_DEFAULT_PROVIDER=libvirt GRYPHON_DIST=. vagrant validate

test-vagrant: setup
	$(SUDO) vagrant/setup.sh machines
	$(SUDO) .venv/bin/python -m vagrant.run --box $(BOX)

pictures: setup
	$(SUDO) .venv/bin/python -m manual.pictures

# The folders are packages of `gryphon` by pyproject.toml alone; links lay them out as mypy looks for them.
lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	mkdir -p build/typing/gryphon
	for package in $(PACKAGES); do ln -sfn ../../../$$package build/typing/gryphon/$$package; done
	MYPYPATH=build/typing .venv/bin/mypy --strict $(PACKAGES:%=-p gryphon.%)
	MYPYPATH=build/typing:. .venv/bin/mypy --strict -p vagrant

manual: setup
	.venv/bin/python -m manual

# From elsewhere: here build/ would be taken for the package of that name.
dist: setup
	cd / && $(CURDIR)/.venv/bin/python -m build --outdir $(CURDIR)/dist $(CURDIR)

# sudo does not look into virtual environments. Links: what this checkout is, is what runs.
PREFIX := /usr/local
install: setup
	$(SUDO) install -d $(PREFIX)/bin $(PREFIX)/share/man/man1 $(PREFIX)/share/man/man8
	$(SUDO) ln -sf $(CURDIR)/.venv/bin/gryphon $(CURDIR)/.venv/bin/gryphon-intercept $(PREFIX)/bin/
	$(SUDO) install -m 644 manual/pages/*.1 $(PREFIX)/share/man/man1
	$(SUDO) install -m 644 manual/pages/*.8 $(PREFIX)/share/man/man8

uninstall:
	$(SUDO) rm -f $(PREFIX)/bin/gryphon $(PREFIX)/bin/gryphon-intercept
	$(SUDO) rm -f $(addprefix $(PREFIX)/share/man/man1/,$(notdir $(wildcard manual/pages/*.1)))
	$(SUDO) rm -f $(addprefix $(PREFIX)/share/man/man8/,$(notdir $(wildcard manual/pages/*.8)))

clean:
	$(SUDO) rm -rf build dist .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	$(SUDO) find . -name __pycache__ -type d -prune -exec rm -rf {} +
