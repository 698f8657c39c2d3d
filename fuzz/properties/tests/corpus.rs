//! The fuzz targets without a fuzzer: over what the corpus holds, and over random changes of it that are the same every time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at the first thing that is not as it should be"
)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sealpost_properties::{TARGETS, Target};

/// Changed inputs for each target, if there is time.
const CHANGED: u64 = 20_000;
/// For the changed inputs of a target.
const TIME: Duration = Duration::from_secs(1);
/// As for libFuzzer.
const LONGEST: usize = 4096;

macro_rules! each_target {
    ($($name:ident),+) => {
        $(
            #[test]
            fn $name() {
                try_out(stringify!($name), sealpost_properties::$name);
            }
        )+

        const TRIED: &[&str] = &[$(stringify!($name)),+];
    };
}

each_target!(
    address,
    card,
    config,
    discovery,
    entry,
    envelope,
    event,
    frame,
    invite,
    proof,
    proxy,
    reply,
    request,
    response,
    row,
    script_answer,
    voucher
);

#[test]
fn every_target_is_tried_fuzzed_and_has_a_corpus() {
    let all: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(all, TRIED.iter().map(|name| (*name).to_owned()).collect());
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder_of(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(all, names("fuzz_targets"));
    assert_eq!(all, names("corpus"));
}

fn try_out(name: &str, target: Target) {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder_of("corpus").join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!corpus.is_empty());
    for (file, bytes) in files.iter().zip(&corpus) {
        run(target, bytes, || file.display().to_string());
    }
    let begun = Instant::now();
    for seed in (0..CHANGED).take_while(|_| begun.elapsed() < TIME) {
        let bytes = changed(&corpus, &mut StdRng::seed_from_u64(seed));
        run(target, &bytes, || format!("seed {seed}: {}", bytes.escape_ascii()));
    }
}

fn run(target: Target, bytes: &[u8], what: impl FnOnce() -> String) {
    if catch_unwind(AssertUnwindSafe(|| target(bytes))).is_err() {
        panic!("it does not hold for {}", what());
    }
}

/// One of them, with a few changes.
fn changed(corpus: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = corpus[rng.random_range(0..corpus.len())].clone();
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..=bytes.len());
        let end = rng.random_range(at..=bytes.len().min(at + 32));
        match rng.random_range(0..6) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, [rng.random()])),
            2 => bytes.truncate(at),
            // Something twice.
            3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            // The rest of another one.
            4 => {
                let other = &corpus[rng.random_range(0..corpus.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[rng.random_range(0..=other.len())..]);
            }
            _ => bytes[at..end].iter_mut().take(4).for_each(|byte| {
                *byte = match rng.random_range(0..4) {
                    0 => 0,
                    1 => 0xff,
                    2 => *byte ^ (1 << rng.random_range(0..8)),
                    _ => rng.random(),
                };
            }),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn folder_of(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}
