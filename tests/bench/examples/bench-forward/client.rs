//! A participant with an engine and a socket of its own.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Instant, SystemTime};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::arrival;
use crate::{DATAGRAM, Outcome};

pub(crate) struct Client {
    rtc: Rtc,
    pub(crate) socket: UdpSocket,
    address: SocketAddr,
    pub(crate) mid: Mid,
    pub(crate) offer: String,
    pending: Option<SdpPendingOffer>,
    pub(crate) due: Instant,
    pub(crate) is_connected: bool,
    pub(crate) received: u64,
    /// The latest moment that the engine was told.
    now: Instant,
    published: u64,
    wants_keyframe: bool,
    /// Datagrams that leave together, and how long each is.
    burst: Vec<u8>,
    segment: usize,
}

impl Client {
    pub(crate) fn new(server: SocketAddr, direction: Direction) -> Outcome<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(BUFFER)?;
        arrival::stamp(&socket)?;
        let (address, now) = (socket.local_addr()?, Instant::now());
        let mut rtc = Rtc::builder().set_rtp_mode(true).build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        let mut api = rtc.sdp_api();
        let mid = api.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending) = api.apply().ok_or("nothing to offer")?;
        let (offer, pending) = (offer.to_sdp_string(), Some(pending));
        Ok(Self {
            rtc,
            socket,
            address,
            mid,
            offer,
            pending,
            due: now,
            is_connected: false,
            received: 0,
            now,
            published: 0,
            wants_keyframe: true,
            burst: Vec::new(),
            segment: 0,
        })
    }

    pub(crate) fn accept(&mut self, answer: &str) -> Outcome<()> {
        let answer = SdpAnswer::from_sdp_string(answer)?;
        let pending = self.pending.take().ok_or("an answer too many")?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.drain(Instant::now())
    }

    /// Takes what has arrived. Its time is the kernel's: this thread looks after hundreds of participants, and must not look like a slow path.
    pub(crate) fn receive(&mut self) -> Outcome<()> {
        let mut room = [0; 2_048];
        let (now, wall, server) = (Instant::now(), SystemTime::now(), self.socket.peer_addr()?);
        loop {
            let (length, at) = match arrival::receive(&self.socket, &mut room) {
                Ok(arrived) => arrived,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let age = at.and_then(|at| wall.duration_since(at).ok()).unwrap_or_default();
            self.now = self.now.max(now.checked_sub(age).unwrap_or(now));
            let bytes = room.get(..length).unwrap_or_default();
            let receive = Receive::new(Protocol::Udp, server, self.address, bytes)?;
            self.rtc.handle_input(Input::Receive(self.now, receive))?;
            self.drain(self.now)?;
        }
    }

    pub(crate) fn tick(&mut self, now: Instant) -> Outcome<()> {
        self.now = self.now.max(now);
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(now)
    }

    /// Publishes so many packets at once: VP8 of one frame, all of the same length.
    pub(crate) fn publish(&mut self, burst: usize) -> Outcome<()> {
        let (now, frame) = (Instant::now(), self.published);
        let params = self.rtc.codec_config().params();
        let pt = params.iter().find(|params| params.spec().codec == Codec::Vp8).ok_or("no VP8")?.pt();
        let is_key = std::mem::take(&mut self.wants_keyframe);
        let frame = u16::try_from((frame / u64::try_from(burst)?) & 0x7fff)?;
        let [high, low] = frame.to_be_bytes();
        for index in 0..burst {
            let start = if index == 0 { 0x90 } else { 0x80 };
            let mut payload = vec![start, 0xe0, 0x80 | high, low, low, 0x20, u8::from(!is_key)];
            payload.resize(PAYLOAD, 0);
            let time = u32::from(frame).wrapping_mul(90 * 32);
            let packet = RtpWrite::new(pt, self.published.into(), time, now, payload).marker(index + 1 == burst);
            self.published += 1;
            self.rtc.direct_api().stream_tx_by_mid(self.mid, None).ok_or("no stream")?.write_rtp(packet);
        }
        self.tick(now)
    }

    fn drain(&mut self, now: Instant) -> Outcome<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Transmit(transmit) if transmit.contents.len() > DATAGRAM / 2 => {
                    self.gather(&transmit.contents)?
                }
                Output::Transmit(transmit) => {
                    self.socket.send(&transmit.contents)?;
                }
                Output::Event(Event::Connected) => self.is_connected = true,
                Output::Event(Event::RtpPacket(_)) => self.received += 1,
                Output::Event(Event::KeyframeRequest(_)) => self.wants_keyframe = true,
                Output::Event(_) => {}
                Output::Timeout(at) if at <= now => self.rtc.handle_input(Input::Timeout(now))?,
                Output::Timeout(at) => {
                    self.due = at;
                    return self.send_burst();
                }
            }
        }
    }

    /// Media leaves in runs of equal length, so that a burst arrives as one.
    fn gather(&mut self, datagram: &[u8]) -> Outcome<()> {
        if self.segment != datagram.len() || self.burst.len() + datagram.len() > LONGEST {
            self.send_burst()?;
        }
        if self.segment != datagram.len() {
            self.segment = datagram.len();
            set_segment(&self.socket, self.segment)?;
        }
        self.burst.extend_from_slice(datagram);
        Ok(())
    }

    fn send_burst(&mut self) -> Outcome<()> {
        if !self.burst.is_empty() {
            self.socket.send(&self.burst)?;
            self.burst.clear();
        }
        Ok(())
    }
}

/// Whatever is longer is cut into datagrams of this length by the kernel.
#[expect(unsafe_code, reason = "no safe wrapper knows the option")]
fn set_segment(socket: &UdpSocket, length: usize) -> Outcome<()> {
    let value = libc::c_int::try_from(length)?;
    let size = libc::socklen_t::try_from(size_of::<libc::c_int>())?;
    let (descriptor, place) = (socket.as_raw_fd(), (&raw const value).cast());
    // SAFETY: the descriptor is open while it is borrowed, and `value` is as long as we say.
    let result = unsafe { libc::setsockopt(descriptor, libc::SOL_UDP, libc::UDP_SEGMENT, place, size) };
    if result < 0 { Err(io::Error::last_os_error().into()) } else { Ok(()) }
}

/// With header, extensions and the cipher's tag it makes a datagram of about [`DATAGRAM`].
const PAYLOAD: usize = DATAGRAM - 50;

/// Bytes that one send may have.
const LONGEST: usize = 60_000;

/// Bytes that may wait in the kernel.
const BUFFER: usize = 1 << 20;
