//! What a broker knows about a consumer group.

use std::io;
use std::net::SocketAddr;

use crate::wire::{Answer, Format, Request};

/// A consumer group, as its coordinator describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupDescription {
    /// `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Assigning`, `Reconciling`;
    /// `Dead` for a group that does not exist.
    pub state: String,
    /// Which of the two protocols its members speak.
    pub protocol: GroupProtocol,
    /// The assignor, `cooperative-sticky` or `uniform`, say; empty as long as there is none.
    pub assignor: String,
    /// Who is in it, by client id and then member id.
    pub members: Vec<GroupMember>,
}

/// How the members of a group agree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GroupProtocol {
    /// A member assigns the partitions.
    Classic,
    /// The broker assigns them (KIP-848).
    Consumer,
}

/// One member of a [group](GroupDescription).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupMember {
    /// The `client.id` of its client.
    pub client_id: String,
    /// The address it comes from, `/127.0.0.1`.
    pub host: String,
    /// What the coordinator calls it.
    pub member_id: String,
    /// Its `group.instance.id`, if it is static.
    pub instance_id: Option<String>,
    /// What it owns: topic and partition, in order.
    pub partitions: Vec<(String, i32)>,
}

impl GroupDescription {
    /// The partitions of one topic, by member.
    #[must_use]
    pub fn of_topic(&self, topic: &str) -> Vec<Vec<i32>> {
        let own = |member: &GroupMember| {
            let of_topic = member.partitions.iter().filter(|(name, _)| name == topic);
            of_topic.map(|(_, partition)| *partition).collect()
        };
        self.members.iter().map(own).collect()
    }

    /// How many partitions have an owner.
    #[must_use]
    pub fn owned(&self) -> usize {
        self.members.iter().map(|member| member.partitions.len()).sum()
    }
}

/// An error code of Kafka that says where a question belongs, or that it comes too early.
const NOT_HERE_OR_NOT_YET: [i16; 3] = [14, 15, 16];

/// Asks one broker. `None`: it is not the group's coordinator, or not yet.
pub(crate) fn describe(broker: SocketAddr, group: &str) -> io::Result<Option<GroupDescription>> {
    let (error, description) = describe_classic(broker, group)?;
    if NOT_HERE_OR_NOT_YET.contains(&error) {
        return Ok(None);
    }
    if description.state != "Dead" {
        return Ok(Some(description));
    }
    // A group with the new protocol does not exist for the old question.
    let (error, consumer) = describe_consumer(broker, group)?;
    Ok(Some(if error == 0 { consumer } else { description }))
}

/// DescribeGroups, version 4.
fn describe_classic(broker: SocketAddr, group: &str) -> io::Result<(i16, GroupDescription)> {
    let mut request = Request::new(15, 4, Format::Fixed);
    request.array(1).string(group).i8(0);
    let mut answer = request.send(broker)?;
    answer.i32();
    let mut groups = answer.array(|answer| {
        let error = answer.i16();
        let _id = answer.string();
        let state = answer.text();
        let _type = answer.string();
        let assignor = answer.text();
        let members = answer.array(classic_member);
        answer.i32();
        (error, described(state, GroupProtocol::Classic, assignor, members))
    });
    groups.pop().ok_or_else(|| io::Error::other("an answer without the group"))
}

fn classic_member(answer: &mut Answer) -> GroupMember {
    let member_id = answer.text();
    let instance_id = answer.string();
    let client_id = answer.text();
    let host = answer.text();
    let _subscription = answer.nested();
    let mut assignment = answer.nested();
    let mut partitions = Vec::new();
    // It is empty until the leader of the group has assigned.
    if !assignment.is_empty() {
        assignment.i16();
        for (topic, numbers) in assignment.array(|one| (one.text(), one.array(Answer::i32))) {
            partitions.extend(numbers.into_iter().map(|number| (topic.clone(), number)));
        }
    }
    GroupMember { client_id, host, member_id, instance_id, partitions }
}

/// ConsumerGroupDescribe, version 0.
fn describe_consumer(broker: SocketAddr, group: &str) -> io::Result<(i16, GroupDescription)> {
    let mut request = Request::new(69, 0, Format::Compact);
    request.array(1).string(group).i8(0).tags();
    let mut answer = request.send(broker)?;
    answer.i32();
    let mut groups = answer.array(|answer| {
        let error = answer.i16();
        let _message = answer.string();
        let _id = answer.string();
        let state = answer.text();
        let _epochs = (answer.i32(), answer.i32());
        let assignor = answer.text();
        let members = answer.array(consumer_member);
        answer.i32();
        answer.tags();
        (error, described(state, GroupProtocol::Consumer, assignor, members))
    });
    groups.pop().ok_or_else(|| io::Error::other("an answer without the group"))
}

fn consumer_member(answer: &mut Answer) -> GroupMember {
    let member_id = answer.text();
    let instance_id = answer.string();
    let _rack = answer.string();
    let _epoch = answer.i32();
    let client_id = answer.text();
    let host = answer.text();
    let _topics = answer.array(Answer::text);
    let _pattern = answer.string();
    let partitions = assigned(answer);
    let _target = assigned(answer);
    answer.tags();
    GroupMember { client_id, host, member_id, instance_id, partitions }
}

fn assigned(answer: &mut Answer) -> Vec<(String, i32)> {
    let topics = answer.array(|answer| {
        let _id = answer.uuid();
        let topic = (answer.text(), answer.array(Answer::i32));
        answer.tags();
        topic
    });
    answer.tags();
    let each = |(topic, numbers): (String, Vec<i32>)| {
        numbers.into_iter().map(move |number| (topic.clone(), number))
    };
    topics.into_iter().flat_map(each).collect()
}

fn described(
    state: String,
    protocol: GroupProtocol,
    assignor: String,
    mut members: Vec<GroupMember>,
) -> GroupDescription {
    members.iter_mut().for_each(|member| member.partitions.sort());
    members.sort_by(|one, two| {
        (&one.client_id, &one.member_id).cmp(&(&two.client_id, &two.member_id))
    });
    GroupDescription { state, protocol, assignor, members }
}
