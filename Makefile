# The few commands we use. `make run` and `make test` are all that a newcomer needs.

CARGO ?= cargo
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
# What the tests need beside cargo goes below target/, so that `make clean` takes it away again.
TOOLS := $(TARGET)/tools
VENV := $(TOOLS)/venv
AWS := $(TOOLS)/aws
SAM := $(TOOLS)/sam
MOTO := $(TOOLS)/moto
NODE := $(TOOLS)/node
BROWSER := $(TOOLS)/browser
LIGHTHOUSE := $(TOOLS)/lighthouse

# The pages, which the program embeds.
PAGES := web/dist/index.html
WEB := $(shell find web -name node_modules -prune -o -name dist -prune -o -type f -print)

# The stories that are told of the deployed house too, in `make test`; in `make soak` these besides.
AWS_STORIES := relay:: media:: redelivered:: doors::bad_requests doors::what_the_official
MORE_AWS_STORIES := words:: edits:: providers_failing:: limits:: doors:: commands::

# What `make test` runs beside the stories: every other test program of the workspace (a test says which is missing).
TESTS := agreement corpus hostile http messages pages tidy wiring
# What runs side by side says what it has to say one after the other (GNU make 4).
APART := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
CHECK_TEST := SWITCHBOARD_TEST_TOOLS="$(abspath $(TOOLS))" $(CARGO) test --workspace --locked --no-fail-fast

# The stack's name, and what else `sam deploy` and `sam delete` are to be told, such as --parameter-overrides, --profile.
STACK ?= switchboard
DEPLOY ?=
DESTROY ?=

.PHONY: run build pages test check build-checks run-checks check-deployed check-here check-there check-rest setup pictures bench lighthouse load soak package deploy destroy clean

## Builds and starts the hub: no account needed.
run: build
	$(TARGET)/release/switchboard run

## target/release/switchboard
build: pages
	$(CARGO) build --release --locked --package switchboard-local

## web/dist: the pages, as the program embeds them.
pages: $(PAGES)

$(PAGES): $(WEB) web/node_modules/.done
	npm run build --prefix web --silent

web/node_modules/.done: web/package.json web/package-lock.json web/.npmrc
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20.19 or later and try again" >&2; exit 1; }
	npm ci --prefix web --ignore-scripts --silent
	touch $@

## Installs what the tests need while everything compiles, then runs every check and test.
test:
	$(MAKE) --jobs=2 setup build-checks
	$(MAKE) run-checks

## The same where everything is installed already.
check:
	$(MAKE) build-checks
	$(MAKE) run-checks

# Format, lints, documentation, and everything that the tests run.
build-checks: pages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --locked --quiet
	$(CARGO) build --workspace --bins --examples --locked
	$(CARGO) test --workspace --locked --no-run --quiet

# Most of the tests wait most of their time, for the emulator or for a provider to come back; so two of four streams
# of them run at once, and each shows what it said when it ends.
run-checks:
	@echo "every test, in four streams: their output comes when each ends, in a few minutes"
	$(MAKE) --jobs=2 --keep-going $(APART) check-deployed check-here check-there check-rest

check-here:
	$(CHECK_TEST) --test stories

check-deployed:
	$(CHECK_TEST) --test deployed

check-there:
	SWITCHBOARD_STORIES_ON=aws $(CHECK_TEST) --test stories -- $(AWS_STORIES)

check-rest:
	npm run check --prefix web --silent
	$(SAM)/bin/cfn-lint template.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(SAM)/bin/sam validate --lint --template template.yaml
	SWITCHBOARD_SOAK_S=20 $(CHECK_TEST) --lib --bins $(TESTS:%=--test %)
	$(CHECK_TEST) --doc

## The official clients (Python, Node), the emulator of AWS, what checks the template, what drives a browser, Chromium
## with a font of emoji, an MQTT broker with its clients, and strace.
setup: $(VENV)/.done $(AWS)/.done $(SAM)/.done $(NODE)/.done $(BROWSER)/.done
	@command -v strace >/dev/null || { echo "installing strace"; apt-get install -y strace >/dev/null; } \
		|| { echo "strace is missing and could not be installed: install it and try again" >&2; exit 1; }
	@{ test -x /usr/sbin/mosquitto || command -v mosquitto >/dev/null; } \
		&& command -v mosquitto_sub >/dev/null && command -v openssl >/dev/null \
		|| { echo "installing mosquitto"; apt-get update -qq; apt-get install -y mosquitto mosquitto-clients openssl >/dev/null; } \
		|| { echo "mosquitto is missing and could not be installed: install it and try again" >&2; exit 1; }
	@command -v chromium >/dev/null || { echo "installing chromium"; \
		apt-get update -qq; apt-get install -y chromium fonts-noto-color-emoji >/dev/null; } \
		|| { echo "chromium is missing and could not be installed: install it and try again" >&2; exit 1; }

$(VENV)/.done: tests/clients/requirements.txt
$(AWS)/.done: tests/clients/requirements-aws.txt
$(SAM)/.done: tests/clients/requirements-sam.txt
$(MOTO)/.done: tests/clients/requirements-moto.txt
$(VENV)/.done $(AWS)/.done $(SAM)/.done $(MOTO)/.done:
	@command -v python3 >/dev/null || { echo "python3 is missing: install it and try again" >&2; exit 1; }
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --requirement $<
	touch $@

$(NODE)/.done: tests/clients/package.json tests/clients/package-lock.json
$(BROWSER)/.done: tests/browser/package.json tests/browser/package-lock.json
$(LIGHTHOUSE)/.done: tests/browser/lighthouse/package.json tests/browser/lighthouse/package-lock.json
$(NODE)/.done $(BROWSER)/.done $(LIGHTHOUSE)/.done:
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js and try again" >&2; exit 1; }
	mkdir -p $(@D)
	cp $^ $(@D)/
	npm ci --prefix $(@D) --ignore-scripts --silent
	touch $@

