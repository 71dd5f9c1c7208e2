# Short names for what one does all day.

# Format, lint, and the quick tests.
check:
    cargo fmt --all
    ./test lint unit

# One mail server of the conformance suite: just conformance postfix
conformance subject="":
    SUBJECT={{subject}} ./test conformance

# The documentation, opened.
doc:
    cargo doc --workspace --no-deps --open
