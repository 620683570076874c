//! What is read in one pass, the envelope reads as the same event. For an hour:
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo +nightly fuzz run --sanitizer none --fuzz-dir tests/fuzz one_pass -- -max_total_time=3600 -max_len=512
//! ```

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| event_core::check_one_pass(input));
