# Targets that a newcomer needs; CI calls the same ones. `make help` lists them.
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
BUILD := build/release

.PHONY: help deps build demo test test-slow test-servers test-simulation test-soak test-datasets bench lint docs clean

help:
	@echo "make demo          install what is missing, build, run examples/flights on real flights"
	@echo "make test          build and run the fast test suite"
	@echo "make test-slow     the long tests, for hours: 500 kills of assay up, 10,000 simulated lines, 10 M comparisons"
	@echo "make test-servers  the suites that need real servers and engines; SERVER_TESTS='-LE jvm' leaves out Java's"
	@echo "make test-simulation  assay up in a world of faults by seed, some 4 s each: SIM_SEEDS (1000) from SIM_FIRST (1), SIM_JOBS at a time (1)"
	@echo "make test-soak     assay up at a steady rate by a real broker, printed by minute: SOAK_MINUTES (30), SOAK_RATE (5000 events a second), SOAK_USERS (10000)"
	@echo "make test-datasets real streams by a real broker; ASSAY_DATASETS names the folder of the public data sets"
	@echo "make bench         build and run the benchmarks, beside Spark, Flink and Feast, which are fetched (BENCH_PEERS=no: without them); or some: BENCH='pit stream'; BENCH_FULL=yes for the sizes of docs/benchmarks"
	@echo "make lint          formatting, clang-tidy on changed files, walls"
	@echo "make docs          write the generated reference pages"
	@echo "make clean         remove everything that was built"

deps:
	@tools/install_deps.sh

build: deps
	@tools/build.sh release

demo: deps
	@tools/build.sh release assay templates
	@examples/flights/demo.sh $(BUILD)/bin/assay

test: build
	@tools/python_env.sh build/venv tests/delta_rs/requirements.txt
	@ctest --preset fast

test-slow: build
	@tools/python_env.sh build/venv tests/delta_rs/requirements.txt
	@ctest --preset slow --verbose

test-servers: build
	@tools/python_env.sh build/venv tests/delta_rs/requirements.txt
	@ctest --preset servers --verbose $(SERVER_TESTS)

test-simulation: build
	@tools/simulate.sh $(BUILD)/tests/line_simulation $(or $(SIM_FIRST),1) $(or $(SIM_SEEDS),1000) $(or $(SIM_JOBS),1)

test-soak: build
	@tools/servers/kafka.sh with python3 tests/line/soak_test.py $(BUILD)/bin/assay \
	  --minutes $(or $(SOAK_MINUTES),30) --rate $(or $(SOAK_RATE),5000) --users $(or $(SOAK_USERS),10000)

test-datasets: build
	@ctest --preset datasets --verbose

bench: deps
	@tools/bench.sh $(BENCH)

lint: deps
	@tools/lint.sh

docs: build
	@$(BUILD)/bin/assay reference --write docs/reference

clean:
	rm -rf build
