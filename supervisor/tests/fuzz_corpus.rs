//! Every fuzzing target with its committed corpus and a fixed number of mutated inputs: what `cargo fuzz` does for as
//! long as one likes, in a few seconds and the same each time. See docs/fuzzing.md.
#![allow(missing_docs, unreachable_pub)]

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

/// Mutated inputs for each target.
const MUTATIONS: usize = 2000;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }
}

/// Changes a few places of an input: bits, bytes, runs; or joins it with another.
fn mutate(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus[random.next(corpus.len())].clone();
    for _ in 0..=random.next(4) {
        let at = random.next(bytes.len() + 1);
        match random.next(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.next(8),
            1 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'(', b'"', b'\n'][random.next(8)],
            2 => bytes.insert(at, random.next(256) as u8),
            3 => bytes.truncate(at),
            4 => {
                let end = (at + random.next(16)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            5 => {
                let end = (at + random.next(64)).min(bytes.len());
                let run = bytes[at.min(end)..end].to_vec();
                let to = random.next(bytes.len() + 1);
                bytes.splice(to..to, run);
            }
            _ => {
                let other = &corpus[random.next(corpus.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.next(other.len() + 1)..]);
            }
        }
    }
    bytes.truncate(64 << 10);
    bytes
}

fn check(name: &str) {
    let (_, target) = targets::TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).expect("a file")).collect();
    assert!(corpus.len() >= 3, "{} has {} files", directory.display(), corpus.len());
    for (file, input) in files.iter().zip(&corpus) {
        println!("{}", file.display());
        target(input);
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for index in 0..MUTATIONS {
        let input = mutate(&mut random, &corpus);
        // Shown when the test fails.
        if std::env::var_os("BULKHEAD_SHOW_INPUTS").is_some() {
            println!("{name} {index}: {input:02x?}");
        }
        target(&input);
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        #[test]
        fn every_target_is_run_here() {
            let run: &[&str] = &[$(stringify!($name)),*];
            assert_eq!(run, targets::TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        }
    };
}

targets!(
    config_text config_binary http_head rpc_frames rpc_calls rpc_pipelined blob scheduled cron policy_table websocket_frames websocket_deflate
    http_response tls_options disk addresses cache_file cache_put module_definition
);
