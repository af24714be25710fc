//! What a client asks of a directory that is served.

use std::{fs, os::unix::fs::symlink, path::Path, rc::Rc, sync::Arc};

use bulkhead_supervisor::{
    body::{Body, next_chunk},
    config::ServiceId,
    service::{
        Service, ServiceRequest,
        disk::{
            Directory, DiskService,
            path::names,
            range::{self, Asked},
        },
    },
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

/// What stands outside of the directory, and in a file whose name begins with a dot.
const SECRET: &str = "nobody may read this";

/// Files, and how long they are.
const FILES: [(&str, usize); 4] = [("a", 10), ("sub/b", 100), ("sub/deep/c", 1000), ("empty", 0)];

/// The first byte chooses: a path, a length in eight bytes and a header `Range` as what they mean, or a request of a real directory.
/// Path and range each end with a line.
pub fn disk(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let (path, range, rest) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if choice & 1 == 0 {
        let length = rest.first_chunk().map_or(100, |length| u64::from_le_bytes(*length));
        meant(&String::from_utf8_lossy(path), range, length);
    } else {
        super::run(request(*choice, path, range, rest));
    }
}

/// No name leads out, and no range is longer than what there is.
fn meant(path: &str, range: &[u8], length: u64) {
    for name in names(path).unwrap_or_default() {
        let name = name.as_encoded_bytes();
        assert!(!name.is_empty() && name != b"." && name != b"..", "{path:?}");
        assert!(!name.contains(&b'/') && !name.contains(&0), "{path:?}");
    }
    if let Asked::Part(first, last) = range::read(range, length) {
        assert!(first <= last && last < length && (first, last) != (0, length - 1), "{first}-{last} of {length}");
    }
}

/// The content of a file of this length.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

fn fill(outer: &Path) {
    let served = outer.join("served");
    fs::create_dir_all(served.join("sub/deep")).expect("a directory");
    for (name, length) in FILES {
        fs::write(served.join(name), content(length)).expect("a file");
    }
    fs::write(outer.join("secret"), SECRET).expect("a file");
    for (to, name) in [("../secret", "out"), ("..", "up"), ("../../..", "sub/further"), ("sub", "in"), ("/", "root")] {
        symlink(to, served.join(name)).expect("a link");
    }
}

async fn request(choice: u8, path: &[u8], range: &[u8], body: &[u8]) {
    let (Ok(uri), Ok(range)) = (http::Uri::try_from(path), HeaderValue::from_bytes(range)) else { return };
    let outer = tempfile::tempdir().expect("a directory");
    fill(outer.path());
    let served = outer.path().join("served");
    let allow_dotfiles = choice & 2 != 0;
    if !allow_dotfiles {
        fs::write(served.join(".dot"), SECRET).expect("a file");
    }
    let directory = Arc::new(Directory::open(&served, choice & 4 == 0, allow_dotfiles).expect("a directory"));
    let service = DiskService::new(&ServiceId::named("disk"), directory);
    let method = [Method::GET, Method::PUT, Method::DELETE, Method::HEAD][usize::from(choice >> 3) % 4].clone();
    let mut http = Request::new(Body::Bytes(body.to_vec().into()));
    *http.method_mut() = method.clone();
    *http.uri_mut() = uri.clone();
    if !range.is_empty() {
        http.headers_mut().insert(header::RANGE, range);
    }
    let answer = ask(&service, http).await;
    if let Some((response, bytes)) = &answer {
        assert!(!contains(bytes, SECRET.as_bytes()), "{uri} shows what nobody may read");
        match response.status() {
            StatusCode::PARTIAL_CONTENT => part(response, bytes),
            StatusCode::NO_CONTENT => {
                assert!(choice & 4 == 0 && matches!(method, Method::PUT | Method::DELETE));
                let mut http = Request::new(Body::Empty);
                *http.uri_mut() = uri.clone();
                let (response, now) = ask(&service, http).await.expect("an answer");
                match method {
                    Method::PUT => {
                        assert!(response.status() == StatusCode::OK && now == body, "{uri}: {}", response.status())
                    }
                    _ => assert_eq!(response.status(), StatusCode::NOT_FOUND, "{uri}"),
                }
            }
            _ => {}
        }
    }
    // Whatever was written or removed: nothing outside, and nothing that is half there.
    assert_eq!(fs::read(outer.path().join("secret")).expect("a file"), SECRET.as_bytes());
    assert_eq!(fs::read_dir(outer.path()).expect("a directory").count(), 2);
    if !allow_dotfiles {
        assert_eq!(fs::read(served.join(".dot")).expect("a file"), SECRET.as_bytes());
    }
    half_written(&served);
}

/// The answer with its body, or `None` where there is an error instead.
async fn ask(service: &DiskService, http: Request<Body>) -> Option<(Response<()>, Vec<u8>)> {
    let request = ServiceRequest { http, cf_json: Rc::from("") };
    let (head, mut body) = match service.fetch(request).await {
        Ok(response) => response.into_parts(),
        Err(error) => {
            assert!(!error.to_string().is_empty(), "failed without a word");
            return None;
        }
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = next_chunk(&mut body).await {
        bytes.extend_from_slice(&chunk.expect("a file that is whole"));
    }
    Some((Response::from_parts(head, ()), bytes))
}

/// A part is the one that is named, of one of the files.
fn part(response: &Response<()>, bytes: &[u8]) {
    let range = response.headers()[header::CONTENT_RANGE].to_str().expect("a range");
    let (part, length) = range.strip_prefix("bytes ").and_then(|range| range.split_once('/')).expect("a range");
    let (first, last) = part.split_once('-').expect("a range");
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let content = content(number(length));
    assert_eq!(bytes, &content[number(first)..=number(last)], "{range}");
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// No file is left that was not finished. Who may write such a name may ask for one that only begins as these do.
fn half_written(directory: &Path) {
    let begin = format!(".bulkhead-{}-", std::process::id());
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        assert!(!entry.file_name().to_string_lossy().starts_with(&begin), "{}", entry.path().display());
        if entry.file_type().expect("a type").is_dir() {
            half_written(&entry.path());
        }
    }
}