## The README's pictures, from those that the stories left.
pictures:
	mkdir -p docs/pictures
	cp $(TARGET)/screenshots/sandbox-desktop-light.png docs/pictures/sandbox.png
	cp $(TARGET)/screenshots/chat-desktop-light.png docs/pictures/chat.png

## Measures; results go into docs/figures.md by hand.
bench: build lighthouse package setup
	$(CARGO) run --release --locked --package switchboard-stories --bin bench
	$(CARGO) run --release --locked --package switchboard-rules --example bench
	$(CARGO) build --profile lean --locked --package switchboard-lambda --features bench --bin bare
	$(CARGO) run --release --locked --package switchboard-lambda --example init -- \
		target/lambda/bootstrap $(TARGET)/lean/bare
	wc -c target/lambda/bootstrap target/lambda.zip $(TARGET)/lean/bare
	SWITCHBOARD_TEST_TOOLS="$(abspath $(TOOLS))" SWITCHBOARD_ARTIFACT="$(abspath target/lambda/bootstrap)" \
		$(CARGO) test --workspace --locked --test deployed -- --ignored --nocapture handling::

## Lighthouse's marks for each page of the release build; fails below 95 (performance: 90).
lighthouse: build $(LIGHTHOUSE)/.done
	NODE_MODULES="$(abspath $(LIGHTHOUSE))/node_modules" node tests/browser/lighthouse/measure.mjs $(TARGET)/release/switchboard

## Load on the chat: 10,000 idle sockets, a busy room, the same room by socket.io, rooms of up to 10,000,000 messages
## (5 GB for a while). Needs `ulimit -n` above 11000.
load: build setup
	$(CARGO) build --release --locked --package switchboard-stories --bin load
	$(TARGET)/release/load idle
	$(TARGET)/release/load pages
	$(TARGET)/release/load busy
	$(TARGET)/release/load busy 1000 40 20 --cut
	SWITCHBOARD_TEST_TOOLS="$(abspath $(TOOLS))" $(TARGET)/release/load peer

# At a fixed address: half a megabyte of relocations less. (glibc 2.34 does not know the packed ones.) Rust's linker on
# x86_64 folds functions that came out the same; other linkers may not know how.
comma := ,
SMALL := -C relocation-model=static $(if $(filter x86_64,$(shell uname -m)),-C link-arg=-Wl$(comma)--icf=all)

## The artifact for AWS, for this machine's architecture: target/lambda.zip, of whatever is in target/lambda.
package:
	$(CARGO) rustc --profile lean --locked --package switchboard-lambda --bin bootstrap -- $(SMALL)
	mkdir -p target/lambda
	cp $(TARGET)/lean/bootstrap target/lambda/bootstrap
	@command -v objdump >/dev/null || { echo "objdump is missing: install binutils and try again" >&2; exit 1; }
	@newest=$$(objdump -T target/lambda/bootstrap | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1); \
		test "$$(printf '%s\n' "$$newest" GLIBC_2.34 | sort -V | tail -n 1)" = GLIBC_2.34 && test -n "$$newest" || { \
		echo "target/lambda/bootstrap needs $$newest, and Amazon Linux 2023 has GLIBC_2.34: build it on an older system" >&2; \
		rm target/lambda/bootstrap; exit 1; }
	$(CARGO) build --profile lean --locked --package switchboard-lambda --bin pack
	$(TARGET)/lean/pack target/lambda target/lambda.zip

## Deploys to the AWS account of the environment, pages and all; docs/aws.md says what has to be there before.
deploy: package pages $(SAM)/.done
	SAM_CLI_TELEMETRY=0 $(SAM)/bin/sam deploy --template-file template.yaml --language-extensions --resolve-s3 \
		--stack-name $(STACK) --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --no-fail-on-empty-changeset $(DEPLOY)
	$(CARGO) run --quiet --release --locked --package switchboard-lambda --bin switchboard-aws -- pages --stack $(STACK)
	$(CARGO) run --quiet --release --locked --package switchboard-lambda --bin switchboard-aws -- next --stack $(STACK)

## Removes the stack. What people have said stays, unless it was deployed with KeepDataOnDelete=no: then its files are
## deleted first, since no bucket goes that has some.
destroy: $(SAM)/.done
	$(CARGO) run --quiet --release --locked --package switchboard-lambda --bin switchboard-aws -- clear \
		--stack $(STACK) $(if $(filter --no-prompts,$(DESTROY)),--yes)
	SAM_CLI_TELEMETRY=0 $(SAM)/bin/sam delete --stack-name $(STACK) $(DESTROY)

## The long tests: 200 kills; an hour of random rules and events; every story told of the deployed house; what that
## costs; load and kills there; each grant taken away in turn; `make deploy` and `make destroy` at the emulator.
soak: setup $(MOTO)/.done
	$(CARGO) build --workspace --bins --locked
	SWITCHBOARD_KILLS=200 $(CHECK_TEST) --test stories -- crash:: --nocapture
	SWITCHBOARD_TEST_TOOLS="$(abspath $(TOOLS))" $(CARGO) test --locked --package switchboard-lambda --lib second_opinion -- --ignored
	SWITCHBOARD_SOAK_S=3600 $(CARGO) test --release --locked --package switchboard-rules --test agreement -- --nocapture
	SWITCHBOARD_STORIES_ON=aws $(CHECK_TEST) --test stories -- $(MORE_AWS_STORIES)
	$(CHECK_TEST) --test deployed -- --ignored --nocapture --test-threads=1

clean:
	$(CARGO) clean
	rm -rf web/node_modules web/dist/*
