use super::*;
use crate::broker::{OffsetReset, ResetReason};

/// It is over, and nobody can do anything about it but look why: traffic and restarts go on.
#[tokio::test(start_paused = true)]
async fn an_offset_reset_is_reported_for_ten_minutes_and_keeps_readiness() {
    let service = Service::new().joined();
    let reset = OffsetReset {
        partition: claims(),
        epoch: EPOCH,
        reason: ResetReason::OutOfRange,
        from: NextOffset(7),
        to: NextOffset(12),
    };
    service.emit(&Observation::OffsetReset(&reset));
    assert_eq!(service.says(), (true, true, vec!["offset_reset"]));
    let words = service.health.problems()[0].to_string();
    for word in ["`billing`", "role_events/0 to 12", "from 7", "5 offsets", "removed"] {
        assert!(words.contains(word), "{word} is not in {words}");
    }
    // Whoever has the partition now.
    let (partitions, epoch) = (&[claims()], EPOCH);
    service.emit(&Observation::Revoked { partitions, epoch, lost: false });
    advance(Duration::from_secs(599)).await;
    assert_eq!(service.says().2, ["offset_reset"]);
    advance(Duration::from_secs(1)).await;
    assert_eq!(service.says().2, [""; 0]);
}
