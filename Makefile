# Everything a developer or a first-time user runs. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One profile and one set of features for everything, so that nothing is built twice.
CARGO := cargo
BUILD := --release --workspace --locked

.PHONY: help run build test check format lint test-rust test-web test-interop test-browser sweep crash fuzz bench-signaling bench-docs bench-turn bench-forward types deny \
  test-coturn tools interop rivals coturn node clean

help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: node ## Builds everything and serves it on http://localhost:8080
	$(CARGO) run --release --locked

build: node ## Builds the binary, web client included, into target/release/stoa
	$(CARGO) build $(BUILD)

test: tools check test-web test-rust test-interop test-coturn test-browser ## Formatting, lints and every test; installs what is missing
	@echo "make test: all parts passed"

check: format lint ## Formatting and lints

format: node ## Checks the formatting
	$(CARGO) fmt --all --check
	cd web-client && npm run --silent format:check

lint: node ## Clippy and the TypeScript compiler, warnings denied
	$(CARGO) clippy $(BUILD) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(BUILD) --no-deps --document-private-items --quiet
	cd web-client && npm run --silent typecheck

test-rust: node ## Unit, property, contract, architecture and whole-binary tests
	$(CARGO) test $(BUILD)

test-web: node ## Tests of the SDK, the provider and the app without a browser, and their sizes
	cd web-client && npm test --silent

test-browser: tools build ## Calls and notes in real browsers
	cd tests/browser && npx --no-install playwright test

test-interop: interop build ## Unmodified y-websocket, Hocuspocus, y-webrtc and pycrdt clients against the real binary
	cd tests/interop && npm test --silent

test-coturn: interop coturn build ## coturn's own clients and aioice against the relay of the real binary
	cd tests/interop && node --test --test-reporter=spec --test-concurrency=4 --test-force-exit coturn/*.test.js

# Long searches; a bounded part of each is in test-rust.
sweep: node ## 1,000,000 orders of delivery and as many mutated updates, a share of them judged by Yjs (an hour)
	STOA_SWEEP=1000000 $(CARGO) test $(BUILD) -p stoa-crdt-sync-core

crash: node ## 10,000 kills of the server under load, and as many power cuts below the database (hours)
	STOA_CRASHES=10000 $(CARGO) test $(BUILD) -p stoa-crdt-sync-store
	STOA_CRASHES=10000 $(CARGO) test $(BUILD) -p stoa --test binary killed

fuzz: ## Feeds damaged input to the relay and the SFU, FUZZ_SECONDS (60) for each target of tests/fuzz; needs a C++ compiler
	tests/fuzz/run.sh $(FUZZ_TARGETS)

bench-signaling: tools build ## Measures the signaling server (10 minutes; best on an idle machine); docs/benchmarks.md says what it means
	$(CARGO) build --profile dist --locked -p stoa -p stoa-bench --bins --examples
	target/dist/stoa-bench
	cd tests/browser && npx --no-install playwright test -c bench.config.ts

bench-docs: node rivals ## Measures documents beside Hocuspocus and y-websocket's server (10 minutes); docs/benchmarks.md says what it means
	$(CARGO) build --profile dist --locked -p stoa -p stoa-bench --bins --examples
	target/dist/stoa-bench-docs

bench-turn: node coturn ## Measures the relay beside coturn and a bare forwarder (15 minutes; best on an idle machine); docs/benchmarks.md says what it means
	$(CARGO) build --profile dist --locked -p stoa -p stoa-bench --bins --examples
	target/dist/stoa-bench-turn

bench-forward: ## Measures the SFU's forwarding and set-ups beside a bare sender (4 minutes; best on an idle machine); docs/benchmarks.md says what it means
	$(CARGO) build --profile dist --locked -p stoa-bench --bins --examples
	target/dist/stoa-bench-forward

types: ## Writes the SDK's wire types from the Rust types
	STOA_WRITE_TYPES=1 $(CARGO) test $(BUILD) -p stoa-signaling-core typescript

deny: ## Checks licences, bans and sources of dependencies (needs cargo-deny)
	$(CARGO) deny check bans licenses sources

# npm packages; cargo's build script does the same for the web client when make is not used.
node:
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer with npm" >&2; exit 1; }
	@[ web-client/node_modules/.package-lock.json -nt web-client/package-lock.json ] || (cd web-client && npm ci --no-audit --no-fund)

# What the browser tests need: Debian's browsers, a font, what writes Firefox's list of trusted certificates, a sound server (its audio clock stands still
# without one), npm packages without browser downloads.
tools: node
	@missing=(); for package in chromium firefox-esr fonts-dejavu-core libnss3-tools openssl pulseaudio; do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing+=($$package); done; \
	  if [ $${#missing[@]} -gt 0 ]; then echo "installing $${missing[*]}"; \
	    apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}"; fi
	@[ tests/browser/node_modules/.package-lock.json -nt tests/browser/package-lock.json ] || \
	  (cd tests/browser && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund)

# Other people's clients, from npm and PyPI.
interop: node
	@[ tests/interop/node_modules/.package-lock.json -nt tests/interop/package-lock.json ] || (cd tests/interop && npm ci --no-audit --no-fund)
	@tests/interop/python.sh

# Debian's coturn and its clients. The package would start a server of its own: not for a moment, and not at the next boot.
coturn:
	@if ! dpkg-query -W -f='$${Status}' coturn 2>/dev/null | grep -q 'ok installed'; then echo "installing coturn"; \
	  policy=/usr/sbin/policy-rc.d; made=; \
	  if [ ! -e $$policy ]; then printf '#!/bin/sh\nexit 101\n' >$$policy; chmod +x $$policy; made=$$policy; fi; \
	  trap '[ -z "$$made" ] || rm -f "$$made"' EXIT; \
	  apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends coturn openssl util-linux; \
	  if [ -d /run/systemd/system ]; then systemctl disable --quiet --now coturn; fi; fi

rivals:
	@[ tests/interop/rivals/node_modules/.package-lock.json -nt tests/interop/rivals/package-lock.json ] || \
	  (cd tests/interop/rivals && npm ci --no-audit --no-fund)

clean: ## Removes what was built
	rm -rf target web-client/node_modules web-client/*/dist tests/*/node_modules tests/interop/rivals/node_modules tests/browser/test-results
