# `make help` lists the targets. The first two are all a new user needs: `make up` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

SWIFT ?= swift
CHECKS := --explicit-target-dependency-import-check error
SOURCES := Package.swift Sources Tests agent coordinator
ONLY ?=

.PHONY: help up down build test lint format bench clean packages

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## install what is missing, build, start a coordinator and an agent for this host
	@deploy-units/local/up.sh

down: ## stop what `make up` started (the data stays)
	@deploy-units/local/down.sh

packages: ## install the system packages a build needs
	@deploy-units/local/packages.sh build

build: packages ## release build of both executables
	$(SWIFT) build -c release --static-swift-stdlib $(CHECKS) --product muster-agent
	$(SWIFT) build -c release --static-swift-stdlib $(CHECKS) --product muster

test: packages ## debug build, then every test; what needs root, Docker or a peer says so and skips
	$(SWIFT) build --build-tests $(CHECKS)
	$(SWIFT) test --skip-build --no-parallel

lint: ## formatting of every source (the fixed rules are TidyTests)
	$(SWIFT) format lint --strict --parallel --recursive $(SOURCES)

format: ## format every source in place
	$(SWIFT) format --in-place --parallel --recursive $(SOURCES)

bench: build ## one line per figure; ONLY=P1 for one
	@Tests/Benchmarks/run.sh $(ONLY)

clean: ## remove build output (data folders stay)
	rm -rf .build Tests/Benchmarks/.build Tests/Fuzz/.build
