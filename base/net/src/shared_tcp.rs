use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP stream that one task owns, and to which any thread may write whole frames through a [`FrameWriter`].
///
/// Handing a frame to a task costs a wake-up, and waking a thousand tasks to say one thing costs more than saying it. Whoever has
/// the frame therefore tries to write it; only what the kernel does not take at once is left to the owner. Frames never mix: a
/// frame is begun only after the one before it has been written to its end.
#[derive(Debug)]
pub struct SharedTcp {
    shared: Arc<Shared>,
}

/// Writes whole frames to a [`SharedTcp`]. Does not keep it open.
#[derive(Debug, Clone)]
pub struct FrameWriter {
    shared: Weak<Shared>,
}

/// How far a frame got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The kernel has it.
    Written,
    /// The kernel has its beginning; the owner must flush the stream, which writes the rest.
    Begun,
    /// Nothing was written: the kernel takes no more, another frame is not complete yet, or the stream is gone.
    Refused,
}

#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    gate: Mutex<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    /// The rest of a frame that a [`FrameWriter`] began.
    rest: Vec<u8>,
    /// Bytes of the owner's last write that were not taken, so that the owner is in the middle of something.
    owner_left: usize,
}

impl SharedTcp {
    /// Takes over a stream.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { shared: Arc::new(Shared { stream, gate: Mutex::default() }) }
    }

    /// For other threads.
    #[must_use]
    pub fn frame_writer(&self) -> FrameWriter {
        FrameWriter { shared: Arc::downgrade(&self.shared) }
    }

    /// Writes what a frame writer began; then `write`, once, if given.
    fn poll_gate(&self, context: &mut Context<'_>, write: Option<&[u8]>) -> Poll<io::Result<usize>> {
        loop {
            let result = {
                let mut gate = self.shared.gate();
                match gate.write_rest(&self.shared.stream) {
                    Ok(()) => match write {
                        Some(bytes) => gate.write_own(&self.shared.stream, bytes),
                        None => Ok(0),
                    },
                    Err(error) => Err(error),
                }
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.shared.stream.poll_write_ready(context))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }
}

impl FrameWriter {
    /// Tries to write a whole frame. Only for streams whose owner has handed over to frames: it must not be in the middle of anything
    /// else, such as an HTTP response.
    #[must_use]
    pub fn try_write(&self, frame: &[u8]) -> Attempt {
        let Some(shared) = self.shared.upgrade() else { return Attempt::Refused };
        let mut gate = shared.gate();
        if !gate.rest.is_empty() || gate.owner_left > 0 {
            return Attempt::Refused;
        }
        match shared.stream.try_write(frame) {
            Ok(count) if count == frame.len() => Attempt::Written,
            Ok(count) => {
                gate.rest.extend_from_slice(frame.get(count..).unwrap_or_default());
                Attempt::Begun
            }
            // The owner meets the error itself when it reads.
            Err(_) => Attempt::Refused,
        }
    }
}

impl Shared {
    /// A panic while holding the lock cannot leave the gate half changed.
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    fn write_rest(&mut self, stream: &TcpStream) -> io::Result<()> {
        while !self.rest.is_empty() {
            let count = stream.try_write(&self.rest)?;
            self.rest.drain(..count);
        }
        if self.rest.capacity() > 0 {
            self.rest = Vec::new();
        }
        Ok(())
    }

    fn write_own(&mut self, stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let count = stream.try_write(bytes)?;
        self.owner_left = bytes.len() - count;
        Ok(count)
    }
}

impl AsyncRead for SharedTcp {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = &self.shared.stream;
        loop {
            ready!(stream.poll_read_ready(context))?;
            match stream.try_read_buf(buffer) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for SharedTcp {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_gate(context, Some(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_gate(context, None).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_gate(context, None))?;
        let stream = socket2::SockRef::from(&self.shared.stream);
        Poll::Ready(stream.shutdown(std::net::Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (SharedTcp, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (ours, _) = listener.accept().await.unwrap();
        (SharedTcp::new(ours), theirs)
    }

    /// One frame: its number, its length, and that many copies of the number.
    fn frame(number: u8, length: u32) -> Vec<u8> {
        let mut frame = vec![number];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend(std::iter::repeat_n(number, length as usize));
        frame
    }

    async fn read_frame(stream: &mut TcpStream) -> u8 {
        let number = stream.read_u8().await.unwrap();
        let mut body = vec![0; stream.read_u32().await.unwrap() as usize];
        stream.read_exact(&mut body).await.unwrap();
        assert!(body.iter().all(|byte| *byte == number), "frames are mixed");
        number
    }

    #[tokio::test]
    async fn frames_of_owner_and_writers_never_mix() {
        let (mut ours, mut theirs) = pair().await;
        // The kernel tells a task that polls that it takes something.
        ours.write_all(&frame(0, 10)).await.unwrap();
        let writer = ours.frame_writer();
        // Until the kernel takes no more.
        let mut begun = 1;
        let attempt = loop {
            let attempt = writer.try_write(&frame(begun, 100_000));
            if attempt != Attempt::Written {
                break attempt;
            }
            begun += 1;
        };
        assert_eq!(writer.try_write(&frame(99, 1)), Attempt::Refused, "the one before is not complete");
        let owner = tokio::spawn(async move {
            ours.flush().await.unwrap();
            ours.write_all(&frame(200, 1_000_000)).await.unwrap();
            ours
        });
        let mut got = Vec::new();
        while got.last() != Some(&200) {
            got.push(read_frame(&mut theirs).await);
        }
        let whole = if attempt == Attempt::Begun { begun } else { begun - 1 };
        assert_eq!(got, (0..=whole).chain([200]).collect::<Vec<_>>());
        let ours = owner.await.unwrap();
        assert_eq!(writer.try_write(&frame(7, 7)), Attempt::Written);
        assert_eq!(read_frame(&mut theirs).await, 7);
        drop(ours);
        assert_eq!(writer.try_write(&frame(8, 8)), Attempt::Refused, "the stream is gone");
        assert_eq!(theirs.read(&mut [0; 8]).await.unwrap(), 0, "and closed");
    }

    #[tokio::test]
    async fn an_owner_in_the_middle_of_a_write_is_not_interrupted() {
        let (mut ours, mut theirs) = pair().await;
        let writer = ours.frame_writer();
        let large = frame(1, 30_000_000);
        let count = ours.write(&large).await.unwrap();
        assert!(count < large.len(), "the kernel took everything");
        assert_eq!(writer.try_write(&frame(2, 2)), Attempt::Refused);
        let owner = tokio::spawn(async move {
            ours.write_all(&large[count..]).await.unwrap();
            ours
        });
        assert_eq!(read_frame(&mut theirs).await, 1);
        let _ours = owner.await.unwrap();
        assert_eq!(writer.try_write(&frame(2, 2)), Attempt::Written);
        assert_eq!(read_frame(&mut theirs).await, 2);
    }
}
