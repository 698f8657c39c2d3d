//! Random histories, in which a store must answer and tell as a plain model does.
//!
//! A history that once failed is kept in `mod.regressions` and is tried first. `PROPTEST_CASES=5000` tries more.

mod history;
mod plain;
mod step;

use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};

use crate::fixture::Fixture;

pub(crate) fn agrees<F: Fixture>() {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let defaults = Config::default();
    let mut runner = TestRunner::new(Config {
        cases: if asked { defaults.cases } else { F::HISTORIES },
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        source_file: Some(file!()),
        test_name: Some("agrees"),
        max_shrink_iters: 4000,
        ..defaults
    });
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let outcome = runner.run(&step::histories(), |steps| {
        runtime.block_on(history::replay::<F>(&steps));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("the store and the model disagree: {failure}");
    }
}
