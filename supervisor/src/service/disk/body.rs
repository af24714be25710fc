//! The content of a file on its way out.

use std::{
    cell::Cell,
    fs::File,
    io::{self, IoSliceMut},
    os::{fd::BorrowedFd, unix::fs::FileExt},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use rustix::{
    fs::sendfile,
    io::{Errno, ReadWriteFlags, preadv2},
};
use tokio::task::JoinHandle;

use crate::body::{
    BodyError, PullSource,
    held::{Carrier, Chunk, Held},
};

/// Most bytes that are read at once, and held.
const MAX_CHUNK: usize = 256 << 10;

/// Fewer bytes are read: to have the kernel send them takes a call more.
const MIN_HELD: u64 = 32 << 10;

/// How far apart the bytes are of which it is asked whether the kernel has them in memory. What lies between two that it has, it has too,
/// unless it had to take memory from what was read at the same time.
const LOOKS: usize = 16 << 10;

/// A part of a file, read when it is asked for.
pub(in crate::service) struct FileBody {
    file: Arc<File>,
    at: u64,
    left: u64,
    chunk: usize,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(in crate::service) fn new(file: File, at: u64, left: u64) -> Self {
        FileBody { file: Arc::new(file), at, left, chunk: MAX_CHUNK, reading: None }
    }

    fn take(&mut self, read: io::Result<Bytes>) -> Result<Bytes, BodyError> {
        match read {
            Ok(bytes) if bytes.is_empty() => Err(BodyError("the file has become shorter".to_owned())),
            Ok(bytes) => {
                self.at += bytes.len() as u64;
                self.left -= bytes.len() as u64;
                Ok(bytes)
            }
            Err(error) => Err(BodyError(format!("the file cannot be read: {error}"))),
        }
    }
}

impl PullSource for FileBody {
    fn poll_pull(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.reading.is_none() {
            let count = self.chunk.min(usize::try_from(self.left).unwrap_or(usize::MAX));
            if let Some(bytes) = read_cached(&self.file, self.at, count) {
                return Poll::Ready(Some(self.take(Ok(bytes))));
            }
            let (file, at) = (self.file.clone(), self.at);
            self.reading = Some(tokio::task::spawn_blocking(move || read(&file, at, count)));
        }
        let Some(reading) = &mut self.reading else { return Poll::Pending };
        let read = std::task::ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
        Poll::Ready(Some(self.take(read)))
    }

    fn poll_chunk(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        let count = MAX_CHUNK.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if self.reading.is_some() || self.left < MIN_HELD || !is_cached(&self.file, self.at, count) {
            return self.poll_pull(cx).map_ok(Chunk::Bytes);
        }
        let part = FilePart { file: self.file.clone(), at: Cell::new(self.at) };
        self.at += count as u64;
        self.left -= count as u64;
        Poll::Ready(Some(Ok(Chunk::Held(Held::new(Rc::new(part), count)))))
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.left)
    }

    fn limit_chunk(mut self: Pin<&mut Self>, bytes: usize) {
        self.chunk = bytes.clamp(1, MAX_CHUNK);
    }
}

/// A part of a file that the kernel has in memory.
struct FilePart {
    file: Arc<File>,
    at: Cell<u64>,
}

impl Carrier for FilePart {
    fn send(&self, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let mut at = self.at.get();
        let sent = sendfile(to, &self.file, Some(&mut at), most)?;
        self.at.set(at);
        if sent == 0 { Err(io::Error::other("the file has become shorter")) } else { Ok(sent) }
    }
}

/// Whether the kernel has a part of a file in memory, as far as it says. What is past the end it has not.
fn is_cached(file: &File, at: u64, count: usize) -> bool {
    let has = |offset: usize| {
        let mut byte = [0];
        let read = preadv2(file, &mut [IoSliceMut::new(&mut byte)], at + offset as u64, ReadWriteFlags::NOWAIT);
        matches!(read, Ok(1))
    };
    (0..count).step_by(LOOKS).all(has) && has(count - 1)
}

/// Reads what the kernel has in memory. `None` where it has nothing, or does not say.
fn read_cached(file: &File, at: u64, count: usize) -> Option<Bytes> {
    let mut bytes = BytesMut::zeroed(count);
    let read = loop {
        match preadv2(file, &mut [IoSliceMut::new(&mut bytes)], at, ReadWriteFlags::NOWAIT) {
            Err(Errno::INTR) => {}
            read => break read.ok()?,
        }
    };
    bytes.truncate(read);
    // The end is found out by whoever waits for it.
    (read > 0).then(|| bytes.freeze())
}

fn read(file: &File, at: u64, count: usize) -> io::Result<Bytes> {
    let mut bytes = BytesMut::zeroed(count);
    loop {
        match file.read_at(&mut bytes, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => {
                bytes.truncate(read?);
                return Ok(bytes.freeze());
            }
        }
    }
}
