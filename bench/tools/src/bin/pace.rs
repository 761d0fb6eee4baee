//! Callers at a fixed rate, for latencies: wrk sends its next request when an answer is in, so a slow proxy is asked less
//! often and looks better than it is (coordinated omission).
//!
//!     pace PORT RATE CONNECTIONS SECONDS PATH
//!
//! A thread a connection with blocking sockets, since timers of an event loop are coarser than what is measured. Each
//! request has a moment at which it is due. Its time runs from there when the connection was still busy then, and else
//! from the moment it was sent: that this program woke up late is not the proxy's fault. Ends with a line of JSON;
//! times are in microseconds.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

struct Plan {
    port: u16,
    /// Requests a second on each connection.
    rate: f64,
    seconds: f64,
    request: Vec<u8>,
}

#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
    errors: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, rate, connections, seconds, path] = arguments.as_slice() else {
        return Err("usage: pace PORT RATE CONNECTIONS SECONDS PATH".into());
    };
    let connections: u32 = connections.parse()?;
    let plan = Plan {
        port: port.parse()?,
        rate: rate.parse::<f64>()? / f64::from(connections),
        seconds: seconds.parse()?,
        request: format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
    };
    let start = Instant::now() + Duration::from_millis(200);
    let seen = thread::scope(|scope| {
        let caller = |number: u32| {
            let (plan, first) = (&plan, start + seconds_long(f64::from(number) / f64::from(connections) / plan.rate));
            scope.spawn(move || call(plan, first))
        };
        let callers: Vec<_> = (0..connections).map(caller).collect();
        callers.into_iter().map(|caller| caller.join().unwrap_or_default()).fold(Seen::default(), Seen::and)
    });
    report(seen, plan.seconds)
}

/// One connection's requests, the first of them due at `first`.
fn call(plan: &Plan, first: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut connection = None;
    let mut sent = 0.0;
    while sent < plan.seconds * plan.rate {
        let due = first + seconds_long(sent / plan.rate);
        let early = due.checked_duration_since(Instant::now());
        if let Some(early) = early {
            wait(early);
        }
        let since = if early.is_some() { Instant::now() } else { due };
        match exchange(plan, &mut connection) {
            Ok(true) => seen.latencies.push(since.elapsed()),
            Ok(false) => seen.errors += 1,
            Err(_) => {
                seen.errors += 1;
                connection = None;
            }
        }
        sent += 1.0;
    }
    seen
}

/// One request and its answer, on the connection that is there or on a new one: whether it was good.
fn exchange(plan: &Plan, connection: &mut Option<BufReader<TcpStream>>) -> io::Result<bool> {
    if connection.is_none() {
        let stream = TcpStream::connect(("127.0.0.1", plan.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        *connection = Some(BufReader::new(stream));
    }
    let Some(reader) = connection else { return Err(io::ErrorKind::NotConnected.into()) };
    reader.get_mut().write_all(&plan.request)?;
    let (good, length) = read_head(reader)?;
    io::copy(&mut reader.take(length), &mut io::sink())?;
    Ok(good)
}

/// Whether the status is 200, and the body's length: all that is measured here states it.
fn read_head(reader: &mut impl BufRead) -> io::Result<(bool, u64)> {
    let (mut line, mut good, mut length) = (String::new(), None, None);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let field = line.trim_end().to_ascii_lowercase();
        good = good.or_else(|| Some(field.split(' ').nth(1) == Some("200")));
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
        if field.is_empty() {
            return Ok((good == Some(true), length.ok_or(io::ErrorKind::InvalidData)?));
        }
    }
}

impl Seen {
    fn and(mut self, other: Self) -> Self {
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self
    }
}

fn report(mut seen: Seen, seconds: f64) -> Result<(), Box<dyn std::error::Error>> {
    seen.latencies.sort_unstable();
    let at = |per_mille: usize| {
        let index = (seen.latencies.len() * per_mille / 1000).min(seen.latencies.len().saturating_sub(1));
        seen.latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    };
    writeln!(
        io::stdout(),
        r#"{{"requests": {}, "seconds": {seconds}, "errors": {}, "p50": {}, "p99": {}, "p999": {}, "longest": {}}}"#,
        seen.latencies.len(),
        seen.errors,
        at(500),
        at(990),
        at(999),
        at(1000),
    )?;
    Ok(())
}

fn seconds_long(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[allow(clippy::disallowed_methods, reason = "a rate is kept by the clock; nothing else happens on this thread")]
fn wait(time: Duration) {
    thread::sleep(time);
}
