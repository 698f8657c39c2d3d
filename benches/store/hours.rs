//! The start of an hour: many queues expire at once, and other clients wait meanwhile.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::Pipeline;
use sealpost_testkit::{AppendOnly, RedisServer};
use serde_json::json;

use crate::bare::SIZE;
use crate::measure::{Stopwatch, millis, share};
use crate::scene::{PATIENCE, aside, server};
use crate::table::Table;

const QUEUES: usize = 300_000;
/// Until they expire: long enough to make them all.
const AHEAD: u64 = 20;
const SETTINGS: [&[(&str, &str)]; 3] = [&[], &[("hz", "100")], &[("hz", "100"), ("lazyfree-lazy-expire", "yes")]];

pub(crate) async fn run() -> Vec<Table> {
    let columns = ["settings", "until all are gone ms", "p50 ms", "p99.9 ms", "longest ms", "Redis µs a queue"];
    let title =
        format!("{QUEUES} queues of 1 KiB that expire in one second: round trips of another client until all are gone");
    let mut table = Table::new(title, &columns);
    for settings in SETTINGS {
        let server = server(AppendOnly::No, settings).await;
        let expire = fill(&server).await;
        let (taken, sorted, cpu) = wait_out(&server, expire).await;
        let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
        table.row(vec![
            json!(if settings.is_empty() { "defaults".to_owned() } else { settings.join(", ") }),
            millis(taken),
            millis(share(&sorted, 0.5)),
            millis(share(&sorted, 0.999)),
            millis(share(&sorted, 1.0)),
            json!(cpu),
        ]);
    }
    vec![table]
}

/// Makes the queues; the second at which they expire.
async fn fill(server: &RedisServer) -> u64 {
    let mut connection = aside(server).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let expire = now + AHEAD;
    for first in (0..QUEUES).step_by(500) {
        let mut pipeline = Pipeline::with_capacity(1000);
        for queue in first..first + 500 {
            let key = format!("q:{queue}");
            pipeline.cmd("XADD").arg(&key).arg("0-1").arg("e").arg(&[0_u8; SIZE]);
            pipeline.cmd("EXPIREAT").arg(&key).arg(expire);
        }
        connection.send_packed_commands(&pipeline, 0, 1000).await.expect("it answers");
    }
    expire
}

/// How long it takes from then until all are gone, the round trips meanwhile, and CPU time for each queue.
async fn wait_out(server: &RedisServer, expire: u64) -> (Duration, Vec<Duration>, f64) {
    let mut connection = aside(server).await;
    let left = (UNIX_EPOCH + Duration::from_secs(expire)).duration_since(SystemTime::now());
    tokio::time::sleep(left.expect("they were made in time")).await;
    let stopwatch = Stopwatch::start(Some(server));
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < PATIENCE {
        let asked = Instant::now();
        let keys: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await.expect("it answers");
        times.push(asked.elapsed());
        if keys == 0 {
            break;
        }
    }
    let gone = began.elapsed();
    times.sort_unstable();
    (gone, times, stopwatch.stop(QUEUES as u64).redis_micros())
}
