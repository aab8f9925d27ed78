//! A socket's bytes on their way to tungstenite's state machine, without the frames that are too large: these are
//! passed over as they come, so that a large frame costs no memory and the socket lives.

use std::io::{self, Read, Write};

use bytes::{Bytes, BytesMut};

use super::socket::Socket;

/// Where in a frame the stream is. RFC 6455, 5.2.
#[derive(Debug, Default)]
pub(crate) struct Sieve {
    /// The header, as far as it has come.
    header: Vec<u8>,
    /// Bytes of the frame that are still to come.
    body: u64,
    /// They are passed over.
    skipping: bool,
    most: u64,
    /// Frames that were passed over and not yet spoken of.
    pub(crate) skipped: u32,
    /// A piece of a message was too large: nothing sensible can follow.
    pub(crate) broken: bool,
    /// What was let through and not read yet.
    through: BytesMut,
}

impl Sieve {
    /// Lets frames of up to `most` bytes through; `before` came with the request.
    pub(crate) fn new(most: usize, before: &[u8]) -> Self {
        let mut sieve = Self { most: most as u64, ..Self::default() };
        sieve.sift(before);
        sieve
    }

    fn sift(&mut self, mut bytes: &[u8]) {
        while let Some(next) = bytes.first() {
            if self.body > 0 {
                let step = usize::try_from(self.body).unwrap_or(usize::MAX).min(bytes.len());
                let (part, rest) = bytes.split_at(step);
                if !self.skipping {
                    self.through.extend_from_slice(part);
                }
                self.body -= step as u64;
                bytes = rest;
                continue;
            }
            self.header.push(*next);
            bytes = &bytes[1..];
            let Some(body) = frame_length(&self.header) else { continue };
            self.body = body;
            self.skipping = body > self.most;
            if self.skipping {
                self.skipped += 1;
                // Not a whole text or binary message: a piece of one, or no frame that may be so long.
                self.broken |= !matches!(self.header.first(), Some(0x81 | 0x82));
            } else {
                self.through.extend_from_slice(&self.header);
            }
            self.header.clear();
        }
    }
}

/// Bytes read from the kernel at a time.
const AT_ONCE: usize = 4096;

/// The length of a frame's body with its mask counted in the header; `None` while the header is not whole.
fn frame_length(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (length, size) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(header.get(2..10)?.try_into().ok()?), 10),
        short => (u64::from(short), 2),
    };
    (header.len() >= size + mask).then_some(length)
}

/// The two directions of a socket, as tungstenite sees them.
pub(crate) struct Stream<'a> {
    pub(crate) socket: &'a Socket,
    pub(crate) sieve: &'a mut Sieve,
}

impl Read for Stream<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut bytes = [0; AT_ONCE];
        while self.sieve.through.is_empty() {
            let read = self.socket.stream.try_read(&mut bytes)?;
            if read == 0 {
                return Ok(0);
            }
            self.sieve.sift(&bytes[..read]);
        }
        let through = &mut self.sieve.through;
        let step = through.len().min(into.len());
        into[..step].copy_from_slice(&through.split_to(step));
        if through.is_empty() {
            // Most sockets say little: none keeps room for more.
            *through = BytesMut::new();
        }
        Ok(step)
    }
}

/// What tungstenite says of itself (pongs, the answer to a close) goes the way of all that is said.
impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send(Bytes::copy_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, size: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match size {
            0..=125 => frame.push(0x80 | u8::try_from(size).unwrap()),
            126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(size).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((size as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend((0..size).map(|byte| u8::try_from(byte % 251).unwrap()));
        frame
    }

    #[test]
    fn what_is_too_large_is_passed_over_and_the_rest_comes_through_whatever_the_reads() {
        let (small, middle, large, last) =
            (frame(0x81, 5), frame(0x81, 300), frame(0x81, 70_000), frame(0x89, 0));
        let all = [small.clone(), large.clone(), middle.clone(), large, last.clone()].concat();
        let expected = [small, middle, last].concat();
        for read in [1, 2, 3, 7, 64, 1000, 4096, all.len()] {
            let mut sieve = Sieve::new(1000, b"");
            all.chunks(read).for_each(|chunk| sieve.sift(chunk));
            let through = sieve.through == expected;
            assert_eq!((through, sieve.skipped, sieve.broken), (true, 2, false), "reads of {read}");
        }
        let mut sieve = Sieve::new(1000, &frame(0x01, 5000));
        sieve.sift(&[]);
        assert!(sieve.broken && sieve.through.is_empty(), "a piece of a message cannot be passed over");
    }
}
