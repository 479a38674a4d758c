# photodrop: `make up` starts it here, `make test` checks it. `make help` lists everything.

# The first Python that is new enough for the tools; `make PYTHON=...` chooses another.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python3.10,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $(name))))

COMMANDS := up test chaos down status logs alarms doctor redrive user rehearse restart env photo token build lint fmt unit e2e deny \
	invoke api release deploy smoke coldstart tools second

.DEFAULT_GOAL := help
.PHONY: help $(COMMANDS)

# Every command is one of infra/local/cli.py.
define infra
@test -n "$(PYTHON)" || { echo "make $@: Python 3.10+ is needed, found $$(python3 --version 2>/dev/null || echo none)" >&2; exit 1; }
@cd "$(CURDIR)" && PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m infra.local $@
endef

up:
	$(infra)
test:
	$(infra)
down:
	$(infra)
status:
	$(infra)
logs:
	$(infra)
alarms:
	$(infra)
doctor:
	$(infra)
redrive:
	$(infra)
user:
	$(infra)
rehearse:
	$(infra)
restart:
	$(infra)
env:
	$(infra)
photo:
	$(infra)
token:
	$(infra)
build:
	$(infra)
lint:
	$(infra)
fmt:
	$(infra)
tools:
	$(infra)
unit:
	$(infra)
e2e:
	$(infra)
second:
	$(infra)
chaos:
	$(infra)
deny:
	$(infra)
invoke:
	$(infra)
api:
	$(infra)
release:
	$(infra)
deploy:
	$(infra)
smoke:
	$(infra)
coldstart:
	$(infra)

# The lines below that begin with `#:`.
help:
	@sed -n 's/^#: //p' $(firstword $(MAKEFILE_LIST))

#: make up       builds the functions, starts MiniStack, deploys template.yaml into it and uploads a photo
#:               (PHOTODROP_PORT=4566, PHOTODROP_PARAMETERS="Variants=small:200 JpegQuality=85"); again: updates it;
#:               a parameter keeps its value until it is given another or the stack is stopped
#: make status   shows the stack, its functions, its queues, alarms, photos and objects
#: make logs     prints the functions' logs of the last hour (ERRORS=1, FOLLOW=1, FUNCTION=upload|thumbnail|reconcile)
#: make alarms   shows every alarm, evaluated (RAISE=name and CLEAR=name set one by hand, FOLLOW=1; locally SPEED=30:
#:               a period of a minute is two seconds)
#: make doctor   asks the stack what an operator would ask; its exit code tells (JSON=1, TOKEN=...)
#: make redrive  moves the failure queue's messages back to the thumbnail queue (RATE=messages a second)
#: make user     creates a user of the stack's own user pool (NAME=alice@example.com; MAIL=1: Cognito mails the temporary password)
#:               these look at the local stack, and with STACK=name at one on AWS (AWS_PROFILE, AWS_REGION)
#: make rehearse makes each alarm ring on the local stack and clears it, by the runbook's own commands (ALARM=name; some 15 minutes)
#: make env      prints what a shell needs for the AWS CLI and curl to reach the local stack: eval "$(make -s env)"
#: make photo    uploads a photo to the local stack as the demo user and says what became of it (FILE=..., WAIT=0)
#: make token    prints a fresh token of the demo user and writes it into .local/stack.json
#: make down     stops the local stack; what it held is gone
#: make test     runs every check and the end-to-end tests, on a stack of their own (PHOTODROP_TEST_PORT=4577)
#: make unit     runs the unit tests alone
#: make e2e      runs the end-to-end tests alone
#: make second   runs the functions' code against other implementations of AWS: DynamoDB Local, s3s and moto
#: make restart  restarts the emulator of the tests' stack with all that it holds (KILL=1: without a word); the fault tests use it
#: make chaos    tries every fault at every call of every function (make test: some at each kind of call)
#: make lint     runs the format check, cfn-lint, sam validate and clippy
#: make deny     checks licences, bans, sources and advisories (PHOTODROP_ADVISORIES=required: never without)
#: make fmt      formats the Rust code
#: make tools    installs what the checks need into the project's folder, which they else do one by one
#: make build    builds the functions for this machine's architecture and checks the glibc that they need
#: make invoke   runs one function by sam local invoke on the local stack (EVENT=events/s3-put.json, KEY=object key;
#:               without either the newest photo's event); needs Docker, or: infra/docker-engine run make invoke
#: make api      runs sam local start-api on the local stack (PORT=3000); it knows no tokens, and says so
#: make release  builds x86_64 and, where Rust's target is installed, arm64, and packs them with SHA256SUMS into dist/
#: make deploy   deploys to AWS, guided the first time (ENV=dev|prod, STACK=name, PHOTODROP_PARAMETERS="Name=value",
#:               PACKED=1: what make release has packed)
#: make smoke    puts one photo through a deployed stack and takes it away again (STACK=name on AWS, TOKEN=...)
#: make latency  measures 100 requests for an upload on the running local stack: median and p99
#: make load     measures uploads while thumbnails rest, run and hang, and the old way beside them
#:               (PHOTODROP_LOAD_UPLOADS=40, PHOTODROP_LOAD_CLIENTS=8), on the running local stack; the first time some minutes
#:               of building
#: make bench    measures thumbnails beside sharp (installed from npm) and writes docs/PERFORMANCE.md; some 10 minutes
#:               (QUICK=1: three photos, under 2 minutes; PHOTOS="my/*.jpg", ROUNDS=9); these only print
#: make coldstart measures how the functions start beside equal ones on Node, under SAM's runtime interface emulator and on
#:               the running local stack; writes its part of docs/PERFORMANCE.md (ROUNDS=5: only prints)
#: make cost     what a million photos cost, from the bench's figures; writes docs/CAPACITY.md
#: make help     prints this

# Built as the end-to-end tests build it: with other features the AWS SDK would be compiled once more. The handler's time is
# of its own log, so how fast this is does not matter.
.PHONY: latency
latency:
	@cargo test --quiet --locked --workspace --test e2e --no-run && target/debug/$@

# Optimised: the old way is compiled into it, and is to be as fast as what it is compared with.
.PHONY: load
load:
	@cargo run --release --locked --package photodrop-tests --bin $@

.PHONY: bench
bench:
	@test -n "$(PYTHON)" || { echo "make $@: Python 3.10+ is needed, found $$(python3 --version 2>/dev/null || echo none)" >&2; exit 1; }
	@PYTHONDONTWRITEBYTECODE=1 PYTHONPATH='$(CURDIR)' PHOTOS='$(PHOTOS)' ROUNDS='$(ROUNDS)' QUICK='$(QUICK)' $(PYTHON) bench/run.py

.PHONY: cost
cost:
	@test -n "$(PYTHON)" || { echo "make $@: Python 3.10+ is needed, found $$(python3 --version 2>/dev/null || echo none)" >&2; exit 1; }
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) bench/cost.py --write
