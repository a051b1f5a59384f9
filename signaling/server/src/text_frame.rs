//! A WebSocket text frame from server to client ([RFC 6455 § 5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).

/// Writes the frame into an emptied buffer.
pub(crate) fn encode(text: &[u8], frame: &mut Vec<u8>) {
    frame.clear();
    frame.push(FINAL_TEXT);
    match text.len() {
        length @ 0..126 => frame.push(length.to_be_bytes().last().copied().unwrap_or_default()),
        length => match u16::try_from(length) {
            Ok(length) => {
                frame.push(LENGTH_16);
                frame.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                frame.push(LENGTH_64);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        },
    }
    frame.extend_from_slice(text);
}

/// FIN and opcode 1.
const FINAL_TEXT: u8 = 0x81;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    use super::*;

    #[test]
    fn frames_are_those_of_the_library() {
        let mut ours = vec![1, 2, 3];
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let text = "x".repeat(length);
            encode(text.as_bytes(), &mut ours);
            let mut theirs = Vec::new();
            let frame = Frame::message(text, OpCode::Data(Data::Text), true);
            frame.format(&mut theirs).unwrap();
            assert!(ours == theirs, "{length}");
        }
    }
}
