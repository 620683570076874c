//! What happens to members and partitions.

use std::time::Duration;

use event_core::delivery::{NextOffset, TopicPartition};
use event_core::observe::Observation;

use super::Simulation;
use crate::handlers::TOPICS;

impl Simulation {
    // Something happens to a member or a partition.
    pub(super) async fn act(&mut self) {
        let number = self.dice.index(self.members.len());
        let partition = TopicPartition {
            topic: self.dice.pick(&self.topics).clone(),
            partition: i32::try_from(self.dice.between(0, u64::from(self.partitions) - 1))
                .unwrap_or(0),
        };
        if !self.runs(number) {
            self.start(number).await;
            return;
        }
        match self.dice.between(0, 99) {
            0..12 => {
                self.world.fault("member leaves", || format!("m{number}"));
                self.stop(number, false).await;
                if self.dice.chance(70) {
                    self.start(number).await;
                }
            }
            12..22 => {
                self.world.fault("crash at any moment", || format!("m{number}"));
                self.world.killed(number);
                self.members[number].crash().await;
            }
            22..47 => self.crash_at_step(number),
            47..50 => self.truncate(&partition).await,
            50..70 => {
                self.world.fault("partition revoked", || partition.to_string());
                self.broker.revoke(&self.group, &[partition]);
            }
            70..80 => {
                let noticed = self.lose_time();
                self.world
                    .fault("partition lost", || format!("{partition}, noticed in {noticed:?}"));
                self.world.lost(std::slice::from_ref(&partition));
                self.broker.lose(&self.group, &[partition], noticed);
            }
            80..90 => {
                let noticed = self.lose_time();
                let all = self.broker.owned_together(&self.group, &partition);
                self.world
                    .fault("member thrown out", || format!("{all:?}, noticed in {noticed:?}"));
                self.world.lost(&all);
                self.broker.lose(&self.group, &all, noticed);
            }
            90..93 => {
                let until = self.world.now() + self.dice.ms(10, 1000);
                self.world.fault("something handlers need is down", || format!("until {until:?}"));
                self.world.down_until(until);
            }
            93..95 => {
                let topic = partition.topic.as_str();
                self.world.fault("handlers paused", || format!("m{number} {topic}"));
                self.members[number].control().pause_topic(topic);
            }
            95..97 => self.resume(),
            _ => {
                let until = self.world.now() + self.dice.ms(10, 1000);
                self.world.fault("dead letters down", || format!("until {until:?}"));
                self.weather.dead_letters_down_until(until);
            }
        }
    }

    // The log is truncated while nobody reads it, and above what is committed: below, a group of Kafka's goes
    // on where it was and misses what was written meanwhile, so nothing could be checked.
    async fn truncate(&mut self, partition: &TopicPartition) {
        // Which record a copy in a retry topic was made of is not known.
        if !self.world.record().rules.retry_topics.is_empty() {
            return;
        }
        for number in 0..self.members.len() {
            self.world.killed(number);
            self.members[number].crash().await;
        }
        let committed = self.broker.committed(&self.group, partition).map_or(0, |next| next.0);
        let end = self.broker.end(partition).map_or(0, |end| end.0);
        let lost = self.dice.between(0, u64::try_from(end - committed).unwrap_or(0));
        let cut = end - i64::try_from(lost).unwrap_or(0);
        self.world.fault("log truncated", || format!("{partition} at {cut} of {end}"));
        self.world.cut_off(partition, cut);
        self.broker.truncate(partition, NextOffset(cut));
    }

    // Nothing is paused any more.
    pub(super) fn resume(&self) {
        for member in &self.members {
            for topic in TOPICS {
                member.control().resume_topic(topic);
            }
        }
    }

    // After what time a loss is noticed.
    fn lose_time(&mut self) -> Duration {
        let after = self.dice.ms(0, 2000);
        self.noticed = self.noticed.max(self.world.now() + after);
        after
    }

    fn crash_at_step(&mut self, number: usize) {
        let step = self.dice.index(6);
        let mut countdown = self.dice.between(1, 8);
        let world = self.world.clone();
        self.members[number].crash_when(move |observation| {
            let (here, kind) = match observation {
                Observation::Handled { .. } => (step == 0, "crash between handling and commit"),
                Observation::DeadLettered { .. } => {
                    (step == 1, "crash between dead letter and commit")
                }
                Observation::CommitSent { .. } => (step == 2, "crash before a commit leaves"),
                Observation::Retrying { .. } => (step == 3, "crash between attempts"),
                Observation::Assigned { .. } => (step == 4, "crash at an assignment"),
                Observation::Revoked { .. } => (step == 5, "crash at a revocation"),
                _ => (false, ""),
            };
            countdown -= u64::from(here && countdown > 0);
            let crashes = here && countdown == 0;
            if crashes {
                world.fault(kind, || format!("m{number}"));
                world.killed(number);
            }
            crashes
        });
    }
}
