//! Benchmarks only: `cargo bench -p event-benchmark`.
