//! The service that is a directory: its files are read by `GET` and `HEAD`, and written and removed by `PUT` and `DELETE` where
//! that is permitted.
//!
//! A path can never leave the directory, whatever is a link and whoever exchanges what for what in the meantime: every name is
//! resolved by the kernel, beneath the open directory (`openat2` with `RESOLVE_BENEATH`). What may wait for a disk is done by
//! the event loop's helper threads, unless the kernel has it in memory.

pub(super) mod body;
pub mod path;
pub mod range;
pub(super) mod write;

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    fs::{File, Metadata},
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use rustix::{
    fs::{CWD, Dir, FileType as EntryType, Mode, OFlags, ResolveFlags, openat, openat2},
    io::Errno,
};

use self::{body::FileBody, range::Asked, write::Upload};
use super::{LocalFuture, Service, ServiceError, ServiceRequest};
use crate::{
    body::{Body, next_chunk},
    config::ServiceId,
    upgrade::Upgrade,
};

/// Entries that a directory may have to be listed.
const MAX_ENTRIES: usize = 65_536;

/// How often a name is resolved again because somebody moved directories meanwhile.
const RESOLVE_ATTEMPTS: usize = 16;

/// How a file is opened that is read. What is no file, such as a pipe, is not waited for.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOCTTY).union(OFlags::NONBLOCK);

/// A directory that is served, open for as long as it is.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    writable: bool,
    allow_dotfiles: bool,
}

impl Directory {
    /// Opens a directory; `writable` permits `PUT` and `DELETE`, `allow_dotfiles` names that begin with a dot.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be read.
    pub fn open(path: &Path, writable: bool, allow_dotfiles: bool) -> io::Result<Directory> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty())?;
        Ok(Directory { fd, writable, allow_dotfiles })
    }

    /// Opens something beneath the directory. `cached` gives up with [`Errno::AGAIN`] where a disk would have to be waited for.
    pub(super) fn open_beneath(&self, path: &OsStr, flags: OFlags, cached: bool) -> rustix::io::Result<OwnedFd> {
        let path = if path.is_empty() { OsStr::new(".") } else { path };
        let flags = flags | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if cached {
            return openat2(&self.fd, path, flags, Mode::empty(), resolve | ResolveFlags::CACHED);
        }
        for _ in 1..RESOLVE_ATTEMPTS {
            match openat2(&self.fd, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return result,
            }
        }
        openat2(&self.fd, path, flags, Mode::empty(), resolve)
    }
}

/// Does something that may wait for a disk.
pub(super) async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The event loop ends, and with it whoever waits for this.
        Err(error) if error.is_cancelled() => std::future::pending().await,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The service that is a directory, on one shard.
pub struct DiskService {
    id: ServiceId,
    directory: Arc<Directory>,
}

impl DiskService {
    /// The service of this name.
    pub fn new(id: &ServiceId, directory: Arc<Directory>) -> Self {
        Self { id: id.clone(), directory }
    }

    /// What becomes of an error that no client can have meant.
    fn failed(&self, what: &str, error: impl Into<io::Error>) -> ServiceError {
        let error: io::Error = error.into();
        ServiceError::Exception(format!("service \"{}\": {what}: {error}", self.id))
    }

    async fn answer(&self, request: ServiceRequest) -> Result<Response<Body>, ServiceError> {
        let (head, body) = request.http.into_parts();
        let names = path::names(head.uri.path());
        let hidden = |names: &[OsString]| !self.directory.allow_dotfiles && names.iter().any(path::is_dot_file);
        if matches!(head.method, Method::GET | Method::HEAD) {
            return match names {
                Some(names) if !hidden(&names) => {
                    let range = head.headers.get_all(header::RANGE).iter().map(HeaderValue::as_bytes);
                    let range = range.collect::<Vec<_>>().join(&b", "[..]);
                    self.read(joined(&names), head.method == Method::HEAD, &range).await
                }
                _ => Ok(short(StatusCode::NOT_FOUND)),
            };
        }
        if !matches!(head.method, Method::PUT | Method::DELETE) {
            return Ok(short(StatusCode::NOT_IMPLEMENTED));
        }
        if !self.directory.writable {
            return Ok(short(StatusCode::METHOD_NOT_ALLOWED));
        }
        match names {
            Some(names) if names.is_empty() || hidden(&names) => Ok(unauthorized()),
            None => Ok(unauthorized()),
            Some(names) if head.method == Method::PUT => {
                // What would come in place of HTTP is no file, and comes after the answer.
                let body = if head.extensions.get::<Upgrade>().is_some() { Body::Empty } else { body };
                self.put(names, body).await
            }
            Some(names) => self.delete(names).await,
        }
    }

