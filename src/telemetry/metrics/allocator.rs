//! What the allocator holds. In a program with another allocator the figures are jemalloc's all the same: next to nothing.

use prometheus_client::registry::Unit;

use super::registry::Registry;

#[cfg(not(target_env = "msvc"))]
pub(super) fn register(all: &mut Registry) {
    use tikv_jemalloc_ctl::{epoch, stats};

    // The figures are those of the moment at which the epoch began.
    fn now(read: fn() -> tikv_jemalloc_ctl::Result<usize>) -> impl Fn() -> Option<f64> {
        move || {
            epoch::advance().ok()?;
            read().ok().map(|bytes| bytes as f64)
        }
    }
    let mut add = |name, help, read| all.figure(name, help, Some(Unit::Bytes)).read_from(now(read));
    add("sealpost_allocator_allocated", "Memory that the program has asked the allocator for", stats::allocated::read);
    add("sealpost_allocator_active", "Memory in pages of which some part is asked for", stats::active::read);
    add("sealpost_allocator_resident", "Memory that the allocator keeps resident", stats::resident::read);
    add(
        "sealpost_allocator_retained",
        "Address space that the allocator keeps and has given back",
        stats::retained::read,
    );
}

#[cfg(target_env = "msvc")]
pub(super) fn register(_: &mut Registry) {}
