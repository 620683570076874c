//! Pauses over HTTP and by command.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_paused_over_http_and_by_command() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_sound-service");
    let seen = Seen::default();
    let service = Service::start(app("notes").state(seen.clone()), memory()).await;
    let port = service.address.port().to_string();
    let by_command = |arguments: &[&str]| {
        let ran = shared::run(PROGRAM, arguments, &[("EVENT_ADMIN_PORT", &port)]);
        (ran.code, ran.out, ran.err)
    };
    for (next, subject) in (0..).zip(["handler=note", "topic=role_events"]) {
        let (status, paused) = http(service.address, "POST", &format!("/pause?{subject}"));
        assert_eq!(status, 200, "{paused:#}");
        let paused =
            |health: &Value| health["groups"][0]["paused_handlers"] == serde_json::json!(["note"]);
        eventually(|| paused(&http(service.address, "GET", "/health/ready").1).then_some(())).await;
        service.publish(next..next + 1).await;
        service.says(200, 200, &[]).await;
        assert_eq!(seen.ids().len() as u64, next, "the record waits");
        assert_eq!(http(service.address, "POST", &format!("/resume?{subject}")).0, 200);
        eventually(|| (seen.ids().len() as u64 == next + 1).then_some(())).await;
    }

    assert_eq!(by_command(&["paused"]), (Some(0), "nothing is paused\n".into(), String::new()));
    let paused = (Some(0), "paused  handler note\n".to_owned(), String::new());
    assert_eq!(by_command(&["pause", "--handler", "note"]), paused);
    assert_eq!(by_command(&["paused"]), paused);
    let (code, _, err) = by_command(&["pause", "--topic", "user_events"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("no topic with handlers `user_events`; there are role_events"), "{err}");
    assert_eq!(by_command(&["resume", "--handler", "note"]).0, Some(0));
    assert_eq!(by_command(&["paused"]).1, "nothing is paused\n");
    service.stop().await;
}

#[test]
fn a_command_that_finds_no_service_says_where_it_looked() {
    const PROGRAM: &str = env!("CARGO_BIN_EXE_sound-service");
    let ran = shared::run(PROGRAM, &["paused"], &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("the service has no admin port"), "{}", ran.err);
    assert!(ran.err.contains("EVENT_ADMIN_PORT=9090"), "{}", ran.err);

    // Taken and given back, so that nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = address.port().to_string();
    let ran =
        shared::run(PROGRAM, &["pause", "--topic", "role_events"], &[("EVENT_ADMIN_PORT", &port)]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains(&format!("no service answers at {address}")), "{}", ran.err);

    let ran = shared::run(PROGRAM, &["pause"], &[("EVENT_ADMIN_PORT", &port)]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.err.contains("--handler <ID>") && ran.err.contains("--topic <TOPIC>"),
        "{}",
        ran.err
    );
}
