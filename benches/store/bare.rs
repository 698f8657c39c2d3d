//! The floor: the least that a client can do, with bytes that are prepared and answers whose length is known.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use redis::Pipeline;
use sealpost_testkit::RedisServer;

use crate::measure::{Stopwatch, Taken};

/// Streams that messages are spread over.
pub(crate) const STREAMS: u32 = 10_000;
/// Bytes of a message.
pub(crate) const SIZE: usize = 1024;

/// As long as a mailbox's key.
const KEY: usize = 47;
/// Ten digits from the first to the last.
const FIRST_ID: u64 = 1_000_000_000;

/// Commands for one message, in which only the stream's number and the entry's are put in.
struct Template {
    bytes: Vec<u8>,
    keys: Vec<Range<usize>>,
    ids: Vec<Range<usize>>,
    answer: usize,
}

impl Template {
    /// Written, read, deleted.
    fn life() -> Self {
        let mut template = Self::add();
        template.command(b"XRANGE", &[b"K", b"I", b"I"]);
        template.command(b"XDEL", &[b"K", b"I"]);
        let entry = "*1\r\n*2\r\n$12\r\n0-1000000000\r\n*2\r\n$1\r\ne\r\n$1024\r\n".len() + SIZE + 2;
        template.answer += entry + ":1\r\n".len();
        template
    }

    /// Written.
    fn add() -> Self {
        let answer = "$12\r\n0-1000000000\r\n".len();
        let mut template = Self { bytes: Vec::new(), keys: Vec::new(), ids: Vec::new(), answer };
        template.command(b"XADD", &[b"K", b"I", b"e", &[0; SIZE]]);
        template
    }

    /// `K` stands for the key, `I` for the id.
    fn command(&mut self, name: &[u8], arguments: &[&[u8]]) {
        self.bytes.extend(format!("*{}\r\n", arguments.len() + 1).bytes());
        self.argument(name);
        for argument in arguments {
            match *argument {
                b"K" => {
                    let place = self.argument(format!("q:{{{:0>1$}}}", 0, KEY - 4).as_bytes());
                    self.keys.push(place.end - 11..place.end - 1);
                }
                b"I" => {
                    let place = self.argument(format!("0-{FIRST_ID}").as_bytes());
                    self.ids.push(place.start + 2..place.end);
                }
                other => drop(self.argument(other)),
            }
        }
    }

    fn argument(&mut self, argument: &[u8]) -> Range<usize> {
        self.bytes.extend(format!("${}\r\n", argument.len()).bytes());
        let start = self.bytes.len();
        self.bytes.extend(argument);
        let place = start..self.bytes.len();
        self.bytes.extend(b"\r\n");
        place
    }
}

/// A connection that knows nothing but its template.
struct Bare {
    stream: TcpStream,
    template: Template,
    next: u64,
    requests: Vec<u8>,
    answers: Vec<u8>,
}

impl Bare {
    fn connect(server: &RedisServer, template: Template, first: u64) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, template, next: first, requests: Vec::new(), answers: Vec::new() }
    }

    fn send(&mut self, messages: usize) {
        let mut random = rand::rng();
        self.requests.clear();
        for _ in 0..messages {
            let start = self.requests.len();
            self.requests.extend_from_slice(&self.template.bytes);
            let message = &mut self.requests[start..];
            let key = digits(u64::from(random.random_range(0..STREAMS)));
            let id = digits(self.next);
            self.next += 1;
            for place in &self.template.keys {
                message[place.clone()].copy_from_slice(&key);
            }
            for place in &self.template.ids {
                message[place.clone()].copy_from_slice(&id);
            }
        }
        self.stream.write_all(&self.requests).expect("it takes all");
    }

    fn receive(&mut self, messages: usize) {
        self.answers.resize(messages * self.template.answer, 0);
        self.stream.read_exact(&mut self.answers).expect("it answers");
        let whole = |answer: &[u8]| answer.starts_with(b"$12\r\n0-") && answer.ends_with(b"\r\n");
        assert!(self.answers.chunks(self.template.answer).all(whole), "what was expected");
    }
}

