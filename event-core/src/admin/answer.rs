//! What is answered to a request.

use super::Administered;
use super::shape::{HealthShape, PausedShape, Refusal};

/// What matters of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// A browser says whose page sends a request that changes something.
    pub(super) is_of_a_page: bool,
    /// The name that it is addressed to, when the port does not go by it.
    pub(super) foreign_host: Option<&'a str>,
}

/// A status, and a JSON object.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) allow: Option<&'static str>,
    pub(super) body: String,
}

/// What there is, with the methods that it takes.
pub(super) const PATHS: [(&str, &str, &str); 5] = [
    ("GET", "/health/live", "whether the process works; 503 when a restart may help"),
    ("GET", "/health/ready", "whether records are processed; 503 when not"),
    ("GET", "/pause", "what is paused"),
    ("POST", "/pause?handler=ID|topic=T", "pauses a handler, or all handlers of a topic"),
    ("POST", "/resume?handler=ID|topic=T", "resumes it"),
];

/// What is to be paused or resumed.
enum Subject {
    Handler(String),
    Topic(String),
}

impl Administered {
    pub(super) fn answer(&self, question: &Question<'_>) -> Answer {
        if let Some(host) = question.foreign_host {
            let host = crate::event::excerpt(host, 64);
            return refused(
                403,
                format!(
                    "the host `{host}` is not served: on the loopback address say `localhost` or the address"
                ),
            );
        }
        let allow = match question.path {
            "/health/live" | "/health/ready" => "GET, HEAD",
            "/pause" => "GET, HEAD, POST",
            "/resume" => "POST",
            path => return refused(404, format!("there is no `{path}`")),
        };
        match (question.method, question.path) {
            ("GET" | "HEAD", "/health/live") => self.health(self.health.is_live()),
            ("GET" | "HEAD", "/health/ready") => self.health(self.health.is_ready()),
            ("GET" | "HEAD", "/pause") => self.paused(),
            ("POST", "/pause" | "/resume") if question.is_of_a_page => {
                refused(403, "pages in a browser may not pause and resume".to_owned())
            }
            ("POST", "/pause") => self.change(question.query, |subject| match subject {
                Subject::Handler(id) => self.control.pause_handler(id),
                Subject::Topic(topic) => self.control.pause_topic(topic),
            }),
            ("POST", "/resume") => self.change(question.query, |subject| {
                // One that was not paused goes on, which is what was asked for.
                let _ = match subject {
                    Subject::Handler(id) => self.control.resume_handler(&id),
                    Subject::Topic(topic) => self.control.resume_topic(&topic),
                };
            }),
            (method, path) => {
                let refusal = refused(405, format!("`{path}` takes {allow}, not {method}"));
                Answer { allow: Some(allow), ..refusal }
            }
        }
    }

    fn health(&self, is_up: bool) -> Answer {
        let status = if is_up { 200 } else { 503 };
        json(status, &HealthShape::new(is_up, &self.health, &self.control))
    }

    fn paused(&self) -> Answer {
        json(200, &PausedShape::from(self.control.paused()))
    }

    fn change(&self, query: &str, change: impl FnOnce(Subject)) -> Answer {
        let subject = match &pairs(query)[..] {
            [(name, id)] if name == "handler" => Subject::Handler(id.clone()),
            [(name, topic)] if name == "topic" => Subject::Topic(topic.clone()),
            _ => return refused(400, "say one of `?handler=ID` and `?topic=T`".to_owned()),
        };
        let (what, name, known) = match &subject {
            Subject::Handler(id) => ("handler", id, &self.handlers),
            Subject::Topic(topic) => ("topic with handlers", topic, &self.topics),
        };
        if !known.contains(name) {
            let name = crate::event::excerpt(name, 64);
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            let error = format!("no {what} `{name}`; there are {}", known.join(", "));
            return refused(404, error);
        }
        change(subject);
        self.paused()
    }
}

fn refused(status: u16, error: String) -> Answer {
    json(status, &Refusal::new(error))
}

fn json(status: u16, shape: &impl serde::Serialize) -> Answer {
    // Strings and numbers only, so it cannot fail.
    let body = serde_json::to_string_pretty(shape).unwrap_or_default() + "\n";
    Answer { status, allow: None, body }
}

/// The pairs of a query, decoded.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                &after[2..]
            }
            _ => {
                bytes.push(*first);
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Health;
    use crate::processor::Control;

    fn service() -> Administered {
        Administered {
            health: Health::default(),
            control: Control::default(),
            handlers: ["a::on_claim", "bill"].map(str::to_owned).into(),
            topics: ["role_events".to_owned()].into(),
        }
    }

    fn ask(service: &Administered, method: &str, path: &str) -> (u16, String) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let question = Question { method, path, query, is_of_a_page: false, foreign_host: None };
        let answer = service.answer(&question);
        (answer.status, answer.body)
    }

    #[test]
    fn handlers_and_topics_are_paused_and_resumed() {
        let service = service();
        for (path, paused) in [
            ("/pause?handler=a%3A%3Aon_claim", 1),
            ("/pause?topic=role_events", 2),
            ("/resume?handler=a::on_claim", 1),
            ("/resume?handler=bill", 1),
            ("/resume?topic=role_events", 0),
        ] {
            let (status, body) = ask(&service, "POST", path);
            assert_eq!(status, 200, "{body}");
            let now = service.control.paused();
            assert_eq!(now.handlers.len() + now.topics.len(), paused, "after {path}");
            assert_eq!(ask(&service, "GET", "/pause").1, body);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let service = service();
        for (method, path, status, word) in [
            ("GET", "/", 404, "POST /resume?handler=ID|topic=T"),
            ("GET", "/health", 404, "/health/live"),
            ("POST", "/health/live", 405, "takes GET, HEAD, not POST"),
            ("GET", "/resume", 405, "takes POST, not GET"),
            ("POST", "/pause", 400, "?handler=ID"),
            ("POST", "/pause?handler=bill&topic=role_events", 400, "say one of"),
            ("POST", "/pause?handler=bil", 404, "no handler `bil`; there are a::on_claim, bill"),
            ("POST", "/pause?topic=user_events", 404, "there are role_events"),
            ("POST", "/pause?handler=%zz%", 404, "no handler `%zz%`"),
        ] {
            let (answered, body) = ask(&service, method, path);
            assert_eq!(answered, status, "{method} {path}: {body}");
            assert!(body.contains(word), "{method} {path}: {word:?} is not in\n{body}");
        }
        assert_eq!(service.control.paused(), Default::default());
    }

    #[test]
    fn a_page_in_a_browser_pauses_nothing() {
        let service = service();
        let (method, path, query) = ("POST", "/pause", "handler=bill");
        let question = Question { method, path, query, is_of_a_page: true, foreign_host: None };
        let answer = service.answer(&question);
        assert_eq!(answer.status, 403);
        assert_eq!(service.control.paused(), Default::default());
    }
}
