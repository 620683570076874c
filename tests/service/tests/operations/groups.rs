//! `dlq` where the service runs in another group than its own.

use super::*;

const AS_BLUE: &[&str] = &["run", "--group", "blue"];
const REDRIVE: &[&str] = &["dlq", "redrive", "--group", "blue"];

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_the_group_that_the_service_runs_in_comes_back_to_it() {
    let fixture = Fixture::new();
    fixture.send(FAILS).await;
    fixture.serve_as(LEDGER, AS_BLUE, "dead-lettered", 1);
    let ran = fixture.run(FIXED, &["dlq", "ls"]);
    let remark = "  1 were given up by other groups than ledger: blue; `--group` names one\n";
    assert!(ran.out.ends_with(remark), "{}{}", ran.out, ran.err);

    let ran = fixture.run(FIXED, REDRIVE);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "1 dead letter redriven\n"), "{}", ran.err);
    let booked = fixture.serve_as(FIXED, AS_BLUE, "booked claim 7", 1);
    assert_eq!(booked, ["booked claim 7 of role_events/0@0, attempt 3"]);
    assert_eq!(fixture.json(FIXED, &["dlq", "ls", "--group", "blue", "--json"])["open"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_a_group_that_may_be_another_s_is_left_as_it_is() {
    let fixture = Fixture::new();
    fixture.send(FAILS).await;
    fixture.serve_as(LEDGER, AS_BLUE, "dead-lettered", 1);
    // Now the service has positions in its own group too.
    fixture.serve(FIXED, "booked claim 7", 1);
    let ran = fixture.run(FIXED, REDRIVE);
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    let left = "left as it is  0@0  role_events/0@0  CLAIM_ADDED: it was given up by group blue, ";
    assert!(ran.out.starts_with(left), "{}{}", ran.out, ran.err);
    assert_eq!(fixture.json(FIXED, &["dlq", "ls", "--group", "blue", "--json"])["matching"], 1);
    // As the reason says.
    let variables = [&fixture.variables()[..], &[("EVENT_GROUP", "blue")]].concat();
    let ran = run(FIXED, &["dlq", "redrive"], &variables);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "1 dead letter redriven\n"), "{}", ran.err);
    fixture.serve_as(FIXED, AS_BLUE, "booked claim 7", 1);
}
