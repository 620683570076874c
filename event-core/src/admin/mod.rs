//! Serves health and takes pauses over HTTP, for the machine that runs the service and the person at
//! it.
//!
//! A small edge: four paths, a JSON object for each, one connection for each request. It listens on
//! the loopback address by default, and knows no passwords: who reaches it can pause
//! handlers. A browser that some page sends here is turned away; on the loopback address also when the
//! page has its own name point here.

mod answer;
mod host;
mod shape;

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::observe::Health;
use crate::processor::Control;
use answer::{Answer, Question};

// A probe is one small request; whoever holds a connection for longer wants something else.
// A probe asks as soon as it is connected.
const HEADERS: Duration = Duration::from_secs(1);
const CONNECTION: Duration = Duration::from_secs(10);
const MAX_CONNECTIONS: usize = 64;
// When the process has no more files, so that waiting for one does not become a busy loop.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// A port that is taken and not served yet.
#[derive(Debug)]
pub(crate) struct AdminPort(StdListener);

/// What the port is about.
#[derive(Clone, Debug)]
pub(crate) struct Administered {
    pub(crate) health: Health,
    pub(crate) control: Control,
    /// The ids of all handlers.
    pub(crate) handlers: BTreeSet<String>,
    /// The topics that have handlers.
    pub(crate) topics: BTreeSet<String>,
}

impl AdminPort {
    /// Takes the port.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(AdminPort(listener))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers until it is dropped, on the runtime that this is called on.
    pub(crate) fn serve(self, administered: Administered) -> io::Result<impl Future<Output = ()>> {
        // Elsewhere it is reached by names that only who deploys the service knows.
        let only_local = self.address().is_ok_and(|at| at.ip().to_canonical().is_loopback());
        let listener = TcpListener::from_std(self.0)?;
        Ok(answer_all(listener, administered, only_local))
    }
}

async fn answer_all(listener: TcpListener, administered: Administered, only_local: bool) {
    let administered = Arc::new(administered);
    // Dropped with this future, and with it every connection.
    let mut connections = JoinSet::new();
    let mut open = VecDeque::<AbortHandle>::new();
    loop {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(target: "event_core", %error, "a request was not taken");
                tokio::time::sleep(REFUSED_PAUSE).await;
                continue;
            }
        };
        let administered = Arc::clone(&administered);
        open.retain(|connection| !connection.is_finished());
        // Nobody waits for a place: who was answered is gone in a moment, so the one that has been
        // here longest only holds it.
        if open.len() >= MAX_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let connection = connections.spawn(async move {
            let answer = service_fn(|request| {
                let response = respond(&administered, &request, only_local);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(HEADERS);
            let connection = http.serve_connection(TokioIo::new(stream), answer);
            // The client may have disconnected, which is no error.
            let _ = tokio::time::timeout(CONNECTION, connection).await;
        });
        open.push_back(connection);
    }
}

fn respond(
    administered: &Administered,
    request: &Request<Incoming>,
    only_local: bool,
) -> Response<String> {
    let hosts =
        request.headers().get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let mut hosts = hosts.chain(request.uri().authority().map(|authority| authority.as_str()));
    let Answer { status, allow, body } = administered.answer(&Question {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        is_of_a_page: request.headers().contains_key(ORIGIN),
        foreign_host: hosts.find(|host| only_local && !host::is_local(host)),
    });
    let mut response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    if let Some(allow) = allow {
        response = response.header(ALLOW, allow);
    }
    // Only a wrong header could fail, and ours are constants.
    response.body(body).unwrap_or_default()
}
