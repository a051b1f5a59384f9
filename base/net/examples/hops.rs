//! What a hop costs: one datagram received and one sent, per second of the server thread's CPU time, next to a bare loop with the same
//! system calls. `cargo run --profile dist -p stoa-base-net --example hops`
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement may panic")]
#![expect(clippy::print_stdout, reason = "prints a table")]
#![expect(clippy::disallowed_methods, reason = "measures time")]
#![expect(unsafe_code, reason = "the bare loop is made of system calls")]

use std::mem::zeroed;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stoa_base_net::{BindOptions, Context, Datagram, Features, Group, Handler, SocketId};

/// Sends everything back, or on from a socket of the client's own as a relay does.
struct Hop {
    forwards: bool,
    egress: Vec<Option<SocketId>>,
}

impl Handler for Hop {
    fn claims(&self, _: &[u8], _: SocketAddr) -> bool {
        true
    }

    fn handle_datagram(&mut self, context: &mut Context<'_>, datagram: Datagram<'_>) {
        if !self.forwards {
            return context.send(datagram.socket, datagram.from, datagram.local, &[datagram.bytes]);
        }
        let egress = &mut self.egress[usize::from(datagram.from.port())];
        let socket = *egress
            .get_or_insert_with(|| context.bind("127.0.0.1:0".parse().unwrap(), BindOptions::default()).unwrap());
        context.send(socket, datagram.from, None, &[datagram.bytes]);
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

#[derive(Clone, Copy)]
struct Load {
    forwards: bool,
    burst: usize,
    length: usize,
}

fn main() {
    println!("{:8} {:>5} {:>6} {:>12} {:>12} {:>6}", "", "burst", "bytes", "ours hops/s", "bare hops/s", "ratio");
    for forwards in [false, true] {
        for (burst, length) in [(1, 160), (4, 160), (8, 160), (1, 1200), (8, 1200)] {
            let load = Load { forwards, burst, length };
            let (mut ours, mut bare) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                ours.push(measure_ours(load));
                bare.push(measure_bare(load));
            }
            let (ours, bare) = (median(ours), median(bare));
            let name = if forwards { "forward" } else { "echo" };
            println!("{name:8} {burst:5} {length:6} {ours:12.0} {bare:12.0} {:6.2}", ours / bare);
        }
    }
}

fn measure_ours(load: Load) -> f64 {
    let make = move |_| -> Vec<Box<dyn Handler>> {
        vec![Box::new(Hop { forwards: load.forwards, egress: vec![None; 65_536] })]
    };
    let group = Group::start_with(&["127.0.0.1:0".parse().unwrap()], 1, Features::ALL, make).unwrap();
    let result = drive(load, group.addresses()[0], "stoa-media-0");
    group.stop();
    result
}

fn measure_bare(load: Load) -> f64 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
    set(&socket, libc::UDP_GRO, 1);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::Builder::new().name("bare".into());
    let thread = thread.spawn(move || bare_loop(&socket, load.forwards, &stopped)).unwrap();
    let result = drive(load, address, "bare");
    stop.store(true, Ordering::Relaxed);
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"end", address).unwrap();
    thread.join().unwrap();
    result
}

/// Clients that each send a burst and wait until all came back; hops per second of the server thread's time.
fn drive(load: Load, server: SocketAddr, thread: &str) -> f64 {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            if load.burst > 1 {
                set(&socket, libc::UDP_SEGMENT, i32::try_from(load.length).unwrap());
            }
            set(&socket, libc::UDP_GRO, 1);
            socket
        })
        .collect();
    let payload = vec![7; load.length * load.burst];
    let mut buffer = vec![0; 65_536];
    let mut round = || {
        for client in &clients {
            client.send_to(&payload, server).unwrap();
        }
        for client in &clients {
            let mut left = payload.len();
            while left > 0 {
                left -= client.recv(&mut buffer).expect("a datagram is lost");
            }
        }
    };
    (0..50).for_each(|_| round());
    let (start, before) = (Instant::now(), cpu_time(thread));
    let mut hops = 0.0;
    while start.elapsed() < SPAN {
        round();
        hops += f64::from(u32::try_from(CLIENTS * load.burst).unwrap());
    }
    hops / (cpu_time(thread) - before).as_secs_f64()
}

