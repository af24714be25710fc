//! Stored bodies: pieces of memory that all who read them share.

use std::{
    fs::File,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};

use tokio::sync::OwnedSemaphorePermit;

use super::store::Content;
use crate::{
    body::{Body, BodyError, PullSource, held::Chunk},
    service::disk::body::FileBody,
};

/// The longest piece, in bytes.
pub(super) const PIECE: usize = 256 << 10;

/// A part of a stored body: so many bytes from the `first` on, which are there.
pub(super) fn part(pieces: &Arc<[Bytes]>, first: u64, count: u64) -> Body {
    match &pieces[..] {
        _ if count == 0 => Body::Empty,
        [one] => Body::Bytes(one.slice(first as usize..(first + count) as usize)),
        _ => {
            let mut body = Pieces { pieces: pieces.clone(), at: 0, skipped: 0, left: count, most: PIECE };
            body.skip(first);
            Body::Pull(Box::pin(body))
        }
    }
}

/// Some of the pieces of a body.
struct Pieces {
    pieces: Arc<[Bytes]>,
    /// Which is next.
    at: usize,
    /// How many bytes of it are not.
    skipped: usize,
    left: u64,
    most: usize,
}

impl Pieces {
    fn skip(&mut self, mut bytes: u64) {
        while let Some(piece) = self.pieces.get(self.at)
            && piece.len() as u64 <= bytes
        {
            bytes -= piece.len() as u64;
            self.at += 1;
        }
        self.skipped = bytes as usize;
    }
}

impl PullSource for Pieces {
    fn poll_pull(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Some(piece) = self.pieces.get(self.at).filter(|_| self.left > 0) else { return Poll::Ready(None) };
        let most = self.most.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let end = piece.len().min(self.skipped + most);
        let next = piece.slice(self.skipped..end);
        let is_over = end == piece.len();
        self.left -= next.len() as u64;
        self.skipped = if is_over { 0 } else { end };
        self.at += usize::from(is_over);
        Poll::Ready(Some(Ok(next)))
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.left)
    }

    fn limit_chunk(mut self: Pin<&mut Self>, bytes: usize) {
        self.most = bytes.max(1);
    }
}

/// A part of a stored body that is in a file, with the permission to have that open.
pub(super) struct OpenFile {
    body: FileBody,
    _permit: OwnedSemaphorePermit,
}

impl OpenFile {
    /// So many bytes of a file from one of them on.
    pub(super) fn new(file: File, at: u64, count: u64, permit: OwnedSemaphorePermit) -> OpenFile {
        OpenFile { body: FileBody::new(file, at, count), _permit: permit }
    }
}

impl PullSource for OpenFile {
    fn poll_pull(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Pin::new(&mut self.body).poll_pull(cx)
    }

    fn poll_chunk(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        Pin::new(&mut self.body).poll_chunk(cx)
    }

    fn remaining(&self) -> Option<u64> {
        self.body.remaining()
    }

    fn limit_chunk(mut self: Pin<&mut Self>, bytes: usize) {
        Pin::new(&mut self.body).limit_chunk(bytes);
    }
}

/// Gathers a body into pieces of its own: what comes may hold on to more memory than it is long.
#[derive(Default)]
pub(super) struct Gathered {
    full: Vec<Bytes>,
    last: BytesMut,
    length: u64,
}

impl Gathered {
    /// The next bytes. `left` is how many are still to come with them, if that is known.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut left: Option<u64>) {
        while !bytes.is_empty() {
            if self.last.is_empty() {
                let expected = left.map_or(bytes.len(), |left| usize::try_from(left).unwrap_or(PIECE));
                self.last.reserve(expected.min(PIECE));
            }
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.last.len()));
            self.last.extend_from_slice(now);
            self.length += now.len() as u64;
            left = left.map(|left| left.saturating_sub(now.len() as u64));
            bytes = later;
            if self.last.len() == PIECE {
                self.full.push(std::mem::take(&mut self.last).freeze());
            }
        }
    }

    /// How long it is.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// All of it.
    pub(super) fn finish(mut self) -> Content {
        if !self.last.is_empty() {
            // What grew may have grown too far.
            let fits = self.last.capacity() <= self.last.len() + self.last.len() / 8;
            self.full.push(if fits { self.last.freeze() } else { Bytes::copy_from_slice(&self.last) });
        }
        Content::Memory(self.full.into(), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::next_chunk;

    #[test]
    fn any_part_of_a_body_is_what_was_gathered() {
        let bytes: Vec<u8> = (0..PIECE * 2 + 1000).map(|index| (index % 251) as u8).collect();
        for (piece, left) in [(1000, true), (PIECE, false), (PIECE + 1, true), (bytes.len(), false)] {
            let mut gathered = Gathered::default();
            for (index, chunk) in bytes.chunks(piece).enumerate() {
                gathered.push(chunk, left.then(|| (bytes.len() - index * piece) as u64));
            }
            let Content::Memory(content, _) = gathered.finish() else { panic!("it is in memory") };
            for (first, count) in
                [(0, bytes.len()), (1, 1), (PIECE, 1), (PIECE - 1, 2), (PIECE * 2, 1000), (5, PIECE * 2), (7, 0)]
            {
                let mut body = part(&content, first as u64, count as u64);
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("an event loop");
                let all = runtime.block_on(async {
                    let mut all = Vec::new();
                    while let Some(chunk) = next_chunk(&mut body).await {
                        all.extend_from_slice(&chunk.expect("a chunk"));
                    }
                    all
                });
                assert!(all == bytes[first..first + count], "{first} {count}");
            }
        }
    }
}
