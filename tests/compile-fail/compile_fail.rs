//! Each file of `cases` breaks one rule, and its error is pinned beside it. Each file of `valid`
//! compiles, with all warnings denied.

#[test]
fn broken_rules_are_explained() {
    let tests = trybuild::TestCases::new();
    tests.compile_fail("cases/*.rs");
    tests.pass("valid/*.rs");
}
