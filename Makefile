# The few commands we use. `make run` and `make test` are all that a newcomer needs.

CARGO ?= cargo
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
# What the tests need beside cargo goes below target/, so that `make clean` takes it away again.
TOOLS := $(TARGET)/tools
VENV := $(TOOLS)/venv
AWS := $(TOOLS)/aws
SAM := $(TOOLS)/sam
NODE := $(TOOLS)/node

# The stories that are told of the deployed house too, in `make test`; in `make soak` these besides.
AWS_STORIES := relay redelivered media
MORE_AWS_STORIES := words edits providers_failing limits

# The stack's name, and what else `sam deploy` is to be told, such as --parameter-overrides or --profile.
STACK ?= switchboard
DEPLOY ?=

.PHONY: run build test check setup bench soak package deploy destroy clean

## Builds and starts the hub: no account needed.
run: build
	$(TARGET)/release/switchboard run

## target/release/switchboard
build:
	$(CARGO) build --release --locked --package switchboard-local

## Installs what the tests need, then runs every check and test.
test: setup check

## Format, lints, documentation and every test.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --locked --quiet
	$(CARGO) build --workspace --bins --examples --locked
	$(SAM)/bin/cfn-lint template.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(SAM)/bin/sam validate --lint --template template.yaml
	SWITCHBOARD_TEST_TOOLS="$(abspath $(TOOLS))" $(CARGO) test --workspace --locked --no-fail-fast
	SWITCHBOARD_TEST_TOOLS="$(abspath $(TOOLS))" SWITCHBOARD_STORIES_ON=aws \
		$(CARGO) test --locked --no-fail-fast --package switchboard-stories $(AWS_STORIES:%=--test %)

## The official clients (Python, Node), the emulator of AWS, what checks the template, and strace.
setup: $(VENV)/.done $(AWS)/.done $(SAM)/.done $(NODE)/.done
	@command -v strace >/dev/null || { echo "installing strace"; apt-get install -y strace >/dev/null; } \
		|| { echo "strace is missing and could not be installed: install it and try again" >&2; exit 1; }

$(VENV)/.done: tests/clients/requirements.txt
$(AWS)/.done: tests/clients/requirements-aws.txt
$(SAM)/.done: tests/clients/requirements-sam.txt
$(VENV)/.done $(AWS)/.done $(SAM)/.done:
	@command -v python3 >/dev/null || { echo "python3 is missing: install it and try again" >&2; exit 1; }
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --requirement $<
	touch $@

$(NODE)/.done: tests/clients/package.json tests/clients/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js and try again" >&2; exit 1; }
	mkdir -p $(NODE)
	cp tests/clients/package.json tests/clients/package-lock.json $(NODE)/
	npm ci --prefix $(NODE) --ignore-scripts --silent
	touch $@

## Measures; results go into docs/figures.md by hand.
bench: build
	$(CARGO) run --release --locked --package switchboard-stories --bin bench

## The artifact for AWS: target/lambda/bootstrap, for this machine's architecture.
package:
	$(CARGO) build --profile lean --locked --package switchboard-lambda --bin bootstrap
	mkdir -p target/lambda
	cp $(TARGET)/lean/bootstrap target/lambda/bootstrap

## Deploys to the AWS account of the environment; docs/aws.md says what has to be there before.
deploy: package $(SAM)/.done
	SAM_CLI_TELEMETRY=0 $(SAM)/bin/sam deploy --template-file template.yaml --stack-name $(STACK) --resolve-s3 \
		--capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --no-fail-on-empty-changeset $(DEPLOY)
	$(CARGO) run --quiet --release --locked --package switchboard-lambda --bin switchboard-aws -- next --stack $(STACK)

## Removes the stack. Tables and files stay, unless it was deployed with KeepDataOnDelete=no.
destroy: $(SAM)/.done
	SAM_CLI_TELEMETRY=0 $(SAM)/bin/sam delete --stack-name $(STACK)

## The long tests: 200 kills; every story told of the deployed house.
soak: setup
	$(CARGO) build --workspace --bins --locked
	SWITCHBOARD_TEST_TOOLS="$(abspath $(TOOLS))" SWITCHBOARD_KILLS=200 \
		$(CARGO) test --locked --package switchboard-stories --test crash -- --nocapture
	SWITCHBOARD_TEST_TOOLS="$(abspath $(TOOLS))" SWITCHBOARD_STORIES_ON=aws \
		$(CARGO) test --locked --no-fail-fast --package switchboard-stories $(MORE_AWS_STORIES:%=--test %)

clean:
	$(CARGO) clean
