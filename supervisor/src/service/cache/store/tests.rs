use std::{os::unix::fs::FileExt as _, path::PathBuf};

use http::{Method, Request, StatusCode};

use super::*;
use crate::{
    body::{Body, next_chunk},
    service::{Service as _, ServiceRequest, cache::CacheService},
};

async fn ask(cache: &CacheService, method: Method, body: Body) -> (StatusCode, Vec<u8>) {
    let mut http = Request::new(body);
    *http.method_mut() = method;
    *http.uri_mut() = "http://h/large".parse().expect("a URL");
    let response = cache.fetch(ServiceRequest { http, cf_json: "".into() }).await.expect("an answer");
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(chunk) = next_chunk(&mut body).await {
        bytes.extend_from_slice(&chunk.expect("a chunk"));
    }
    (head.status, bytes)
}

/// The one file with an entry.
fn entry_file(directory: &std::path::Path) -> PathBuf {
    let mut found = None;
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        match path.is_dir() {
            true => left.extend(std::fs::read_dir(path).expect("a directory").map(|entry| entry.expect("it").path())),
            false => assert!(found.replace(path).is_none(), "there are two files"),
        }
    }
    found.expect("a file")
}

/// What is changed without a trace shows whether a file was looked at.
#[test]
fn a_large_file_is_looked_at_once_however_often_memory_is_short() {
    const LENGTH: usize = 100 << 10;
    let directory = tempfile::tempdir().expect("a directory");
    let disk = Some((directory.path().to_owned(), 1 << 20));
    let config = Cache { memory_bytes: 64 << 10, object_bytes: 1 << 20, disk };
    let worker = ServiceId::named("worker");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    let change = |modified: Option<SystemTime>| {
        let file = File::options().read(true).write(true).open(entry_file(directory.path())).expect("a file");
        let metadata = file.metadata().expect("it");
        let mut byte = [0];
        // Far from both ends, where no head is.
        file.read_exact_at(&mut byte, metadata.len() / 2).expect("a byte");
        file.write_all_at(&[byte[0] ^ 1], metadata.len() / 2).expect("it is written");
        file.set_modified(modified.unwrap_or(metadata.modified().expect("a time"))).expect("a time");
    };
    let changed = |bytes: &[u8]| bytes.len() == LENGTH && bytes.iter().filter(|byte| **byte != b'x').count() == 1;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let store = Arc::new(Store::open(&config, [&worker].into_iter()).expect("a store"));
        let cache = CacheService::new(&store, &worker).expect("a cache");
        let response = format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n\r\n{}", "x".repeat(LENGTH));
        let stored = ask(&cache, Method::PUT, Body::Bytes(response.into())).await;
        assert_eq!(stored.0, StatusCode::NO_CONTENT);
        let forget = |store: &Store| {
            assert_eq!(store.give_up(Tier::Memory, 0, u64::MAX), 1);
            assert!(lock(&store.tenants[0].shelves).hot.is_empty());
        };
        // As it was written.
        forget(&store);
        change(None);
        let (status, bytes) = ask(&cache, Method::GET, Body::Empty).await;
        assert!(status == StatusCode::OK && changed(&bytes), "{status}, {} bytes", bytes.len());
        forget(&store);
        assert!(changed(&ask(&cache, Method::GET, Body::Empty).await.1));
        // As it was found at the start.
        change(None);
        drop((cache, store));
        let store = Arc::new(Store::open(&config, [&worker].into_iter()).expect("a store"));
        let cache = CacheService::new(&store, &worker).expect("a cache");
        assert_eq!(ask(&cache, Method::GET, Body::Empty).await.1.len(), LENGTH);
        forget(&store);
        change(None);
        let (status, bytes) = ask(&cache, Method::GET, Body::Empty).await;
        assert!(status == StatusCode::OK && changed(&bytes), "{status}, {} bytes", bytes.len());
        // It is another file now.
        forget(&store);
        change(Some(SystemTime::now() + std::time::Duration::from_secs(1)));
        change(Some(SystemTime::now() + std::time::Duration::from_secs(2)));
        assert_eq!(ask(&cache, Method::GET, Body::Empty).await.0, StatusCode::GATEWAY_TIMEOUT);
    });
}
