//! Both databases keep the promises of [`AuditRepository`].

#![allow(clippy::unwrap_used, reason = "a test")]

use admin::domain::{Appended, AuditEntry, AuditLog, AuditRepository};
use admin::infrastructure::{PostgresRepository, SqliteRepository};

fn entry(dedupe_key: &str) -> AuditEntry {
    AuditEntry {
        action: "CLAIM_ADDED".into(),
        user_id: Some("42".into()),
        description: "Claim added with ID: 7 to Role ID: 3".into(),
        entity_name: "Roles".into(),
        new_value: r#"{"id":7,"roleId":3}"#.into(),
        occurred_at: "2024-05-01T10:00:00.123456Z".parse().unwrap(),
        event_id: Some("e1".into()),
        source: "role_events/0@15".into(),
        dedupe_key: dedupe_key.into(),
    }
}

async fn keeps_its_promises(repository: impl AuditRepository + Clone + 'static) {
    // The rows of earlier runs do not count.
    let run = jiff::Timestamp::now().as_nanosecond();
    let key = |name: &str| format!("{name} {run}");
    repository.append(entry(&key("earlier"))).await.unwrap();
    let log = AuditLog::open(repository.clone()).await.unwrap();

    let first = entry(&key("first"));
    let nameless = AuditEntry { user_id: None, event_id: None, ..entry(&key("second")) };
    assert_eq!(repository.append(first.clone()).await.unwrap(), Appended::New);
    assert_eq!(repository.append(nameless.clone()).await.unwrap(), Appended::New);
    let again = AuditEntry { description: "changed".into(), ..first.clone() };
    assert_eq!(repository.append(again).await.unwrap(), Appended::Known);
    assert_eq!(log.added().await.unwrap(), [first, nameless]);

    let nul = AuditEntry {
        user_id: Some("a\0b".into()),
        new_value: r#"{"name":"\u0000"}"#.into(),
        ..entry(&key("nul \0"))
    };
    assert_eq!(repository.append(nul.clone()).await.unwrap(), Appended::New);
    assert_eq!(repository.append(nul).await.unwrap(), Appended::Known);
    for other in ["nul \u{fffd}", r"nul \0", r"nul \\0"] {
        assert_eq!(repository.append(entry(&key(other))).await.unwrap(), Appended::New);
    }
}

#[tokio::test]
async fn sqlite_in_memory() {
    keeps_its_promises(SqliteRepository::in_memory().await.unwrap()).await;
}

#[tokio::test]
async fn sqlite_in_a_file_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("50% of it?.db");
    keeps_its_promises(SqliteRepository::open(&file).await.unwrap()).await;
    let reopened = SqliteRepository::open(&file).await.unwrap();
    assert_eq!(reopened.append(entry("last")).await.unwrap(), Appended::New);
    assert_eq!(reopened.append(entry("last")).await.unwrap(), Appended::Known);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/with-postgres cargo test -p admin -- --ignored postgres"]
async fn postgres() {
    let url = std::env::var("ADMIN_TEST_POSTGRES").unwrap();
    keeps_its_promises(PostgresRepository::connect(&url).await.unwrap()).await;
}
