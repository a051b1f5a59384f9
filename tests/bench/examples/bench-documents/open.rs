use std::rc::Rc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use crate::Outcome;
use crate::socket::{ANY_PORT, fill, frame, masked_payload, write_all};

/// What everybody is told.
struct Answers {
    question: Vec<u8>,
    state: Vec<u8>,
}

/// One thread; each connection is upgraded, asked what it has, and told so many bytes of a document.
pub(crate) async fn serve(bytes: usize) -> Outcome<()> {
    let mut state = vec![0, 1];
    // A number of exactly three groups of 7 bits.
    let groups = [bytes, bytes >> 7, bytes >> 14].map(|group| u8::try_from(group & 0x7f).unwrap_or_default());
    let [low, middle, high] = groups;
    state.extend_from_slice(&[low | 0x80, middle | 0x80, high]);
    state.resize(state.len() + bytes, 0);
    let answers = Rc::new(Answers { question: frame(&[0, 0, 1, 0])?, state: frame(&state)? });
    LocalSet::new().run_until(accept(answers)).await
}

async fn accept(answers: Rc<Answers>) -> Outcome<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    println!("address {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = Rc::clone(&answers);
        spawn_local(async move {
            // Who leaves early needs no answer.
            let _ = answer(stream, &answers).await;
        });
    }
}

async fn answer(stream: TcpStream, answers: &Answers) -> Outcome<()> {
    let (mut reader, writer) = stream.into_split();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if !fill(&mut reader, &mut bytes).await? {
            return Ok(());
        }
    }
    bytes.clear();
    write_all(writer.as_ref(), UPGRADED).await?;
    write_all(writer.as_ref(), &answers.question).await?;
    let mut is_told = false;
    while fill(&mut reader, &mut bytes).await? {
        while let Some((_, length)) = masked_payload(&bytes) {
            bytes.drain(..length);
            if !is_told {
                write_all(writer.as_ref(), &answers.state).await?;
                is_told = true;
            }
        }
    }
    Ok(())
}

const UPGRADED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
