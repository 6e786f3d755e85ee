# `make check` is what a change must pass. It needs no model, data set or network.
#
# Tests that need more than the repository are ignored unless asked for, and fail if it is missing:
#   make test-models   models that ./quickstart.sh --models-only fetches; part of `make check` if
#                      XLDISTILL_REQUIRE_MODELS=1, which .ci/run sets
#   make test-data     public data sets in ../shared/data or $XLDISTILL_TEST_DATA (crates/fixtures)
.PHONY: check format lint test test-models test-data documentation

check: format lint test documentation

ifeq ($(XLDISTILL_REQUIRE_MODELS),1)
check: test-models
endif

format:
	cargo fmt --all --check

lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

test:
	cargo test --workspace --locked

test-models:
	cargo test --workspace --locked --tests -- --ignored with_models::

test-data:
	cargo test --workspace --locked --tests -- --ignored with_data::

documentation:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