    async fn read(&self, path: OsString, head_only: bool, range: &[u8]) -> Result<Response<Body>, ServiceError> {
        let opened = match self.directory.open_beneath(&path, FILE, true) {
            // It is not in memory, or the kernel is too old to say so.
            Err(Errno::AGAIN | Errno::INVAL) => {
                let directory = self.directory.clone();
                on_disk(move || directory.open_beneath(&path, FILE, false)).await
            }
            opened => opened,
        };
        let file = match opened {
            Ok(fd) => File::from(fd),
            Err(error) if is_nowhere(error) => return Ok(short(StatusCode::NOT_FOUND)),
            // What is no file cannot be opened as one.
            Err(Errno::NXIO | Errno::NODEV) => return Ok(short(StatusCode::NOT_ACCEPTABLE)),
            Err(error) => return Err(self.failed("cannot open a file", error)),
        };
        let metadata = file.metadata().map_err(|error| self.failed("cannot look at a file", error))?;
        if metadata.is_dir() {
            let body = if head_only {
                Bytes::new()
            } else {
                let listed = on_disk({
                    let directory = self.directory.clone();
                    move || list(&file, directory.allow_dotfiles)
                });
                listed.await.map_err(|error| self.failed("cannot list a directory", error))?.into()
            };
            let mut response = Response::new(Body::uncounted(body));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            insert_modified(&mut response, &metadata);
            return Ok(response);
        }
        if !metadata.is_file() {
            return Ok(short(StatusCode::NOT_ACCEPTABLE));
        }
        let length = metadata.len();
        let asked = if range.is_empty() || head_only { Asked::Whole } else { range::read(range, length) };
        let (status, first, count) = match asked {
            Asked::Whole => (StatusCode::OK, 0, length),
            Asked::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Asked::Nothing => {
                let mut response = short(StatusCode::RANGE_NOT_SATISFIABLE);
                response.headers_mut().insert(header::CONTENT_RANGE, value(&format!("bytes */{length}")));
                return Ok(response);
            }
        };
        let body = match (head_only, count) {
            (true, _) => Body::Empty,
            (false, _) => Body::Pull(Box::pin(FileBody::new(file, first, count))),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if head_only {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        if let Asked::Part(first, last) = asked {
            headers.insert(header::CONTENT_RANGE, value(&format!("bytes {first}-{last}/{length}")));
        }
        insert_modified(&mut response, &metadata);
        Ok(response)
    }

    async fn put(&self, names: Vec<OsString>, mut body: Body) -> Result<Response<Body>, ServiceError> {
        let failed = |error| self.failed("cannot write a file", error);
        let directory = self.directory.clone();
        let mut upload = on_disk(move || Upload::begin(&directory, &names)).await.map_err(failed)?;
        while let Some(chunk) = next_chunk(&mut body).await {
            let chunk = chunk.map_err(|_| ServiceError::BrokenRequest)?;
            let write = move || upload.write(&chunk).map(|()| upload);
            upload = on_disk(write).await.map_err(failed)?;
        }
        on_disk(move || upload.finish()).await.map_err(failed)?;
        Ok(no_content())
    }

    async fn delete(&self, names: Vec<OsString>) -> Result<Response<Body>, ServiceError> {
        let directory = self.directory.clone();
        match on_disk(move || write::delete(&directory, &names)).await {
            Ok(()) => Ok(no_content()),
            Err(error) if is_nowhere(error) => Ok(short(StatusCode::NOT_FOUND)),
            Err(error) => Err(self.failed("cannot remove a file", error)),
        }
    }
}

impl Service for DiskService {
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<Response<Body>, ServiceError>> {
        Box::pin(self.answer(request))
    }
}

/// Whether an error says that there is nothing of this name, as far as the directory goes: what lies outside is nothing.
fn is_nowhere(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG)
}

fn joined(names: &[OsString]) -> OsString {
    names.join(OsStr::new("/"))
}

fn value(text: &str) -> HeaderValue {
    // Digits and signs.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

fn insert_modified(response: &mut Response<Body>, metadata: &Metadata) {
    // A file system may have no such time.
    if let Ok(time) = metadata.modified() {
        response.headers_mut().insert(header::LAST_MODIFIED, value(&httpdate::fmt_http_date(time)));
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::Bytes(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// A response of its status alone.
fn short(status: StatusCode) -> Response<Body> {
    text(status, status.canonical_reason().unwrap_or_default())
}

/// For names that nothing may be written under.
fn unauthorized() -> Response<Body> {
    let mut response = text(StatusCode::FORBIDDEN, "Unauthorized");
    // As the reference calls it.
    response.extensions_mut().insert(hyper::ext::ReasonPhrase::from_static(b"Unauthorized"));
    response
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The entries of a directory as JSON, by their names.
fn list(directory: &impl AsFd, dot_files: bool) -> io::Result<String> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." || (!dot_files && name.starts_with(b".")) {
            continue;
        }
        if entries.len() == MAX_ENTRIES {
            return Err(io::Error::other(format!("there are more than {MAX_ENTRIES} entries")));
        }
        entries.push((String::from_utf8_lossy(name).into_owned(), entry.file_type()));
    }
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut json = String::from("[");
    for (name, kind) in entries {
        let comma = if json.len() > 1 { "," } else { "" };
        let name = serde_json::to_string(&name)?;
        let _ = write!(json, "{comma}{{\"name\":{name},\"type\":\"{}\"}}", kind_name(kind));
    }
    json.push(']');
    Ok(json)
}

fn kind_name(kind: EntryType) -> &'static str {
    match kind {
        EntryType::RegularFile => "file",
        EntryType::Directory => "directory",
        EntryType::Symlink => "symlink",
        EntryType::BlockDevice => "blockDevice",
        EntryType::CharacterDevice => "characterDevice",
        EntryType::Fifo => "namedPipe",
        EntryType::Socket => "socket",
        EntryType::Unknown => "other",
    }
}
