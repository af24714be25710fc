//! The lines on `--control-fd`, by which a program that started us learns where we listen.

use std::{fs::File, io, io::Write, os::fd::OwnedFd};

/// The other end of `--control-fd`.
pub(super) struct Control(File);

impl Control {
    pub(super) fn new(fd: OwnedFd) -> Control {
        Control(File::from(fd))
    }

    /// Says that a socket listens. The port is 0 where there is none.
    pub(super) fn listen(&mut self, socket: &str, port: u16) -> io::Result<()> {
        self.0.write_all(listen_line(socket, port).as_bytes())
    }
}

fn listen_line(socket: &str, port: u16) -> String {
    // The names' order is part of the format: readers exist that compare text.
    format!("{{\"event\":\"listen\",\"socket\":{},\"port\":{port}}}\n", serde_json::Value::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        assert_eq!(listen_line("http", 80), "{\"event\":\"listen\",\"socket\":\"http\",\"port\":80}\n");
        assert_eq!(listen_line("a\"\n", 0), "{\"event\":\"listen\",\"socket\":\"a\\\"\\n\",\"port\":0}\n");
    }
}
