//! Who may do what, in a [secured](crate::Builder::secured) cluster.

use std::io;
use std::net::SocketAddr;

use crate::cluster::{Kafka, until};
use crate::requests::refused;
use crate::wire::{Answer, Format, Request};

/// What an entry of access control is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resource<'a> {
    /// One topic.
    Topic(&'a str),
    /// All topics whose name begins so.
    TopicPrefix(&'a str),
    /// One consumer group.
    Group(&'a str),
    /// All consumer groups whose name begins so.
    GroupPrefix(&'a str),
    /// One transactional id.
    TransactionalId(&'a str),
    /// The cluster.
    Cluster,
}

impl Resource<'_> {
    /// The numbers of type and pattern, and the name.
    fn parts(&self) -> (i8, i8, &str) {
        const LITERAL: i8 = 3;
        const PREFIXED: i8 = 4;
        match self {
            Resource::Topic(name) => (2, LITERAL, name),
            Resource::TopicPrefix(name) => (2, PREFIXED, name),
            Resource::Group(name) => (3, LITERAL, name),
            Resource::GroupPrefix(name) => (3, PREFIXED, name),
            Resource::Cluster => (4, LITERAL, "kafka-cluster"),
            Resource::TransactionalId(name) => (5, LITERAL, name),
        }
    }
}

/// What can be allowed or denied, with Kafka's numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "they are Kafka's")]
pub enum Operation {
    All = 2,
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
}

const ANY: i8 = 1;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

/// Access control. Each returns when every running node knows it.
impl Kafka {
    /// Allows a user to do something.
    pub fn allow(&self, user: &str, operations: &[Operation], resource: Resource<'_>) {
        self.add_acls(user, operations, resource, ALLOW);
    }

    /// Denies a user something, which counts before all that is allowed.
    pub fn deny(&self, user: &str, operations: &[Operation], resource: Resource<'_>) {
        self.add_acls(user, operations, resource, DENY);
    }

    /// Takes away all that was allowed to or denied a user on a resource.
    pub fn forget_acls(&self, user: &str, resource: Resource<'_>) {
        let deleted = delete(self.any(), user, resource);
        deleted.unwrap_or_else(|error| panic!("{user}, {resource:?}: {error}"));
        self.await_acls(user, resource, |acls| acls.is_empty());
    }

    fn add_acls(&self, user: &str, operations: &[Operation], resource: Resource<'_>, kind: i8) {
        let created = create(self.any(), user, operations, resource, kind);
        created.unwrap_or_else(|error| panic!("{user}, {resource:?}: {error}"));
        self.await_acls(user, resource, |acls| {
            operations.iter().all(|operation| acls.contains(&(*operation as i8, kind)))
        });
    }

    fn await_acls(
        &self,
        user: &str,
        resource: Resource<'_>,
        condition: impl Fn(&[(i8, i8)]) -> bool,
    ) {
        let known = until(|| {
            let known = |node| describe(node, user, resource).is_ok_and(|acls| condition(&acls));
            self.running().into_iter().all(known)
        });
        assert!(known, "not every node knows the rights of {user} on {resource:?}");
    }
}

/// CreateAcls, version 1.
fn create(
    broker: SocketAddr,
    user: &str,
    operations: &[Operation],
    resource: Resource<'_>,
    kind: i8,
) -> io::Result<()> {
    let (resource, pattern, name) = resource.parts();
    let mut request = Request::new(30, 1, Format::Fixed);
    request.array(operations.len());
    for operation in operations {
        request.i8(resource).string(name).i8(pattern);
        request.string(&principal(user)).string("*").i8(*operation as i8).i8(kind);
    }
    let mut answer = request.send(broker)?;
    answer.i32();
    let outcomes = answer.array(|answer| (answer.i16(), answer.string()));
    outcomes.into_iter().try_for_each(|(error, message)| refused("add an ACL", error, message))
}

/// DeleteAcls, version 1.
fn delete(broker: SocketAddr, user: &str, resource: Resource<'_>) -> io::Result<()> {
    let mut request = Request::new(31, 1, Format::Fixed);
    filter(request.array(1), user, resource);
    let mut answer = request.send(broker)?;
    answer.i32();
    // One filter has one outcome; what it matched follows.
    let _count = answer.i32();
    refused("delete ACLs", answer.i16(), answer.string())
}

/// DescribeAcls, version 1: operation and kind of each entry.
fn describe(broker: SocketAddr, user: &str, resource: Resource<'_>) -> io::Result<Vec<(i8, i8)>> {
    let mut request = Request::new(29, 1, Format::Fixed);
    filter(&mut request, user, resource);
    let mut answer = request.send(broker)?;
    answer.i32();
    refused("describe ACLs", answer.i16(), answer.string())?;
    let found = answer.array(|answer: &mut Answer| {
        let _resource = (answer.i8(), answer.string(), answer.i8());
        answer.array(|answer| {
            let _who = (answer.string(), answer.string());
            (answer.i8(), answer.i8())
        })
    });
    Ok(found.into_iter().flatten().collect())
}

fn filter(request: &mut Request, user: &str, resource: Resource<'_>) {
    let (resource, pattern, name) = resource.parts();
    request.i8(resource).string(name).i8(pattern);
    request.string(&principal(user)).null().i8(ANY).i8(ANY);
}

fn principal(user: &str) -> String {
    format!("User:{user}")
}
