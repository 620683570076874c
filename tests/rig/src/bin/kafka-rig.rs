//! A real Kafka for shell scripts and for trying things out.

#![forbid(unsafe_code)]

use std::io::{BufRead, Write, stdin, stdout};
use std::process::ExitCode;

use kafka_rig::{Builder, Kafka, Listener, USERS};

const USAGE: &str =
    "usage: kafka-rig up [--nodes N] [--version V] [--secure] [--property NAME=VALUE]..

Starts Kafka, prints the addresses for `bootstrap.servers` in one line, and runs until its standard
input ends or it gets SIGTERM or Ctrl-C. The data is deleted then. --secure opens listeners with TLS
and logins beside that without, and prints them to standard error.

Orders on its standard input, each answered by one line, for one node (1 by default):

    restart [N]     SIGKILL, and started again on its data; answered when it serves
    kill [N]        SIGKILL
    stop [N]        SIGTERM
    start [N]       on its data
    freeze [N]      SIGSTOP
    thaw [N]        SIGCONT
    pid [N]         answered with the process id

From bash:

    coproc KAFKA { kafka-rig up; }
    read -r brokers <&\"${KAFKA[0]}\"
    echo restart >&\"${KAFKA[1]}\" && read -r done <&\"${KAFKA[0]}\"
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let started = builder(&arguments)
        .and_then(|builder| builder.try_start().map_err(|error| error.to_string()));
    let kafka = match started {
        Ok(kafka) => kafka,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    // Who does not read the answers is not waiting for them.
    let _ = writeln!(stdout(), "{}", kafka.brokers());
    if arguments.iter().any(|argument| argument == "--secure") {
        show_logins(&kafka);
    }
    for line in stdin().lock().lines() {
        let Ok(line) = line else { break };
        let answer = handle_order(&kafka, &line).unwrap_or_else(|| format!("unknown: {line}"));
        let _ = writeln!(stdout(), "{answer}");
    }
    ExitCode::SUCCESS
}

fn show_logins(kafka: &Kafka) {
    for listener in Listener::ALL {
        eprintln!("\n# {listener:?}: {USERS:?}");
        for (name, value) in kafka.login(listener, "alice") {
            eprintln!("{name}={value}");
        }
    }
}

fn builder(arguments: &[String]) -> Result<Builder, String> {
    let [command, options @ ..] = arguments else { return Err(USAGE.to_owned()) };
    if command != "up" {
        return Err(USAGE.to_owned());
    }
    let mut builder = Kafka::builder();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let mut value =
            || options.next().ok_or_else(|| format!("{option} needs a value\n\n{USAGE}"));
        builder = match option.as_str() {
            "--nodes" => {
                let nodes = value()?;
                let count = nodes.parse().ok().filter(|count| *count > 0);
                builder.nodes(count.ok_or_else(|| format!("--nodes is `{nodes}`: write a number"))?)
            }
            "--secure" => builder.secured(),
            "--version" => builder.version(value()?),
            "--property" => {
                let property = value()?;
                let (name, value) = property
                    .split_once('=')
                    .ok_or_else(|| format!("--property is `{property}`: write NAME=VALUE"))?;
                builder.property(name, value)
            }
            _ => return Err(format!("unknown option {option}\n\n{USAGE}")),
        };
    }
    Ok(builder)
}

/// Does what one line says; `None` when it says nothing known.
fn handle_order(kafka: &Kafka, line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let order = words.next()?;
    let node = words.next().map_or(Some(1), |node| node.parse().ok())?;
    if node < 1 || node > kafka.nodes() {
        return None;
    }
    match order {
        "restart" => kafka.restart(node),
        "kill" => kafka.kill(node),
        "stop" => kafka.stop(node),
        "start" => kafka.start_node(node),
        "freeze" => kafka.freeze(node),
        "thaw" => kafka.thaw(node),
        "pid" => return Some(kafka.pid(node).map_or("none".to_owned(), |pid| pid.to_string())),
        _ => return None,
    }
    Some("done".to_owned())
}