/// The bare loop: epoll, recvmmsg with GRO, and what came goes out from where it lies.
fn bare_loop(socket: &UdpSocket, forwards: bool, stop: &AtomicBool) {
    let mut egress: Vec<Option<UdpSocket>> = Vec::new();
    egress.resize_with(65_536, || None);
    let mut bytes = vec![[0u8; 67_712]; BATCH];
    // SAFETY: plain C data; the pointers in there are set before each call to buffers that outlive it.
    unsafe {
        let epoll = libc::epoll_create1(0);
        let mut event = libc::epoll_event { events: libc::EPOLLIN.cast_unsigned(), u64: 0 };
        assert_eq!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &raw mut event), 0);
        let mut names: Vec<libc::sockaddr_in> = vec![zeroed(); BATCH];
        let mut controls = vec![[0u64; 8]; BATCH];
        let mut iovecs: Vec<libc::iovec> = vec![zeroed(); BATCH];
        let mut headers: Vec<libc::mmsghdr> = vec![zeroed(); BATCH];
        while !stop.load(Ordering::Relaxed) {
            libc::epoll_wait(epoll, &raw mut event, 1, -1);
            for index in 0..BATCH {
                iovecs[index] = libc::iovec { iov_base: bytes[index].as_mut_ptr().cast(), iov_len: 65_535 };
                let header = &mut headers[index].msg_hdr;
                header.msg_name = (&raw mut names[index]).cast();
                header.msg_namelen = 16;
                header.msg_iov = &raw mut iovecs[index];
                header.msg_iovlen = 1;
                header.msg_control = controls[index].as_mut_ptr().cast();
                header.msg_controllen = 64;
            }
            let fd = socket.as_raw_fd();
            let count = libc::recvmmsg(fd, headers.as_mut_ptr(), 32, libc::MSG_DONTWAIT, std::ptr::null_mut());
            let count = usize::try_from(count).unwrap_or_default();
            for index in 0..count {
                let header = &mut headers[index];
                iovecs[index].iov_len = header.msg_len as usize;
                let control: *mut libc::cmsghdr = header.msg_hdr.msg_control.cast();
                if header.msg_hdr.msg_controllen > 0 {
                    // The same message means the same on the way out, but for the type and the width.
                    (*control).cmsg_type = libc::UDP_SEGMENT;
                    (*control).cmsg_len = 18;
                }
                if forwards {
                    let port = usize::from(u16::from_be(names[index].sin_port));
                    let out = egress[port].get_or_insert_with(|| UdpSocket::bind("127.0.0.1:0").unwrap());
                    libc::sendmsg(out.as_raw_fd(), &raw const header.msg_hdr, libc::MSG_DONTWAIT);
                }
            }
            if !forwards {
                libc::sendmmsg(fd, headers.as_mut_ptr(), u32::try_from(count).unwrap(), libc::MSG_DONTWAIT);
            }
        }
        libc::close(epoll);
    }
}

/// What a thread of this process has used so far, from the scheduler's own books.
fn cpu_time(thread: &str) -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let of_that_name = |task: &std::path::PathBuf| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == thread)
    };
    let task = tasks.into_iter().find(of_that_name).unwrap();
    let books = std::fs::read_to_string(task.join("schedstat")).unwrap();
    Duration::from_nanos(books.split(' ').next().unwrap().parse().unwrap())
}

fn set(socket: &UdpSocket, option: i32, value: i32) {
    // SAFETY: the descriptor is open and the value as long as we say.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, option, (&raw const value).cast(), 4) };
    assert_eq!(result, 0);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Flows at a time.
const CLIENTS: usize = 32;

const BATCH: usize = 32;

/// Of each kind, in turn.
const ROUNDS: usize = 5;

const SPAN: Duration = Duration::from_millis(400);
