//! One connection for commands, which many calls share: made when first needed, and anew when it breaks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use rand::RngExt;
use redis::aio::{MultiplexedConnection, SendError};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, Pipeline, PushInfo, PushKind, RedisError, ServerErrorKind, Value,
};
use tokio::sync::Mutex;

use super::epochs::Epochs;
use super::scripts::Scripts;
use crate::store::{Epoch, StoreError};

/// A connection that heals. Commands of concurrent calls share it and leave together.
pub(super) struct Lane {
    client: Client,
    timeout: Duration,
    scripts: Arc<Scripts>,
    epochs: Arc<Epochs>,
    live: Live,
    /// Who holds it makes the connection.
    connecting: Mutex<Attempts>,
}

#[derive(Default)]
struct Attempts {
    made: u64,
    /// After a failed one: when the next may be made.
    not_before: Option<Instant>,
}

/// The connection in use, if there is one. It takes itself out when it breaks, so that no command is lost on finding
/// that out.
type Live = Arc<ArcSwapOption<Numbered>>;

/// A connection.
pub(super) struct Numbered {
    number: u64,
    /// In which everything on it happens.
    pub(super) epoch: Epoch,
    connection: MultiplexedConnection,
}

/// After a failed attempt, calls fail at once for about this long, so that an outage costs little.
const PAUSE: Duration = Duration::from_millis(100);
/// Calls that wait for the connection's writer.
const WAITING_CALLS: usize = 4096;

impl Lane {
    pub(super) fn new(client: Client, timeout: Duration, scripts: Arc<Scripts>, epochs: Arc<Epochs>) -> Self {
        Self { client, timeout, scripts, epochs, live: Live::default(), connecting: Mutex::default() }
    }

    /// Runs commands in one pipeline; an answer for each. An answer may be [`Value::ServerError`].
    pub(super) async fn run(&self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        self.run_on(self.connection().await?.as_ref(), pipeline).await
    }

    /// Runs one command.
    pub(super) async fn run_one(&self, command: redis::Cmd) -> Result<Value, StoreError> {
        self.run_one_on(self.connection().await?.as_ref(), command).await
    }

    /// The same on this connection or not at all.
    pub(super) async fn run_on(&self, live: &Numbered, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let mut answers = self.send(live, pipeline).await?;
        if answers.iter().any(is_noscript) {
            // The server lost its scripts. What it did not know it did not run, so those calls are repeated.
            load(&self.scripts, live.connection.clone()).await.map_err(|error| classify(&error))?;
            let mut again = Pipeline::new();
            for (command, _) in pipeline.cmd_iter().zip(&answers).filter(|(_, answer)| is_noscript(answer)) {
                again.add_command(command.clone());
            }
            let mut repeated = self.send(live, &again).await?.into_iter();
            for answer in answers.iter_mut().filter(|answer| is_noscript(answer)) {
                *answer = repeated.next().ok_or(StoreError::Corrupt("the server answered too little"))?;
            }
        }
        Ok(answers)
    }

    /// The same on this connection or not at all.
    pub(super) async fn run_one_on(&self, live: &Numbered, command: redis::Cmd) -> Result<Value, StoreError> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command);
        let answer = self.run_on(live, &pipeline).await?.pop();
        match answer.ok_or(StoreError::Corrupt("the server answered nothing"))? {
            Value::ServerError(error) => Err(classify(&RedisError::from(error))),
            answer => Ok(answer),
        }
    }

    async fn send(&self, live: &Numbered, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let outcome = live.connection.clone().send_packed_commands(pipeline, 0, pipeline.len()).await;
        outcome.map_err(|error| {
            if error.is_unrecoverable_error() || error.is_timeout() {
                // A connection that has once been silent is not trusted again: a new one costs a millisecond.
                discard(&self.live, live.number);
            }
            classify(&error)
        })
    }

    /// The connection, made if there is none.
    pub(super) async fn connection(&self) -> Result<Arc<Numbered>, StoreError> {
        if let Some(live) = self.live.load_full() {
            return Ok(live);
        }
        let mut attempts = self.connecting.lock().await;
        if let Some(live) = self.live.load_full() {
            return Ok(live);
        }
        if attempts.not_before.is_some_and(|at| Instant::now() < at) {
            return Err(StoreError::Unavailable("Redis cannot be reached"));
        }
        attempts.made += 1;
        match self.connect(attempts.made).await {
            Ok((connection, epoch)) => {
                let live = Arc::new(Numbered { number: attempts.made, epoch, connection });
                attempts.not_before = None;
                self.live.store(Some(live.clone()));
                Ok(live)
            }
            Err(error) => {
                attempts.not_before = Some(Instant::now() + PAUSE.mul_f64(rand::rng().random_range(0.5..1.5)));
                Err(classify(&error))
            }
        }
    }

    async fn connect(&self, number: u64) -> Result<(MultiplexedConnection, Epoch), RedisError> {
        let live = self.live.clone();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_pipeline_buffer_size(WAITING_CALLS)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    discard(&live, number);
                }
                Ok::<(), SendError>(())
            });
        // The library's own limit covers the socket; a server that accepts and then says nothing needs this one.
        let mut connection =
            timed(self.timeout, self.client.get_multiplexed_async_connection_with_config(&config)).await?;
        let epoch = timed(self.timeout, self.epochs.observe(&mut connection)).await?;
        timed(self.timeout, load(&self.scripts, connection.clone())).await?;
        Ok((connection, epoch))
    }
}

fn discard(live: &Live, number: u64) {
    live.rcu(|current| current.clone().filter(|current| current.number != number));
}

/// Ends a wait that has become too long.
pub(super) async fn timed<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(timed_out()))
}

fn timed_out() -> RedisError {
    RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))
}

async fn load(scripts: &Scripts, mut connection: MultiplexedConnection) -> Result<(), RedisError> {
    let mut pipeline = Pipeline::new();
    for script in scripts.all() {
        pipeline.add_command(script.load());
    }
    for answer in connection.send_packed_commands(&pipeline, 0, pipeline.len()).await? {
        if let Value::ServerError(error) = answer {
            return Err(RedisError::from(error));
        }
    }
    Ok(())
}

fn is_noscript(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}

/// What a library's error means to us. Its text is dropped: it may hold anything.
pub(super) fn classify(error: &RedisError) -> StoreError {
    if error.is_timeout() {
        return StoreError::TimedOut;
    }
    StoreError::Unavailable(match error.code() {
        Some("OOM") => "Redis is out of memory",
        Some("MISCONF") => "Redis cannot write to its disk",
        Some("READONLY") => "Redis is a read-only replica",
        Some("LOADING") => "Redis is loading its data",
        Some("MASTERDOWN") => "Redis has lost its primary",
        Some("NOAUTH" | "WRONGPASS") => "Redis refuses the user or the password",
        Some("NOPERM") => "Redis does not permit this user a command",
        Some(_) => "Redis refuses a command",
        None if error.kind() == ErrorKind::AuthenticationFailed => "Redis refuses the user or the password",
        None => "Redis cannot be reached",
    })
}
