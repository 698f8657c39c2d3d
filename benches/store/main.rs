//! What the Redis store costs, beside a bare client of the same server.
//!
//!     cargo bench --bench store --profile dist -- [MODE …] [--json] [--rounds N] [--seconds S] [--durability D,D …]
//!                                                  [--callers N] [--connections N] [--mailboxes N] [--kill-rounds N]
//!
//! | mode | what |
//! |---|---|
//! | `flow` | messages a second, and CPU a message of Redis and of the client: bare, the redis crate, the store, the harness alone |
//! | `ladder` | 1 to 4096 callers with one append each at a time: rate and latency; beside them a bare round trip |
//! | `open` | many open mailboxes: memory, time to open, and what a lost wake path costs live traffic |
//! | `pod` | the same with a relay as a process, its streams and connections, and a client's sends |
//! | `costs` | what a mailbox takes of Redis's memory and disk, and an operation of its CPU: the tables of `docs/capacity.md` |
//! | `hours` | what other clients feel when many queues expire at the start of an hour |
//!
//! Without a mode: `flow` and `ladder`. CPU times are of whole processes, from the kernel; on a machine that others use
//! too they say more than rates do. Of several rounds, taken in turn, the best is shown and the worst beside it.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool, not the product"
)]

mod arguments;
mod bare;
mod costs;
mod flow;
mod hours;
mod ladder;
mod measure;
mod nothing;
mod open;
mod pod;
mod scene;
mod table;

use arguments::{Arguments, Mode};

// The relay's own.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() {
    let arguments = Arguments::of_command_line();
    let mut tables = vec![measure::machine()];
    if !arguments.json {
        tables[0].print();
    }
    for mode in &arguments.modes {
        let made = match mode {
            Mode::Flow => flow::run(&arguments).await,
            Mode::Ladder => ladder::run(&arguments).await,
            Mode::Open => open::run(&arguments).await,
            Mode::Pod => pod::run(&arguments).await,
            Mode::Costs => costs::run(&arguments).await,
            Mode::Hours => hours::run().await,
        };
        if !arguments.json {
            made.iter().for_each(table::Table::print);
        }
        tables.extend(made);
    }
    if arguments.json {
        println!("{}", table::json(&tables));
    }
}
