//! The runtime that all tasks run on.

use prometheus_client::registry::Unit;
use tokio::runtime::Handle;

use super::registry::Registry;

/// Of the runtime in which this is called, if it is called in one.
pub(super) fn register(all: &mut Registry) {
    let Ok(runtime) = Handle::try_current() else { return };
    let metrics = runtime.metrics();
    let workers = metrics.num_workers();
    all.figure("sealpost_runtime_workers", "Threads that run tasks", None).read_from(move || Some(workers as f64));
    let tasks = metrics.clone();
    all.figure("sealpost_runtime_tasks", "Tasks that there are", None)
        .read_from(move || Some(tasks.num_alive_tasks() as f64));
    let queue = metrics.clone();
    all.figure("sealpost_runtime_queued_tasks", "Tasks that wait for any of the threads", None)
        .read_from(move || Some(queue.global_queue_depth() as f64));
    all.amount("sealpost_runtime_busy", "Time that the threads were busy, all together", Some(Unit::Seconds))
        .read_from(move || {
            let busy = (0..workers).map(|worker| metrics.worker_total_busy_duration(worker));
            Some(busy.sum::<std::time::Duration>().as_secs_f64())
        });
}