fn digits(mut number: u64) -> [u8; 10] {
    let mut text = [b'0'; 10];
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text
}

/// Entries get rising numbers over all rounds of one server, as its streams demand.
pub(crate) struct Floor {
    next: u64,
}

impl Floor {
    pub(crate) fn new() -> Self {
        Self { next: FIRST_ID }
    }

    /// Messages written, read and deleted over one connection for a while, `depth` of them on their way at a time.
    pub(crate) fn messages(&mut self, server: &RedisServer, depth: usize, length: Duration) -> Taken {
        let mut bare = Bare::connect(server, Template::life(), self.next);
        let watch = Stopwatch::start(Some(server));
        let (end, mut done) = (Instant::now() + length, 0);
        // Two halves, so that the server has work while we look at its answers.
        let half = depth.div_ceil(2);
        let ahead = depth - half;
        bare.send(ahead);
        while Instant::now() < end {
            bare.send(half);
            bare.receive(if ahead > 0 { ahead } else { half });
            done += half;
            if ahead > 0 {
                bare.send(ahead);
                bare.receive(half);
                done += ahead;
            }
        }
        bare.receive(ahead);
        self.next = bare.next;
        watch.stop((done + ahead) as u64)
    }

    /// Round trips of one `XADD` after the other: how long each took.
    pub(crate) fn round_trips(&mut self, server: &RedisServer, length: Duration) -> Vec<Duration> {
        let mut bare = Bare::connect(server, Template::add(), self.next);
        let (end, mut times) = (Instant::now() + length, Vec::new());
        while Instant::now() < end {
            let began = Instant::now();
            bare.send(1);
            bare.receive(1);
            times.push(began.elapsed());
        }
        self.next = bare.next;
        times
    }

    /// The same messages by the redis crate, in two pipelines of half the depth.
    pub(crate) async fn by_the_crate(&mut self, server: &RedisServer, depth: usize, length: Duration) -> Taken {
        let client = redis::Client::open(server.url()).expect("a URL");
        let connection = client.get_multiplexed_async_connection().await.expect("it listens");
        let tasks = if depth > 1 { 2 } else { 1 };
        let watch = Stopwatch::start(Some(server));
        let end = Instant::now() + length;
        // The pipelines' entries must rise in each stream too: each task has streams of its own.
        let running: Vec<_> = (0..tasks)
            .map(|task| tokio::spawn(pipelines(connection.clone(), task, self.next, depth / tasks as usize, end)))
            .collect();
        let mut done = 0;
        for task in running {
            done += task.await.expect("it ends");
        }
        self.next += done;
        watch.stop(done)
    }
}

async fn pipelines(
    mut connection: redis::aio::MultiplexedConnection,
    task: u32,
    first: u64,
    depth: usize,
    end: Instant,
) -> u64 {
    let payload = [0_u8; SIZE];
    let mut next = first;
    while Instant::now() < end {
        let mut pipeline = Pipeline::with_capacity(3 * depth);
        for _ in 0..depth {
            let stream = rand::rng().random_range(0..STREAMS / 2) * 2 + task;
            let (key, id) = (format!("q:{{{stream:0>43}}}"), format!("0-{next}"));
            next += 1;
            pipeline.cmd("XADD").arg(&key).arg(&id).arg("e").arg(&payload);
            pipeline.cmd("XRANGE").arg(&key).arg(&id).arg(&id);
            pipeline.cmd("XDEL").arg(&key).arg(&id);
        }
        let answers = connection.send_packed_commands(&pipeline, 0, pipeline.len()).await.expect("it answers");
        assert!(answers.iter().all(|answer| !matches!(answer, redis::Value::ServerError(_))), "what was expected");
    }
    next - first
}
