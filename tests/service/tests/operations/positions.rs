//! `tail`, `replay`, `lag` and `seek`: where groups and records are.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_shows_every_record_and_a_replay_handles_them_again() {
    let fixture = Fixture::new();
    for value in [WORKS, BROKEN, FAILS] {
        fixture.send(value).await;
    }
    let ran = fixture.run(LEDGER, &["tail"]);
    let expected = "\
2023-11-14T22:13:20.000Z  role_events/0@0  4  CLAIM_ADDED  43  {\"id\": 8, \"roleId\": 3}
2023-11-14T22:13:20.000Z  role_events/0@1  4  unreadable: the value is not JSON at byte 38: key must be a string
2023-11-14T22:13:20.000Z  role_events/0@2  4  CLAIM_ADDED  42  {\"id\": 7, \"roleId\": 4}
";
    assert_eq!(ran.out, expected, "{}", ran.err);
    let ran =
        fixture.run(LEDGER, &["tail", "--user", "42", "--from", "1", "--limit", "1", "--follow"]);
    assert_eq!(ran.out, expected.lines().last().unwrap().to_owned() + "\n", "{}", ran.err);

    let ran = fixture.run(LEDGER, &["replay", "--topic", "role_events", "--from", "beginning"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.out.ends_with("\n1 handled, 0 skipped, 2 failed, 0 passed over\n"), "{}", ran.out);
    assert!(
        ran.out.contains("given up  role_events/0@2  attempts_exhausted: no account for role 4\n"),
        "{}",
        ran.out
    );
    let range = ["replay", "--topic", "role_events", "--from", "2", "--handler", "book_claim"];
    let ran = fixture.run(FIXED, &range);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("\nbooked claim 7 of role_events/0@2, attempt 1\n"), "{}", ran.out);
    assert!(
        ran.out.starts_with("role_events/0  2 up to 3\nin group ledger_replay_"),
        "{}",
        ran.out
    );
    let ran = fixture
        .run(FIXED, &["replay", "--topic", "role_events", "--from", "beginning", "--dry-run"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(
        ran.out.ends_with("\n2 would be handled by book_claim\n1 would fail as malformed_json\n"),
        "{}",
        ran.out
    );
    let ran = fixture.run(FIXED, &["replay", "--topic", "role_events", "--from", "2", "--to", "1"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    // Nothing of it was written or committed.
    assert_eq!(fixture.json(LEDGER, &["dlq", "ls", "--json"])["open"], 0);
    assert_eq!(fixture.json(LEDGER, &["lag", "--json"])["partitions"][0]["committed"], Value::Null);
    let ran = fixture.run(
        LEDGER,
        &["replay", "--topic", "role_events", "--from", "0", "--handler", "bok_claim"],
    );
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (Some(2), "no handler of role_events has the id bok_claim; did you mean book_claim?\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_ended_says_how_to_go_on() {
    let fixture = Fixture::new();
    for _ in 0..2 {
        fixture.send(WORKS).await;
    }
    let replay = ["replay", "--topic", "role_events", "--partition", "0", "--from", "0"];
    let slowly = [&replay[..], &["--rate", "1/h"]].concat();
    let (mut child, mut lines) = spawn(&fixture, FIXED, &slowly);
    assert!(lines.any(|line| line.unwrap().starts_with("booked claim 8")));
    signal(&child, "-TERM");
    let reported: Vec<_> = lines.map_while(Result::ok).collect();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let next = "  ledger replay --topic role_events --partition 0 --from 1 --to 2 --rate 1/h";
    assert_eq!(
        reported[reported.len() - 4..],
        [
            "1 handled, 0 skipped, 0 failed, 0 passed over",
            "role_events/0  settled up to 1 of 2",
            "to continue, with the same settings:",
            next,
        ],
        "{reported:?}"
    );
    let words: Vec<_> = next.split_whitespace().skip(1).collect();
    let ran = fixture.run(FIXED, &words);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("\nbooked claim 8 of role_events/0@1, attempt 1\n"), "{}", ran.out);
    let ran = fixture
        .run(FIXED, &["replay", "--topic", "role_events", "--from", "0", "--partition", "7"]);
    assert!(ran.err.starts_with("topic `role_events` has no partition 7\n"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_is_reported_and_a_seek_changes_it() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.send(WORKS).await;
    }
    let ran = fixture.run(LEDGER, &["seek", "--topic", "role_events", "--to", "1", "--dry-run"]);
    let expected = "role_events/0  the beginning -> 1\noffsets of group ledger would be reset\n";
    assert_eq!(ran.out, expected, "{}", ran.err);
    let ran = fixture.run(LEDGER, &["seek", "--topic", "role_events", "--to", "1"]);
    assert_eq!(
        ran.out, "role_events/0  the beginning -> 1\noffsets of group ledger reset\n",
        "{}",
        ran.err
    );
    let ran = fixture.run(LEDGER, &["lag"]);
    let expected = "\
GROUP   TOPIC                PARTITION  COMMITTED  END  LAG  SETTLED_ABOVE  OPEN  OWNER
ledger  role_events          0          1          3    2    0              2     -
ledger  role_events_redrive  0          -          0    0    0              0     -

2 behind in all, 2 of them open
";
    assert_eq!(ran.out, expected, "{}", ran.err);
    let committed = fixture.0.broker();
    let partition = event_core::delivery::TopicPartition { topic: CLAIMS, partition: 0 };
    let group = GroupName::parse("ledger").unwrap();
    let timeout = std::time::Duration::from_secs(10);
    let committed = committed.committed(&group, &[partition], timeout).await.unwrap();
    assert_eq!(committed[0].next, Some(NextOffset(1)));
    let ran = fixture.run(LEDGER, &["seek", "--topic", "role_events", "--to", "9"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.starts_with("offset 9 is not in role_events/0\nhelp: "), "{}", ran.err);
    let ran = fixture.run(LEDGER, &["seek", "--topic", "role_events", "--to", "tomorrow"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("`tomorrow` is not a place in a topic\nhelp: "), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_leaves_the_admin_port_to_the_running_service() {
    let fixture = Fixture::new();
    fixture.send(WORKS).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let variables = [&fixture.variables()[..], &[("EVENT_ADMIN_PORT", &port)]].concat();
    let replay = ["replay", "--topic", "role_events", "--from", "beginning"];
    let ran = run(LEDGER, &replay, &variables);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

/// A command that goes on, with what it prints.
fn spawn(
    fixture: &Fixture,
    program: &str,
    arguments: &[&str],
) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = command(program);
    command.args(arguments).envs(fixture.variables());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_group_of_a_running_service_is_not_moved() {
    let fixture = Fixture::new();
    fixture.send(WORKS).await;
    let (mut service, mut lines) = spawn(&fixture, FIXED, &["run"]);
    assert!(lines.any(|line| line.unwrap().starts_with("booked claim 8")));
    let ran = fixture.run(FIXED, &["seek", "--topic", "role_events", "--to", "beginning"]);
    service.kill().unwrap();
    service.wait().unwrap();
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
    assert!(ran.err.contains("\nhelp: "), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_follows_shows_what_comes_later_a_line_each() {
    let fixture = Fixture::new();
    fixture.send(&WORKS.replace(", ", ",\n  ")).await;
    let arguments = ["tail", "--follow", "--from", "beginning", "--limit", "2", "--json"];
    let (mut tail, mut lines) = spawn(&fixture, FIXED, &arguments);
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["value"]["data"]["id"], 8);
    fixture.send(FAILS).await;
    assert_eq!(next()["value"]["data"]["id"], 7);
    assert!(tail.wait().unwrap().success());
}
