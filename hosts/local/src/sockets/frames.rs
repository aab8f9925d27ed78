//! What a server writes on a WebSocket, byte for byte. RFC 6455, 5: not masked, and no message in pieces.

use bytes::{BufMut, Bytes, BytesMut};

/// A text. RFC 6455, 5.2.
pub(super) fn text_frame(text: &str) -> Bytes {
    encode(0x81, text.as_bytes())
}

/// A ping without a word.
pub(super) fn ping_frame() -> Bytes {
    encode(0x89, b"")
}

/// The end, with its code. RFC 6455, 5.5.1.
pub(super) fn close_frame(code: u16, reason: &str) -> Bytes {
    let mut body = code.to_be_bytes().to_vec();
    body.extend(reason.bytes().take(120));
    encode(0x88, &body)
}

/// A text, and then the end.
pub(super) fn last_words(text: &str, code: u16, reason: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    if !text.is_empty() {
        bytes.extend_from_slice(&text_frame(text));
    }
    bytes.extend_from_slice(&close_frame(code, reason));
    bytes.freeze()
}

fn encode(first: u8, body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(body.len() + 10);
    bytes.put_u8(first);
    match body.len() {
        length @ 0..=125 => bytes.put_u8(u8::try_from(length).unwrap_or(0)),
        length @ 126..=0xffff => {
            bytes.put_u8(126);
            bytes.put_u16(u16::try_from(length).unwrap_or(0));
        }
        length => {
            bytes.put_u8(127);
            bytes.put_u64(length as u64);
        }
    }
    bytes.extend_from_slice(body);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_is_written_in_its_own_form_and_a_reason_is_cut_to_what_a_close_may_hold() {
        for (length, header) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (0xffff, vec![0x81, 126, 0xff, 0xff]),
            (0x1_0000, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = text_frame(&"x".repeat(length));
            assert_eq!((&frame[..header.len()], frame.len()), (&*header, header.len() + length));
        }
        let close = close_frame(1008, &"too many mistakes ".repeat(20));
        assert_eq!((close[0], close[1], &close[2..4]), (0x88, 122, &1008_u16.to_be_bytes()[..]));
        assert_eq!(ping_frame(), &[0x89, 0][..]);
    }
}
