//! A socket's bytes on their way to tungstenite's state machine, without the messages that are too large: these are
//! passed over as they come, so that a large one costs no memory and the socket lives.
//!
//! A message may come in pieces (browsers send one of more than 64 KiB so). The pieces are held until the last is here,
//! because it is not known before how large they are together. What stands between them, such as a ping, goes ahead.

use std::io::{self, Read, Write};

use bytes::{Bytes, BytesMut};

use super::socket::Socket;

/// Where a frame's bytes go.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum To {
    /// To tungstenite.
    #[default]
    Through,
    /// To the other pieces of its message.
    Pieces {
        /// The last of them: the message is whole.
        last: bool,
    },
    /// They are passed over.
    Nowhere,
}

/// How far a message has come of which there are pieces.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Begun {
    /// There is none.
    #[default]
    Nothing,
    /// So many bytes of it.
    Bytes(u64),
    /// More than may be: the rest is passed over.
    TooLarge,
}

/// Where in a frame the stream is. RFC 6455, 5.2 and 5.4.
#[derive(Debug, Default)]
pub(crate) struct Sieve {
    /// The header, as far as it has come.
    header: Vec<u8>,
    /// Bytes of the frame that are still to come.
    body: u64,
    to: To,
    begun: Begun,
    pieces: BytesMut,
    most: u64,
    /// Messages that were passed over and not yet spoken of.
    pub(crate) skipped: u32,
    /// What is no message was too large: nothing sensible can follow.
    pub(crate) broken: bool,
    /// What was let through and not read yet.
    through: BytesMut,
}

impl Sieve {
    /// Lets messages of up to `most` bytes through; `before` came with the request.
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
                self.put(part);
                self.body -= step as u64;
                bytes = rest;
            } else {
                self.header.push(*next);
                bytes = &bytes[1..];
                let Some(body) = frame_length(&self.header) else { continue };
                self.body = body;
                self.to = self.place(body);
                let header = std::mem::take(&mut self.header);
                self.put(&header);
            }
            if self.body == 0 && self.to == (To::Pieces { last: true }) {
                self.through.unsplit(std::mem::take(&mut self.pieces));
                self.to = To::Through;
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        match self.to {
            To::Through => self.through.extend_from_slice(bytes),
            To::Pieces { .. } => self.pieces.extend_from_slice(bytes),
            To::Nowhere => {}
        }
    }

    /// Where a frame with this many bytes goes, by what its header says.
    fn place(&mut self, body: u64) -> To {
        const TEXT: u8 = 1;
        const BINARY: u8 = 2;
        const MORE: u8 = 0;
        const CONTROL: u8 = 8;
        let first = self.header.first().copied().unwrap_or_default();
        let (last, kind) = (first & 0x80 != 0, first & 0x0f);
        let before = match (kind, self.begun) {
            (TEXT | BINARY, Begun::Nothing) => 0,
            (MORE, Begun::Bytes(bytes)) => bytes,
            (MORE, Begun::TooLarge) => self.most,
            // A ping, a pong, a close; or what may not stand here, and tungstenite says so.
            _ => {
                if kind & CONTROL == 0 {
                    self.through.unsplit(std::mem::take(&mut self.pieces));
                }
                let too_large = body > self.most;
                self.broken |= too_large;
                self.skipped += u32::from(too_large);
                return if too_large { To::Nowhere } else { To::Through };
            }
        };
        let bytes = before.saturating_add(body);
        let was_too_large = self.begun == Begun::TooLarge;
        let too_large = was_too_large || bytes > self.most;
        self.begun = match (last, too_large) {
            (true, _) => Begun::Nothing,
            (false, true) => Begun::TooLarge,
            (false, false) => Begun::Bytes(bytes),
        };
        if too_large {
            self.pieces = BytesMut::new();
            self.skipped += u32::from(!was_too_large);
            To::Nowhere
        } else if last && kind != MORE {
            To::Through
        } else {
            To::Pieces { last }
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
    }

    #[test]
    fn a_message_in_pieces_that_is_too_large_is_passed_over_and_one_that_is_not_comes_through_whole() {
        let pieces = |count: usize| -> Vec<Vec<u8>> {
            let first = |at: usize| {
                if at == 0 {
                    0x01
                } else if at + 1 == count {
                    0x80
                } else {
                    0x00
                }
            };
            (0..count).map(|at| frame(first(at), 300)).collect()
        };
        let (ping, small, fitting) = (frame(0x89, 3), frame(0x81, 5), pieces(3).concat());
        let mut large = pieces(40);
        large.insert(20, ping.clone());
        let all =
            [large.concat(), small.clone(), fitting.clone(), pieces(4).concat(), small.clone()].concat();
        let expected = [ping, small.clone(), fitting, small].concat();
        for read in [1, 2, 3, 7, 64, 1000, 4096, all.len()] {
            let mut sieve = Sieve::new(1000, b"");
            for chunk in all.chunks(read) {
                sieve.sift(chunk);
                assert!(sieve.pieces.len() <= 1100, "what is held is bounded");
            }
            let through = sieve.through == expected;
            assert_eq!((through, sieve.skipped, sieve.broken), (true, 2, false), "reads of {read}");
        }
    }

    #[test]
    fn what_is_no_message_and_too_large_breaks_it_and_what_may_not_stand_there_is_tungstenites() {
        assert!(Sieve::new(1000, &frame(0x89, 5000)).broken, "a ping");
        for wrong in [frame(0x80, 3), [frame(0x01, 4), frame(0x81, 3)].concat()] {
            let sieve = Sieve::new(1000, &wrong);
            assert_eq!((sieve.broken, &sieve.through[..]), (false, &wrong[..]));
        }
    }
}
