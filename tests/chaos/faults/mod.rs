//! Each fault, over each topology in which it means something.

mod redis;
mod relay;
mod slot;

/// Makes a test of each fault over a topology.
macro_rules! over {
    (standalone: $($fault:ident),+ $(,)?) => {
        mod standalone {
            $(crate::faults::over!(@test Standalone $fault);)+
        }
    };
    (sentinel: $($fault:ident),+ $(,)?) => {
        mod sentinel {
            $(crate::faults::over!(@test Sentinel $fault);)+
        }
    };
    (cluster: $($fault:ident),+ $(,)?) => {
        mod cluster {
            $(crate::faults::over!(@test Cluster $fault);)+
        }
    };
    (@test $topology:ident $fault:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $fault() {
            super::$fault(crate::store::Topology::$topology).await;
        }
    };
}
use over;
