/// What a WebSocket message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// Appends a WebSocket message from server to client, in one frame, to a buffer
/// ([RFC 6455 § 5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)); returns the length of the frame's header.
pub fn encode_server_frame(payload: Payload, content: &[u8], frame: &mut Vec<u8>) -> usize {
    let start = frame.len();
    encode_server_head(payload, content.len(), frame);
    let header = frame.len() - start;
    frame.extend_from_slice(content);
    header
}

/// Appends the header of such a frame; as many bytes of content as it says are to follow.
pub fn encode_server_head(payload: Payload, content: usize, frame: &mut Vec<u8>) {
    frame.push(match payload {
        Payload::Text => FINAL_TEXT,
        Payload::Binary => FINAL_BINARY,
    });
    match content {
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
}

/// FIN and the opcodes 1 and 2.
const FINAL_TEXT: u8 = 0x81;
const FINAL_BINARY: u8 = 0x82;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    use super::*;

    #[test]
    fn frames_are_those_of_the_library() {
        for (payload, data) in [(Payload::Text, Data::Text), (Payload::Binary, Data::Binary)] {
            for length in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
                let content = vec![b'x'; length];
                let mut ours = Vec::new();
                let header = encode_server_frame(payload, &content, &mut ours);
                let mut theirs = Vec::new();
                Frame::message(content.clone(), OpCode::Data(data), true).format(&mut theirs).unwrap();
                assert!(ours == theirs && ours[header..] == content, "{length}");
            }
        }
    }
}
