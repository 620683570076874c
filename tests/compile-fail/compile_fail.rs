//! Each file of `cases` breaks one rule, and its error is pinned beside it.
//!
//! A `TestCases` that also has programs which must pass compiles its files one after the other; one of
//! failing cases alone is a single call of cargo. What must compile is in `valid` for that reason.

#[test]
fn broken_rules_are_explained() {
    trybuild::TestCases::new().compile_fail("cases/*.rs");
}
