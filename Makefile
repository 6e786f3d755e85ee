# `make check` is what a change must pass.
.PHONY: check format lint test documentation

check: format lint test documentation

format:
	cargo fmt --all --check

lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

test:
	cargo test --workspace --locked

documentation:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
